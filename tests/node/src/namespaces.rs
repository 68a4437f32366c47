//! Namespaces of this process's own: what happens in them is not seen outside of them, and ends with them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cluster::code;

use crate::cgroups;

/// Tells a process that it is inside, and in which folder it may write.
const INSIDE: &str = "NODE_TESTS_FOLDER";

const UNSHARE: [&str; 9] = [
    "--net",
    "--mount",
    "--pid",
    "--uts",
    "--ipc",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation=slave",
];

/// What nodes need of a kernel, tried in a folder: a network, what [`furnish`] mounts, images in layers, and the kernel's log.
const TRIAL: &str = r#"set -e
ip link set lo up
ip link add br0 type bridge
ip link add a0 type veth peer name b0
mount -t tmpfs tmpfs /run
cd "$1"
mkdir lower upper work merged
mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" merged
touch value
mount --bind value /proc/sys/vm/overcommit_memory
: < /dev/kmsg
"#;

pub(crate) fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("real nodes need root".into());
    }
    let there = |program: &str, word: &str| Command::new(program).arg(word).output().is_ok();
    if let Some((program, _)) =
        [("unshare", "-V"), ("ip", "-V"), ("mount", "-V"), ("go", "version"), ("cc", "--version")]
            .into_iter()
            .find(|(program, word)| !there(program, word))
    {
        return Some(format!("real nodes need the program {program}"));
    }
    let why = try_namespaces().and_then(|()| cgroups::attempt()).err()?;
    let lines: Vec<&str> = why.lines().map(str::trim).collect();
    Some(format!("real nodes cannot be had here: {}", lines.join(" ")))
}

fn try_namespaces() -> Result<(), String> {
    let folder = tempdir().map_err(|error| error.to_string())?;
    let mut trial = Command::new("unshare");
    trial.args(UNSHARE).args(["sh", "-c", TRIAL, "sh"]).arg(folder.path());
    let output = trial.output().map_err(|error| format!("unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn tempdir() -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("node-").tempdir()
}

/// Returns the folder in which this process may write, when it is inside.
#[must_use]
pub fn inside() -> Option<PathBuf> {
    env::var_os(INSIDE).map(PathBuf::from)
}

/// Runs this program once more with the same arguments, inside, and returns its exit code. Nothing of it is left afterwards, also
/// where this process is killed.
///
/// # Errors
///
/// When that is not possible.
pub fn enter() -> Result<i32, String> {
    let this = env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    let folder = tempdir().map_err(|error| error.to_string())?.keep();
    let mut janitor = Janitor::start(&folder).map_err(|error| format!("sh: {error}"))?;
    for node in crate::lab::NODES {
        cgroups::make(&group(&folder, node))?;
    }
    // The first process of the namespaces has to wait for those that others leave behind, and a shell does.
    let mut child = Command::new("unshare")
        .args(UNSHARE)
        .args(["sh", "-c", "\"$@\"; exit $?", "sh"])
        .arg(this)
        .args(args)
        .env(INSIDE, &folder)
        .env("TMPDIR", &folder)
        .spawn()
        .map_err(|error| format!("unshare: {error}"))?;
    janitor.tell(&child.id().to_string());
    let status = child.wait().map_err(|error| format!("unshare: {error}"))?;
    janitor.tell("it is over");
    drop(janitor);
    Ok(code(status))
}

/// The control group of a node's pods, as the folder of this run is called.
pub(crate) fn group(folder: &Path, node: &str) -> String {
    format!("{}-{node}", folder.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes the groups and the folder when this process is gone, however it ends, and ends what is inside if that is not over.
struct Janitor(Child);

impl Janitor {
    fn start(folder: &Path) -> std::io::Result<Self> {
        let script = format!(
            "trap '' HUP INT TERM; read -r first && {{ read -r _ || kill -s KILL \"$first\"; }}; {}; rm -rf \"$1\"",
            cgroups::remove(&group(folder, ""))
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "janitor"]).arg(folder).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.spawn().map(Self)
    }

    /// Tells it which process is the first one of the namespaces, and then that that has ended.
    fn tell(&mut self, line: &str) {
        let _ = self.0.stdin.as_mut().map(|stdin| writeln!(stdin, "{line}"));
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        // `wait` closes the pipe.
        let _ = self.0.wait();
    }
}

/// What a kubelet makes of the machine: what it would write of it is written to files of its own.
const TUNED: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Makes a network of these addresses, and hides what programs write to fixed places of the machine.
pub(crate) fn furnish(folder: &Path, addresses: &[&str]) -> Result<(), String> {
    let mut script = "set -e\nip link set lo up\nip link add br0 type bridge\n".to_string();
    for address in addresses {
        script.push_str(&format!("ip addr add {address}/16 dev br0\n"));
    }
    script.push_str("ip link set br0 up\n");
    for hidden in ["/run", "/var/lib", "/var/log"] {
        script.push_str(&format!("mount -t tmpfs tmpfs {hidden}\n"));
    }
    let tuned = folder.join("tuned");
    fs::create_dir_all(&tuned).map_err(|error| error.to_string())?;
    for (name, value) in TUNED {
        let file = tuned.join(name.replace('/', "-"));
        fs::write(&file, format!("{value}\n")).map_err(|error| error.to_string())?;
        script.push_str(&format!("mount --bind {} /proc/sys/{name}\n", file.display()));
    }
    let output = Command::new("sh").args(["-c", &script]).output().map_err(|error| format!("sh: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("the namespaces cannot be furnished: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
