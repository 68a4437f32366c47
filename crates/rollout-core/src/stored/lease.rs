//! Who drives a rollout: a lease, as in client-go's leader election. A process id says nothing in a container, on another
//! machine, or in a home that several share; that somebody has renewed what he holds does, everywhere.

use std::fmt;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stored::lease;

/// Seconds after which a driver that has written nothing renews its lease: seldom enough to cost nothing.
pub const RENEW: i64 = 20;
/// Seconds for which a lease holds: two renewals may be lost.
pub(super) const HOLDS: u32 = 60;

/// Who drives a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holder {
    /// What no other driver has.
    pub identity: String,
    /// The host it runs on, for people.
    pub host: String,
    /// Whose it is, for people.
    pub user: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.user, self.host)
    }
}

/// Since when somebody drives a rollout, by the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lease {
    /// When it was taken.
    pub acquired: Timestamp,
    /// When its holder said last that it is there.
    pub renewed: Timestamp,
    /// Seconds for which that holds.
    pub seconds: u32,
}

/// Who holds a rollout, and how old his word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who it is.
    pub holder: Holder,
    /// Seconds since it was taken.
    pub since: i64,
    /// Seconds since it was renewed.
    pub renewed: i64,
    /// Whether the lease is over.
    pub over: bool,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Held { holder, renewed, over, .. } = self;
        match over {
            false => write!(f, "held by {holder}, who renewed that {} ago", Age(*renewed)),
            true => write!(f, "left by {holder}, who has not renewed it for {}", Age(*renewed)),
        }
    }
}

/// Seconds as people say them.
struct Age(i64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ..120 => write!(f, "{}s", self.0),
            120..7200 => write!(f, "{}m", self.0 / 60),
            7200..172_800 => write!(f, "{}h", self.0 / 3600),
            172_800.. => write!(f, "{}d", self.0 / 86_400),
        }
    }
}

impl Held {
    /// Says that somebody else goes on.
    pub(crate) fn taken_over(&self) -> String {
        let Held { holder, since, renewed, .. } = self;
        format!(
            "taken over from {holder}, who holds it for {} and renewed that {} ago",
            Age(*since),
            Age(*renewed)
        )
    }
}

impl Lease {
    /// A lease that begins.
    pub(crate) fn begins(now: Timestamp) -> Lease {
        let now = lease::whole(now);
        Lease { acquired: now, renewed: now, seconds: HOLDS }
    }

    /// The lease of somebody who is still there.
    pub(crate) fn goes_on(self, now: Timestamp) -> Lease {
        Lease { renewed: lease::whole(now), seconds: HOLDS, ..self }
    }
}

/// Cuts a time to whole seconds, in which objects tell when they were created.
pub(crate) fn whole(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
