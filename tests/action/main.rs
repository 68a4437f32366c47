//! The GitHub Action, step by step as a runner plays it: a release in a folder, the throwaway cluster, and all that it tells.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

mod player;

use std::fs::{self, File};
use std::path::Path;

use cluster::{Output, workspace};
use e2e::{Web, cluster, image, set_image};
use flate2::Compression;
use flate2::write::GzEncoder;
use player::{Played, play};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Where releases lie, of one version: as under an address of GitHub, but in a folder.
struct Releases {
    folder: TempDir,
    archive: String,
}

impl Releases {
    fn new() -> Releases {
        let folder = TempDir::new().unwrap();
        let release = folder.path().join("download/v9.8.7");
        fs::create_dir_all(&release).unwrap();
        fs::create_dir(folder.path().join("latest")).unwrap();
        std::os::unix::fs::symlink(&release, folder.path().join("latest/download")).unwrap();
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
        let archive = format!("kubectl-rollback-v9.8.7-{os}-{arch}.tar.gz");
        let gzip = GzEncoder::new(File::create(release.join(&archive)).unwrap(), Compression::fast());
        let mut tar = tar::Builder::new(gzip);
        tar.append_path_with_name(cluster().bin().join("kubectl-rollback"), "kubectl-rollback").unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        let sum = Sha256::digest(fs::read(release.join(&archive)).unwrap());
        let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        // Other files of a release are named so too.
        let other = format!("{}  kubectl-rollback-v9.8.7-{os}-{arch}.cdx.json\n", "0".repeat(64));
        fs::write(release.join("SHA256SUMS"), format!("{other}{sum}  {archive}\n")).unwrap();
        Releases { folder, archive }
    }

    fn address(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("download/v9.8.7").join(name)
    }

    fn play(&self, inputs: &[(&str, &str)]) -> Played {
        play(cluster(), &[&[("releases", self.address().as_str())], inputs].concat())
    }
}

fn document(played: &Played) -> Value {
    serde_json::from_str(&fs::read_to_string(&played.outputs["document"]).unwrap()).unwrap()
}

#[test]
fn a_rollout_that_works_is_green() {
    let ns = cluster().namespace("action-good");
    Web::new("deployment", "app:1").create(&ns);
    set_image(&ns, "deployment/web", "app:2");
    let played = Releases::new().play(&[("targets", "deploy/web"), ("namespace", ns.name()), ("soak", "2s")]);
    assert!(played.ok(), "{}", played.said());
    assert_eq!((played.outputs["outcome"].as_str(), played.outputs["exit-code"].as_str()), ("complete", "0"));
    assert_eq!(document(&played)["kind"], "Result");
    assert!(played.summary.starts_with("### deployment/web: complete"), "{}", played.summary);
    let loud = |line: &&String| line.starts_with("::error") || line.starts_with("::warning");
    assert_eq!(played.annotations().iter().filter(loud).count(), 0, "{}", played.said());
}

#[test]
fn a_rollout_that_fails_is_taken_back_and_red_with_its_cause() {
    let ns = cluster().namespace("action-bad");
    Web::new("deployment", "app:1").create(&ns);
    set_image(&ns, "deployment/web", "app:missing");
    let releases = Releases::new();
    let inputs = [("targets", "deploy/web"), ("namespace", ns.name()), ("soak", "2s"), ("version", "v9.8.7")];
    let played = releases.play(&inputs);
    assert_eq!(played.steps.last().unwrap().code, 5, "{}", played.said());
    assert_eq!(image(&ns, "deployment/web"), "app:1");
    assert_eq!((played.outputs["outcome"].as_str(), played.outputs["exit-code"].as_str()), ("undone", "5"));
    let errors = played.annotations();
    assert!(
        errors.iter().any(|line| line.starts_with("::error title=deployment/web undone::image-pull: ")),
        "{errors:?}"
    );
    let summary = &played.summary;
    assert!(summary.starts_with("### deployment/web: undone (revision 2 to "), "{summary}");
    assert!(summary.contains("\n- **image-pull**: ") && summary.contains("app:missing"), "{summary}");
}

#[test]
fn a_failure_may_be_left_to_the_outputs_and_try_makes_the_change() {
    let ns = cluster().namespace("action-try");
    Web::new("deployment", "app:1").create(&ns);
    let releases = Releases::new();
    let shared = [
        ("mode", "try"),
        ("targets", "deploy/web"),
        ("namespace", ns.name()),
        ("arguments", "--soak=2s\n--max-restarts=1\n"),
    ];
    let played = releases.play(&[&shared[..], &[("images", "app=app:missing"), ("fail", "false")]].concat());
    assert!(played.ok(), "{}", played.said());
    assert_eq!((played.outputs["outcome"].as_str(), played.outputs["exit-code"].as_str()), ("undone", "5"));
    let change = "kubectl set image deploy/web app=app:2 && kubectl get deploy/web > 'what was changed'";
    let played = releases.play(&[&shared[..], &[("command", change)]].concat());
    assert!(played.ok(), "{}", played.said());
    assert_eq!(image(&ns, "deployment/web"), "app:2");
    assert!(played.folder.path().join("what was changed").exists(), "the command runs where the step does");
}

