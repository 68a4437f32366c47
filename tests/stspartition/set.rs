//! `set`: the partition as it is given, and what is put back below it.

use std::thread;

use e2e::{A_WHILE, LONG, Web, assert_code, broken, cluster, json, pods, set_image, uids};
use serde_json::json;

use crate::scene::{SET, deletions, images, partition, partitioned, rests, rolled, store_rollout, sts};

#[test]
fn lowering_says_before_which_pods_will_be_new_and_waits_for_them() {
    let ns = cluster().namespace("set");
    rolled(&ns, 3, "app:2");
    let before = uids(&ns);
    let plan = sts(&ns, &["set", "web", "--partition", "1", "--dry-run=server"]);
    assert_code(&plan, 0);
    assert!(plan.stdout.ends_with("\nstatefulset.apps/web partition set to 1 (server dry run)\n"), "{plan}");
    let notes = "
  partition: 3 -> 1
  new, at revision 2: web-2, web-1
  old, at revision 1: web-0
  a pod below the partition that dies comes back at revision 1
";
    assert!(plan.stdout.contains(notes), "{plan}");
    assert!(plan.stdout.contains("pods: 2 replaced: web-2, web-1\n"), "{plan}");
    let document = json(&sts(&ns, &["set", "web", "--partition=1", "--dry-run", "-o", "json"]));
    assert_eq!(
        (&document["kind"], &document["impact"]["pods"][1]["name"]),
        (&json!("Plan"), &json!("web-1"))
    );
    assert_eq!((uids(&ns), partition(&ns)), (before.clone(), 3));

    let lowered = sts(&ns, &["set", "web", "--partition=1"]);
    assert_code(&lowered, 0);
    assert!(lowered.stderr.contains(notes), "{lowered}");
    let says =
        "statefulset.apps/web partition set to 1\nheld: partition 1 keeps 1 pod at an older revision\n";
    assert_eq!(lowered.stdout, says, "{lowered}");
    assert_eq!((images(&ns), partition(&ns)), (["app:1", "app:2", "app:2"].map(String::from).to_vec(), 1));
    assert_eq!(uids(&ns)["web-0"], before["web-0"]);

    let again = sts(&ns, &["set", "web", "--partition=1"]);
    assert_code(&again, 0);
    assert_eq!(again.stdout, "statefulset.apps/web unchanged: its partition is 1\n");
    // What dies below the partition comes back as it was said.
    ns.kubectl(&["delete", "pod", "web-0"]).expect_ok();
    rests(&ns, &["app:1", "app:2", "app:2"]);
    assert_ne!(uids(&ns)["web-0"], before["web-0"]);
}

#[test]
fn raising_leaves_what_is_updated_and_recreate_puts_it_back_in_order() {
    let ns = cluster().namespace("set-raise");
    rolled(&ns, 1, "app:2");
    let before = uids(&ns);
    let raised = sts(&ns, &["set", "web", "--partition=2147483647"]);
    assert_code(&raised, 0);
    let stays = "below the partition and updated, web-2, web-1 stay at revision 2 until deleted: \
                 --recreate puts back to revision 1\n";
    assert!(raised.stderr.contains(stays), "{raised}");
    thread::sleep(A_WHILE);
    assert_eq!((uids(&ns), partition(&ns)), (before.clone(), 2_147_483_647));

    // The partition is there already: only the pods go back.
    let words = ["set", "web", "--partition=2147483647", "--recreate"];
    let back = sts(&ns, &[&words[..], &["-o", "json", "--output-watch-events"]].concat());
    assert_code(&back, 0);
    let put_back = ["web-2", "web-1"].map(|pod| (pod.to_string(), "put-back".to_string()));
    assert_eq!(deletions(&back), put_back, "{back}");
    rests(&ns, &["app:1", "app:1", "app:1"]);
    assert_eq!(uids(&ns)["web-0"], before["web-0"]);
    let nothing = sts(&ns, &words);
    assert_code(&nothing, 0);
    let says = "statefulset.apps/web unchanged: its partition is 2147483647 and no pod is to be put back\n";
    assert_eq!(nothing.stdout, says);
}

