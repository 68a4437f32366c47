//! Who drives a rollout from here.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use rollout_core::stored::Holder;

/// Returns this call as the holder of a rollout, always the same one.
pub fn holder() -> Holder {
    static HOLDER: OnceLock<Holder> = OnceLock::new();
    HOLDER.get_or_init(|| holder_of(RandomState::new())).clone()
}

/// A host and a process id come again, in every container: as in client-go's leader election chance tells drivers apart.
fn holder_of(chance: RandomState) -> Holder {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let number = chance.hash_one((std::process::id(), std::time::SystemTime::now()));
    Holder { identity: format!("{host}_{number:016x}"), host, user: user() }
}

fn user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "somebody".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_itself_and_nobody_else_even_with_the_same_process_id() {
        assert_eq!(holder(), holder());
        let (first, second) = (holder_of(RandomState::new()), holder_of(RandomState::new()));
        assert_ne!(first, second);
        assert_eq!((first.host, first.user), (second.host, second.user));
    }
}
