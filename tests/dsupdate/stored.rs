//! What is stored on the workload is anybody's who may change it.

use std::fs;

use e2e::assert_code;
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::rollout::{STORED, WEB, fleet, says};

impl Fleet<'_> {
    /// Writes what is stored as somebody else would.
    fn store(&self, text: &str) {
        self.patch(&json!({"metadata": {"annotations": {STORED: text}}}).to_string());
    }

    fn store_checks(&self, checks: &[&str]) {
        let object = self.ns.get(&[WEB]);
        let text = object["metadata"]["annotations"][STORED].as_str().unwrap();
        let mut stored: Value = serde_json::from_str(text).unwrap();
        stored["rollout"]["options"]["checks"] = json!(checks);
        self.store(&stored.to_string());
    }
}

#[test]
fn nobody_runs_on_your_machine_what_somebody_wrote_on_the_workload() {
    let fleet = fleet(2);
    let folder = tempfile::tempdir().unwrap();
    let (mark, before) = (folder.path().join("mark"), fleet.kept());
    assert_code(&fleet.start(&["app=app:2", "--steps=1,100%", "--pause-after=1", "--check=true"]), 0);
    let evil = format!("touch {}", mark.display());
    fleet.store_checks(&["true", &evil]);
    let untouched = fleet.untouched();
    for words in [&["resume", "web"][..], &["resume", "web", "-y"], &["resume", "web", "--check=true"]] {
        let stopped = fleet.dsupdate(words);
        assert_code(&stopped, 8);
        let flag = format!("--check '{evil}'");
        says(
            &stopped,
            &["stored check: true", &format!("stored check: {evil}"), "[stored-checks, stops]", &flag],
        );
        says(&stopped, &["stopped by stored-checks: nothing was changed"]);
    }
    let other = fleet.dsupdate(&["resume", "web", "--check=false"]);
    assert_code(&other, 1);
    says(&other, &["error: \"false\" is not stored with the rollout, and only what is stored runs"]);
    assert!(!fs::exists(&mark).unwrap());
    assert_eq!(fleet.untouched(), untouched);
    // In the same words it is somebody's own.
    assert_code(&fleet.dsupdate(&["resume", "web", "--check=true", &format!("--check={evil}")]), 0);
    assert!(fs::exists(&mark).unwrap());
    assert_eq!((fleet.images().as_str(), fleet.kept()), ("a:2 b:2", before));
}

#[test]
fn stored_checks_that_were_shown_run_where_that_is_allowed_and_an_abort_runs_none() {
    let fleet = fleet(2);
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let check = format!("--check=touch {}", mark.display());
    let start = || fleet.start(&["app=app:2", "--steps=1,100%", "--pause-after=1", &check]);
    assert_code(&start(), 0);
    fs::remove_file(&mark).unwrap();
    assert_code(&fleet.dsupdate(&["abort", "web"]), 0);
    assert!(!fs::exists(&mark).unwrap());
    assert_code(&start(), 0);
    fs::remove_file(&mark).unwrap();
    assert_code(&fleet.dsupdate(&["resume", "web", "--allow=stored-checks"]), 0);
    assert!(fs::exists(&mark).unwrap());
    assert_eq!(fleet.images(), "a:2 b:2");
}

#[test]
fn what_nobody_could_have_stored_is_refused_with_the_way_to_take_it_off() {
    let fleet = fleet(1);
    for text in ["{", r#"{"version":1,"surprise":2}"#, r#"{"version":9}"#, &"[".repeat(50_000)] {
        fleet.store(text);
        let untouched = fleet.untouched();
        for verb in ["resume", "abort", "pause"] {
            let refused = fleet.dsupdate(&[verb, "web"]);
            assert_code(&refused, 1);
            says(
                &refused,
                &["error: the annotation rollout-plugins.dev/rollout ", "hint: ", "kubectl annotate "],
            );
        }
        assert_eq!(fleet.untouched(), untouched);
    }
    let off = ["annotate", WEB, "rollout-plugins.dev/rollout-"];
    fleet.ns.kubectl(&off).expect_ok();
    assert_code(&fleet.start(&["app=app:2"]), 0);
}
