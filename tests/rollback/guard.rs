//! `kubectl rollback guard`: what works stays, what fails is taken back, and what is neither is left alone and said.

use std::{fs, thread};

use cluster::{Login, Namespace, Output, Rule};
use e2e::scene::{
    A_WHILE, broken, for_each_kind, json_lines, meanwhile, qualified, quiet, roll, rollback, uids, version,
};
use e2e::{KINDS, LONG, Running, Web, assert_code, cluster, image, json, pods, set_image, settled};
use serde_json::{Value, json};

/// Guards with a soak that keeps tests short; more words of the same flags count more.
#[track_caller]
pub fn guard(ns: &Namespace<'_>, words: &[&str]) -> Output {
    rollback(ns, &[&["guard", "--soak=2s", "--timeout=60s"], words].concat())
}

/// What makes each kind replace all of its pods at once.
pub fn at_once(kind: &'static str, image: &str) -> Web {
    let web = Web::new(kind, image).replicas(1);
    match kind {
        "deployment" => web.spec("strategy: { type: Recreate }"),
        "daemonset" => {
            web.spec("updateStrategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 100% } }")
        }
        _ => web,
    }
}

/// How kubectl's words name a workload called `web`.
pub fn named(kind: &str) -> String {
    let words = match kind {
        "deployment" => "deployment",
        "daemonset" => "daemon set",
        _ => "statefulset",
    };
    format!("{words} \"web\"")
}

pub fn images(ns: &Namespace<'_>) -> Vec<String> {
    pods(ns).into_iter().map(|(_, _, image)| image).collect()
}

/// Every pod has this image, and none is missing.
#[track_caller]
pub fn all_run(ns: &Namespace<'_>, target: &str, wanted: &str) {
    quiet(ns, target);
    let images = images(ns);
    assert!(!images.is_empty() && images.iter().all(|it| it == wanted), "{wanted}: {images:?}");
}

#[test]
fn a_rollout_that_works_stays() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:2");
        let good = guard(&ns, &[&target]);
        assert_code(&good, 0);
        assert_eq!(good.stdout, format!("{} successfully rolled out\n", named(kind)));
        assert!(good.stderr.contains("its pods are available and have to stay so for 2s"), "{good}");
        assert!(images(&ns).iter().all(|image| image == "app:2"), "{kind}");
        let before = version(&ns, &target);
        let rests = json(&guard(&ns, &[&target, "-o", "json"]));
        assert_eq!((&rests["outcome"], &rests["exitCode"]), (&json!("complete"), &json!(0)), "{rests}");
        assert_eq!(rests["status"]["state"], "complete", "{rests}");
        assert_eq!(version(&ns, &target), before, "{kind}");
    });
}

#[test]
fn a_slow_start_is_no_failure() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-slow"), format!("{kind}/web"));
        at_once(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:slow");
        assert_code(&guard(&ns, &[&target]), 0);
        assert_eq!(image(&ns, &target), "app:slow", "{kind}");
    });
}

#[test]
fn what_fails_is_taken_back_and_the_cause_is_said() {
    for bad in ["missing", "crash"] {
        for_each_kind(|kind| {
            let (ns, target) = (cluster().namespace("guard-bad"), format!("{kind}/web"));
            Web::new(kind, "app:1").create(&ns);
            let bad_image = format!("app:{bad}");
            set_image(&ns, &target, &bad_image);
            let undone = guard(&ns, &[&target]);
            assert_code(&undone, 5);
            let cause = if bad == "crash" { "crash-loop: pod web-" } else { "image-pull: pod web-" };
            let end = format!(
                "error: the rollout of {} failed and was undone: revision 1 is back\n  {cause}",
                named(kind)
            );
            assert!(undone.stderr.contains(&end), "{undone}");
            assert!(undone.stderr.contains(" going back to revision 1\n"), "{undone}");
            assert_eq!(undone.stdout, "", "{undone}");
            assert_eq!(image(&ns, &target), "app:1", "{kind}");
            all_run(&ns, &target, "app:1");
        });
    }
}

