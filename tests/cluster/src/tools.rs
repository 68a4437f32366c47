//! Builds the control plane's programs from source, once for each state of their modules and each Go.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::version::{KUBERNETES, Version, source};

/// What is of the newest version in every control plane.
const FOR_ALL: [&str; 3] = ["server", "kubectl", "kwok"];

/// What a version of Kubernetes consists of here.
const OF_A_VERSION: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// How often a running build says how far it is.
const REPORT: Duration = Duration::from_secs(5);

/// Returns the root of this workspace.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// Where [`build`] puts the programs, whatever target folder cargo was told to use: they take minutes to build.
pub(crate) fn bin() -> PathBuf {
    workspace().join("target/controlplane/bin")
}

/// Builds the programs of the newest version where they are missing or out of date, and returns their folder.
pub fn build() -> Result<PathBuf> {
    let module = Module { name: "the control plane".into(), source: source(), bin: bin() };
    module.build(&[FOR_ALL, OF_A_VERSION].concat())?;
    Ok(module.bin)
}

/// Where the programs of a control plane are.
#[derive(Debug)]
pub struct Programs {
    newest: PathBuf,
    of_a_version: PathBuf,
}

impl Programs {
    /// Builds those of a version where they are missing or out of date.
    pub fn build(version: Version) -> Result<Self> {
        let newest = build()?;
        let source = version.source()?;
        if version == Version::newest()? {
            return Ok(Self { of_a_version: newest.clone(), newest });
        }
        let bin = workspace().join(format!("target/controlplane-{version}/bin"));
        let module = Module { name: format!("Kubernetes {version}"), source, bin };
        module.build(&OF_A_VERSION)?;
        Ok(Self { newest, of_a_version: module.bin })
    }

    /// Returns a program by its name.
    pub fn path(&self, program: &str) -> PathBuf {
        let folder = if OF_A_VERSION.contains(&program) { &self.of_a_version } else { &self.newest };
        folder.join(program)
    }
}

/// Programs that are the tools of one `go.mod`.
struct Module {
    /// What they are, in messages.
    name: String,
    source: PathBuf,
    bin: PathBuf,
}

impl Module {
    fn build(&self, programs: &[&str]) -> Result<()> {
        let Self { name, bin, .. } = self;
        fs::create_dir_all(bin).context(bin.display())?;
        // Two test binaries that start together must not build twice. The lock goes with the file.
        let lock = File::create(bin.with_file_name("lock")).context("the lock of the build")?;
        if lock.try_lock().is_err() {
            eprintln!("waiting for another process that builds {name}");
            lock.lock().context("the lock of the build")?;
        }

        let inputs = self.inputs()?;
        let stamp = bin.with_file_name("stamp");
        let complete = programs.iter().all(|program| bin.join(program).exists());
        if complete && fs::read_to_string(&stamp).is_ok_and(|built| built == inputs) {
            return Ok(());
        }
        self.compile()?;
        fs::write(&stamp, inputs).context(stamp.display())
    }

    /// All that the programs are made of, word for word: the stamp of a build.
    fn inputs(&self) -> Result<String> {
        let go = go(&self.source, &["version"])?;
        let read = |name| fs::read_to_string(self.source.join(name)).context(name);
        Ok(format!("{go}{}{}", read("go.mod")?, read("go.sum")?))
    }

    fn compile(&self) -> Result<()> {
        let Self { name, source, bin } = self;
        eprintln!("building {name}: fetching its modules");
        let total = go(source, &["list", "-deps", "tool"])?.lines().count();
        let mut child = Command::new("go")
            .args(["build", "-v", "-trimpath", "-ldflags", &linker_flags(source)?, "-o"])
            .arg(bin)
            .arg("tool")
            .current_dir(source)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("go build")?;

        // `go build -v` prints the name of each package as it compiles it, and errors in the same stream.
        let mut done = 0;
        let mut errors = Vec::new();
        let mut reported = Instant::now();
        for line in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
            let line = line.context("go build")?;
            if line.contains(' ') {
                errors.push(line);
                continue;
            }
            done += 1;
            if reported.elapsed() > REPORT {
                reported = Instant::now();
                eprintln!("building {name}: {done} of {total} packages (the first time takes some minutes)");
            }
        }
        if child.wait().context("go build")?.success() {
            return Ok(());
        }
        Err(Error::new(format!("{name} does not build:\n{}", errors.join("\n"))))
    }
}

/// Builds one program of the control plane's modules for another system or processor, as `environment` says.
pub fn go_build(package: &str, program: &Path, environment: &[(&str, &str)]) -> Result<()> {
    let output = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", &linker_flags(&source())?, "-o"])
        .arg(program)
        .arg(package)
        .envs(environment.iter().copied())
        .current_dir(source())
        .output()
        .context("go build")?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::new(format!("{package} does not build:\n{}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// Returns a program of `tests/tools`, as its `go.sum` names it. Go builds what has changed; with the paths that the control plane is
/// built with, so that the standard library is built once for both.
pub fn go_tool(package: &str) -> Result<PathBuf> {
    let name = package.rsplit('/').next().unwrap_or(package);
    let program = workspace().join("target/tools").join(name);
    let output = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&program)
        .arg(package)
        .current_dir(workspace().join("tests/tools"))
        .output()
        .context(format!("{name} is built from source and needs Go (https://go.dev/dl)"))?;
    if output.status.success() {
        return Ok(program);
    }
    Err(Error::new(format!("{name} does not build:\n{}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// Without these the API server calls itself v0.0.0.
fn linker_flags(source: &Path) -> Result<String> {
    let version = go(source, &["list", "-m", "-f", "{{.Version}}", KUBERNETES])?;
    let version = version.trim();
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let package = "k8s.io/component-base/version";
    Ok(format!(
        "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    ))
}

fn go(source: &Path, args: &[&str]) -> Result<String> {
    let missing = "the test cluster is built from source and needs Go (https://go.dev/dl), \
                   or a cluster of yours in E2E_KUBECONFIG: go";
    let output = Command::new("go").args(args).current_dir(source).output().context(missing)?;
    if !output.status.success() {
        let words = args.join(" ");
        return Err(Error::new(format!("go {words}: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    String::from_utf8(output.stdout).context("go")
}

/// Returns the time as objects have it.
pub(crate) fn now() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().context("date")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// Returns the last lines of a log, for an error.
pub(crate) fn tail(log: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(log).and_then(|mut file| file.read_to_end(&mut text));
    let text = if read.is_ok() { String::from_utf8_lossy(&text) } else { "(no log)".into() };
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
