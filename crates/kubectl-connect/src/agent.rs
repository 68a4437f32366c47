//! Who is talking: the User-Agent header in client-go's form.

use std::env::consts::{ARCH, OS};

/// The program that makes the requests, as audit logs and managed fields will name it.
#[derive(Clone, Copy, Debug)]
pub struct Agent<'a> {
    /// The program's name, such as `kubectl-rollback`.
    pub plugin: &'a str,
    /// Its version, without a leading `v`.
    pub version: &'a str,
}

impl Agent<'_> {
    /// Returns the User-Agent header, such as `kubectl-rollback/v0.1.0 (linux/amd64) kube-rs/5`.
    pub fn user_agent(&self) -> String {
        format!("{}/v{} ({}/{}) kube-rs/5", self.plugin, self.version, go_os(OS), go_arch(ARCH))
    }
}

fn go_os(os: &str) -> &str {
    if os == "macos" { "darwin" } else { os }
}

fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_platforms_as_go_does() {
        assert_eq!(go_os("macos"), "darwin");
        assert_eq!(go_arch("x86_64"), "amd64");
        assert_eq!(go_arch("aarch64"), "arm64");
        let agent = Agent { plugin: "kubectl-rollback", version: "0.1.0" }.user_agent();
        assert!(agent.starts_with("kubectl-rollback/v0.1.0 ("), "{agent}");
        assert!(agent.ends_with(") kube-rs/5"), "{agent}");
    }
}