#[test]
fn what_fails_while_it_soaks_is_taken_back() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-late"), format!("{kind}/web"));
        at_once(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:late");
        let undone = guard(&ns, &[&target, "--soak=30s"]);
        assert_code(&undone, 5);
        assert!(undone.stderr.contains("have to stay so for 30s"), "{undone}");
        assert!(undone.stderr.contains("was restarted 1 time after it was available"), "{undone}");
        all_run(&ns, &target, "app:1");
    });
}

#[test]
fn what_does_not_get_ready_in_the_time_given_is_taken_back() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-never"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:never");
        let undone = guard(&ns, &[&target, "--timeout=5s"]);
        assert_code(&undone, 5);
        assert!(undone.stderr.contains("is not ready within the time given"), "{undone}");
        all_run(&ns, &target, "app:1");
    });
}

#[test]
fn a_first_rollout_that_fails_has_no_way_back() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-first"), format!("{kind}/web"));
        e2e::create(&ns, &Web::new(kind, "app:missing").yaml());
        let failed = guard(&ns, &[&target]);
        assert_code(&failed, 3);
        let end = format!(
            "error: the rollout of {} failed and was not undone: there is no older revision to go back to\n  \
             image-pull: ",
            named(kind)
        );
        assert!(failed.stderr.contains(&end), "{failed}");
        let document = json(&guard(&ns, &[&target, "-o", "json"]));
        assert_eq!((&document["outcome"], &document["exitCode"]), (&json!("not-undone"), &json!(3)));
        assert_eq!(document["causes"][0]["id"], "image-pull", "{document}");
        assert_eq!(image(&ns, &target), "app:missing", "{kind}");
    });
}

#[test]
fn where_nothing_says_what_worked_the_revision_is_asked_for() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-proof"), format!("{kind}/web"));
        at_once(kind, "app:1").create(&ns);
        roll(&ns, &target, "app:2");
        let count = pods(&ns).len();
        set_image(&ns, &target, "app:missing");
        broken(&ns, "app:missing", count);
        let before = version(&ns, &target);
        let failed = guard(&ns, &[&target]);
        assert_code(&failed, 3);
        assert!(
            failed.stderr.contains("was not undone: no older revision is known to have worked\n"),
            "{failed}"
        );
        let hint = format!("hint: choose one: kubectl rollback undo {target} -n {} --to-revision", ns.name());
        assert!(failed.stderr.contains(&hint), "{failed}");
        assert_eq!(version(&ns, &target), before, "{kind}");

        let unknown = guard(&ns, &[&target, "--to-revision=9"]);
        assert_code(&unknown, 3);
        assert!(unknown.stderr.contains("unable to find specified revision 9 in history"), "{unknown}");
        let undone = guard(&ns, &[&target, "--to-revision=2"]);
        assert_code(&undone, 5);
        assert!(undone.stderr.contains("revision 2 is back"), "{undone}");
        all_run(&ns, &target, "app:2");
    });
}

#[test]
fn a_way_back_that_fails_too_is_said() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-back"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        for bad in ["app:missing", "app:never", "app:crash"] {
            set_image(&ns, &target, bad);
        }
        let failed = guard(&ns, &[&target, "--to-revision=2"]);
        assert_code(&failed, 3);
        assert!(failed.stderr.contains("the older revision is back and fails too: pod web-"), "{failed}");
        assert!(failed.stderr.contains("image app:missing cannot be pulled"), "{failed}");
        assert_eq!(image(&ns, &target), "app:missing", "{kind}");
        let late = guard(&ns, &[&target, "--to-revision=3", "--undo-timeout=5s"]);
        assert_code(&late, 3);
        assert!(late.stderr.contains("the older revision is back and did not get ready in time"), "{late}");
        assert!(
            late.stderr
                .contains(&format!("hint: look at it: kubectl rollback status {target} -n {}", ns.name())),
            "{late}"
        );
        assert_eq!(image(&ns, &target), "app:never", "{kind}");
    });
}

