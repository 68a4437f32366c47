//! What `undo` warns of, each by the real thing: what it says, what it stops, and how one goes on all the same.

use cluster::{Login, Namespace, Output};
use e2e::scene::{Terminal, for_each_kind, quiet, roll, rollback, uids, version};
use e2e::{Web, as_another_server_wrote_it, assert_code, cluster, image, json, set_image, settled};
use serde_json::{Value, json};

/// The warnings of a dry run, by id; each has what a document promises.
#[track_caller]
fn warned(ns: &Namespace<'_>, target: &str) -> Vec<(String, bool, String, String)> {
    let output = rollback(ns, &["undo", target, "--dry-run", "-o", "json"]);
    let document = json(&output);
    let warnings = match output.code {
        0 => &document["warnings"],
        _ => &document["plan"]["warnings"],
    };
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {output}")).to_string();
    let read = |it: &Value| {
        (text(&it["id"]), it["stops"].as_bool().unwrap(), text(&it["message"]), text(&it["fix"]))
    };
    let warnings: Vec<_> =
        warnings.as_array().unwrap_or_else(|| panic!("{output}")).iter().map(read).collect();
    let stops = warnings.iter().any(|(_, stops, _, _)| *stops);
    assert_code(&output, if stops { 8 } else { 0 });
    warnings
}

/// Returns the message and the fix of the one warning that there is.
#[track_caller]
fn only(ns: &Namespace<'_>, target: &str, id: &str, stops: bool) -> (String, String) {
    let mut warnings = warned(ns, target);
    let ids: Vec<_> = warnings.iter().map(|(id, stops, _, _)| (id.as_str(), *stops)).collect();
    assert_eq!(ids, [(id, stops)], "{warnings:?}");
    let (_, _, message, fix) = warnings.remove(0);
    (message, fix)
}

/// Asserts that a warning stops the real run, that neither `-y` nor another id helps, and that its own does.
fn stops_until_allowed(ns: &Namespace<'_>, target: &str, id: &str) -> String {
    let before = version(ns, target);
    let other = format!("--allow={}", if id == "placement" { "missing-config" } else { "placement" });
    for words in [
        &["undo", target][..],
        &["undo", target, "-y"],
        &["undo", target, "--dry-run=server"],
        &["undo", target, &other],
    ] {
        let stopped = rollback(ns, words);
        assert_code(&stopped, 8);
        // A plan that was asked for is data; what it warns of is not.
        let dry = words.contains(&"--dry-run=server");
        assert!(stopped.stderr.contains(&format!("[{id}, stops]\n")), "{stopped}");
        let sentence = format!("{target} in namespace {}: stopped by {id}: nothing was changed", ns.name());
        assert!(stopped.stderr.contains(&sentence), "{stopped}");
        assert!(stopped.stderr.contains(&format!("hint: --allow {id} goes on all the same")), "{stopped}");
        assert_eq!(stopped.stdout.is_empty(), !dry, "{stopped}");
    }
    assert_eq!(version(ns, target), before);
    let allowed = rollback(ns, &["undo", target, "--wait=false", &format!("--allow={id}")]);
    assert_code(&allowed, 0);
    assert!(allowed.stderr.contains(&format!("[{id}, stops]\n")), "{allowed}");
    assert_ne!(version(ns, target), before);
    allowed.stderr
}

/// Does what a fix says: it is meant to be copied.
fn run(ns: &Namespace<'_>, fix: &str) {
    let mut shell = ns.cluster().command("sh");
    Output::of(shell.args(["-c", fix]), "").unwrap().expect_ok();
}

fn patch(ns: &Namespace<'_>, target: &str, patch: &Value) {
    ns.kubectl(&["patch", target, "--type=merge", "-p", &patch.to_string()]).expect_ok();
}

/// A workload at its second revision, on the test's own namespace.
fn rolled(kind: &'static str) -> (Namespace<'static>, String) {
    let (ns, target) = (cluster().namespace("warned"), format!("{kind}/web"));
    Web::new(kind, "app:1").create(&ns);
    roll(&ns, &target, "app:2");
    (ns, target)
}

