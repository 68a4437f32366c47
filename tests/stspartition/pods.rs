//! `pods`: by ordinal, with the line where the partition is.

use cluster::Login;
use e2e::{LONG, Running, Web, assert_code, broken, cluster, json, observed, pods as existing, set_image};
use serde_json::json;

use crate::scene::{SET, partitioned, ready, rolled, scale, store_rollout, sts};

#[test]
fn the_line_is_drawn_where_the_partition_is_and_what_comes_next_is_said() {
    let ns = cluster().namespace("pods");
    rolled(&ns, 2, "app:2");
    let shown = sts(&ns, &["pods", "web"]);
    assert_code(&shown, 0);
    let table = "\
POD     REVISION   SIDE   READY   REASON
web-2   2          new    yes     <none>
── partition 2 ─────────────────────────
web-1   1          old    yes     <none>
web-0   1          old    yes     <none>
next: advance would make web-1 new (revision 2)
";
    assert_eq!((shown.stdout.as_str(), shown.stderr.as_str()), (table, ""), "{shown}");
    let wide = sts(&ns, &["pods", "web", "-o", "wide", "--no-headers"]).expect_ok();
    assert!(wide.contains("app=app:2") && !wide.contains("POD"), "{wide}");

    let document = json(&sts(&ns, &["pods", "web", "-o", "json"]));
    assert_eq!((&document["kind"], &document["partition"]), (&json!("Pods"), &json!(2)), "{document}");
    assert_eq!((&document["warnings"], document.get("rollout")), (&json!([]), None), "{document}");
    let top = &document["pods"][0];
    assert_eq!(
        (&top["name"], &top["ordinal"], &top["revision"], &top["updated"], &top["ready"], &top["restarts"]),
        (&json!("web-2"), &json!(2), &json!(2), &json!(true), &json!(true), &json!(0)),
        "{document}"
    );
    assert!(top["node"].is_string() && top.get("reason").is_none(), "{document}");
    assert_eq!(document["pods"][2]["updated"], json!(false), "{document}");

    let names = sts(&ns, &["pods", "web", "-o", "name"]).expect_ok();
    assert_eq!(names, "pod/web-2\npod/web-1\npod/web-0\n");

    // Where nothing is held there is no line, and where all is, it is above all.
    sts(&ns, &["set", "web", "--partition=7"]).expect_ok();
    observed(&ns, SET);
    let held = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(held.lines().nth(1).unwrap().starts_with("── partition 7 ──"), "{held}");
    assert!(
        held.contains(
            "mixed-revisions: below the partition a pod that dies comes back at revision 1, which web-2 is not at now"
        ),
        "{held}"
    );
    assert!(held.contains("next: advance would make web-1 new"), "{held}");
    sts(&ns, &["advance", "web", "--to=100%"]).expect_ok();
    let done = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(!done.contains("──") && done.ends_with("next: nothing, no pod is old\n"), "{done}");
}

#[test]
fn a_set_that_hangs_is_told_with_the_pod_that_it_hangs_on() {
    let ns = cluster().namespace("pods-stuck");
    Web::new("statefulset", "app:1").create(&ns);
    set_image(&ns, SET, "app:missing");
    broken(&ns, "app:missing", 1);
    let failing = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(failing.contains("web-2   2          new    no      ImagePullBackOff"), "{failing}");
    assert!(failing.contains("image-pull: "), "{failing}");
    ns.kubectl(&["rollout", "undo", SET]).expect_ok();
    observed(&ns, SET);
    let shown = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(shown.contains("web-2   2          old    no      ImagePullBackOff"), "{shown}");
    assert!(shown.contains("sts-stuck: pod web-2 blocks the set"), "{shown}");
    let document = json(&sts(&ns, &["pods", "web", "-o", "json"]));
    assert_eq!(document["warnings"][0]["id"], "sts-stuck", "{document}");
    assert_eq!(document["pods"][0]["reason"], "ImagePullBackOff", "{document}");
}

#[test]
fn missing_ordinals_are_rows_and_pods_beyond_the_range_too() {
    let ns = cluster().namespace("pods-missing");
    let yaml = Web::new("statefulset", "app:missing").yaml();
    e2e::create(&ns, &yaml);
    broken(&ns, "app:missing", 1);
    let shown = sts(&ns, &["pods", "web"]).expect_ok();
    for row in ["web-2   <none>     <none>   no      Missing", "web-1   <none>     <none>   no      Missing"]
    {
        assert!(shown.contains(row), "{shown}");
    }
    let ns = cluster().namespace("pods-beyond");
    Web::new("statefulset", "app:1").replicas(4).create(&ns);
    ready(&ns, "web-2", "False");
    ready(&ns, "web-3", "False");
    scale(&ns, 2);
    observed(&ns, SET);
    let shown = sts(&ns, &["pods", "web"]).expect_ok();
    let first: Vec<&str> = shown.lines().map(|line| line.split("   ").next().unwrap()).collect();
    assert_eq!(first[..3], ["POD", "web-3", "web-2"], "{shown}");
    assert!(first[3].starts_with("── above: beyond 2 replicas ──"), "{shown}");
    assert_eq!(first[4..6], ["web-1", "web-0"], "{shown}");
}

