//! `maxUnavailable`: how many pods are replaced at once, where the cluster knows the field and where it does not.

use std::thread;

use cluster::{Cluster, Namespace, Options};
use e2e::{Web, assert_code, cluster, install, uids};

use crate::scene::{SET, images, least_ready, rests, sts};
use crate::steps::{kept, no_trace, same, start};

/// Of five pods, two may be missing.
const TWO_MISSING: &str = "updateStrategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 2 } }";

/// Why a test shows nothing on an older server.
const DROPPED: &str = "the server drops maxUnavailable of a StatefulSet";

/// Rolls a set of five pods out in steps of one and of all, and returns the least number of ready pods meanwhile.
fn rolled_out(ns: &Namespace<'_>) -> usize {
    let before = kept(ns);
    let least = least_ready(ns, 5, || {
        assert_code(&start(ns, "app:2", &["--steps=1,100%"]), 0);
    });
    rests(ns, &["app:2"; 5]);
    no_trace(ns, &before);
    least
}

#[test]
fn a_step_replaces_as_many_pods_at_once_as_may_be_missing_and_never_more() {
    if !e2e::since("1.37", DROPPED) {
        return;
    }
    thread::scope(|scope| {
        for policy in ["OrderedReady", "Parallel"] {
            scope.spawn(move || {
                let ns = cluster().namespace("budget");
                let policy = format!("podManagementPolicy: {policy}");
                Web::new("statefulset", "app:1").replicas(5).spec(TWO_MISSING).spec(&policy).create(&ns);
                assert_eq!(rolled_out(&ns), 3, "{policy}");
            });
        }
    });
}

#[test]
fn a_cluster_that_does_not_know_the_field_replaces_one_pod_at_a_time() {
    let gates = "MaxUnavailableStatefulSet=false";
    let cluster =
        Cluster::start(&Options { nodes: 2, gates, ..Options::default() }).expect("a cluster starts");
    install(&cluster);
    let ns = cluster.namespace("budget-unknown");
    Web::new("statefulset", "app:1").replicas(5).spec(TWO_MISSING).create(&ns);
    let strategy = ns.get(&[SET])["spec"]["updateStrategy"]["rollingUpdate"].clone();
    assert!(
        strategy["maxUnavailable"].is_null(),
        "the field is known here: this test proves nothing: {strategy}"
    );
    assert_eq!(rolled_out(&ns), 4);
}

#[test]
fn an_abort_fills_the_hole_above_the_pod_that_fails() {
    if !e2e::since("1.37", DROPPED) {
        return;
    }
    let ns = cluster().namespace("budget-hole");
    Web::new("statefulset", "app:1").replicas(5).spec(TWO_MISSING).create(&ns);
    let (before, pods) = (kept(&ns), uids(&ns));
    assert_code(&start(&ns, "app:missing", &["--steps=2,100%"]), 3);
    // Both were deleted at once, and the higher one is not made before the lower one is ready.
    assert_eq!(images(&ns), ["app:1", "app:1", "app:1", "app:missing"]);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:1"; 5]);
    same(&ns, &pods, &["web-0", "web-1", "web-2"]);
    no_trace(&ns, &before);
}