#[test]
fn who_deploys_the_object_is_named_with_the_way_to_suspend_it() {
    let (ns, target) = rolled("deployment");
    assert_eq!(warned(&ns, &target), []);
    let mut marks = json!({"labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "shop"}});
    patch(&ns, &target, &json!({"metadata": marks}));
    let (message, fix) = only(&ns, &target, "gitops-owner", false);
    assert!(message.contains("the Helm release shop"), "{message}");
    assert_eq!(fix, format!("helm rollback shop -n {}", ns.name()));

    marks = json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}});
    patch(&ns, &target, &json!({"metadata": marks}));
    let (message, fix) = only(&ns, &target, "gitops-owner", true);
    assert!(message.contains("the Flux kustomization apps"), "{message}");
    assert_eq!(fix, "flux suspend kustomization apps -n flux-system");

    marks = json!({"labels": {"kustomize.toolkit.fluxcd.io/name": null},
        "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/web"}});
    patch(&ns, &target, &json!({"metadata": marks}));
    let (message, fix) = only(&ns, &target, "gitops-owner", true);
    assert!(message.contains("the Argo CD application shop"), "{message}");
    assert_eq!(fix, "argocd app set shop --sync-policy none");
    stops_until_allowed(&ns, &target, "gitops-owner");
    assert_eq!(image(&ns, &target), "app:1");
}

#[test]
fn a_better_revision_is_no_choice_where_something_else_stops_too() {
    let (ns, target) = rolled("deployment");
    ns.kubectl(&["rollout", "restart", &target]).expect_ok();
    quiet(&ns, &target);
    let marks =
        json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/web"}});
    patch(&ns, &target, &json!({"metadata": marks}));
    let before = version(&ns, &target);
    let (shown, code) = Terminal::start(&ns, &["undo", &target]).ends();
    assert_eq!(code, 8, "{shown}");
    assert!(shown.contains("stopped by restart-only,gitops-owner: nothing was changed"), "{shown}");
    assert!(!shown.contains("Which revision instead?"), "{shown}");
    assert_eq!(version(&ns, &target), before);
}

#[test]
fn a_controller_that_owns_the_workload_is_to_be_changed_instead() {
    for_each_kind(|kind| {
        let (ns, target) = rolled(kind);
        // The garbage collector takes what has an owner that does not exist.
        ns.kubectl(&["create", "configmap", "parent"]).expect_ok();
        let uid = ns.get(&["configmap", "parent"])["metadata"]["uid"].take();
        let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": uid, "controller": true});
        patch(&ns, &target, &json!({"metadata": {"ownerReferences": [owner]}}));
        let (message, fix) = only(&ns, &target, "gitops-owner", true);
        assert!(message.contains("belongs to ConfigMap parent"), "{message}");
        assert_eq!(fix, format!("kubectl edit ConfigMap parent -n {}", ns.name()));
    });
}

#[test]
fn who_applies_the_template_server_side_is_named_and_does_meet_a_conflict() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("warned-ssa"), format!("{kind}/web"));
        let apply = |image: &str, more: &[&str]| {
            let args = ["apply", "--server-side", "--field-manager=ci", "-n", ns.name(), "-f", "-"];
            cluster().kubectl_with(&[&args, more].concat(), &Web::new(kind, image).yaml())
        };
        apply("app:1", &[]).expect_ok();
        settled(&ns, &target);
        apply("app:2", &[]).expect_ok();
        settled(&ns, &target);
        let (message, fix) = only(&ns, &target, "ssa-owner", false);
        assert!(message.contains("applied server-side by ci"), "{message}");
        assert!(fix.contains("--field-manager=ci --force-conflicts"), "{fix}");
        assert_code(&rollback(&ns, &["undo", &target]), 0);
        let conflict = apply("app:2", &[]);
        assert_code(&conflict, 1);
        assert!(conflict.stderr.contains("conflict with \"kubectl-rollback\""), "{conflict}");
        apply("app:2", &["--force-conflicts"]).expect_ok();
    });
}

