//! Planning a rollback.

use serde_json::Value;

use crate::history::revision::Revision;
use crate::history::select::{NoRevision, RevisionSelector};
use crate::judge::stuck::{self, Blockage};
use crate::objects::strategy::Strategy;
use crate::objects::workload::Workload;
use crate::plan::decision::{self, Decision, Plan};
use crate::plan::impact::impact;
use crate::plan::patch::{self, Patch};
use crate::plan::refusal::Refusal;
use crate::plan::request::Request;
use crate::plan::warning::{Warning, WarningId};
use crate::plan::warnings::change::TemplateChange;
use crate::plan::{after, losses, steps, warnings};
use crate::snapshot::Snapshot;
use crate::stored::lease::Holder;
use crate::stored::rollout::Rollout;
use crate::stored::{self, Stored};
use crate::template::{self, diff};

/// What is asked of a rollback.
#[derive(Clone, Debug)]
pub struct UndoOptions {
    /// The revision to go back to.
    pub target: RevisionSelector,
    /// Whether a paused Deployment is resumed in the same patch.
    pub resume: bool,
    /// The reason that the target gets; otherwise it keeps its own.
    pub reason: Option<String>,
    /// Who deletes pods where nothing else replaces them; nobody where that is left to somebody else.
    pub drive: Option<Drive>,
}

/// Who puts the pods of an OnDelete workload back.
#[derive(Clone, Debug)]
pub struct Drive {
    /// The process.
    pub holder: Holder,
    /// Seconds that it may take without another pod that is back; none is for ever.
    pub timeout: Option<i64>,
}

/// Plans a rollback. `previous` is resolved here, to a number, and never anew.
///
/// While a rollout in steps is stored, to go back is to abort that.
pub fn plan(snapshot: &Snapshot, options: &UndoOptions) -> Result<Decision, Refusal> {
    if let Some(rollout) = Stored::read(&snapshot.workload)?.and_then(|stored| stored.rollout) {
        return match options.target {
            RevisionSelector::Previous => steps::abort(snapshot, None),
            RevisionSelector::Number(_) | RevisionSelector::LastGood | RevisionSelector::AtTime(_) => {
                Err(rollout.under_way(snapshot))
            }
        };
    }
    to_revision(snapshot, choose(snapshot, options)?, options)
}

/// Plans a rollback to a revision that is chosen already, which need not be recorded any more.
pub fn to_revision(
    snapshot: &Snapshot,
    target: &Revision,
    options: &UndoOptions,
) -> Result<Decision, Refusal> {
    let workload = &snapshot.workload;
    if stored::is_paused(workload) && !options.resume {
        return Err(Refusal::Paused { kind: workload.id.kind });
    }
    let wanted = target.readable_template()?;
    if template::same(wanted, workload.template()) {
        return Ok(match (stuck::examine(snapshot), undoing(snapshot, target, options)) {
            (Blockage::Stuck(pod), _) => {
                Decision::Change(Box::new(decision::freeing(snapshot, target, Some(pod))))
            }
            (Blockage::None | Blockage::Waiting { .. }, Some(rollout)) => driven(snapshot, target, &rollout),
            (Blockage::None | Blockage::Waiting { .. }, None) => nothing(workload, target),
        });
    }
    let defaulted = options.target == RevisionSelector::Previous;
    let released = options.resume.then(|| after::released(snapshot));
    let after = released.as_ref().unwrap_or(snapshot);
    let impact = impact(after, Some(target));
    let (warnings, better) = warnings::of_template_change(&TemplateChange {
        snapshot: after,
        wanted,
        target: Some(target),
        defaulted,
        impact: &impact,
    });
    Ok(Decision::Change(Box::new(Plan {
        to: target.number,
        to_object: target.name.clone(),
        changes: diff::changes(workload.template(), wanted),
        template: template::writable(wanted),
        requests: requests(snapshot, target, wanted, options),
        impact,
        notes: losses::of_template(after, wanted, Some(target)).chain(warnings::skipped(snapshot)).collect(),
        warnings,
        better,
        ..decision::unchanged(snapshot)
    })))
}

