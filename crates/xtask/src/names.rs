//! What the files of a release are called.

use crate::Result;

/// A system and a processor, in Go's words, which krew and Kubernetes use.
pub(crate) type Platform = (&'static str, &'static str);

/// The plugins, by the name that kubectl calls them by.
pub(crate) const PLUGINS: [&str; 3] = ["dsupdate", "rollback", "stspartition"];

/// The platforms of a release.
pub(crate) const PLATFORMS: [Platform; 6] = [
    ("darwin", "amd64"),
    ("darwin", "arm64"),
    ("linux", "amd64"),
    ("linux", "arm64"),
    ("windows", "amd64"),
    ("windows", "arm64"),
];

/// Rust's names of them. For Linux a static program is released, which serves those whose cargo builds for glibc too.
pub(crate) const TARGETS: [(&str, Platform); 8] = [
    ("aarch64-apple-darwin", ("darwin", "arm64")),
    ("aarch64-pc-windows-msvc", ("windows", "arm64")),
    ("aarch64-unknown-linux-gnu", ("linux", "arm64")),
    ("aarch64-unknown-linux-musl", ("linux", "arm64")),
    ("x86_64-apple-darwin", ("darwin", "amd64")),
    ("x86_64-pc-windows-msvc", ("windows", "amd64")),
    ("x86_64-unknown-linux-gnu", ("linux", "amd64")),
    ("x86_64-unknown-linux-musl", ("linux", "amd64")),
];

/// Returns what a target of Rust's is called in a release.
pub(crate) fn platform(triple: &str) -> Result<Platform> {
    let found = TARGETS.iter().find(|(name, _)| *name == triple);
    let (_, platform) = found.ok_or_else(|| {
        let known = TARGETS.map(|(name, _)| name).join(", ");
        format!("nothing is released for {triple}; there are {known}")
    })?;
    Ok(*platform)
}

/// Returns the name of a plugin's archive for a platform.
pub(crate) fn archive(plugin: &str, version: &str, (os, arch): (&str, &str)) -> String {
    let suffix = if os == "windows" { "zip" } else { "tar.gz" };
    released(plugin, version, (os, arch), suffix)
}

/// Returns the name of the bill of materials of a plugin's program for a platform.
pub(crate) fn bom(plugin: &str, version: &str, platform: (&str, &str)) -> String {
    released(plugin, version, platform, "cdx.json")
}

fn released(plugin: &str, version: &str, (os, arch): (&str, &str), suffix: &str) -> String {
    format!("kubectl-{plugin}-v{version}-{os}-{arch}.{suffix}")
}

/// Returns the name of a plugin's program on a system.
pub(crate) fn program(plugin: &str, os: &str) -> String {
    let suffix = if os == "windows" { ".exe" } else { "" };
    format!("kubectl-{plugin}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::{PLATFORMS, TARGETS, archive, platform, program};

    #[test]
    fn an_archive_is_named_by_what_krew_calls_the_platform() {
        assert_eq!(
            archive("rollback", "1.2.3", ("linux", "arm64")),
            "kubectl-rollback-v1.2.3-linux-arm64.tar.gz"
        );
        assert_eq!(
            archive("dsupdate", "1.2.3", ("windows", "amd64")),
            "kubectl-dsupdate-v1.2.3-windows-amd64.zip"
        );
        assert_eq!(program("dsupdate", "windows"), "kubectl-dsupdate.exe");
        assert!(PLATFORMS.is_sorted() && TARGETS.is_sorted());
    }

    #[test]
    fn each_platform_has_a_target_and_no_target_is_of_another() {
        for platform in PLATFORMS {
            assert!(TARGETS.iter().any(|(_, of)| *of == platform), "{platform:?}");
        }
        assert!(TARGETS.iter().all(|(_, of)| PLATFORMS.contains(of)));
        assert_eq!(platform("x86_64-unknown-linux-musl").unwrap(), ("linux", "amd64"));
        let error = platform("s390x-unknown-linux-gnu").unwrap_err().to_string();
        assert!(error.starts_with("nothing is released for s390x-unknown-linux-gnu; there are a"), "{error}");
    }
}
