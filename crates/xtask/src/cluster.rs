//! `cargo xtask cluster`: a cluster for trying things by hand.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use cluster::{Cluster, Options, build_plugins};

use crate::Result;

pub(crate) fn run(args: &[String]) -> Result {
    let options = options(args)?;
    let plugins = build_plugins()?;
    let cluster = Cluster::start(&options)?;
    for plugin in &plugins {
        cluster.install(plugin)?;
    }
    explain(&cluster);
    // Ctrl-C ends this process, and with it the cluster.
    loop {
        thread::sleep(Duration::from_secs(1));
        if let Some(error) = cluster.casualty() {
            return Err(error.into());
        }
    }
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--nodes" => options.nodes = args.next().ok_or("--nodes needs a number")?.parse()?,
            "--kubernetes" => options.kubernetes = Some(crate::test::kubernetes(args.next())?),
            other => {
                return Err(format!("unknown argument {other}; there are --nodes N, --kubernetes V").into());
            }
        }
    }
    // Beyond some hundreds the usual limits make a rollout slow.
    options.large = options.nodes > 200;
    Ok(options)
}

fn explain(cluster: &Cluster) {
    let bin = cluster.bin();
    println!("A cluster is running, until Ctrl-C here. In another terminal:\n");
    println!("  export KUBECONFIG={}", cluster.kubeconfig().display());
    println!("  export PATH={}:$PATH", bin.display());
    println!("  kubectl get nodes\n");
    println!("The tag of an image says how its pods behave: {}", stages().display());
}

fn stages() -> PathBuf {
    Path::new("tests").join("controlplane").join("stages.yaml")
}
