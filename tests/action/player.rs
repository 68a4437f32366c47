//! Plays the steps of `action.yml` as a runner does: inputs into the environment, outputs, the PATH and the summary from files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cluster::{Cluster, Output, workspace};
use serde_json::Value;
use tempfile::TempDir;

/// What a runner calls this machine's processor.
const PROCESSOR: &str = if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" };

/// What became of the action.
pub struct Played {
    /// What each step that ran printed; the last one is the one that failed, if one did.
    pub steps: Vec<Output>,
    /// The outputs of the action, by their names.
    pub outputs: BTreeMap<String, String>,
    /// The summary of the step, as markdown.
    pub summary: String,
    /// The folder in which it ran.
    pub folder: TempDir,
}

impl Played {
    /// Whether the action succeeded.
    pub fn ok(&self) -> bool {
        self.steps.iter().all(Output::ok)
    }

    /// All that it printed.
    pub fn said(&self) -> String {
        self.steps.iter().map(|step| format!("{}{}", step.stdout, step.stderr)).collect()
    }

    /// The lines by which a runner annotates.
    pub fn annotations(&self) -> Vec<String> {
        let said = self.said();
        said.lines().filter(|line| line.starts_with("::")).map(str::to_string).collect()
    }
}

/// Plays the action on a cluster, with these inputs and otherwise what it says itself.
pub fn play(cluster: &Cluster, inputs: &[(&str, &str)]) -> Played {
    let action = fs::read_to_string(workspace().join("action.yml")).unwrap();
    let action: Value = serde_yaml::from_str(&action).unwrap();
    let declared = action["inputs"].as_object().unwrap();
    let given: BTreeMap<&str, &str> = inputs.iter().copied().collect();
    assert!(given.keys().all(|name| declared.contains_key(*name)), "{given:?}");
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    let mut steps = Vec::new();
    let mut told = BTreeMap::new();
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert_eq!(step["shell"], "bash", "{step}");
        let mut command = cluster.command("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
        command.current_dir(folder.path()).env("PATH", path(cluster, &file("path")));
        command.env("GITHUB_ACTION_PATH", workspace()).env("RUNNER_TEMP", folder.path());
        command.env("RUNNER_OS", if cfg!(target_os = "macos") { "macOS" } else { "Linux" });
        command.env("RUNNER_ARCH", PROCESSOR);
        for (name, file) in [
            ("GITHUB_PATH", file("path")),
            ("GITHUB_OUTPUT", file("output")),
            ("GITHUB_STEP_SUMMARY", file("summary")),
        ] {
            command.env(name, file);
        }
        for (name, value) in step["env"].as_object().unwrap() {
            command.env(
                name,
                expand(value.as_str().unwrap(), |words| match words.split_once('.') {
                    Some(("inputs", input)) => {
                        let otherwise = declared.get(input).unwrap_or_else(|| panic!("no input {input}"));
                        let otherwise = otherwise["default"].as_str().unwrap_or_default();
                        // A token is the runner's; there is none here.
                        let otherwise = if otherwise.contains("${{") { "" } else { otherwise };
                        given.get(input).map_or(otherwise, |it| it).to_string()
                    }
                    _ => panic!("{words}"),
                }),
            );
        }
        let output = Output::of(&mut command, "").unwrap();
        let ended = !output.ok();
        steps.push(output);
        if let Some(id) = step["id"].as_str() {
            for line in fs::read_to_string(file("output")).unwrap_or_default().lines() {
                let (name, value) = line.split_once('=').unwrap();
                told.insert(format!("steps.{id}.outputs.{name}"), value.to_string());
            }
        }
        if ended {
            break;
        }
    }
    let outputs = action["outputs"].as_object().unwrap().iter();
    let outputs = outputs
        .map(|(name, output)| {
            let value = output["value"].as_str().unwrap();
            (name.clone(), expand(value, |words| told.get(words).cloned().unwrap_or_default()))
        })
        .collect();
    let summary = fs::read_to_string(file("summary")).unwrap_or_default();
    Played { steps, outputs, summary, folder }
}

/// What earlier steps put on the PATH, kubectl, and the system; not the plugins that the other tests run.
fn path(cluster: &Cluster, added: &Path) -> String {
    let tools = added.with_file_name("tools");
    if !tools.exists() {
        fs::create_dir(&tools).unwrap();
        std::os::unix::fs::symlink(cluster.bin().join("kubectl"), tools.join("kubectl")).unwrap();
    }
    let added = fs::read_to_string(added).unwrap_or_default();
    let added = added.lines().rev().map(PathBuf::from);
    let system = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    let folders: Vec<PathBuf> = added.chain([tools]).chain(system).collect();
    std::env::join_paths(folders).unwrap().into_string().unwrap()
}

/// Fills in a value that is one expression as a whole, or none.
fn expand(value: &str, known: impl Fn(&str) -> String) -> String {
    match value.strip_prefix("${{").and_then(|it| it.strip_suffix("}}")) {
        Some(words) => known(words.trim()),
        None => value.to_string(),
    }
}