#[test]
fn the_replicas_of_an_autoscaler_are_said_to_stay() {
    for kind in ["deployment", "statefulset"] {
        let (ns, target) = rolled(kind);
        ns.kubectl(&["autoscale", &target, "--name=load", "--min=3", "--max=7"]).expect_ok();
        let (message, fix) = only(&ns, &target, "hpa", false);
        assert!(message.contains("horizontal pod autoscaler load (3..7)"), "{message}");
        assert_eq!(fix, format!("kubectl describe hpa load -n {}", ns.name()));
        assert_code(&rollback(&ns, &["undo", &target, "--wait=false"]), 0);
    }
}

#[test]
fn a_budget_that_the_rollback_breaks_is_said_with_its_numbers() {
    for_each_kind(|kind| {
        let (ns, target) = rolled(kind);
        let all = if kind == "daemonset" { 4 } else { 3 };
        if kind == "deployment" {
            patch(
                &ns,
                &target,
                &json!({"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}}}),
            );
        }
        ns.kubectl(&[
            "create",
            "poddisruptionbudget",
            "keep",
            "--selector=app=web",
            &format!("--min-available={all}"),
        ])
        .expect_ok();
        let (message, fix) = only(&ns, &target, "pdb", false);
        let numbers = format!("keep asks for {all} available pods, and meanwhile there are only {}", all - 1);
        assert!(message.contains(&numbers), "{message}");
        if kind == "deployment" {
            run(&ns, &fix);
            assert_eq!(warned(&ns, &target), [], "{fix}");
        }
        let less = json!({"spec": {"minAvailable": all - 1}});
        patch(&ns, "poddisruptionbudget/keep", &less);
        assert_eq!(warned(&ns, &target), [], "{kind}");
    });
}

#[test]
fn a_quota_without_room_is_said_with_what_is_short() {
    let (ns, target) = rolled("deployment");
    ns.kubectl(&["create", "quota", "team", "--hard=pods=3"]).expect_ok();
    e2e::until(&ns, "resourcequota/team", "is counted", |it| it["status"]["used"]["pods"] == "3");
    let (message, fix) = only(&ns, &target, "quota", false);
    assert!(message.contains("resourcequota team has no room"), "{message}");
    assert!(message.contains("pods (needs 1 more, 0 left)"), "{message}");
    assert_eq!(fix, format!("kubectl edit resourcequota team -n {}", ns.name()));
    patch(&ns, "resourcequota/team", &json!({"spec": {"hard": {"pods": "4"}}}));
    e2e::until(&ns, "resourcequota/team", "is larger", |it| it["status"]["hard"]["pods"] == "4");
    assert_eq!(warned(&ns, &target), []);
}

#[test]
fn larger_requests_that_do_not_fit_a_quota_are_said() {
    for kind in ["daemonset", "statefulset"] {
        let (ns, target) = (cluster().namespace("warned-larger"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        for requests in ["--requests=cpu=1", "--requests=cpu=100m"] {
            ns.kubectl(&["set", "resources", &target, requests]).expect_ok();
            settled(&ns, &target);
        }
        ns.kubectl(&["create", "quota", "team", "--hard=requests.cpu=1"]).expect_ok();
        let pods = if kind == "daemonset" { 4 } else { 3 };
        let used = format!("{}m", pods * 100);
        e2e::until(&ns, "resourcequota/team", "is counted", |it| {
            it["status"]["used"]["requests.cpu"] == used
        });
        let (message, _) = only(&ns, &target, "quota", false);
        let short = format!("requests.cpu (needs {}m more, {}m left)", pods * 900, 1000 - pods * 100);
        assert!(message.contains(&short), "{message}");
    }
}

/// A workload whose last two revisions read `COLOR` from the ConfigMap `settings`.
fn configured(kind: &'static str) -> (Namespace<'static>, String) {
    let (ns, target) = (cluster().namespace("warned-config"), format!("{kind}/web"));
    Web::new(kind, "app:1").create(&ns);
    ns.kubectl(&["create", "configmap", "settings", "--from-literal=COLOR=red", "--from-literal=SIZE=1"])
        .expect_ok();
    ns.kubectl(&["set", "env", &target, "--from=configmap/settings", "--keys=COLOR"]).expect_ok();
    settled(&ns, &target);
    roll(&ns, &target, "app:2");
    (ns, target)
}

#[test]
fn a_config_that_is_gone_stops_for_each_kind() {
    for_each_kind(|kind| {
        let (ns, target) = configured(kind);
        assert_eq!(warned(&ns, &target), [], "{kind}");
        ns.kubectl(&["delete", "configmap", "settings"]).expect_ok();
        let (message, fix) = only(&ns, &target, "missing-config", true);
        assert!(message.contains("configmap settings does not exist, and revision 2 names it"), "{message}");
        assert_eq!(fix, format!("kubectl create configmap settings -n {} --from-file=FILE", ns.name()));
        stops_until_allowed(&ns, &target, "missing-config");
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
    });
}

#[test]
fn a_new_image_is_warned_of_in_the_same_way() {
    let (ns, target) = configured("deployment");
    ns.kubectl(&["delete", "configmap", "settings"]).expect_ok();
    let words = ["try", &target, "app=app:3", "--soak=0s"];
    let stopped = rollback(&ns, &words);
    assert_code(&stopped, 8);
    let said = "configmap settings does not exist, and the new template names it: its pods would not start";
    assert!(stopped.stderr.contains(&format!("Warning: {said} [missing-config, stops]")), "{stopped}");
    assert_eq!(image(&ns, &target), "app:2");
    let allowed = rollback(&ns, &[&words, ["--allow=missing-config"].as_slice()].concat());
    assert_code(&allowed, 0);
    assert_eq!(image(&ns, &target), "app:3");
}

#[test]
fn a_config_that_changed_since_or_lost_its_key_is_said() {
    let (ns, target) = configured("deployment");
    // The server's times are whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    patch(&ns, "configmap/settings", &json!({"data": {"COLOR": "blue"}}));
    let (message, fix) = only(&ns, &target, "config-changed", false);
    assert!(message.starts_with("configmap settings was changed at 20"), "{message}");
    assert!(message.contains("revision 2 was live until 20"), "{message}");
    assert_eq!(fix, format!("kubectl get configmap settings -n {} -o yaml --show-managed-fields", ns.name()));
    patch(&ns, "configmap/settings", &json!({"data": {"COLOR": null}}));
    // The server keeps no time of what is taken away.
    let (message, _) = only(&ns, &target, "missing-config", true);
    assert!(message.contains("configmap settings has no key COLOR"), "{message}");
    patch(&ns, "configmap/settings", &json!({"binaryData": {"COLOR": "Ymx1ZQ=="}}));
    only(&ns, &target, "config-changed", false);
}

#[test]
fn resource_claims_that_a_template_names_are_looked_for() {
    if !e2e::since("1.34", "the server drops the resource claims of a pod") {
        return;
    }
    let (ns, target) = (cluster().namespace("warned-claims"), "deployment/web");
    Web::new("deployment", "app:1").create(&ns);
    let claims = |claims: Value| json!({"spec": {"template": {"spec": {"resourceClaims": claims}}}});
    let both = json!([{"name": "shared", "resourceClaimName": "gpu"}, {"name": "own", "resourceClaimTemplateName": "nic"}]);
    patch(&ns, target, &claims(both));
    e2e::observed(&ns, target);
    patch(&ns, target, &claims(Value::Null));
    set_image(&ns, target, "app:2");
    let output = rollback(&ns, &["undo", target, "--to-revision=2", "--dry-run"]);
    assert_code(&output, 8);
    for what in ["resourceclaim gpu", "resourceclaimtemplate nic"] {
        let mut lines = output.stderr.lines();
        let line = lines.find(|line| line.contains(&format!("{what} does not exist")));
        assert!(line.is_some_and(|line| line.ends_with("[missing-config, stops]")), "{what}: {output}");
    }
}

#[test]
fn every_sort_of_object_that_a_template_names_is_looked_for() {
    let (ns, target) = (cluster().namespace("warned-names"), "deployment/web");
    Web::new("deployment", "app:1").create(&ns);
    let names = json!({"spec": {"template": {"spec": {
        "serviceAccountName": "runner", "priorityClassName": "warned-no-such-class",
        "imagePullSecrets": [{"name": "registry"}],
        "runtimeClassName": "warned-no-such-runtime",
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "cert", "secret": {"secretName": "cert"}},
            {"name": "perhaps", "secret": {"secretName": "perhaps", "optional": true}}]}}}});
    patch(&ns, target, &names);
    e2e::observed(&ns, target);
    let plain = json!({"spec": {"template": {"spec": {
        "serviceAccountName": null, "serviceAccount": null, "priorityClassName": null, "imagePullSecrets": null, "volumes": null,
        "runtimeClassName": null}}}});
    patch(&ns, target, &plain);
    set_image(&ns, target, "app:2");
    let output = rollback(&ns, &["undo", target, "--to-revision=2", "--dry-run"]);
    assert_code(&output, 8);
    for (what, stops) in [
        ("secret cert", ", stops"),
        ("secret registry", ""),
        ("persistentvolumeclaim data", ", stops"),
        ("serviceaccount runner", ", stops"),
        ("priorityclass warned-no-such-class", ", stops"),
        ("runtimeclass warned-no-such-runtime", ", stops"),
    ] {
        let line = output.stderr.lines().find(|line| line.contains(&format!("{what} does not exist")));
        let line = line.unwrap_or_else(|| panic!("{what}: {output}"));
        assert!(line.ends_with(&format!("[missing-config{stops}]")), "{line}");
    }
    assert!(!output.stderr.contains("secret perhaps"), "{output}");
    assert!(output.stderr.contains("stopped by missing-config: nothing"), "{output}");
    for (sort, words) in [
        ("secret", &["create", "secret", "generic", "cert"][..]),
        ("serviceaccount", &["create", "serviceaccount", "runner"]),
    ] {
        ns.kubectl(words).expect_ok();
        let output = rollback(&ns, &["undo", target, "--to-revision=2", "--dry-run"]);
        assert!(!output.stderr.contains(&format!("{sort} {} does not", words[words.len() - 1])), "{output}");
    }
}

#[test]
fn a_partition_that_stays_is_said_with_the_command_that_lowers_it() {
    let (ns, target) = rolled("statefulset");
    patch(&ns, &target, &json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}}));
    let (message, fix) = only(&ns, &target, "partition-left", false);
    assert!(message.contains("the partition 2 stays: 2 pods below it stay"), "{message}");
    run(&ns, &fix);
    assert_eq!(warned(&ns, &target), []);
}

