//! How patient somebody asks to be with what may pass by itself.

use std::time::Duration;

use clap::Args;
use kubectl_terminal::duration;
use rollout_core::snapshot::Patience;

/// The flag of every verb that judges a rollout.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct PatienceArgs {
    /// How long what may pass by itself may last before it fails the rollout, whatever it is [default: by what each takes,
    /// a minute for most]
    #[arg(long = "patience", value_name = "DURATION", value_parser = duration::parse)]
    asked: Option<Duration>,
}

impl PatienceArgs {
    /// Returns what was asked for: whole seconds, rounded up; 0 is no patience at all.
    pub fn patience(self) -> Patience {
        let seconds = |asked: Duration| asked.as_secs() + u64::from(asked.subsec_nanos() > 0);
        Patience::of(self.asked.map(|asked| u32::try_from(seconds(asked)).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Verb {
        #[command(flatten)]
        patience: PatienceArgs,
    }

    #[test]
    fn it_is_a_duration_in_whole_seconds_and_may_be_none_at_all() {
        let asked = |words: &[&str]| {
            let words = ["verb"].iter().chain(words);
            Verb::try_parse_from(words).map(|verb| verb.patience.patience()).map_err(|error| error.kind())
        };
        assert_eq!(asked(&[]), Ok(Patience::default()));
        assert_eq!(asked(&["--patience", "90s"]), Ok(Patience::of(Some(90))));
        assert_eq!(asked(&["--patience=1ms"]), Ok(Patience::of(Some(1))));
        assert_eq!(asked(&["--patience", "0"]), Ok(Patience::of(Some(0))));
        assert_eq!(asked(&["--patience", "1000000h"]), Ok(Patience::of(Some(3_600_000_000))));
        assert_eq!(asked(&["--patience", "2000000h"]), Ok(Patience::of(Some(u32::MAX))));
        assert!(asked(&["--patience", "90"]).is_err() && asked(&["--patience=-5s"]).is_err());
    }
}