#[test]
fn ordinals_that_start_higher_do_not_shift_the_line() {
    let ns = cluster().namespace("pods-start");
    partitioned(2).spec("ordinals: { start: 5 }").create(&ns);
    set_image(&ns, SET, "app:2");
    ns.wait_until("web-7 is new", LONG, || {
        existing(&ns).iter().any(|(name, _, image)| name == "web-7" && image == "app:2")
            && ns.get(&[SET])["status"]["readyReplicas"] == 3
    });
    let shown = sts(&ns, &["pods", "web"]).expect_ok();
    let first: Vec<&str> = shown.lines().skip(1).map(|line| line.split("   ").next().unwrap()).collect();
    assert_eq!((first[0], first[2], first[3]), ("web-7", "web-6", "web-5"), "{shown}");
    assert!(shown.ends_with("next: advance would make web-6 new (revision 2)\n"), "{shown}");
    let advanced = sts(&ns, &["advance", "web"]);
    assert_code(&advanced, 0);
    let images: Vec<_> = existing(&ns).into_iter().map(|(name, _, image)| (name, image)).collect();
    let wanted = [("web-5", "app:1"), ("web-6", "app:2"), ("web-7", "app:2")];
    assert_eq!(images, wanted.map(|(name, image)| (name.to_string(), image.to_string())), "{advanced}");
}

#[test]
fn a_set_without_pods_one_that_is_driven_and_several_are_shown() {
    let ns = cluster().namespace("pods-others");
    rolled(&ns, 3, "app:2");
    store_rollout(&ns);
    let stored = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(stored.ends_with("stored: a rollout in steps is paused (step 2 of 3 is next)\n"), "{stored}");
    let document = json(&sts(&ns, &["pods", "web", "-o", "json"]));
    assert_eq!((&document["rollout"]["done"], &document["rollout"]["phase"]), (&json!(1), &json!("paused")));
    ns.kubectl(&["annotate", SET, "rollout-plugins.dev/rollout-"]).expect_ok();
    scale(&ns, 0);
    ns.wait_until("the pods are gone", LONG, || existing(&ns).is_empty());
    let empty = sts(&ns, &["pods", "web"]).expect_ok();
    assert!(empty.starts_with("statefulset/web has 0 replicas and no pods\n"), "{empty}");
    let list = json(&sts(&ns, &["pods", "--all", "-o", "json"]));
    assert_eq!((&list["kind"], &list["items"][0]["pods"]), (&json!("List"), &json!([])), "{list}");
    let none = cluster().namespace("pods-none");
    let nothing = sts(&none, &["pods"]);
    assert_code(&nothing, 0);
    assert!(nothing.stderr.starts_with("No resources found in "), "{nothing}");
}

#[test]
fn a_watch_shows_the_set_again_whenever_it_changes_until_it_is_gone() {
    let ns = cluster().namespace("pods-watch");
    rolled(&ns, 2, "app:2");
    let watch = Running::plugin("stspartition", &ns, &["pods", "web", "-w"]);
    watch.says("web-1   1          old    yes     <none>");
    let lines = Running::plugin("stspartition", &ns, &["pods", "web", "-w", "-o", "json"]);
    lines.says("\"partition\": 2");
    sts(&ns, &["advance", "web"]).expect_ok();
    watch.says("── partition 1 ──");
    watch.says("web-1   2          new    yes     <none>");
    lines.says("\"partition\": 1");
    lines.signal("INT");
    assert_code(&lines.ends(), 130);
    ns.kubectl(&["delete", SET]).expect_ok();
    let ended = watch.ends();
    assert_code(&ended, 1);
    assert!(ended.stderr.ends_with("error: object has been deleted\n"), "{ended}");
}

#[test]
fn the_table_fits_eighty_columns() {
    let ns = cluster().namespace("pods-narrow");
    rolled(&ns, 2, "app:2");
    let mut script = ns.cluster().command("script");
    let inner = format!("stty cols 80; kubectl stspartition pods web -n {}", ns.name());
    script.args(["-qec", &inner, "/dev/null"]).env("TERM", "xterm");
    let shown = Running::start(script).ends();
    let mut painted = shown.stdout.split('\u{1b}');
    let first = painted.next().unwrap_or_default();
    let plain: String =
        [first].into_iter().chain(painted.filter_map(|it| Some(it.split_once('m')?.1))).collect();
    assert!(plain.contains("── partition 2 ──"), "{shown}");
    let rows: Vec<&str> = plain.lines().filter(|line| !line.contains(": ")).collect();
    let widest = rows.iter().map(|line| line.trim_end().chars().count()).max();
    assert!(rows.len() >= 5 && widest <= Some(80), "{widest:?}: {plain}");
}

#[test]
fn pods_that_may_not_be_listed_are_no_table_of_missing_ones() {
    let ns = cluster().namespace("pods-hidden");
    partitioned(2).create(&ns);
    let rules = ("get,list,watch", "statefulsets.apps,controllerrevisions.apps");
    let kubeconfig = ns.user(Login::Token, &[rules], &[]);
    let output = sts(&ns, &["pods", "web", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    assert_code(&output, 1);
    let why = format!("error: the pods of statefulset/web in namespace {} may not be listed\n", ns.name());
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", why.as_str()), "{output}");
}
