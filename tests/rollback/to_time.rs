//! `undo --to-time`: back to what was live then, where the API remembers.

use cluster::Namespace;
use e2e::scene::{for_each_kind, next_second, quiet, rollback, version};
use e2e::{Web, assert_code, cluster, image, json, set_image};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Returns the times at which the revisions went live, by `history`, oldest first.
#[track_caller]
fn times(ns: &Namespace<'_>, target: &str, field: &str) -> Vec<String> {
    let history = json(&rollback(ns, &["history", target, "-o", "json"]));
    let revisions = history["revisions"].as_array().into_iter().flatten();
    revisions.map(|it| it[field].as_str().unwrap_or_default().to_string()).collect()
}

/// Returns the moment a second later, when what was made in a second has been live for some time.
fn later(time: &str) -> String {
    let time: Timestamp = time.parse().unwrap_or_else(|error| panic!("{time}: {error}"));
    (time + SignedDuration::from_secs(1)).to_string()
}

/// Creates `web` and gives it these images one after another, each in a second of its own.
fn rolled(ns: &Namespace<'_>, kind: &'static str, images: &[&str]) -> String {
    let target = format!("{kind}/web");
    Web::new(kind, "app:1").replicas(1).create(ns);
    for image in images {
        next_second();
        set_image(ns, &target, image);
    }
    quiet(ns, &target);
    target
}

#[test]
fn the_revision_that_was_live_then_comes_back() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("to-time");
        let target = rolled(&ns, kind, &["app:2", "app:3"]);
        let second = &later(&times(&ns, &target, "liveSince")[1]);
        let undo = rollback(&ns, &["undo", &target, "--to-time", second]);
        assert_code(&undo, 0);
        assert!(undo.stdout.contains("web rolled back to revision 2\n"), "{undo}");
        assert_eq!(image(&ns, &target), "app:2", "{kind}");
        // A revision that came back is live again from then on, and was before the one in between.
        let first = &later(&times(&ns, &target, "liveSince")[0]);
        assert_code(&rollback(&ns, &["undo", &target, "--to-time", first]), 0);
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
    });
}

#[test]
fn a_revision_that_was_made_in_that_second_was_not_live_yet() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("to-time-second");
        let target = rolled(&ns, kind, &["app:2"]);
        let made = &times(&ns, &target, "creationTimestamp")[1];
        let undo = rollback(&ns, &["undo", &target, "--to-time", made]);
        assert_code(&undo, 0);
        assert!(undo.stdout.contains("web rolled back to revision 1\n"), "{undo}");
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
    });
}

#[test]
fn what_is_live_since_then_stays() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("to-time-now");
        let target = rolled(&ns, kind, &["app:2"]);
        // What was made in this second was not live yet when it began.
        next_second();
        let before = version(&ns, &target);
        let undo = rollback(&ns, &["undo", &target, "--to-time", "0"]);
        assert_code(&undo, 0);
        let said = "web skipped rollback (current template already matches revision 2)\n";
        assert!(undo.stdout.ends_with(said), "{undo}");
        assert_eq!(version(&ns, &target), before, "{kind}");
    });
}

#[test]
fn a_time_that_renumbering_hid_is_refused() {
    for_each_kind(|kind| {
        let ns = cluster().namespace("to-time-hidden");
        let target = rolled(&ns, kind, &["app:2", "app:1", "app:2", "app:1"]);
        let before = version(&ns, &target);
        let mut created = times(&ns, &target, "creationTimestamp");
        created.sort();
        // When the second was created is known, but not when the first came back for the first time.
        let at = later(&created[1]);
        let undo = rollback(&ns, &["undo", &target, "--to-time", &at]);
        assert_code(&undo, 1);
        let said = format!("error: renumbering hid which revision was live at {at}");
        assert!(undo.stderr.starts_with(&said), "{undo}");
        assert!(
            undo.stderr.contains("hint: choose a revision from its history with --to-revision N"),
            "{undo}"
        );
        assert_eq!(version(&ns, &target), before, "{kind}");
    });
}

#[test]
fn a_scale_that_moved_the_time_of_a_return_is_refused_in_between() {
    let ns = cluster().namespace("to-time-scaled");
    let target = rolled(&ns, "deployment", &["app:2", "app:1"]);
    let back = times(&ns, &target, "liveSince")[1].clone();
    next_second();
    ns.kubectl(&["scale", &target, "--replicas=2"]).expect_ok();
    quiet(&ns, &target);
    let undo = rollback(&ns, &["undo", &target, "--to-time", &back]);
    assert_code(&undo, 1);
    assert!(undo.stderr.contains("renumbering hid"), "{undo}");
    assert_eq!(image(&ns, &target), "app:1");
}

#[test]
fn a_time_before_all_records_names_the_oldest() {
    let ns = cluster().namespace("to-time-early");
    let target = rolled(&ns, "statefulset", &["app:2"]);
    let oldest = times(&ns, &target, "creationTimestamp")[0].clone();
    let undo = rollback(&ns, &["undo", &target, "--to-time", "2020-01-01T00:00:00Z"]);
    assert_code(&undo, 1);
    let said = format!(
        "error: nothing is recorded of 2020-01-01T00:00:00Z: the oldest revision that is kept was created at {oldest}"
    );
    assert!(undo.stderr.starts_with(&said), "{undo}");
    assert_eq!(image(&ns, &target), "app:2");
}

#[test]
fn what_is_no_time_of_the_past_is_a_usage_error() {
    let ns = cluster().namespace("to-time-usage");
    let target = rolled(&ns, "deployment", &["app:2"]);
    for (words, said) in [
        (
            &["--to-time", "2999-01-01T00:00:00Z"][..],
            "error: --to-time: 2999-01-01T00:00:00Z is in the future",
        ),
        (&["--to-time", "yesterday"], "neither a time such as"),
        (&["--to-time", "30"], "neither a time such as"),
        (&["--to-time", "5m", "--to-revision", "1"], "cannot be used with"),
        (&["--to-time", "5m", "--to-last-good"], "cannot be used with"),
    ] {
        let undo = rollback(&ns, &[&["undo", &target], words].concat());
        assert_code(&undo, 2);
        assert!(undo.stderr.contains(said), "{undo}");
    }
    assert_eq!(image(&ns, &target), "app:2");
}