/// The template is right already, and pods of other revisions are left that nobody but us replaces.
fn driven(snapshot: &Snapshot, target: &Revision, rollout: &Rollout) -> Decision {
    let impact = impact(snapshot, Some(target));
    if impact.pods.is_empty() {
        return nothing(&snapshot.workload, target);
    }
    let requests = vec![Patch::guarded(&snapshot.workload).stores(Some(rollout)).request()];
    Decision::Change(Box::new(Plan { requests, impact, ..decision::freeing(snapshot, target, None) }))
}

/// Returns what is stored of an undo that somebody has to drive.
fn undoing(snapshot: &Snapshot, target: &Revision, options: &UndoOptions) -> Option<Rollout> {
    let Drive { holder, timeout } = options.drive.clone()?;
    let on_delete =
        snapshot.workload.strategy == Strategy::OnDelete && !stored::is_paused(&snapshot.workload);
    on_delete.then(|| steps::undoing(snapshot, target, holder, timeout))
}

fn choose<'a>(snapshot: &'a Snapshot, options: &UndoOptions) -> Result<&'a Revision, Refusal> {
    let history = &snapshot.history;
    match options.target {
        RevisionSelector::Previous | RevisionSelector::LastGood | RevisionSelector::AtTime(_)
            if !snapshot.observed() =>
        {
            return Err(Refusal::Unobserved);
        }
        RevisionSelector::Previous
        | RevisionSelector::LastGood
        | RevisionSelector::AtTime(_)
        | RevisionSelector::Number(_) => {}
    }
    history.select(options.target).map_err(|error| match error {
        NoRevision::OnlyOne | NoRevision::Empty if snapshot.workload.history_limit == 0 => {
            Refusal::KeepsNoHistory
        }
        // Its controller may be about to record it, or to give an older one that number.
        NoRevision::NotFound { .. } if !snapshot.observed() => Refusal::Unobserved,
        NoRevision::OnlyOne
        | NoRevision::Empty
        | NoRevision::NotFound { .. }
        | NoRevision::NoneGood
        | NoRevision::Hidden { .. }
        | NoRevision::BeforeOldest { .. }
        | NoRevision::Ambiguous { .. }
        | NoRevision::Corrupt { .. } => Refusal::NoRevision(error),
    })
}

fn nothing(workload: &Workload, target: &Revision) -> Decision {
    let number = target.label();
    Decision::Nothing {
        revision: target.number,
        warning: Some(Warning {
            id: WarningId::SameTemplate,
            message: format!("the current template of {} already matches revision {number}", workload.id),
            fix: None,
            stops: false,
        }),
    }
}

