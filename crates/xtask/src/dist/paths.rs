//! That a program tells nothing of the machine that built it, and so is the same from every machine.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::Result;

/// Refuses a program in which a folder of this machine is named.
///
/// Microsoft's C compiler writes the names of AWS-LC's sources as it was given them, and has no documented flag against it.
pub(super) fn check(program: &[u8], folders: &[PathBuf], target: &str) -> Result {
    match folders.iter().find_map(|folder| named(program, folder.as_os_str())) {
        Some(named) if target.ends_with("-msvc") => {
            println!("a folder of this machine is named: {named}");
            Ok(())
        }
        Some(named) => Err(format!(
            "it names a folder of this machine: {named}; are there flags of rustc in a configuration of cargo's?"
        )
        .into()),
        None => Ok(()),
    }
}

/// Returns where a folder is named, with what follows.
fn named(program: &[u8], folder: &OsStr) -> Option<String> {
    let folder = folder.as_encoded_bytes();
    let at = program.windows(folder.len().max(1)).position(|bytes| bytes == folder)?;
    let text = program[at..].iter().take_while(|byte| byte.is_ascii_graphic()).take(200);
    Some(text.map(|byte| char::from(*byte)).collect())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use cluster::{Folders, workspace};

    use super::{check, named};

    #[test]
    fn a_program_that_names_a_folder_of_this_machine_is_refused() {
        let folders = Folders::of_this_machine().unwrap().all();
        let check = |program: &[u8], target| check(program, &folders, target);
        let path = workspace().join("src/main.rs").display().to_string();
        let program = [b"\x7fELF\0", path.as_bytes(), b"\0"].concat();
        let error = check(&program, "x86_64-unknown-linux-musl").unwrap_err().to_string();
        assert!(error.starts_with(&format!("it names a folder of this machine: {path};")), "{error}");
        check(&program, "x86_64-pc-windows-msvc").unwrap();
        check(b"\x7fELF\0cargo/registry/src/a/src/lib.rs\0", "x86_64-unknown-linux-musl").unwrap();
        assert_eq!(named(b"a", OsStr::new("")), None);
    }
}
