//! The roles of `docs/rbac`: each verb works with the role that is for it, and what is not granted is said.

use std::sync::Once;

use cluster::{Namespace, Output, workspace};
use e2e::{Web, assert_code, cluster, image, set_image, settled};

/// A namespace with a workload of each kind, and with a service account that is bound to a role as the page says.
fn bound(role: &str) -> Namespace<'static> {
    static ROLES: Once = Once::new();
    ROLES.call_once(|| {
        let folder = workspace().join("docs/rbac");
        cluster().kubectl(&["apply", "-f", &folder.to_string_lossy()]).expect_ok();
    });
    let ns = cluster().namespace(&format!("rights-{role}"));
    ns.kubectl(&["create", "serviceaccount", "it"]).expect_ok();
    let (name, account) = (format!("--clusterrole=rollouts-{role}"), format!("{}:it", ns.name()));
    ns.kubectl(&["create", "rolebinding", "it", &name, &format!("--serviceaccount={account}")]).expect_ok();
    for kind in ["deployment", "daemonset", "statefulset"] {
        Web::new(kind, "app:1").create(&ns);
    }
    ns
}

/// What lies in no namespace, too.
fn bind_cluster(ns: &Namespace<'_>) {
    let account = format!("--serviceaccount={}:it", ns.name());
    let words = ["create", "clusterrolebinding", ns.name(), "--clusterrole=rollouts-cluster", &account];
    ns.cluster().kubectl(&words).expect_ok();
}

fn asked(ns: &Namespace<'_>, line: &str) -> Output {
    let name = format!("--as=system:serviceaccount:{}:it", ns.name());
    let (before, after) = line.split_once(" -- ").unwrap_or((line, ""));
    let mut words: Vec<&str> = before.split(' ').collect();
    words.push(&name);
    if !after.is_empty() {
        words.push("--");
        words.extend(after.split(' '));
    }
    ns.kubectl(&words)
}

/// Returns all that was said.
#[track_caller]
fn may(ns: &Namespace<'_>, line: &str) -> String {
    let output = asked(ns, line);
    assert!(output.ok(), "{line}: {output}");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(!said.contains("forbidden") && !said.contains("may not be"), "{line}: {output}");
    said
}

/// It is said who may not do what, to what, and where.
#[track_caller]
fn may_not(ns: &Namespace<'_>, line: &str, what: &str) {
    let output = asked(ns, line);
    assert_code(&output, 1);
    let says = format!(
        "is forbidden: User \"system:serviceaccount:{ns}:it\" cannot {what} in the namespace \"{ns}\"",
        ns = ns.name()
    );
    assert!(output.stderr.contains(&says), "{line}: {output}");
}

fn patch(plural: &str) -> String {
    format!("patch resource \"{plural}\" in API group \"apps\"")
}

#[test]
fn a_reader_sees_everything_and_changes_nothing() {
    let ns = bound("reader");
    set_image(&ns, "deployment/web", "app:2");
    settled(&ns, "deployment/web");
    for line in [
        "rollback history deployment/web",
        "rollback status deployment/web",
        "rollback status statefulset/web",
        "rollback timeline",
        "rollback undo deployment/web --dry-run",
        "rollback guard deployment/web --soak 1s",
        "dsupdate history web",
        "stspartition pods web",
        "stspartition start web app=app:2 --dry-run",
    ] {
        may(&ns, line);
    }
    assert_code(&asked(&ns, "rollback diff deployment/web"), 1);
    // The reason of what fails is seen.
    set_image(&ns, "deployment/web", "app:crash");
    let failed = asked(&ns, "rollback status deployment/web");
    assert_code(&failed, 3);
    assert!(failed.stderr.contains("  crash-loop: ") && failed.stderr.contains("    | "), "{failed}");
    // Nodes lie in no namespace, and need the other role.
    let skipped: Vec<&str> = failed.stderr.lines().filter(|line| line.contains("skipped: ")).collect();
    assert_eq!(skipped, ["  skipped: nodes may not be read"], "{failed}");
    for (line, plural) in [
        ("rollback undo deployment/web --to-revision 1", "deployments"),
        ("rollback pause deployment/web", "deployments"),
        ("dsupdate strategy web --max-unavailable 2", "daemonsets"),
        ("stspartition set web --partition 1", "statefulsets"),
        ("stspartition start web app=app:2", "statefulsets"),
    ] {
        may_not(&ns, line, &patch(plural));
    }
    assert_eq!(image(&ns, "statefulset/web"), "app:1");
    let nodes = asked(&ns, "dsupdate nodes web");
    assert_code(&nodes, 0);
    assert!(nodes.stderr.contains("the nodes may not be listed"), "{nodes}");
    let steps = asked(&ns, "dsupdate start web app=app:2");
    assert_code(&steps, 1);
    assert!(steps.stderr.contains("the nodes cannot be read, and steps go by them"), "{steps}");
    bind_cluster(&ns);
    may(&ns, "dsupdate nodes web");
    may_not(&ns, "dsupdate start web app=app:2", &patch("daemonsets"));
}

#[test]
fn a_pipeline_takes_back_what_fails_and_evicts_nothing() {
    let ns = bound("pipeline");
    may(&ns, "rollback try deployment/web app=app:2 --soak 1s");
    set_image(&ns, "deployment/web", "app:missing");
    assert_code(&asked(&ns, "rollback guard deployment/web --soak 1s"), 5);
    assert_eq!(image(&ns, "deployment/web"), "app:2");
    // It hangs on its pod, which has to be deleted.
    assert_code(&asked(&ns, "rollback try statefulset/web app=app:missing --soak 1s"), 5);
    assert_eq!(image(&ns, "statefulset/web"), "app:1");
    assert_code(&asked(&ns, "rollback try daemonset/web app=app:missing --soak 1s"), 5);
    bind_cluster(&ns);
    let evict = asked(&ns, "dsupdate start web app=app:2 --evict --soak 1s");
    assert_ne!(evict.code, 0, "{evict}");
    assert!(evict.stderr.contains("cannot create resource \"pods/eviction\""), "{evict}");
}

#[test]
fn an_operator_may_do_all_of_it() {
    let ns = bound("operator");
    bind_cluster(&ns);
    for line in [
        "rollback try deployment/web app=app:2 --soak 1s",
        "rollback undo deployment/web --reason slow",
        "rollback pause deployment/web",
        "rollback resume deployment/web",
        "dsupdate start web app=app:2 --steps 1,100% --soak 1s --evict",
        "dsupdate strategy web --type OnDelete",
        "dsupdate undo web",
        "dsupdate nodes web",
        "stspartition start web app=app:2 --steps 1,100% --soak 1s",
        "stspartition undo web --reason slow",
        "stspartition set web --partition 1",
        "stspartition advance web --to 100%",
        "rollback unstick statefulset/web",
        "rollback timeline",
    ] {
        may(&ns, line);
    }
    for target in ["deployment/web", "statefulset/web"] {
        let history = may(&ns, &format!("rollback history {target}"));
        assert!(history.lines().last().unwrap_or_default().ends_with("slow"), "{history}");
    }
    // What hangs is freed by deleting the pod that blocks.
    set_image(&ns, "statefulset/web", "app:missing");
    assert_code(&asked(&ns, "rollback status statefulset/web"), 3);
    let undone = may(&ns, "stspartition undo web");
    assert!(undone.contains("deleting it"), "{undone}");
}
