//! What is generated from the plugins' own declarations and types: `reference man|completions|cli|documents|schema FOLDER`. What of it is
//! kept in the repository is written anew by `reference all docs`.

#![expect(clippy::print_stderr, reason = "this program talks to whoever builds the project")]

mod cli;
mod completions;
mod documents;
#[cfg(test)]
mod helps;
mod man;
mod schema;

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Writes what is generated into a folder.
type Write = fn(&Path) -> Result;

/// Something that can be generated.
struct Sort {
    name: &'static str,
    write: Write,
    /// Its folder in the documentation, for what is kept there.
    kept: Option<&'static str>,
}

/// What can be generated.
const SORTS: &[Sort] = &[
    Sort { name: "cli", write: |folder| of_plugins(cli::write, folder), kept: Some("reference/cli") },
    Sort { name: "completions", write: |folder| of_plugins(completions::write, folder), kept: None },
    Sort { name: "documents", write: documents::write, kept: Some("reference") },
    Sort { name: "man", write: |folder| of_plugins(man::write, folder), kept: None },
    Sort { name: "schema", write: schema::write, kept: Some("schema/v1alpha1") },
];

/// The plugins' command lines.
const PLUGINS: [fn() -> clap::Command; 3] =
    [kubectl_dsupdate::command, kubectl_rollback::command, kubectl_stspartition::command];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [sort, folder] = args.as_slice() else { return usage() };
    let folder = Path::new(folder);
    let written = match SORTS.iter().find(|it| it.name == sort) {
        Some(sort) => written(sort, folder),
        None if sort == "all" => SORTS
            .iter()
            .filter_map(|sort| sort.kept.map(|kept| (sort, folder.join(kept))))
            .try_for_each(|(sort, folder)| written(sort, &folder)),
        None => return usage(),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn written(sort: &Sort, folder: &Path) -> Result {
    fs::create_dir_all(folder)?;
    (sort.write)(folder)
}

fn of_plugins(write: fn(clap::Command, &Path) -> Result, folder: &Path) -> Result {
    PLUGINS.iter().try_for_each(|command| write(command(), folder))
}

/// Returns where the documentation is, for tests.
#[cfg(test)]
fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn usage() -> ExitCode {
    let sorts: Vec<&str> = SORTS.iter().map(|sort| sort.name).collect();
    eprintln!("usage: reference {}|all FOLDER", sorts.join("|"));
    ExitCode::from(2)
}
