//! The table of exit codes. It holds no wording and ends no process.

use std::process::ExitCode;

use kubectl_terminal::signals::Signal;
use serde::{Serialize, Serializer};

/// The ways in which a verb can end, each with the code that scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// The verb did what was asked, or there was nothing to do (0).
    Done,
    /// The request failed: not found, forbidden, refused, no connection; `diff`: differs (1).
    Failed,
    /// The command line was wrong; `diff`: any trouble (2).
    Usage,
    /// The rollout failed, or the way back did (3).
    RolloutFailed,
    /// The time given ran out (4).
    TimedOut,
    /// The rollout failed and was undone (5).
    Undone,
    /// Somebody rolled out something else meanwhile (6).
    Superseded,
    /// Nothing more moves by itself (7).
    Held,
    /// Declined at the prompt, or stopped by a warning (8).
    NotDone,
    /// Interrupted from the keyboard (130).
    Interrupted,
    /// Asked to terminate (143).
    Terminated,
}

impl Exit {
    /// Lists every ending, the one that counts most first.
    ///
    /// `Usage` stands before the failures because it is also how `diff` says that it could not compare.
    pub const WORST_FIRST: [Exit; 11] = [
        Exit::Interrupted,
        Exit::Terminated,
        Exit::Usage,
        Exit::RolloutFailed,
        Exit::Failed,
        Exit::TimedOut,
        Exit::Superseded,
        Exit::Undone,
        Exit::NotDone,
        Exit::Held,
        Exit::Done,
    ];

    /// Returns the code that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::RolloutFailed => 3,
            Exit::TimedOut => 4,
            Exit::Undone => 5,
            Exit::Superseded => 6,
            Exit::Held => 7,
            Exit::NotDone => 8,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }

    /// Returns the signal that ended it.
    pub fn signal(self) -> Option<Signal> {
        match self {
            Exit::Interrupted => Some(Signal::Interrupt),
            Exit::Terminated => Some(Signal::Terminate),
            Exit::Done
            | Exit::Failed
            | Exit::Usage
            | Exit::RolloutFailed
            | Exit::TimedOut
            | Exit::Undone
            | Exit::Superseded
            | Exit::Held
            | Exit::NotDone => None,
        }
    }

    /// Returns the ending that counts for several objects, `Done` for none.
    pub fn worst_of(exits: impl IntoIterator<Item = Exit>) -> Exit {
        exits.into_iter().min_by_key(|exit| exit.rank()).unwrap_or(Exit::Done)
    }

    fn rank(self) -> usize {
        Exit::WORST_FIRST.iter().position(|&exit| exit == self).unwrap_or(usize::MAX)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Exit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ExitCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut codes = Exit::WORST_FIRST.map(Exit::code);
        codes.sort_unstable();
        schemars::json_schema!({"description": "An exit code of the process.", "type": "integer", "enum": codes})
    }
}

/// In documents it is its code.
impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

impl From<Signal> for Exit {
    fn from(signal: Signal) -> Exit {
        match signal {
            Signal::Interrupt => Exit::Interrupted,
            Signal::Terminate => Exit::Terminated,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_of_follows_the_documented_order() {
        let codes: Vec<u8> = Exit::WORST_FIRST.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [130, 143, 2, 3, 1, 4, 6, 5, 8, 7, 0]);
        for pair in Exit::WORST_FIRST.windows(2) {
            assert_eq!(Exit::worst_of([pair[1], pair[0]]), pair[0]);
            assert_eq!(Exit::worst_of([pair[0], pair[1], pair[1]]), pair[0]);
        }
    }

    #[test]
    fn worst_of_nothing_is_done() {
        assert_eq!(Exit::worst_of([]), Exit::Done);
    }
}
