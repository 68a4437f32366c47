//! What the tests share beyond the workloads: changes with a reason, what must not change, a terminal.

use std::thread;
use std::time::Duration;

pub use crate::{A_WHILE, broken, json_lines, quiet, roll, uids};
use crate::{KINDS, LONG, Running, assert_code, observed};
use cluster::{Cluster, Namespace, Output, Part};
pub use rexpect::process::Signal;
use rexpect::session::{PtySession, spawn_command};
use serde_json::{Value, json};

/// The annotation that holds the reason of a change.
pub const CAUSE: &str = "kubernetes.io/change-cause";

/// Returns the name under which kubectl prints a workload called `web`.
pub fn qualified(kind: &str) -> String {
    format!("{kind}.apps/web")
}

/// Does something with each kind at once: most of the time is spent on waiting.
pub fn for_each_kind(check: impl Fn(&'static str) + Sync) {
    thread::scope(|scope| {
        for kind in KINDS {
            let check = &check;
            scope.spawn(move || check(kind));
        }
    });
}

/// Changes the image and the reason in one write, and waits for the controller to record the revision.
pub fn change(ns: &Namespace<'_>, target: &str, image: &str, cause: &str) {
    let patch = json!({
        "metadata": { "annotations": { CAUSE: cause } },
        "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": image }] } } },
    });
    ns.kubectl(&["patch", target, "--type", "strategic", "-p", &patch.to_string()]).expect_ok();
    observed(ns, target);
}

/// Changes the pod template.
pub fn change_template(ns: &Namespace<'_>, target: &str, template: &Value) {
    let patch = json!({ "spec": { "template": template } });
    ns.kubectl(&["patch", target, "--type", "strategic", "-p", &patch.to_string()]).expect_ok();
    observed(ns, target);
}

/// Runs `kubectl rollback` with these words.
#[track_caller]
pub fn rollback(ns: &Namespace<'_>, words: &[&str]) -> Output {
    ns.kubectl(&[&["rollback"], words].concat())
}

/// Returns what a write of somebody changes and a late word of a controller does not: a status moves `resourceVersion`.
pub fn version(ns: &Namespace<'_>, target: &str) -> (Value, Value, Value) {
    let mut object = ns.get(&[target]);
    (object["metadata"]["generation"].take(), object["spec"].take(), object["metadata"]["annotations"].take())
}

/// Returns an annotation of a workload.
pub fn annotation(ns: &Namespace<'_>, target: &str, key: &str) -> Value {
    ns.get(&[target])["metadata"]["annotations"][key].clone()
}

/// Runs something while a plugin waits, and returns what became of the plugin.
pub fn meanwhile(ns: &Namespace<'_>, words: &[&str], act: impl FnOnce()) -> Output {
    thread::scope(|scope| {
        let plugin = scope.spawn(|| rollback(ns, words));
        act();
        plugin.join().unwrap_or_else(|_| panic!("{words:?} could not be run"))
    })
}

/// A terminal of 80 columns in which `kubectl rollback` runs.
pub struct Terminal(PtySession);

impl Terminal {
    /// Starts the plugin.
    pub fn start(ns: &Namespace<'_>, words: &[&str]) -> Terminal {
        Terminal::of("rollback", ns, words)
    }

    /// Starts a plugin.
    pub fn of(plugin: &str, ns: &Namespace<'_>, words: &[&str]) -> Terminal {
        let mut command = ns.cluster().command("sh");
        let script = "stty cols 80 rows 24; exec kubectl \"$@\"";
        command.args(["-c", script, "sh", plugin]).args(words).args(["-n", ns.name()]).env("TERM", "xterm");
        let limit = u64::try_from(LONG.as_millis()).ok();
        Terminal(spawn_command(command, limit).unwrap_or_else(|error| panic!("no terminal: {error}")))
    }

    /// Runs a line of a shell with the streams that it says.
    pub fn shell(ns: &Namespace<'_>, line: &str) -> Terminal {
        let mut command = ns.cluster().command("sh");
        let context = format!("kubectl() {{ command kubectl \"$@\" -n {}; }}; ", ns.name());
        command.args(["-c", &format!("stty cols 80 rows 24; {context}{line}")]).env("TERM", "xterm");
        let limit = u64::try_from(LONG.as_millis()).ok();
        Terminal(spawn_command(command, limit).unwrap_or_else(|error| panic!("no terminal: {error}")))
    }

    /// Sends a signal to what runs there.
    pub fn signal(&mut self, signal: Signal) {
        self.0.process_mut().signal(signal).unwrap_or_else(|error| panic!("no signal: {error}"));
    }

    /// Waits until the text is shown, and returns what was shown before it.
    #[track_caller]
    pub fn shows(&mut self, text: &str) -> String {
        self.0.exp_string(text).unwrap_or_else(|error| panic!("{text:?} is not shown: {error}"))
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        self.0.send_line(line).unwrap_or_else(|error| panic!("cannot type: {error}"));
    }

    /// Waits for the end, and returns the rest of what was shown and the exit code.
    #[track_caller]
    pub fn ends(mut self) -> (String, i32) {
        let rest = self.0.exp_eof().unwrap_or_else(|error| panic!("does not end: {error}"));
        // What was read is one character a byte.
        let rest = String::from_utf8_lossy(&rest.chars().map(|c| c as u8).collect::<Vec<_>>()).into_owned();
        match self.0.process().wait() {
            Ok(rexpect::process::WaitStatus::Exited(_, code)) => (rest, code),
            Ok(rexpect::process::WaitStatus::Signaled(_, signal, _)) => (rest, 128 + signal as i32),
            other => panic!("ended with {other:?} after {rest}"),
        }
    }
}

/// Waits until what happens next bears another time: the API keeps whole seconds.
pub fn next_second() {
    thread::sleep(Duration::from_millis(1_100));
}

/// Kills the API server under a driver and starts it again: the driver goes on, and ends well.
#[track_caller]
pub fn outlives_its_server(cluster: &Cluster, driver: Running) {
    cluster.stop(Part::ApiServer).unwrap_or_else(|error| panic!("{error}"));
    driver.says("the API server does not answer (");
    cluster.restart(Part::ApiServer).unwrap_or_else(|error| panic!("{error}"));
    driver.says("the API server answers again");
    assert_code(&driver.ends(), 0);
}
