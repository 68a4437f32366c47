//! What is behind a set that nobody sees: revisions of another server, a set made anew, one that never came up.

use cluster::Output;
use e2e::{LONG, Web, as_another_server_wrote_it, assert_code, cluster, image, set_image, uids};
use serde_json::json;

use crate::scene::{
    SET, adopted, deletions, images, is_current, never_up, orphaned, partition, partitioned, rests, sts,
};
use crate::steps::{TWO, kept, no_trace, paused_after_one, same, start};

/// Why some tests show nothing on an older server.
const BY_BYTES: &str =
    "an older server goes by the bytes of a revision alone, so that an upgrade to it restarts every pod";

/// A set at `app:1` whose revision a server before 1.34 has written, as an upgrade leaves it.
fn upgraded(web: &Web) -> cluster::Namespace<'static> {
    let ns = cluster().namespace("hazards-bytes");
    web.create(&ns);
    let pods = uids(&ns);
    // While there is no set, nobody records a revision in its place.
    let set = orphaned(&ns);
    as_another_server_wrote_it(&ns, 1);
    adopted(&ns, &set);
    let revisions = ns.get(&["controllerrevisions", "-l", "app=web"]);
    assert_eq!(
        revisions["items"].as_array().map(Vec::len),
        Some(1),
        "the controller takes the newest by meaning"
    );
    assert_eq!(uids(&ns), pods);
    ns
}

#[test]
fn a_way_back_that_would_restart_every_pod_stops_a_start_until_it_is_allowed() {
    if !e2e::since("1.34", BY_BYTES) {
        return;
    }
    let ns = upgraded(&Web::new("statefulset", "app:1"));
    let before = (kept(&ns), uids(&ns));
    for more in [&[][..], &["-y"], &["--dry-run"], &["--dry-run=server"], &["--allow=mixed-revisions"]] {
        let stopped = start(&ns, "app:2", more);
        assert_code(&stopped, 8);
        // A plan that was asked for is data; what it warns of is not.
        let dry = more.iter().any(|word| word.starts_with("--dry-run"));
        assert!(stopped.stderr.contains("`creationTimestamp: null`"), "{stopped}");
        assert!(stopped.stderr.contains("going back restarts every pod"), "{stopped}");
        assert!(stopped.stderr.contains("[revision-bytes, stops]"), "{stopped}");
        assert!(stopped.stderr.contains("hint: --allow revision-bytes goes on all the same"), "{stopped}");
        assert_eq!(stopped.stdout.is_empty(), !dry, "{stopped}");
    }
    assert_eq!((kept(&ns), uids(&ns)), before);
    let allowed = start(&ns, "app:2", &[TWO, "--allow=revision-bytes"]);
    assert_code(&allowed, 0);
    assert!(allowed.stderr.contains("[revision-bytes, stops]"), "{allowed}");
    rests(&ns, &["app:2"; 3]);
    no_trace(&ns, &before.0);
    // What this server wrote it finds again.
    assert_code(&start(&ns, "app:3", &[TWO, "--pause-after=1"]), 0);
    let pods = uids(&ns);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:2"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
}

#[test]
fn the_way_back_that_was_allowed_restarts_every_pod_and_ends_right() {
    if !e2e::since("1.34", BY_BYTES) {
        return;
    }
    let ns = upgraded(&Web::new("statefulset", "app:1"));
    let (before, pods) = (kept(&ns), uids(&ns));
    let words = [TWO, "--pause-after=1", "--allow=revision-bytes"];
    assert_code(&start(&ns, "app:2", &words), 0);
    same(&ns, &pods, &["web-0", "web-1"]);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    ns.wait_until("no pod is what it was", LONG, || {
        let now = uids(&ns);
        now.len() == 3 && now.iter().all(|(name, uid)| pods[name] != *uid)
    });
    rests(&ns, &["app:1"; 3]);
    no_trace(&ns, &before);
    assert_code(&sts(&ns, &["status", "web", "--timeout=60s"]), 0);
}

#[test]
fn where_nobody_but_the_driver_replaces_pods_the_bytes_of_a_revision_stop_nothing() {
    if !e2e::since("1.34", BY_BYTES) {
        return;
    }
    let ns = upgraded(&Web::new("statefulset", "app:1").spec("updateStrategy: { type: OnDelete }"));
    let (before, pods) = (kept(&ns), uids(&ns));
    paused_after_one(&ns);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:1"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    no_trace(&ns, &before);
}

