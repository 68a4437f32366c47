//! A control group for each node's pods, in every hierarchy that there is.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// What a kubelet wants to limit, of what there is, where one hierarchy has all controllers
/// (pkg/kubelet/cm/cgroup_v2_manager_linux.go, `Validate`).
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "memory", "pids", "hugetlb"];

/// What it does not do without.
const NEEDED: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// Makes a group of a name in every hierarchy; [`remove`] says how it goes.
pub(crate) fn make(name: &str) -> Result<(), String> {
    let root = Path::new(ROOT);
    for group in groups(name) {
        fs::create_dir_all(&group).map_err(|error| format!("{}: {error}", group.display()))?;
        if is_unified() {
            // Those that the kernel does not have are not missed here.
            for (folder, controller) in
                [root, &group].into_iter().flat_map(|it| CONTROLLERS.map(|one| (it, one)))
            {
                let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
            }
        }
    }
    Ok(())
}

/// Tries to make a group that a kubelet would take, and removes it again.
pub(crate) fn attempt() -> Result<(), String> {
    let name = format!("node-trial-{}", std::process::id());
    let tried = make(&name).and_then(|()| missing(&name).map_or(Ok(()), Err));
    for group in groups(&name) {
        let _ = fs::remove_dir(group);
    }
    tried
}

/// Tells which controller a group does not have.
fn missing(name: &str) -> Option<String> {
    let root = Path::new(ROOT);
    let read = |folder: &Path| fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
    let has = |list: &str, one: &str| list.split_whitespace().any(|it| it == one);
    let missing = if is_unified() {
        let (all, own) = (read(root), read(&root.join(name)));
        let wanted = |one: &&str| NEEDED.contains(one) || has(&all, one);
        CONTROLLERS.into_iter().filter(wanted).find(|one| !has(&own, one))
    } else {
        NEEDED.into_iter().find(|one| !root.join(one).is_dir())
    };
    missing.map(|one| format!("{ROOT}: no control groups for {one}"))
}

fn is_unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// Where a group of a name is, in each hierarchy.
fn groups(name: &str) -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let hierarchies = if is_unified() { vec![root.to_path_buf()] } else { hierarchies(root) };
    hierarchies.into_iter().map(|hierarchy| hierarchy.join(name)).collect()
}

/// Where each controller has a hierarchy of its own; names like `cpu` may be links to `cpu,cpuacct`.
fn hierarchies(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// A line of a shell that removes the groups of these names, once their processes are gone.
pub(crate) fn remove(names: &str) -> String {
    let find = format!("find {ROOT} -depth -type d -path '*/{names}*' -exec rmdir {{}} + 2>/dev/null");
    let left = format!("find {ROOT} -type d -path '*/{names}*' 2>/dev/null | grep -q .");
    format!("for i in 1 2 3 4 5 6 7 8 9; do {find}; {left} || break; sleep 1; done")
}
