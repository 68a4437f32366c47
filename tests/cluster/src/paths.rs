//! Where this machine keeps what a program is built from, and how a program is built that does not tell.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::workspace;

/// What separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";

/// Folders of this machine whose names rustc writes into what it builds, for messages that say where in the source.
#[derive(Debug)]
pub struct Folders {
    workspace: PathBuf,
    cargo_home: PathBuf,
    sysroot: PathBuf,
    /// What the standard library calls its own source folder.
    library: String,
}

impl Folders {
    /// Asks for them.
    pub fn of_this_machine() -> Result<Self> {
        let asked = |args: &[&str]| -> Result<String> {
            let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            let output = Command::new(rustc).args(args).current_dir(workspace()).output().context("rustc")?;
            String::from_utf8(output.stdout).context("rustc")
        };
        let version = asked(&["-vV"])?;
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or("unknown");
        Ok(Self {
            workspace: workspace().to_path_buf(),
            cargo_home: cargo_home()?,
            sysroot: asked(&["--print", "sysroot"])?.trim_end().into(),
            library: format!("/rustc/{commit}"),
        })
    }

    /// Returns the folder of the toolchain.
    pub fn sysroot(&self) -> &Path {
        &self.sysroot
    }

    /// Returns the folders, and the home folder that they may lie in.
    pub fn all(&self) -> Vec<PathBuf> {
        let here = [&self.workspace, &self.cargo_home, &self.sysroot].map(PathBuf::clone);
        // The root, which is the home of some containers' users, is in every path.
        let home = env::home_dir().filter(|home| home.parent().is_some());
        here.into_iter().chain(home).collect()
    }

    /// Returns the flags by which rustc writes other names, the same ones on every machine. The last that fits counts.
    fn flags(&self) -> [String; 3] {
        let sources = self.sysroot.join("lib/rustlib/src/rust");
        [(&self.workspace, "."), (&self.cargo_home, "cargo"), (&sources, self.library.as_str())]
            .map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()))
    }

    /// Has a `cargo build` write other names, beside whatever flags it is told already.
    ///
    /// Cargo takes flags from one place only: the environment's are in front of the configuration's.
    pub fn hidden(&self, build: &mut Command) {
        let there = env::var("CARGO_ENCODED_RUSTFLAGS").ok();
        let plain = || {
            let flags = env::var("RUSTFLAGS").ok()?;
            Some(flags.split_whitespace().collect::<Vec<_>>().join(SEPARATOR))
        };
        match there.or_else(plain) {
            Some(flags) => {
                build.env("CARGO_ENCODED_RUSTFLAGS", joined(&flags, &self.flags()));
            }
            None => {
                build.arg("--config").arg(format!("build.rustflags={}", list(&self.flags())));
            }
        }
    }
}

/// Where cargo keeps the sources of crates.
pub fn cargo_home() -> Result<PathBuf> {
    let told = env::var_os("CARGO_HOME").filter(|home: &OsString| !home.is_empty()).map(PathBuf::from);
    let home = told.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    home.ok_or_else(|| Error::new("there is no home folder, and CARGO_HOME is not set"))
}

fn joined(flags: &str, more: &[String]) -> String {
    let flags = flags.split(SEPARATOR).filter(|flag| !flag.is_empty());
    flags.chain(more.iter().map(String::as_str)).collect::<Vec<_>>().join(SEPARATOR)
}

/// A list of TOML.
fn list(flags: &[String]) -> String {
    let quoted = |flag: &String| format!("\"{}\"", flag.replace('\\', "\\\\").replace('"', "\\\""));
    format!("[{}]", flags.iter().map(quoted).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::{Folders, joined, list};

    fn folders() -> Folders {
        Folders {
            workspace: "/home/a/w".into(),
            cargo_home: "/home/a/.cargo".into(),
            sysroot: "/rust".into(),
            library: "/rustc/0".into(),
        }
    }

    #[test]
    fn each_folder_of_the_machine_gets_a_name_that_every_machine_has() {
        let flags = folders().flags();
        let renamed = |from: &str, to: &str| format!("--remap-path-prefix={from}={to}");
        assert_eq!(flags[0], renamed("/home/a/w", "."));
        assert_eq!(flags[1], renamed("/home/a/.cargo", "cargo"));
        assert_eq!(flags[2], renamed("/rust/lib/rustlib/src/rust", "/rustc/0"));
    }

    #[test]
    fn flags_come_beside_those_that_are_there() {
        let more = ["b".to_string(), "c d".to_string()];
        assert_eq!(joined("a", &more), "a\u{1f}b\u{1f}c d");
        assert_eq!(joined("", &more), "b\u{1f}c d");
        assert_eq!(list(&[r"C:\a b".to_string(), "\"".to_string()]), r#"["C:\\a b","\""]"#);
    }
}
