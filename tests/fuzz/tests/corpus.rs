//! Goes through the corpora: what was awkward once stays harmless.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use fuzz::TARGETS;

/// Nothing small takes longer, also on a slow machine.
const LONGEST: Duration = Duration::from_secs(20);

fn go_through(name: &str) {
    let target = TARGETS.into_iter().find(|target| target.name == name).expect("a target");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut count = 0;
    for file in fs::read_dir(&folder).expect("a corpus") {
        let path = file.expect("a file").path();
        let data = fs::read(&path).expect("a file");
        let start = Instant::now();
        let ran = catch_unwind(|| (target.run)(&data));
        assert!(ran.is_ok(), "{} breaks {name}", path.display());
        assert!(start.elapsed() < LONGEST, "{} takes {:?}", path.display(), start.elapsed());
        count += 1;
    }
    assert!(count >= 5, "{} has {count} files", folder.display());
}

#[test]
fn stored_annotations_are_harmless() {
    go_through("stored");
}

#[test]
fn kubeconfigs_are_harmless() {
    go_through("kubeconfig");
}

#[test]
fn outputs_of_helpers_are_harmless() {
    go_through("helper");
}

#[test]
fn kubercs_are_harmless() {
    go_through("kuberc");
}

#[test]
fn output_templates_are_harmless() {
    go_through("jsonpath");
}

#[test]
fn manifests_are_harmless() {
    go_through("manifests");
}
