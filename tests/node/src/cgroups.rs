//! A control group for each node's pods, in every hierarchy that there is.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// What a kubelet wants to limit, where one hierarchy has all controllers.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "memory", "pids", "hugetlb"];

/// Makes a group of a name in every hierarchy; [`remove`] says how it goes.
pub(crate) fn make(name: &str) -> Result<(), String> {
    let root = Path::new(ROOT);
    let unified = root.join("cgroup.controllers").exists();
    let hierarchies = if unified { vec![root.to_path_buf()] } else { hierarchies(root) };
    for hierarchy in hierarchies {
        let group = hierarchy.join(name);
        fs::create_dir_all(&group).map_err(|error| format!("{}: {error}", group.display()))?;
        if unified {
            // Those that the kernel does not have are not missed here.
            for (folder, controller) in
                [&hierarchy, &group].into_iter().flat_map(|it| CONTROLLERS.map(|one| (it, one)))
            {
                let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
            }
        }
    }
    Ok(())
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
