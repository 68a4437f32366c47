//! What is generated from the plugins' own declarations, a folder each: `reference man|completions FOLDER`.

#![expect(clippy::print_stderr, reason = "this program talks to whoever builds the project")]

mod completions;
mod man;

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Writes what is generated for one plugin into a folder.
type Write = fn(clap::Command, &Path) -> Result;

/// What can be generated.
const SORTS: &[(&str, Write)] = &[("completions", completions::write), ("man", man::write)];

/// The plugins' command lines.
const PLUGINS: [fn() -> clap::Command; 3] =
    [kubectl_dsupdate::command, kubectl_rollback::command, kubectl_stspartition::command];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [sort, folder] = args.as_slice() else { return usage() };
    let Some((_, write)) = SORTS.iter().find(|(name, _)| name == sort) else { return usage() };
    let folder = Path::new(folder);
    let written = fs::create_dir_all(folder)
        .map_err(Into::into)
        .and_then(|()| PLUGINS.iter().try_for_each(|command| write(command(), folder)));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    let sorts: Vec<&str> = SORTS.iter().map(|(name, _)| *name).collect();
    eprintln!("usage: reference {} FOLDER", sorts.join("|"));
    ExitCode::from(2)
}