fn requests(snapshot: &Snapshot, target: &Revision, wanted: &Value, options: &UndoOptions) -> Vec<Request> {
    let workload = &snapshot.workload;
    let mut patch = Patch::of(workload).template(&template::writable(wanted));
    if options.resume {
        patch = patch.released();
    }
    if let Some(rollout) = undoing(snapshot, target, options) {
        patch = patch.same_strategy().same_stored().stores(Some(&rollout));
    }
    // The target keeps its own reason. What stands on the workload is the last change's, and none of this one's.
    let mut requests = vec![patch.reason(options.reason.as_deref()).request()];
    if options.resume {
        // A revision that was recorded in the pause has a copy of what is stored (hazard H23).
        requests.extend(patch::cleaning(snapshot));
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revision, revisions, snapshot, workload};
    use crate::history::number::RevisionNumber;
    use crate::objects::kind::Kind;
    use crate::objects::pod::Pod;
    use crate::plan::impact::Impact;
    use crate::stored::STORED;
    use serde_json::json;

    fn number(number: u64) -> RevisionNumber {
        RevisionNumber::new(number).unwrap()
    }

    fn options(target: RevisionSelector) -> UndoOptions {
        UndoOptions { target, resume: false, reason: None, drive: None }
    }

    fn seen(kind: Kind, edit: impl FnOnce(&mut Value), pods: Vec<Pod>) -> Snapshot {
        let mut object = workload(kind, "app:3", json!({"type": "RollingUpdate"}));
        object["status"]["updateRevision"] = json!("web-ccc");
        edit(&mut object);
        snapshot(kind, object, revisions(kind, 3), pods)
    }

    fn planned(snapshot: &Snapshot, options: &UndoOptions) -> Plan {
        match plan(snapshot, options).unwrap() {
            Decision::Change(plan) => *plan,
            Decision::Nothing { .. } => panic!("nothing to do"),
        }
    }

    fn applied(snapshot: &Snapshot, plan: &Plan) -> Value {
        let mut object = snapshot.workload.object.clone();
        let patch = serde_json::from_value::<json_patch::Patch>(plan.requests[0].body.clone()).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        object
    }

    #[test]
    fn the_patch_brings_the_target_and_touches_nothing_else() {
        for kind in Kind::ALL {
            let snapshot =
                seen(kind, |it| it["metadata"]["annotations"] = json!({"mine": "stays"}), pods(kind, "ccc"));
            let plan = planned(&snapshot, &options(RevisionSelector::Previous));
            assert_eq!((plan.from, plan.to), (Some(number(3)), Some(number(2))), "{kind}");
            let mut expected = snapshot.workload.object.clone();
            expected["spec"]["template"] = crate::fixture::template("app:2");
            assert_eq!(applied(&snapshot, &plan), expected, "{kind}");
            assert_eq!(plan.impact.pods.len(), 3, "{kind}");
        }
    }

    #[test]
    fn a_patch_does_not_hold_once_the_template_is_another_and_holds_after_a_scale() {
        let snapshot = seen(Kind::Deployment, |_| {}, pods(Kind::Deployment, "ccc"));
        let plan = planned(&snapshot, &options(RevisionSelector::Previous));
        let patch = serde_json::from_value::<json_patch::Patch>(plan.requests[0].body.clone()).unwrap();
        let mut scaled = snapshot.workload.object.clone();
        scaled["spec"]["replicas"] = json!(7);
        scaled["metadata"]["resourceVersion"] = json!("99");
        json_patch::patch(&mut scaled, &patch).unwrap();
        for (pointer, value) in
            [("/spec/template/spec/containers/0/image", "app:4"), ("/metadata/uid", "another")]
        {
            let mut other = snapshot.workload.object.clone();
            *other.pointer_mut(pointer).unwrap() = json!(value);
            assert!(json_patch::patch(&mut other, &patch).is_err(), "{pointer}");
        }
    }

    #[test]
    fn the_reason_of_the_last_change_goes_and_that_of_this_one_comes() {
        const KEY: &str = "kubernetes.io/change-cause";
        let with = |annotations: Value, reason: Option<&str>| {
            let edit = |it: &mut Value| it["metadata"]["annotations"] = annotations;
            let snapshot = seen(Kind::DaemonSet, edit, Vec::new());
            let reason = reason.map(str::to_string);
            let plan = planned(&snapshot, &UndoOptions { reason, ..options(RevisionSelector::Previous) });
            (applied(&snapshot, &plan)["metadata"]["annotations"].clone(), plan.reason().map(str::to_string))
        };
        assert_eq!(with(json!({KEY: "bad"}), None), (json!({}), None));
        let back = Some("back".to_string());
        assert_eq!(
            with(json!({KEY: "bad", "a": "b"}), Some("back")),
            (json!({KEY: "back", "a": "b"}), back.clone())
        );
        // The server's `test … null` holds where the map is absent; the library used here wants it to be null.
        assert_eq!(with(Value::Null, Some("back")), (json!({KEY: "back"}), back));
        assert_eq!(with(Value::Null, None), (Value::Null, None));
    }

    #[test]
    fn a_paused_deployment_is_refused_unless_it_is_resumed_in_the_same_patch() {
        let snapshot = seen(Kind::Deployment, |it| it["spec"]["paused"] = json!(true), Vec::new());
        let wanted = options(RevisionSelector::Previous);
        assert_eq!(plan(&snapshot, &wanted).unwrap_err(), Refusal::Paused { kind: Kind::Deployment });
        let plan = planned(&snapshot, &UndoOptions { resume: true, ..wanted });
        assert_eq!(applied(&snapshot, &plan)["spec"].get("paused"), None);
    }

    #[test]
    fn a_resume_in_the_same_change_takes_copies_of_what_the_pause_stored_off_too() {
        for kind in [Kind::DaemonSet, Kind::StatefulSet] {
            let mark = json!({STORED: Stored::pause(json!({"type": "RollingUpdate"})).text()});
            let mut snapshot = seen(kind, |it| it["metadata"]["annotations"] = mark.clone(), Vec::new());
            let mut meanwhile = revision(kind, 3, "app:3", "ccc");
            meanwhile["metadata"]["annotations"] = mark;
            let revisions = vec![revision(kind, 2, "app:2", "bbb"), meanwhile];
            snapshot = crate::fixture::snapshot(kind, snapshot.workload.object, revisions, Vec::new());
            let wanted = UndoOptions { resume: true, ..options(RevisionSelector::Previous) };
            let plan = planned(&snapshot, &wanted);
            let paths: Vec<&str> = plan.requests[1..].iter().map(|it| it.path.as_str()).collect();
            assert_eq!(paths, ["/apis/apps/v1/namespaces/default/controllerrevisions/web-ccc"], "{kind}");
            assert!(!plan.requests[1].required, "{kind}");
        }
    }

    #[test]
    fn previous_is_not_resolved_before_the_controller_looked_and_a_number_that_is_there_is() {
        let snapshot = seen(Kind::DaemonSet, |it| it["metadata"]["generation"] = json!(2), Vec::new());
        // A fourth one may be the next to be recorded.
        for selector in [RevisionSelector::Previous, RevisionSelector::Number(number(4))] {
            assert_eq!(plan(&snapshot, &options(selector)).unwrap_err(), Refusal::Unobserved);
        }
        let there = planned(&snapshot, &options(RevisionSelector::Number(number(1))));
        assert_eq!(there.to, Some(number(1)));
        let observed = seen(Kind::DaemonSet, |_| {}, Vec::new());
        let missing = plan(&observed, &options(RevisionSelector::Number(number(4)))).unwrap_err();
        assert!(matches!(missing, Refusal::NoRevision(NoRevision::NotFound { .. })), "{missing}");
    }

    #[test]
    fn the_template_that_is_there_already_is_not_written_again() {
        let snapshot = seen(Kind::DaemonSet, |_| {}, Vec::new());
        let undo = plan(&snapshot, &options(RevisionSelector::Number(number(3)))).unwrap();
        assert!(matches!(undo, Decision::Nothing { revision, .. } if revision == Some(number(3))));
    }

    #[test]
    fn a_default_target_that_failed_stops_and_names_the_better_one() {
        let mut pods = pods(Kind::DaemonSet, "aaa");
        pods[0] = pod(Kind::DaemonSet, "web-0", "ccc", false);
        let snapshot = seen(Kind::DaemonSet, |_| {}, pods);
        let plan = planned(&snapshot, &options(RevisionSelector::Previous));
        assert_eq!(plan.better, Some(number(1)));
        let stopping: Vec<_> = plan.stopped_by(&[]).map(|warning| warning.id).collect();
        assert_eq!(stopping, [WarningId::TargetUnavailable]);
        assert_eq!(plan.stopped_by(&["target-unavailable".into()]).count(), 0);
        let named = planned(&snapshot, &options(RevisionSelector::Number(number(2))));
        assert_eq!((named.warnings[0].id, named.stopped_by(&[]).count()), (WarningId::TargetUnavailable, 0));
        assert_eq!(planned(&snapshot, &options(RevisionSelector::LastGood)).to, Some(number(1)));
    }

    #[test]
    fn pods_that_have_to_be_deleted_by_hand_are_foretold() {
        let on_delete = |it: &mut Value| it["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        for kind in [Kind::DaemonSet, Kind::StatefulSet] {
            let mut all = pods(kind, "bbb");
            all[1] = pod(kind, "web-1", "ccc", true);
            let one = planned(&seen(kind, on_delete, all), &options(RevisionSelector::Previous)).impact;
            let names = |impact: &Impact| impact.pods.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>();
            assert_eq!((names(&one), one.least_available), (vec!["web-1".to_string()], 2), "{kind}");
            assert!(!one.moves_by_itself, "{kind}");
            let all =
                planned(&seen(kind, on_delete, pods(kind, "ccc")), &options(RevisionSelector::Previous));
            let first = if kind == Kind::StatefulSet { "web-2" } else { "web-0" };
            assert_eq!((names(&all.impact).len(), names(&all.impact)[0].as_str()), (3, first), "{kind}");
        }
    }

    #[test]
    fn the_pod_that_a_set_will_hang_on_is_foretold_to_be_deleted() {
        let kind = Kind::StatefulSet;
        let ordered = |it: &mut Value| {
            it["spec"]["updateStrategy"] =
                json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
        };
        let mut all = pods(kind, "bbb");
        all[2] = pod(kind, "web-2", "ccc", false);
        let impact = planned(&seen(kind, ordered, all), &options(RevisionSelector::Previous)).impact;
        assert_eq!(impact.pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>(), ["web-2"]);
        assert_eq!((impact.least_available, impact.moves_by_itself), (2, false));
    }

    #[test]
    fn a_stuck_set_whose_template_came_back_is_freed_and_nothing_is_written() {
        let kind = Kind::StatefulSet;
        let mut all = pods(kind, "aaa");
        all[2] = pod(kind, "web-2", "bbb", false);
        let revisions = vec![revision(kind, 2, "app:2", "bbb"), revision(kind, 3, "app:1", "aaa")];
        let set = crate::fixture::stateful("app:1", 0, "aaa", "aaa");
        let snapshot = snapshot(kind, set, revisions, all);
        let freeing = planned(&snapshot, &options(RevisionSelector::Number(number(3))));
        assert!(freeing.requests.is_empty());
        assert_eq!(freeing.impact.pods[0].name, "web-2");
        let forward = planned(&snapshot, &options(RevisionSelector::Previous));
        assert_eq!((forward.better, forward.stopped_by(&[]).count()), (Some(number(3)), 1));
    }

    #[test]
    fn a_restart_is_not_worth_going_back_over() {
        let kind = Kind::DaemonSet;
        let mut restarted = revision(kind, 3, "app:2", "ccc");
        let at = json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"});
        restarted["data"]["spec"]["template"]["metadata"]["annotations"] = at.clone();
        let mut object = workload(kind, "app:2", json!({"type": "RollingUpdate"}));
        object["spec"]["template"]["metadata"]["annotations"] = at;
        let revisions = vec![revision(kind, 1, "app:1", "aaa"), revision(kind, 2, "app:2", "bbb"), restarted];
        let plan = planned(
            &snapshot(kind, object, revisions, pods(kind, "ccc")),
            &options(RevisionSelector::Previous),
        );
        assert_eq!((plan.warnings[0].id, plan.warnings[0].stops), (WarningId::RestartOnly, true));
        assert_eq!(plan.better, Some(number(1)));
    }

    #[test]
    fn a_limit_that_cuts_off_the_way_back_is_said() {
        let snapshot = seen(Kind::DaemonSet, |it| it["spec"]["revisionHistoryLimit"] = json!(1), Vec::new());
        let plan = planned(&snapshot, &options(RevisionSelector::Previous));
        assert_eq!(plan.warnings[0].id, WarningId::HistoryLimit);
        assert!(
            plan.warnings[0].message.contains("delete revision 1 afterwards"),
            "{}",
            plan.warnings[0].message
        );
    }

    #[test]
    fn a_workload_without_history_says_why() {
        let object = |limit: Value| {
            let mut object = workload(Kind::Deployment, "app:3", json!({}));
            object["spec"]["revisionHistoryLimit"] = limit;
            snapshot(
                Kind::Deployment,
                object,
                vec![revision(Kind::Deployment, 3, "app:3", "ccc")],
                Vec::new(),
            )
        };
        let undo = |limit| plan(&object(limit), &options(RevisionSelector::Previous)).unwrap_err();
        assert_eq!(undo(json!(0)), Refusal::KeepsNoHistory);
        assert_eq!(undo(json!(10)), Refusal::NoRevision(NoRevision::OnlyOne));
    }
}