#[test]
fn an_archive_that_is_not_what_its_release_says_never_runs() {
    let releases = Releases::new();
    let archive = releases.file(&releases.archive);
    let mut content = fs::read(&archive).unwrap();
    content.push(0);
    fs::write(&archive, content).unwrap();
    let played = releases.play(&[("targets", "deploy/web")]);
    assert_eq!((played.ok(), played.steps.len()), (false, 1), "{}", played.said());
    assert!(played.said().contains("is not what its release says: its sum is "), "{}", played.said());
    assert!(!played.folder.path().join("path").exists(), "nothing is on the PATH");
    assert_eq!(played.outputs["outcome"], "");

    fs::write(releases.file("SHA256SUMS"), "").unwrap();
    let played = releases.play(&[("targets", "deploy/web")]);
    assert!(
        !played.ok() && played.said().contains("SHA256SUMS names no kubectl-rollback for "),
        "{}",
        played.said()
    );
}

#[test]
fn what_is_asked_for_is_never_read_as_shell() {
    let ns = cluster().namespace("action-words");
    let releases = Releases::new();
    let hostile = "deploy/web;touch${IFS}a $(touch b) `touch c` * && touch d";
    let shell = [
        ("targets", hostile),
        ("namespace", ns.name()),
        ("context", ""),
        ("arguments", "--reason=$(touch e)"),
    ];
    let played = releases.play(&shell);
    assert!(!played.ok(), "{}", played.said());
    let files = fs::read_dir(played.folder.path()).unwrap();
    let files: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!["a", "b", "c", "d", "e"].iter().any(|name| files.iter().any(|file| file == name)), "{files:?}");

    for (inputs, error) in [
        ([("mode", "undo"), ("targets", "deploy/web")], "there are guard and try"),
        ([("fail", "maybe"), ("targets", "deploy/web")], "there are true and false"),
        ([("fail", "true"), ("targets", " ")], "targets are missing"),
        ([("images", "app=app:2"), ("targets", "deploy/web")], "mode has to be try"),
        ([("version", "main; id"), ("targets", "deploy/web")], "say one like v0.1.0, or latest"),
    ] {
        let played = releases.play(&inputs);
        assert!(!played.ok() && played.said().contains(error), "{}", played.said());
    }
}

#[test]
fn what_cannot_be_found_is_red_without_a_rollout() {
    let ns = cluster().namespace("action-none");
    let played = Releases::new().play(&[("targets", "deploy/web"), ("namespace", ns.name())]);
    assert_eq!(played.steps.last().unwrap().code, 1, "{}", played.said());
    assert_eq!(played.outputs["exit-code"], "1");
    assert!(played.annotations().iter().any(|line| line.starts_with("::error title=")), "{}", played.said());
}

/// Reports a document, and returns what was printed.
fn report(document: &Value, code: &str) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("document");
    fs::write(&file, document.to_string()).unwrap();
    let mut bash = cluster().command("bash");
    bash.arg(script("report.sh")).arg(file).arg(code);
    let said = Output::of(&mut bash, "").unwrap().expect_ok();
    said.lines().map(str::to_string).collect()
}

fn script(name: &str) -> std::path::PathBuf {
    workspace().join("action").join(name)
}

#[test]
fn what_a_cluster_says_gives_the_runner_no_orders() {
    let cause =
        json!({"id": "crash-loop", "message": "ends\n::set-output name=x::y\r100%", "fix": "look *here*"});
    let result = |name: &str, outcome: &str, code: u8| {
        let causes = if code == 0 { json!([]) } else { json!([cause]) };
        json!({"kind": "Result", "workload": {"kind": "Deployment", "name": name}, "outcome": outcome, "exitCode": code,
            "causes": causes})
    };
    let list =
        json!({"kind": "List", "items": [result("fine", "complete", 0), result("a,b:c", "undone", 5)]});
    assert_eq!(
        report(&list, "5"),
        [
            "undone",
            "::error title=deployment/a%2Cb%3Ac undone::crash-loop: ends%0A::set-output name=x::y%0D100%25%0Alook *here*",
        ]
    );
}

#[test]
fn the_scripts_are_bash_that_parses() {
    for script in fs::read_dir(workspace().join("action")).unwrap() {
        let script = script.unwrap().path();
        let mut bash = cluster().command("bash");
        Output::of(bash.arg("-n").arg(&script), "").unwrap().expect_ok();
        let text = fs::read_to_string(Path::new(&script)).unwrap();
        assert!(text.contains("\nset -euo pipefail\n"), "{}", script.display());
    }
}