#[test]
fn a_pod_that_never_got_ready_is_put_back_too() {
    let ns = cluster().namespace("set-bad");
    partitioned(2).create(&ns);
    set_image(&ns, SET, "app:missing");
    broken(&ns, "app:missing", 1);
    let before = uids(&ns);
    let back = sts(&ns, &["set", "web", "--partition=3", "--recreate"]);
    assert_code(&back, 0);
    assert!(back.stdout.ends_with("held: partition 3 keeps 3 pods at an older revision\n"), "{back}");
    rests(&ns, &["app:1", "app:1", "app:1"]);
    let after = uids(&ns);
    assert_eq!((&after["web-0"], &after["web-1"]), (&before["web-0"], &before["web-1"]));
}

#[test]
fn new_pods_that_fail_end_it_with_their_cause() {
    let ns = cluster().namespace("set-fails");
    rolled(&ns, 3, "app:missing");
    let failed = sts(&ns, &["set", "web", "--partition=2"]);
    assert_code(&failed, 3);
    assert!(failed.stderr.contains("image app:missing cannot be pulled"), "{failed}");
    assert_eq!(partition(&ns), 2);
}

#[test]
fn the_first_pod_of_a_set_that_never_came_up_is_freed_when_the_partition_no_longer_keeps_it() {
    let ns = cluster().namespace("set-first");
    let strategy = "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 1 } }";
    let yaml = Web::new("statefulset", "app:missing").spec(strategy).yaml();
    e2e::create(&ns, &yaml);
    broken(&ns, "app:missing", 1);
    set_image(&ns, SET, "app:2");
    let kept = sts(&ns, &["unstick", "web"]);
    assert_code(&kept, 1);
    let hint = format!(
        "hint: lower the partition first, then it comes back at the newest revision: \
         kubectl stspartition set web --partition N -n {}\n",
        ns.name()
    );
    assert!(kept.stderr.ends_with(&hint), "{kept}");
    let freed = sts(&ns, &["set", "web", "--partition=0"]);
    assert_code(&freed, 0);
    assert!(freed.stderr.contains("pod web-0 blocks the set"), "{freed}");
    rests(&ns, &["app:2", "app:2", "app:2"]);
}

#[test]
fn what_others_have_a_hand_on_is_refused_and_nothing_is_changed() {
    let ns = cluster().namespace("set-refused");
    rolled(&ns, 3, "app:2");
    let refused = |why: &str| {
        let before = (ns.get(&[SET])["spec"].clone(), uids(&ns));
        for words in [&["set", "web", "--partition=1", "--recreate"][..], &["advance", "web"]] {
            let output = sts(&ns, words);
            assert_code(&output, 1);
            assert!(output.stderr.starts_with("error: ") && output.stderr.contains(why), "{output}");
        }
        assert_eq!((ns.get(&[SET])["spec"].clone(), uids(&ns)), before);
    };
    store_rollout(&ns);
    refused("a rollout in steps is paused (step 2 of 3 is next)");
    ns.kubectl(&["annotate", SET, "rollout-plugins.dev/rollout-"]).expect_ok();
    sts(&ns, &["pause", "web"]).expect_ok();
    refused("it is paused, which its partition does; resume it first with 'kubectl stspartition resume'");
    sts(&ns, &["resume", "web"]).expect_ok();
    let strategy = json!({ "spec": { "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } } });
    ns.kubectl(&["patch", SET, "-p", &strategy.to_string()]).expect_ok();
    refused("the update strategy OnDelete of a statefulset has no partition");
}

#[test]
fn a_partition_that_somebody_moves_meanwhile_stops_what_is_put_back() {
    let ns = cluster().namespace("set-raced");
    Web::new("statefulset", "app:slow")
        .spec("updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 1 } }")
        .create(&ns);
    set_image(&ns, SET, "app:2");
    rests(&ns, &["app:slow", "app:2", "app:2"]);
    // What comes back needs eight seconds.
    let words = ["set", "web", "--partition=3", "--recreate"];
    let running = e2e::Running::plugin("stspartition", &ns, &words);
    running.says("deleting pod web-2");
    let patch = json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": 0 } } } });
    ns.kubectl(&["patch", SET, "-p", &patch.to_string()]).expect_ok();
    let ended = running.ends();
    assert_code(&ended, 6);
    assert!(!ended.stderr.contains("deleting pod web-1"), "{ended}");
    ns.wait_until("the controller goes on", LONG, || pods(&ns).iter().all(|(_, _, image)| image == "app:2"));
}
