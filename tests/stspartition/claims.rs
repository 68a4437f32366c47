//! The claims of a set's pods: a rollout leaves them as they are, whatever is to become of them when the set is scaled.

use std::collections::BTreeMap;
use std::thread;

use cluster::Namespace;
use e2e::{LONG, Web, assert_code, cluster, uids};
use serde_json::Value;

use crate::scene::{SET, rests, scale, sts};
use crate::steps::{TWO, kept, no_trace, paused_after_one, same, start};

/// Returns the claims by name: which one it is, whether it is bound, and whether it is on its way out.
fn claims(ns: &Namespace<'_>) -> BTreeMap<String, [Value; 3]> {
    let list = ns.get(&["persistentvolumeclaims"]);
    let claim = |it: &Value| {
        let metadata = &it["metadata"];
        let fields = [&metadata["uid"], &it["status"]["phase"], &metadata["deletionTimestamp"]];
        (metadata["name"].as_str().unwrap().to_string(), fields.map(Value::clone))
    };
    list["items"].as_array().into_iter().flatten().map(claim).collect()
}

#[test]
fn a_rollout_and_its_way_back_leave_the_claims_that_a_scale_would_delete() {
    thread::scope(|scope| {
        for deleted in ["Delete", "Retain"] {
            scope.spawn(move || {
                let ns = cluster().namespace("claims");
                let volumes = e2e::volumes(&ns);
                let policy = format!(
                    "persistentVolumeClaimRetentionPolicy: {{ whenScaled: Delete, whenDeleted: {deleted} }}"
                );
                Web::new("statefulset", "app:1").spec(e2e::CLAIM_TEMPLATES).spec(&policy).create(&ns);
                let (before, pods, all) = (kept(&ns), uids(&ns), claims(&ns));
                assert!(all.len() == 3 && all.values().all(|it| it[1] == "Bound"), "{all:?}");

                paused_after_one(&ns);
                assert_eq!(claims(&ns), all);
                assert_code(&sts(&ns, &["abort", "web"]), 0);
                rests(&ns, &["app:1"; 3]);
                same(&ns, &pods, &["web-0", "web-1"]);
                assert_code(&start(&ns, "app:missing", &[TWO, "--on-failure=abort"]), 5);
                assert_code(&start(&ns, "app:2", &[TWO]), 0);
                rests(&ns, &["app:2"; 3]);
                no_trace(&ns, &before);
                assert_eq!(claims(&ns), all, "whenDeleted: {deleted}");

                // What they are kept from: without this the test proves nothing.
                scale(&ns, 2);
                ns.wait_until("the claim of web-2 is gone", LONG, || claims(&ns).len() == 2);
                ns.kubectl(&["delete", SET]).expect_ok();
                if deleted == "Delete" {
                    ns.wait_until("all claims are gone", LONG, || claims(&ns).is_empty());
                }
                let delete = ["delete", "persistentvolumes", "--wait=false"];
                let volumes = volumes.iter().map(String::as_str);
                ns.cluster().kubectl(&delete.into_iter().chain(volumes).collect::<Vec<_>>()).expect_ok();
            });
        }
    });
}
