//! What the files of a release are called.

/// The plugins, by the name that kubectl calls them by.
pub(super) const PLUGINS: [&str; 3] = ["dsupdate", "rollback", "stspartition"];

/// The platforms of a release, in Go's words, which krew and Kubernetes use: a system and a processor.
pub(super) const PLATFORMS: [(&str, &str); 6] = [
    ("darwin", "amd64"),
    ("darwin", "arm64"),
    ("linux", "amd64"),
    ("linux", "arm64"),
    ("windows", "amd64"),
    ("windows", "arm64"),
];

/// Returns the name of a plugin's archive for a platform.
pub(super) fn archive(plugin: &str, version: &str, (os, arch): (&str, &str)) -> String {
    let suffix = if os == "windows" { "zip" } else { "tar.gz" };
    format!("kubectl-{plugin}-v{version}-{os}-{arch}.{suffix}")
}

#[cfg(test)]
mod tests {
    use super::{PLATFORMS, archive};

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
        assert!(PLATFORMS.is_sorted());
    }
}