#[test]
fn a_good_rollout_that_an_old_pod_holds_up_is_not_taken_back() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-lingering"), format!("{kind}/web"));
        let yaml = Web::new(kind, "app:1").yaml();
        let yaml =
            yaml.replace("metadata: { labels", "metadata: { annotations: { linger: \"true\" }, labels");
        let yaml = yaml.replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 60");
        e2e::create(&ns, &yaml);
        settled(&ns, &target);
        set_image(&ns, &target, "app:2");
        let output = guard(&ns, &[&target, "--timeout=5s"]);
        // A Deployment has its new pods whatever becomes of the old ones.
        assert_code(&output, if kind == "deployment" { 0 } else { 4 });
        assert_eq!(image(&ns, &target), "app:2", "{kind}");
        assert!(!output.stderr.contains("going back"), "{output}");
        ns.kubectl(&["annotate", "pods", "--all", "linger-"]).expect_ok();
    });
}

#[test]
fn somebody_elses_rollout_is_never_taken_back() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-superseded"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:never");
        let running = Running::rollback(&ns, &["guard", &target, "--soak=2s"]);
        running.says(": 1 of ");
        set_image(&ns, &target, "app:missing");
        let ended = running.ends();
        assert_code(&ended, 6);
        let sentence = format!("error: somebody rolled out something else to {} meanwhile\n", named(kind));
        assert!(ended.stderr.ends_with(&sentence), "{ended}");
        assert_eq!(image(&ns, &target), "app:missing", "{kind}");
    });
}

#[test]
fn what_is_held_is_neither_good_nor_bad() {
    let on_delete = "updateStrategy: { type: OnDelete }";
    let partition = "updateStrategy: { type: RollingUpdate, rollingUpdate: { partition: 2 } }";
    thread::scope(|scope| {
        for (kind, spec, held, on) in [
            ("deployment", "paused: true", "held: it is paused\n", "kubectl rollback resume deployment/web"),
            (
                "daemonset",
                on_delete,
                "held: the strategy is OnDelete and 4 pods are at an older",
                "kubectl dsupdate start daemonset/web",
            ),
            (
                "statefulset",
                on_delete,
                "held: the strategy is OnDelete and 3 pods are at an older",
                "kubectl stspartition start statefulset/web",
            ),
            (
                "statefulset",
                partition,
                "held: partition 2 keeps 2 pods at an older",
                "kubectl stspartition advance statefulset/web",
            ),
        ] {
            scope.spawn(move || {
                let (ns, target) = (cluster().namespace("guard-held"), format!("{kind}/web"));
                let web = Web::new(kind, "app:1");
                match kind {
                    "deployment" => {
                        web.create(&ns);
                        assert_code(&rollback(&ns, &["pause", &target]), 0);
                    }
                    _ => web.spec(spec).create(&ns),
                }
                set_image(&ns, &target, "app:2");
                let output = guard(&ns, &[&target]);
                assert_code(&output, 7);
                assert!(output.stderr.contains(held), "{output}");
                assert!(output.stderr.contains("hint: to go on"), "{output}");
                assert!(output.stderr.contains(on), "{output}");
                assert_eq!(image(&ns, &target), "app:2", "{kind}");
            });
        }
    });
}