#[test]
fn a_set_that_was_made_anew_keeps_its_pods_and_its_way_back() {
    let ns = cluster().namespace("hazards-anew");
    Web::new("statefulset", "app:1").create(&ns);
    e2e::roll(&ns, SET, "app:2");
    let (before, pods) = (kept(&ns), uids(&ns));
    adopted(&ns, &orphaned(&ns));
    assert_eq!(uids(&ns), pods);
    let status = sts(&ns, &["status", "web", "--watch=false", "-o", "json"]);
    assert_code(&status, 0);
    let status = e2e::json(&status);
    assert_eq!((&status["state"], &status["updated"]), (&json!("complete"), &json!(3)), "{status}");
    let shown = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(shown.contains("web-2   2          new    yes     <none>"), "{shown}");
    assert!(shown.ends_with("next: nothing, no pod is old\n"), "{shown}");
    let history = sts(&ns, &["history", "web"]).expect_ok();
    assert!(history.contains("app 1 -> 2"), "{history}");

    assert_code(&sts(&ns, &["undo", "web"]), 0);
    assert_eq!(image(&ns, SET), "app:1");
    rests(&ns, &["app:1"; 3]);
    e2e::until(&ns, SET, "has one revision", is_current);
    let pods = uids(&ns);
    assert_code(&start(&ns, "app:3", &[TWO, "--pause-after=1"]), 0);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:1"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    no_trace(&ns, &before);
}

#[test]
fn a_set_that_was_made_anew_with_another_template_is_told_that_old_pods_come_back_new() {
    for way in ["resume", "abort"] {
        let ns = cluster().namespace("hazards-other");
        partitioned(3).create(&ns);
        let (before, pods) = (kept(&ns), uids(&ns));
        let mut set = orphaned(&ns);
        set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("app:2");
        adopted(&ns, &set);
        // Its controller may write the old set's status once more, and with it the current revision that that had.
        for _ in 0..5 {
            if is_current(&ns.get(&[SET])) {
                break;
            }
            adopted(&ns, &orphaned(&ns));
        }
        assert_eq!(uids(&ns), pods);
        let status = sts(&ns, &["status", "web", "--watch=false", "-o", "json"]);
        let status = e2e::json(&status);
        assert_eq!((&status["state"], &status["updated"]), (&json!("held"), &json!(0)), "{status}");
        let shown = sts(&ns, &["pods", "web"]).expect_ok();
        assert!(shown.contains("web-2   1          old    yes     <none>"), "{shown}");
        assert!(shown.contains("comes back at revision 2"), "{shown}");

        let stopped = sts(&ns, &["start", "web", TWO, "--soak=1s"]);
        assert_code(&stopped, 8);
        assert!(stopped.stderr.contains("a pod that dies before its step comes back at web-"), "{stopped}");
        assert_eq!(uids(&ns), pods);
        let words = ["start", "web", TWO, "--soak=1s", "--pause-after=1", "--allow=mixed-revisions"];
        assert_code(&sts(&ns, &words), 0);
        rests(&ns, &["app:1", "app:1", "app:2"]);
        assert_code(&sts(&ns, &[way, "web"]), 0);
        rests(&ns, &[if way == "abort" { "app:1" } else { "app:2" }; 3]);
        if way == "abort" {
            same(&ns, &pods, &["web-0", "web-1"]);
        }
        no_trace(&ns, &before);
    }
}

