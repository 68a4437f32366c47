//! How patient somebody asked to be.

/// How patient somebody asked to be, and what follows for each sort of trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    asked: Option<u32>,
}

impl Patience {
    /// Waits for that many seconds for what may pass by itself, whatever it is; none is by what each is known to take.
    pub fn of(asked: Option<u32>) -> Patience {
        Patience { asked }
    }

    /// Returns the seconds that somebody asked for, or the usual ones.
    pub(crate) fn or(self, usual: i64) -> i64 {
        self.asked.map_or(usual, i64::from)
    }
}