#[test]
fn what_is_not_there_is_not_green() {
    let ns = cluster().namespace("guard-none");
    let missing = guard(&ns, &["deployment/web"]);
    assert_code(&missing, 1);
    assert_eq!(missing.stderr, "Error from server (NotFound): deployments.apps \"web\" not found\n");
    let folder = tempfile::tempdir().unwrap();
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\n";
    fs::write(folder.path().join("config.yaml"), config).unwrap();
    let path = folder.path().to_str().unwrap();
    for words in [&["deployments", "-l", "app=none"][..], &["deployments,sts,ds", "--all"], &["-f", path]] {
        let nothing = guard(&ns, words);
        assert_code(&nothing, 1);
        assert!(nothing.stderr.ends_with("error: no matching resources found\n"), "{nothing}");
        assert_eq!(nothing.stdout, "", "{nothing}");
    }
    for (words, says) in [
        (&["deployments"][..], "error: resource(s) were provided, but no name was specified"),
        (&[], "error: required resource not specified"),
        (&["deployment/web", "-A"], "error: -A/--all-namespaces is refused by verbs that change something"),
        (&["deployment/web", "--soak=soon"], "invalid value 'soon' for '--soak"),
        (&["deployment/web", "--to-revision=-1"], "revision must be a positive integer: -1"),
        (&["deployment/web", "--max-restarts=-1"], "invalid value '-1' for '--max-restarts"),
        (&["deployment/web", "--allow=everything"], "no such warning"),
    ] {
        let usage = guard(&ns, words);
        assert_code(&usage, 2);
        assert!(usage.stderr.contains(says), "{usage}");
    }
}

#[test]
fn manifests_are_guarded_as_kubectl_applies_them() {
    let ns = cluster().namespace("guard-files");
    let folder = tempfile::tempdir().unwrap();
    let (inner, built) = (folder.path().join("inner"), folder.path().join("built"));
    fs::create_dir(&inner).unwrap();
    fs::create_dir(&built).unwrap();
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\n";
    let write = |tag: &str| {
        let web = |kind| Web::new(kind, &format!("app:{tag}")).replicas(1).yaml();
        fs::write(folder.path().join("web.yaml"), format!("{}---\n{config}", web("deployment"))).unwrap();
        fs::write(inner.join("web.yaml"), web("statefulset")).unwrap();
        fs::write(built.join("web.yaml"), web("daemonset")).unwrap();
        fs::write(built.join("kustomization.yaml"), "resources: [web.yaml]\n").unwrap();
    };
    let path = folder.path().to_str().unwrap();
    let (inner, built) = (inner.to_str().unwrap(), built.to_str().unwrap());
    write("1");
    ns.kubectl(&["apply", "-f", path, "-f", inner]).expect_ok();
    ns.kubectl(&["apply", "-k", built]).expect_ok();
    KINDS.iter().for_each(|kind| quiet(&ns, &format!("{kind}/web")));
    write("missing");
    for (apply, guarded, exit, skipped) in [
        (&["-f", path][..], &["deployment"][..], 5, true),
        (&["-k", built], &["daemonset"], 5, false),
        (&["-R", "-f", inner], &["statefulset"], 5, false),
    ] {
        ns.kubectl(&[&["apply"], apply].concat()).expect_ok();
        let output = guard(&ns, apply);
        assert_code(&output, exit);
        assert_eq!(output.stderr.contains("1 object(s) that do not roll out skipped"), skipped, "{output}");
        for kind in guarded {
            assert_eq!(image(&ns, &format!("{kind}/web")), "app:1", "{output}");
        }
    }
}