#[test]
fn a_copy_of_another_sets_rollout_is_no_rollout_of_this_one() {
    let ns = cluster().namespace("hazards-copy");
    Web::new("statefulset", "app:1").create(&ns);
    let before = kept(&ns);
    paused_after_one(&ns);
    let pods = uids(&ns);
    adopted(&ns, &orphaned(&ns));
    let sentence = "the stored rollout belongs to another statefulset of that name";
    let off = format!("kubectl annotate statefulset/web -n {} rollout-plugins.dev/rollout-", ns.name());
    let says = |output: &Output| {
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains(sentence) && said.contains(&off), "{output}");
    };
    let status = sts(&ns, &["status", "web", "--timeout=60s"]);
    assert_code(&status, 7);
    says(&status);
    let shown = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(shown.ends_with(&format!("stored: {sentence}\n")), "{shown}");
    let spec = ns.get(&[SET])["spec"].clone();
    for words in [
        &["resume", "web"][..],
        &["resume", "web", "--take-over"],
        &["abort", "web"],
        &["pause", "web"],
        &["start", "web", "app=app:3"],
        &["undo", "web"],
        &["undo", "web", "--to-revision=1"],
        &["advance", "web"],
        &["set", "web", "--partition=0"],
    ] {
        let refused = sts(&ns, words);
        assert_code(&refused, 1);
        assert!(refused.stderr.starts_with(&format!("error: {sentence} (")), "{refused}");
        says(&refused);
    }
    assert_eq!((ns.get(&[SET])["spec"].clone(), uids(&ns)), (spec, pods.clone()));

    // The way on is meant to be copied.
    let mut shell = ns.cluster().command("sh");
    Output::of(shell.args(["-c", &off]), "").unwrap().expect_ok();
    assert_eq!(partition(&ns), 2, "the partition is this set's own");
    assert_code(&sts(&ns, &["advance", "web", "--to=100%"]), 0);
    rests(&ns, &["app:2"; 3]);
    same(&ns, &pods, &["web-2"]);
    let [annotations, strategy, limit] = kept(&ns);
    assert!(annotations.as_object().is_none_or(serde_json::Map::is_empty), "{annotations}");
    assert_eq!([strategy, limit], [before[1].clone(), before[2].clone()]);
}

#[test]
fn a_set_that_never_came_up_is_freed_by_one_step_and_nothing_is_started_that_would_hang() {
    let ns = cluster().namespace("hazards-first");
    never_up(&ns, "app:missing");
    let (before, pods) = (kept(&ns), uids(&ns));
    for more in [&[][..], &["--dry-run"]] {
        let refused = start(&ns, "app:2", &[&[TWO], more].concat());
        assert_code(&refused, 1);
        assert!(refused.stderr.starts_with("error: pod web-0 blocks the set"), "{refused}");
        assert!(refused.stderr.contains("\nhint: --steps 100% comes to it at once"), "{refused}");
    }
    assert_eq!((kept(&ns), uids(&ns)), (before.clone(), pods));
    let done = start(&ns, "app:2", &["--steps=100%", "-o", "json", "--output-watch-events"]);
    assert_code(&done, 0);
    assert_eq!(deletions(&done), [("web-0".to_string(), "blocks".to_string())], "{done}");
    rests(&ns, &["app:2"; 3]);
    no_trace(&ns, &before);
}

#[test]
fn a_template_that_waits_behind_a_set_that_never_came_up_is_started_by_one_step_too() {
    let ns = cluster().namespace("hazards-first-live");
    never_up(&ns, "app:crash");
    let before = kept(&ns);
    set_image(&ns, SET, "app:2");
    let refused = sts(&ns, &["start", "web", TWO, "--soak=1s"]);
    assert_code(&refused, 1);
    assert!(refused.stderr.contains("--steps 100%"), "{refused}");
    assert_code(&sts(&ns, &["start", "web", "--steps=100%", "--soak=1s"]), 0);
    rests(&ns, &["app:2"; 3]);
    no_trace(&ns, &before);
}

#[test]
fn a_rollout_of_a_set_that_never_came_up_may_fail_too_and_there_is_a_way_on() {
    let ns = cluster().namespace("hazards-first-bad");
    never_up(&ns, "app:missing");
    let before = kept(&ns);
    let failed = start(&ns, "app:crash", &["--steps=100%"]);
    assert_code(&failed, 3);
    assert_eq!(images(&ns), ["app:crash"]);
    // What was there before never worked either.
    let aborted = sts(&ns, &["abort", "web"]);
    assert_code(&aborted, 3);
    assert!(aborted.stderr.contains("the older revision is back and fails too"), "{aborted}");
    assert_eq!((image(&ns, SET), images(&ns)), ("app:missing".to_string(), vec!["app:missing".to_string()]));
    // Somebody else's template ends it, and may be driven in its place.
    set_image(&ns, SET, "app:2");
    assert_code(&sts(&ns, &["start", "web", "--steps=100%", "--soak=1s"]), 0);
    rests(&ns, &["app:2"; 3]);
    no_trace(&ns, &before);
}