#[test]
fn a_held_daemon_set_whose_pods_would_move_at_once_stops() {
    let (ns, target) = (cluster().namespace("warned-placement"), "daemonset/web");
    Web::new("daemonset", "app:1").create(&ns);
    let to = |selector: Value| {
        json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null},
        "template": {"spec": {"nodeSelector": selector}}}})
    };
    patch(&ns, target, &to(json!({"topology.kubernetes.io/zone": "a"})));
    e2e::observed(&ns, target);
    patch(&ns, target, &to(Value::Null));
    e2e::until(&ns, target, "is everywhere", |it| it["status"]["numberAvailable"] == 4);
    let (message, fix) = only(&ns, target, "placement", true);
    assert!(message.contains("revision 2 has another nodeSelector"), "{message}");
    assert_eq!(fix, "kubectl get nodes -l topology.kubernetes.io/zone=a");
    stops_until_allowed(&ns, target, "placement");
    // What it warned of: nobody deleted a pod, and those of the other zones are gone.
    e2e::until(&ns, target, "has moved", |it| it["status"]["currentNumberScheduled"] == 2);
}

#[test]
fn a_revision_that_its_controller_will_not_find_again_stops() {
    for kind in ["daemonset", "statefulset"] {
        let (ns, target) = (cluster().namespace("warned-bytes"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        let before = uids(&ns);
        set_image(&ns, &target, "app:never");
        ns.wait_until("one pod is new", e2e::LONG, || {
            e2e::pods(&ns).iter().filter(|(_, _, image)| image == "app:never").count() == 1
        });
        assert_eq!(warned(&ns, &target), [], "{kind}");
        let name = as_another_server_wrote_it(&ns, 1);
        let (message, fix) = only(&ns, &target, "revision-bytes", true);
        let survivors = before.len() - 1;
        assert!(message.contains(&format!("{survivors} pods at it already are restarted too")), "{message}");
        assert!(message.contains("`creationTimestamp: null`"), "{message}");
        assert_eq!(fix, format!("kubectl get controllerrevision {name} -n {} -o yaml", ns.name()));
        let allowed = stops_until_allowed(&ns, &target, "revision-bytes");
        assert!(allowed.contains(&format!("pods: {} ", before.len())), "{allowed}");
        if kind == "daemonset" {
            // What it warned of; a StatefulSet hangs on its broken pod first.
            ns.wait_until("no pod is what it was", e2e::LONG, || {
                let now = uids(&ns);
                now.len() == before.len() && now.values().all(|uid| !before.values().any(|old| old == uid))
            });
        }
    }
}

#[test]
fn what_may_not_be_read_is_said_as_skipped_and_stops_nothing() {
    let (ns, target) = configured("deployment");
    ns.kubectl(&["delete", "configmap", "settings"]).expect_ok();
    let here = [("get,list,watch,patch", "deployments.apps"), ("list,watch", "pods,replicasets.apps")];
    let kubeconfig = ns.user(Login::Token, &here, &[]);
    let words = ["undo", &target, "--wait=false", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let output = rollback(&ns, &[&words, ["--dry-run", "-o", "json"].as_slice()].concat());
    assert_code(&output, 0);
    let document = json(&output);
    let skipped = [
        "skipped: horizontalpodautoscalers may not be read",
        "skipped: poddisruptionbudgets may not be read",
        "skipped: resourcequotas may not be read",
        "skipped: configmap settings may not be read",
    ];
    assert_eq!((&document["notes"], &document["warnings"]), (&json!(skipped), &json!([])));
    let output = rollback(&ns, &words);
    assert_code(&output, 0);
    for line in skipped {
        assert!(output.stderr.contains(&format!("  {line}\n")), "{output}");
    }
    assert_eq!(image(&ns, &target), "app:1");
}

#[test]
fn a_history_limit_that_costs_another_way_back_is_said_with_the_command_that_raises_it() {
    let (ns, target) = rolled("deployment");
    patch(&ns, &target, &json!({"spec": {"revisionHistoryLimit": 1}}));
    // Nothing is cleaned up before a rollout is complete.
    set_image(&ns, &target, "app:never");
    let (message, fix) = only(&ns, &target, "history-limit", false);
    assert!(message.contains("delete revision 1 afterwards"), "{message}");
    run(&ns, &fix);
    assert_eq!(warned(&ns, &target), []);
}

#[test]
fn an_unknown_warning_is_a_usage_error_that_lists_all() {
    let ns = cluster().namespace("warned-usage");
    for id in ["nothing", "", "gitops-owner,nothing"] {
        let output = rollback(&ns, &["undo", "deployment/web", "--allow", id]);
        assert_code(&output, 2);
        for known in [
            "target-unavailable",
            "restart-only",
            "last-applied",
            "same-template",
            "history-limit",
            "gitops-owner",
            "hpa",
            "missing-config",
            "config-changed",
            "quota",
            "pdb",
            "partition-left",
            "ssa-owner",
            "placement",
            "revision-bytes",
        ] {
            assert!(output.stderr.contains(known), "{known}: {output}");
        }
    }
}
