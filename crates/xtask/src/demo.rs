//! `cargo xtask demo`: upgrading and rolling back pods, step by step, on a real control plane.
//!
//! The story is data: a module of `demo/` a part, with the manifest that it starts from. Every command is run as it is
//! printed and has to end, and to show, what the story says; so the demo is a test as well.

mod daemonset;
mod deployment;
mod playhouse;
mod show;
mod statefulset;
mod story;

use std::path::PathBuf;

use cluster::{Options as ClusterOptions, Version};

use crate::Result;
pub(crate) use playhouse::Playhouse;
use show::Show;
use story::Part;

const PARTS: [&Part; 3] = [&deployment::PART, &daemonset::PART, &statefulset::PART];

const USAGE: &str =
    "there are --step, --kubeconfig PATH, --kubernetes V, --part deployment|daemonset|statefulset";

#[derive(Default)]
struct Options {
    step: bool,
    kubeconfig: Option<PathBuf>,
    kubernetes: Option<Version>,
    part: Option<&'static Part>,
}

pub(crate) fn run(args: &[String]) -> Result {
    let options = options(args)?;
    let playhouse = match &options.kubeconfig {
        Some(path) => Playhouse::yours(path)?,
        None => {
            let cluster = ClusterOptions { kubernetes: options.kubernetes, ..ClusterOptions::default() };
            Playhouse::throwaway("demo", &cluster)?
        }
    };
    let mut show = Show::new(&playhouse, options.step);
    for part in PARTS.into_iter().filter(|part| options.part.is_none_or(|only| only.name == part.name)) {
        show.play(part)?;
    }
    show.end();
    Ok(())
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--step" => options.step = true,
            "--kubeconfig" => {
                options.kubeconfig = Some(args.next().ok_or("--kubeconfig needs a path")?.into());
            }
            "--kubernetes" => options.kubernetes = Some(crate::test::kubernetes(args.next())?),
            "--part" => {
                let name = args.next().ok_or("--part needs a name")?;
                let found = PARTS.into_iter().find(|part| part.name == name);
                options.part = Some(found.ok_or_else(|| format!("there is no part {name}; {USAGE}"))?);
            }
            other => return Err(format!("unknown argument {other}; {USAGE}").into()),
        }
    }
    Ok(options)
}
