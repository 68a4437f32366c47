//! Links the unwinder of GCC's runtime into the programs instead of loading it with each call.
//!
//! The standard library asks for `libgcc_s`, whose start alone takes a tenth of a call that does nothing (it asks the processor
//! what it can, which a virtual machine answers slowly), and which small images (distroless) do not have. A linker finds the
//! file that is written here first, which says to take the same from `libgcc_eh.a`.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no OUT_DIR"))?);
        fs::write(out.join("libgcc_s.so"), "INPUT(-lgcc_eh)\n")?;
        println!("cargo::rustc-link-search=native={}", out.display());
    }
    Ok(())
}
