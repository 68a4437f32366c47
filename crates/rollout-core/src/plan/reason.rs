//! The reason that is given for a change (`kubernetes.io/change-cause`). It belongs to the revision, and not to the workload,
//! from which every later revision would inherit it.
//!
//! It is written to the workload with the change all the same, because only there a controller finds it when it makes the
//! revision: the Deployment controller copies annotations to the new ReplicaSet whenever it looks at it, also to one that is
//! reused, and never takes one off (pkg/controller/deployment/util/deployment_util.go, `SetNewReplicaSetAnnotations`,
//! `copyDeploymentAnnotationsToReplicaSet`); those of sets copy them when they make a ControllerRevision
//! (pkg/controller/daemon/update.go, `snapshot`; pkg/controller/statefulset/stateful_set_utils.go, `newRevision`), and not to
//! one that they use again (hazard H23). Once the revision carries the reason, it is taken off the workload.

use crate::history::revision::CHANGE_CAUSE;
use crate::plan::request::Request;
use crate::snapshot::Snapshot;

/// What is left to do for a reason that was written with a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The controller has to record the revision.
    Wait,
    /// The revision was there before, and does not get it by itself.
    Write(Request),
    /// The revision carries it.
    TakeOff(Request),
    /// It is not on the workload any more, or another one is.
    Over,
}

/// Says what is left to do.
pub fn next(snapshot: &Snapshot, reason: &str) -> Next {
    let workload = &snapshot.workload;
    if workload.annotation(CHANGE_CAUSE) != Some(reason) {
        return Next::Over;
    }
    let Some(revision) = snapshot.target().filter(|_| snapshot.observed()) else { return Next::Wait };
    let carried = revision.object.pointer("/metadata/annotations").and_then(|all| all.get(CHANGE_CAUSE));
    match Request::revision_cause(&workload.id, &revision.object, reason) {
        Some(write) if carried.is_none_or(|carried| carried != reason) => Next::Write(write),
        Some(_) | None => Next::TakeOff(take_off(snapshot, reason)),
    }
}

/// Takes the reason off the workload, where it is still that one.
pub fn take_off(snapshot: &Snapshot, reason: &str) -> Request {
    Request::forget_cause(&snapshot.workload.id, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{revision, snapshot, workload};
    use crate::objects::kind::Kind;
    use serde_json::{Value, json};

    fn seen(kind: Kind, edit: impl FnOnce(&mut Value, &mut Value)) -> Snapshot {
        let mut object = workload(kind, "app:1", json!({"type": "RollingUpdate"}));
        object["metadata"]["annotations"] = json!({CHANGE_CAUSE: "because", "mine": "stays"});
        object["status"]["updateRevision"] = json!("web-aaa");
        let mut recorded = revision(kind, 1, "app:1", "aaa");
        edit(&mut object, &mut recorded);
        snapshot(kind, object, vec![recorded], Vec::new())
    }

    fn applied(object: &Value, request: &Request) -> Value {
        let mut object = object.clone();
        let patch = serde_json::from_value::<json_patch::Patch>(request.body.clone()).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        object
    }

    #[test]
    fn it_goes_to_the_revision_and_off_the_workload() {
        for kind in Kind::ALL {
            let reused = seen(kind, |_, _| {});
            let Next::Write(write) = next(&reused, "because") else { panic!("{kind}") };
            let target = reused.target().unwrap();
            let mut with_map = target.object.clone();
            if with_map["metadata"].get("annotations").is_none() {
                // The server's `test … null` holds where the map is absent; the library used here wants it to be null.
                with_map["metadata"]["annotations"] = Value::Null;
            }
            let carries = applied(&with_map, &write);
            assert_eq!(carries["metadata"]["annotations"][CHANGE_CAUSE], "because", "{kind}");
            let plural = if kind == Kind::Deployment { "replicasets" } else { "controllerrevisions" };
            assert_eq!(write.path, format!("/apis/apps/v1/namespaces/default/{plural}/web-aaa"));
            assert!(!write.required);
            let annotations = carries["metadata"]["annotations"].clone();
            let carried = seen(kind, |_, it| it["metadata"]["annotations"] = annotations);
            let Next::TakeOff(off) = next(&carried, "because") else { panic!("{kind}") };
            let bare = applied(&carried.workload.object, &off);
            assert_eq!(bare["metadata"]["annotations"], json!({"mine": "stays"}), "{kind}");
        }
    }

    #[test]
    fn the_controller_is_waited_for_and_somebody_elses_reason_is_left_alone() {
        let kind = Kind::DaemonSet;
        let unobserved = seen(kind, |it, _| it["metadata"]["generation"] = json!(2));
        assert_eq!(next(&unobserved, "because"), Next::Wait);
        assert_eq!(next(&seen(kind, |_, _| {}), "another"), Next::Over);
    }
}