#[test]
fn one_that_fails_does_not_stop_the_others_and_the_worst_counts() {
    let ns = cluster().namespace("guard-several");
    Web::new("deployment", "app:1").create(&ns);
    Web::new("daemonset", "app:1").create(&ns);
    set_image(&ns, "deployment/web", "app:2");
    set_image(&ns, "daemonset/web", "app:missing");
    let words = ["deployment/web", "statefulset/web", "daemonset/web"];
    let output = guard(&ns, &[&words[..], &["-o", "json", "--output-watch-events"]].concat());
    assert_code(&output, 1);
    assert!(output.stderr.contains("statefulsets.apps \"web\" not found"), "{output}");
    let list: Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
    let codes: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["workload"]["kind"].clone(), it["exitCode"].clone()))
        .collect();
    let expected = [("StatefulSet", 1), ("Deployment", 0), ("DaemonSet", 5)];
    assert_eq!(codes, expected.map(|(kind, code)| (json!(kind), json!(code))), "{output}");
    assert_eq!([image(&ns, "deployment/web"), image(&ns, "daemonset/web")], ["app:2", "app:1"]);
    let events = json_lines(&output.stdout);
    assert!(events.iter().any(|it| it["event"] == "soaking" && it["workload"]["kind"] == "Deployment"));
    let back = events.iter().find(|it| it["event"] == "going-back").unwrap();
    assert_eq!((&back["workload"]["kind"], &back["toRevision"]), (&json!("DaemonSet"), &json!(1)));
    assert_eq!(back["causes"][0]["id"], "image-pull", "{back}");
    // Without the one that is not there, the one that was taken back counts.
    set_image(&ns, "daemonset/web", "app:missing");
    assert_code(&guard(&ns, &["deployment/web", "daemonset/web"]), 5);
}

#[test]
fn all_or_none_takes_back_what_works_where_another_fails() {
    let targets = KINDS.map(|kind| format!("{kind}/web"));
    let words: Vec<&str> = targets.iter().map(String::as_str).chain(["--all-or-none"]).collect();
    // One older revision each: what is through before the guard starts keeps no pods that say which one worked.
    for (daemonset, code, stays) in [("app:2", 0, "app:2"), ("app:missing", 5, "app:1")] {
        let ns = cluster().namespace("guard-together");
        KINDS.iter().for_each(|kind| e2e::create(&ns, &Web::new(kind, "app:1").yaml()));
        targets.iter().for_each(|target| settled(&ns, target));
        targets.iter().zip(["app:2", daemonset, "app:2"]).for_each(|(it, image)| set_image(&ns, it, image));
        let output = guard(&ns, &words);
        assert_code(&output, code);
        let said = output.stderr.contains("together: daemonset/web failed, and it is all or none");
        assert_eq!(said, code == 5, "{output}");
        assert_eq!(targets.each_ref().map(|target| image(&ns, target)), [stays; 3], "{output}");
    }
}

#[test]
fn a_set_that_hangs_on_the_way_back_is_freed_and_its_good_pods_stay() {
    let (ns, target) = (cluster().namespace("guard-stuck"), "statefulset/web");
    Web::new("statefulset", "app:1").create(&ns);
    let before = uids(&ns);
    set_image(&ns, target, "app:missing");
    let output = guard(&ns, &[target, "-o", "json", "--output-watch-events"]);
    assert_code(&output, 5);
    let events = json_lines(&output.stdout);
    let deleted: Vec<_> = events
        .iter()
        .filter(|it| it["event"] == "deleting")
        .map(|it| (it["pod"].as_str().unwrap(), it["why"].as_str().unwrap()))
        .collect();
    assert_eq!(deleted, [("web-2", "blocks")]);
    let after = uids(&ns);
    assert_eq!([&after["web-0"], &after["web-1"]], [&before["web-0"], &before["web-1"]]);
    let document: Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&document["kind"], &document["outcome"]), (&json!("Result"), &json!("undone")));
    assert_eq!(document["exitCode"], 5);
    assert_eq!(document["causes"][0]["id"], "image-pull");
    assert_eq!([&document["fromRevision"], &document["toRevision"]], [&json!(2), &json!(1)]);
    assert_eq!(document["status"]["state"], "complete");
    all_run(&ns, target, "app:1");
}

const OBJECTS: &str =
    "deployments.apps,daemonsets.apps,statefulsets.apps,replicasets.apps,controllerrevisions.apps";
const READ: Rule<'_> = ("get,list,watch", OBJECTS);
const PODS: Rule<'_> = ("get,list,watch", "pods");

