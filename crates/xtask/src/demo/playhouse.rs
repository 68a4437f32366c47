//! Where the demo plays, and what the pictures show: the throwaway cluster, or the reader's own in a namespace of its own.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cluster::{Cluster, Options, Output, build_plugins};
use serde_json::json;
use tempfile::TempDir;

use crate::Result;

use super::story;

/// A cluster with a namespace, a folder, and kubectl with the plugins on the PATH.
pub(crate) struct Playhouse {
    // In this order when it ends: the namespace, the cluster, the folder.
    sweeper: Option<Sweeper>,
    cluster: Option<Cluster>,
    environment: Vec<(&'static str, OsString)>,
    folder: TempDir,
}

impl Playhouse {
    /// Starts the throwaway cluster, with a namespace.
    pub(crate) fn throwaway(namespace: &str, options: &Options) -> Result<Self> {
        if let Some(path) = env::var_os("E2E_KUBECONFIG").filter(|path| !path.is_empty()) {
            return Self::yours(Path::new(&path));
        }
        println!("Building the plugins: about two minutes the first time.");
        let plugins = build_plugins()?;
        println!(
            "Starting a real control plane on this machine, gone when this ends; nodes and containers are"
        );
        println!("simulated. The first time it is built from source: about ten minutes on two cores.");
        let cluster = Cluster::start(options)?;
        for plugin in &plugins {
            cluster.install(plugin)?;
        }
        let kubeconfig = cluster.kubeconfig().to_owned();
        let mut house = Self::new(Some(cluster), Vec::new())?;
        house.move_in(&kubeconfig, namespace)?;
        Ok(house)
    }

    /// Plays on the cluster of a kubeconfig.
    pub(crate) fn yours(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = fs::canonicalize(kubeconfig)
            .map_err(|error| format!("the kubeconfig {}: {error}", kubeconfig.display()))?;
        let path = env::var_os("PATH").unwrap_or_default();
        if !env::split_paths(&path).any(|folder| folder.join("kubectl").is_file()) {
            return Err("your own cluster needs your own kubectl, and there is none on your PATH".into());
        }
        let mut house = Self::new(None, Vec::new())?;
        // What was typed wrong is said before anything is built or created.
        house.quietly("kubectl get --raw /version", &kubeconfig)?;
        println!("Building the plugins: about two minutes the first time.");
        let plugins = build_plugins()?;
        let bin = house.folder.path().join("bin");
        fs::create_dir(&bin)?;
        for plugin in plugins {
            symlink(&plugin, bin.join(plugin.file_name().unwrap_or_default()))?;
        }
        let path = env::join_paths([bin].into_iter().chain(env::split_paths(&path)))?;
        house.environment.push(("PATH", path));
        let namespace = format!("rollback-demo-{}", std::process::id());
        println!("On the cluster of {}, in the namespace {namespace}:", kubeconfig.display());
        println!(
            "it is created now and deleted at the end. The DaemonSet puts a small pod on each Linux node."
        );
        println!(
            "Real images of nginx are pulled, with tags of today: nothing can pull the oldest any more."
        );
        house.sweeper = Some(Sweeper::start(house.command(&sweeping(&namespace), &kubeconfig))?);
        house.move_in(&kubeconfig, &namespace)?;
        Ok(house)
    }

    fn new(cluster: Option<Cluster>, environment: Vec<(&'static str, OsString)>) -> Result<Self> {
        // The cluster's folder goes however this ends, and the demo's with it.
        let parent = cluster.as_ref().and_then(|it| it.bin().parent().map(Path::to_owned));
        let folder =
            tempfile::Builder::new().prefix("demo-").tempdir_in(parent.unwrap_or_else(env::temp_dir))?;
        Ok(Self { sweeper: None, cluster, environment, folder })
    }

    /// Creates the namespace, and makes it the one that commands mean when they name none.
    fn move_in(&mut self, kubeconfig: &Path, namespace: &str) -> Result {
        self.quietly(&format!("kubectl create namespace {namespace}"), kubeconfig)?;
        let account =
            format!("kubectl wait --for=create serviceaccount/default -n {namespace} --timeout=60s");
        self.quietly(&account, kubeconfig)?;
        let current = |field: &str| {
            let line = format!("kubectl config view --minify -o 'jsonpath={{.contexts[0].context.{field}}}'");
            self.quietly(&line, kubeconfig)
        };
        let overlay = overlay(&current("cluster")?, &current("user")?, namespace);
        let path = self.folder.path().join("kubeconfig");
        fs::write(&path, overlay)?;
        let both = env::join_paths([path.as_path(), kubeconfig])?;
        self.environment.push(("KUBECONFIG", both));
        self.environment.push(("TMPDIR", self.folder.path().into()));
        Ok(())
    }

    /// Runs a line for the shell that the reader need not see.
    fn quietly(&self, line: &str, kubeconfig: &Path) -> Result<String> {
        let output = Output::of(&mut self.command(line, kubeconfig), "")?;
        if output.ok() { Ok(output.stdout) } else { Err(format!("{line}: {}", output.stderr.trim()).into()) }
    }

    fn command(&self, line: &str, kubeconfig: &Path) -> Command {
        let mut command = match &self.cluster {
            Some(cluster) => cluster.command("sh"),
            None => Command::new("sh"),
        };
        command.args(["-c", line]).env("KUBECONFIG", kubeconfig).current_dir(self.folder.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Returns a line of the story as a command in the folder with the manifests.
    pub(crate) fn shell(&self, line: &str) -> Command {
        // The list of kubeconfigs stands in the environment by now.
        self.command(line, Path::new(""))
    }

    /// Tells whether the cluster was started here.
    pub(crate) fn is_own(&self) -> bool {
        self.cluster.is_some()
    }

    /// Returns the folder in which commands run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Fits a text of the story to the cluster.
    pub(crate) fn fit(&self, text: &str) -> String {
        // Only the throwaway cluster takes any tag for an image.
        if self.cluster.is_some() { text.to_owned() } else { story::with_tags_of_today(text) }
    }
}

/// A kubeconfig to stand before another: all that it changes is the namespace, so it holds no credentials.
fn overlay(cluster: &str, user: &str, namespace: &str) -> String {
    let name = "rollback-demo";
    let context = json!({ "cluster": cluster, "user": user, "namespace": namespace });
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{ "name": name, "context": context }],
    })
    .to_string()
}

/// Waits for the end of its standard input, which is the end of this process; its current folder is the demo's.
fn sweeping(namespace: &str) -> String {
    format!(
        "trap '' HUP INT TERM; read -r _; kubectl delete namespace {namespace} --ignore-not-found --wait=false; \
         rm -rf \"$PWD\""
    )
}

/// Deletes the namespace and the folder however the demo ends: by its end, by an error, by Ctrl-C or by `kill -9`.
struct Sweeper(Child);

impl Sweeper {
    fn start(mut command: Command) -> Result<Self> {
        // A group of its own, which Ctrl-C does not reach.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null());
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        // `wait` closes the pipe first.
        let _ = self.0.wait();
    }
}
