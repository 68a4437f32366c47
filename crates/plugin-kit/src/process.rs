//! Which process drives a rollout, so that another one can tell whether it is still there.

use std::process::Command;

use rollout_core::steps::Holder;

/// Returns this process as the holder of a rollout.
pub fn holder() -> Holder {
    let pid = std::process::id();
    Holder { host: host(), pid, started: started(pid).unwrap_or_default(), user: user() }
}

/// Tells whether a holder is a process of this machine that is there no more; of other machines nothing is known.
pub fn is_gone(holder: &Holder) -> bool {
    holder.host == host() && started(holder.pid).is_none_or(|started| started != holder.started)
}

fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

fn user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "somebody".to_string())
}

/// Returns when a process started, in its system's own words: a process id comes again, together with a time it does not.
fn started(pid: u32) -> Option<String> {
    of_proc(pid).or_else(|| of_ps(pid))
}

/// The 22nd field of `/proc/PID/stat` (proc(5)); the second one, in brackets, may hold blanks and brackets itself.
fn of_proc(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    // A process that has ended and whose parent has not asked for it yet is gone.
    let is_zombie = fields.next()? == "Z";
    fields.nth(18).filter(|_| !is_zombie).map(str::to_string)
}

fn of_ps(pid: u32) -> Option<String> {
    let output = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_string();
    Some(text).filter(|text| output.status.success() && !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_one_that_ended_is_not() {
        let here = holder();
        assert!(!is_gone(&here), "{here:?}");
        let mut child = Command::new("true").spawn().unwrap();
        let ended = Holder { pid: child.id(), ..here.clone() };
        child.wait().unwrap();
        assert!(is_gone(&ended));
        assert!(is_gone(&Holder { started: "another time".into(), ..here.clone() }));
        assert!(!is_gone(&Holder { host: "elsewhere".into(), pid: 0, ..here }));
    }
}