/// Guards as somebody who may do only this.
fn guard_as(ns: &Namespace<'_>, rules: &[Rule<'_>], words: &[&str]) -> Output {
    let kubeconfig = ns.user(Login::Token, rules, &[]);
    let mut kubectl = ns.cluster().command("kubectl");
    kubectl.env("KUBECONFIG", kubeconfig).args(["rollback", "guard", "--soak=2s"]).args(words);
    Running::start(kubectl).ends()
}

#[test]
fn who_may_not_change_it_is_told_that_it_failed_and_stays() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-readonly"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:missing");
        let output = guard_as(&ns, &[READ, PODS], &[&target]);
        assert_code(&output, 3);
        let says = format!(
            "failed and was not undone: {} is forbidden: User ",
            qualified(kind).replace(".apps/web", "s.apps \"web\"")
        );
        assert!(output.stderr.contains(&says), "{output}");
        assert!(output.stderr.contains("  image-pull: "), "{output}");
        assert_eq!(image(&ns, &target), "app:missing", "{kind}");
    });
}

#[test]
fn who_may_not_see_the_pods_is_told_so() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("guard-blind"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:2");
        let output = guard_as(&ns, &[READ], &[&target]);
        assert_code(&output, 0);
        let says = format!("warning: the pods of {target} in namespace {} may not be listed", ns.name());
        assert!(output.stderr.to_lowercase().contains(&says), "{output}");
        // Nobody sees why it hangs, so nobody may say that it failed.
        set_image(&ns, &target, "app:never");
        assert_code(&guard_as(&ns, &[READ], &[&target, "--timeout=5s"]), 4);
        assert_eq!(image(&ns, &target), "app:never", "{kind}");
    });
}

#[test]
fn restarts_of_pods_that_were_available_count() {
    let restart_one = |ns: &Namespace<'_>| {
        let pod = ns.get(&["pods", "-l", "app=web"])["items"][0].take();
        let mut statuses = pod["status"]["containerStatuses"].clone();
        statuses[0]["restartCount"] = json!(statuses[0]["restartCount"].as_u64().unwrap() + 1);
        let patch = json!({ "status": { "containerStatuses": statuses } }).to_string();
        let name = pod["metadata"]["name"].as_str().unwrap().to_string();
        ns.kubectl(&["patch", "pod", &name, "--type=merge", "--subresource=status", "-p", &patch])
            .expect_ok();
        name
    };
    for_each_kind(|kind| {
        for (allowed, code, stays) in [("--max-restarts=1", 0, "app:2"), ("--max-restarts=0", 5, "app:1")] {
            let (ns, target) = (cluster().namespace("guard-restarts"), format!("{kind}/web"));
            at_once(kind, "app:1").create(&ns);
            roll(&ns, &target, "app:2");
            // What happened before is not counted.
            restart_one(&ns);
            let running = Running::rollback(&ns, &["guard", &target, "--soak=10s", allowed]);
            running.says("have to stay so for 10s");
            let name = restart_one(&ns);
            let ended = running.ends();
            assert_code(&ended, code);
            assert_eq!(image(&ns, &target), stays, "{ended}");
            if code == 5 {
                let says = format!("restarts: pod {name} was restarted 1 time after it was available");
                assert!(ended.stderr.contains(&says), "{ended}");
            }
        }
    });
}

#[test]
fn an_object_that_is_deleted_meanwhile_ends_the_guard() {
    let ns = cluster().namespace("guard-gone");
    Web::new("deployment", "app:1").create(&ns);
    set_image(&ns, "deployment/web", "app:never");
    let output = meanwhile(&ns, &["guard", "deployment/web"], || {
        thread::sleep(A_WHILE);
        ns.kubectl(&["delete", "deployment", "web", "--wait=false"]).expect_ok();
    });
    assert_code(&output, 1);
    assert!(output.stderr.ends_with("error: object has been deleted\n"), "{output}");
    ns.wait_until("it is gone", LONG, || !ns.kubectl(&["get", "deployment/web"]).ok());
}
