//! The project's own commands: `cargo xtask COMMAND`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "these commands talk to whoever works here")]

#[cfg(unix)]
mod bench;
#[cfg(unix)]
mod chaos;
#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod demo;
mod deny;
mod dist;
mod docs;
#[cfg(test)]
mod floors;
mod fuzz;
mod install;
#[cfg(unix)]
mod measure;
mod names;
#[cfg(unix)]
mod pictures;
mod plugins;
mod release;
mod sums;
mod test;
mod tools;
mod versions;
mod workflows;

use std::env;
use std::error::Error;
use std::process::ExitCode;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result,
}

/// Each command is a module with a `run` that takes the rest of the command line. What needs a cluster is for Unix.
const COMMANDS: &[Command] = &[
    Command {
        name: "test",
        about: "all that a change must pass, or some stages of it [STAGE...] [--kubernetes V] [-- FILTER]",
        run: test::run,
    },
    #[cfg(unix)]
    Command {
        name: "cluster",
        about: "start a throwaway cluster and keep it until Ctrl-C [--nodes N] [--kubernetes V]",
        run: cluster::run,
    },
    #[cfg(unix)]
    Command {
        name: "demo",
        about: "play upgrades and rollbacks on a throwaway cluster [--step] [--part NAME] [--kubeconfig PATH] [--kubernetes V]",
        run: demo::run,
    },
    #[cfg(unix)]
    Command {
        name: "bench",
        about: "the plugins against kubectl rollout: time, CPU, memory, requests [limit|timeline|revisions|many|nodes|step|failures|false-alarms|recovery] [--runs N]",
        run: bench::run,
    },
    #[cfg(unix)]
    Command {
        name: "chaos",
        about: "rollouts on a throwaway cluster while everything fails at random [--minutes N] [--seed S] [--round N] [--story]",
        run: chaos::run,
    },
    Command {
        name: "fuzz",
        about: "look for what breaks the readers of what comes from elsewhere [TARGET...] [--minutes N] [--keep]",
        run: fuzz::run,
    },
    Command {
        name: "install",
        about: "build the plugins and put them on the PATH [--to DIR]",
        run: install::run,
    },
    Command {
        name: "dist",
        about: "pack a target's archives, or write the krew manifests of all: [manifests] [--target TRIPLE] [--profile NAME] [--to DIR] [--url WHERE-THE-ARCHIVES-WILL-BE]",
        run: dist::run,
    },
    Command {
        name: "docs",
        about: "build the site of the documents in target/site and follow its links; pictures [--check]: make its pictures, or hold them against what is on the screen",
        run: docs::run,
    },
    Command {
        name: "versions",
        about: "the versions of Kubernetes that the tests know, or the module of one written anew: [VERSION]",
        run: versions::run,
    },
    Command {
        name: "release",
        about: "what a release is made of beside its archives: check TAG|notes TAG|sums|formula|image [--from DIR] [--to PATH] [--url WHERE-THE-ARCHIVES-WILL-BE]",
        run: release::run,
    },
    #[cfg(unix)]
    Command {
        name: "measure",
        about: "run a program and print its time, CPU and peak memory: PROGRAM [ARG...]",
        run: measure::run,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some(command) = args.first().and_then(|name| COMMANDS.iter().find(|command| command.name == name))
    else {
        return usage();
    };
    match (command.run)(&args[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo xtask COMMAND\n");
    for command in COMMANDS {
        eprintln!("  {:<10} {}", command.name, command.about);
    }
    ExitCode::from(2)
}
