//! Undoing what nothing but a deletion replaces: stored, so that it is taken up again wherever it stopped.

use rollout_core::drive::Driver;
use rollout_core::judge::Hold;
use rollout_core::machine::Ending;
use rollout_core::model::{Behaviour, RevisionId};
use rollout_core::plan::undo::{self, Drive, UndoOptions};
use rollout_core::plan::{Decision, Plan, Refusal, steps};
use rollout_core::stored::Phase;
use rollout_core::{Kind, RevisionNumber, RevisionSelector};
use serde_json::json;

use crate::cluster::{Cluster, holder, image_of, template, to};

/// A workload of four pods that somebody moved from the first to the second revision by hand.
fn moved(kind: Kind) -> Cluster {
    let mut cluster = Cluster::new(kind, 4, json!({"type": "OnDelete"}));
    cluster.change(|it| it["spec"]["template"] = template(1));
    cluster.ticks(3);
    for slot in 0..4 {
        let pod = cluster.on(slot);
        cluster.world.delete_pod(&pod);
        cluster.ticks(10);
    }
    assert!(cluster.world.pods.iter().all(|pod| pod.revision.0 == 1 && pod.ready));
    cluster
}

fn plan(cluster: &Cluster, target: RevisionSelector, pid: u32) -> Result<Decision, Refusal> {
    let drive = Some(Drive { holder: holder(pid), timeout: Some(60) });
    undo::plan(&cluster.snapshot(), &UndoOptions { target, resume: false, reason: None, drive })
}

fn undo(cluster: &mut Cluster, pid: u32) -> (Plan, Driver) {
    let decision = plan(cluster, RevisionSelector::Previous, pid);
    let plan = cluster.apply(decision);
    assert!(plan.drives());
    (plan, Driver::new(holder(pid)))
}

fn is_back(cluster: &Cluster) {
    assert!(cluster.world.pods.iter().all(|pod| pod.revision.0 == 0 && pod.ready), "{:?}", cluster.shown());
    assert_eq!((cluster.has_trace(), image_of(&cluster.object["spec"]["template"])), (false, 0));
    assert_eq!(cluster.strategy(), &json!({"type": "OnDelete"}));
}

#[test]
fn an_undo_deletes_the_pods_one_by_one_and_leaves_no_trace() {
    for kind in [Kind::DaemonSet, Kind::StatefulSet] {
        let mut cluster = moved(kind);
        let (plan, mut driver) = undo(&mut cluster, 1);
        let planned: Vec<String> = plan.impact.pods.iter().map(|pod| pod.name.clone()).collect();
        assert_eq!(cluster.run(&mut driver), Ending::Complete);
        assert_eq!(cluster.deleted, planned, "{kind}");
        is_back(&cluster);
    }
}

#[test]
fn an_undo_that_dies_in_the_middle_is_gone_on_with_by_undo_and_by_resume() {
    for kind in [Kind::DaemonSet, Kind::StatefulSet] {
        for by_resume in [false, true] {
            let mut cluster = moved(kind);
            let (_, mut dies) = undo(&mut cluster, 1);
            cluster.run_until(&mut dies, |it| it.deleted.len() == 2);
            cluster.ticks(30);
            assert_eq!(cluster.stored().unwrap().phase, Phase::Aborting);
            let number = RevisionNumber::new(1).unwrap();
            let refusal = plan(&cluster, RevisionSelector::Number(number), 2).unwrap_err();
            assert!(matches!(refusal, Refusal::UndoUnderWay { .. }), "{refusal:?}");
            // A second plain undo does not turn round.
            let mut driver = if by_resume {
                cluster.resume(2)
            } else {
                let decision = steps::abort(&cluster.snapshot(), Some(holder(2)));
                cluster.apply(decision);
                Driver::new(holder(2))
            };
            assert_eq!(cluster.run(&mut driver), Ending::Complete);
            is_back(&cluster);
        }
    }
}

#[test]
fn pods_that_are_left_behind_a_template_that_is_right_already_are_put_back() {
    let mut cluster = moved(Kind::StatefulSet);
    cluster.change(|it| it["spec"]["template"] = template(0));
    cluster.ticks(3);
    let number = RevisionNumber::new(3).unwrap();
    let decision = plan(&cluster, RevisionSelector::Number(number), 1);
    let plan = cluster.apply(decision);
    assert!(plan.changes.is_empty() && plan.drives());
    assert_eq!(cluster.run(&mut Driver::new(holder(1))), Ending::Complete);
    is_back(&cluster);
    let again = self::plan(&cluster, RevisionSelector::Number(number), 1).unwrap();
    assert!(matches!(again, Decision::Nothing { .. }));
}

#[test]
fn an_undo_whose_pods_fail_or_are_late_is_said_and_stays_stored() {
    let mut cluster = moved(Kind::DaemonSet);
    cluster.world.behaviours.insert(RevisionId(0), Behaviour::NeverReady);
    let (_, mut driver) = undo(&mut cluster, 1);
    assert_eq!(cluster.run(&mut driver), Ending::TimedOut);
    assert_eq!((cluster.deleted.len(), cluster.stored().unwrap().phase), (1, Phase::Aborting));
    cluster.world.behaviours.clear();
    let mut driver = cluster.resume(2);
    assert_eq!(cluster.run(&mut driver), Ending::Complete);
    is_back(&cluster);
}

#[test]
fn what_is_out_of_reach_stays_and_is_said() {
    let mut cluster = moved(Kind::DaemonSet);
    cluster.world.nodes[1].accepts = false;
    let (_, mut driver) = undo(&mut cluster, 1);
    assert_eq!(cluster.run(&mut driver), Ending::Held(Hold::OnDelete));
    assert_eq!(cluster.shown(), ["n0:0", "n1:1", "n2:0", "n3:0"]);
    assert!(!cluster.has_trace());
}

#[test]
fn without_a_driver_only_the_template_goes_back() {
    let cluster = moved(Kind::DaemonSet);
    let target = RevisionSelector::Previous;
    let options = UndoOptions { target, resume: false, reason: None, drive: None };
    let Ok(Decision::Change(plan)) = undo::plan(&cluster.snapshot(), &options) else { panic!() };
    assert!(!plan.drives());
}

#[test]
fn to_resume_what_somebody_superseded_moves_nothing() {
    for kind in [Kind::DaemonSet, Kind::StatefulSet] {
        let mut cluster = Cluster::rolling(kind, 3);
        cluster.start(&to(1, "1,100%"));
        let mut driver = Driver::new(holder(1));
        cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
        assert_eq!(steps::release(&cluster.snapshot()).unwrap_err(), Refusal::NotSuperseded);
        cluster.change(|it| it["spec"]["template"] = template(2));
        assert_eq!(cluster.run(&mut driver), Ending::Superseded);
        let options = steps::ResumeOptions {
            holder: holder(2),
            take_over: true,
            pause_after: None,
            given: steps::GivenChecks::default(),
        };
        assert_eq!(steps::resume(&cluster.snapshot(), &options).unwrap_err(), Refusal::Superseded);
    }
}

#[test]
fn a_plan_names_the_pods_that_do_not_come_back_and_a_set_that_no_node_wants() {
    let mut cluster = Cluster::rolling(Kind::DaemonSet, 3);
    cluster.change(|it| it["spec"]["template"] = template(1));
    cluster.ticks(40);
    let notes = |it: &Cluster| {
        let Ok(Decision::Change(undo)) = plan(it, RevisionSelector::Previous, 1) else { panic!() };
        assert!(!undo.drives());
        undo.notes
    };
    assert_eq!(notes(&cluster), [""; 0]);
    cluster.world.nodes[1].accepts = false;
    let lost = "deleted for good, since their nodes take no pod of it: ";
    let said = format!("{lost}{} on node n1 (untolerated taint gpu:NoSchedule)", cluster.on(1));
    assert_eq!(notes(&cluster), [said]);
    cluster.world.nodes.iter_mut().for_each(|node| node.accepts = false);
    assert_eq!(notes(&cluster)[0], "no node gets a pod of it: untolerated taints (gpu:NoSchedule)");
    // Of an OnDelete set nobody deletes them.
    let mut held = moved(Kind::DaemonSet);
    held.world.nodes[1].accepts = false;
    let Ok(Decision::Change(undo)) = plan(&held, RevisionSelector::Previous, 1) else { panic!() };
    assert_eq!(undo.notes, [""; 0]);
}
