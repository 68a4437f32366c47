use k8s_openapi::jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::drive::guard::{Guard, GuardOptions};
use crate::fixture::{now, patched, pod, pods, revision, revisions, snapshot, stateful, workload};
use crate::history::number::RevisionNumber;
use crate::judge::cause::{Cause, Causes, Sort};
use crate::judge::status::{Hold, State};
use crate::machine::act::Act;
use crate::machine::check::Verdict;
use crate::machine::contract::{Order, Outcome, Step};
use crate::machine::ending::{Ending, NoWayBack};
use crate::machine::event::Event;
use crate::machine::gate::GateOptions;
use crate::objects::kind::Kind;
use crate::objects::node::NodeFacts;
use crate::objects::pod::Pod;
use crate::snapshot::Snapshot;
use crate::snapshot::patience::Patience;
use crate::snapshot::symptom::CauseId;

const KIND: Kind = Kind::DaemonSet;

#[test]
fn a_set_that_hangs_on_a_pod_of_a_revision_that_it_left_is_freed_and_guarded_on() {
    let sts = Kind::StatefulSet;
    let revisions = revisions(sts, 3);
    let mut pods = pods(sts, "aaa");
    pods[2] = pod(sts, "web-2", "bbb", false);
    let hangs = snapshot(sts, stateful("app:3", 0, "aaa", "ccc"), revisions.clone(), pods.clone());
    let mut guard = Guard::new(options());
    let step = guard.step(&hangs).1;
    let deletes = |step: &Step| {
        let Step::Send { act: Act::Delete { pod, .. }, .. } = step else { return None };
        Some(pod.clone())
    };
    assert_eq!(deletes(&step).as_deref(), Some("web-2"));
    guard.sent(&Outcome::Done(None));
    assert_eq!(guard.step(&hangs).1, Step::Wait);
    // What comes in its place is judged as any new pod.
    pods[2] = pod(sts, "web-2", "ccc", false);
    pods[2].uid = "another".into();
    pods[2].containers[0].waiting = Some(("ImagePullBackOff".into(), "Back-off".into()));
    let fails = snapshot(sts, stateful("app:3", 0, "aaa", "ccc"), revisions, pods);
    assert_eq!(goes_back(&look(&mut guard, &fails)), Some(1));
}

fn options() -> GuardOptions {
    GuardOptions {
        gate: GateOptions { soak: 30, max_restarts: 0, checks: false },
        limit: Some(600),
        undo_limit: Some(600),
        allow: Vec::new(),
        back_to: None,
        before: None,
        together: false,
    }
}

/// Three revisions; the workload is at one of them, with these pods, after so many seconds.
fn at(image: u64, pods: Vec<Pod>, seconds: i64) -> Snapshot {
    let object = workload(KIND, &format!("app:{image}"), json!({"type": "RollingUpdate"}));
    let revisions = revisions(KIND, 3);
    let mut seen = snapshot(KIND, object, revisions, pods);
    seen.now = now() + SignedDuration::from_secs(seconds);
    seen
}

fn failing(hash: &str, others: &str) -> Vec<Pod> {
    let mut pods = pods(KIND, others);
    pods[0] = pod(KIND, "web-0", hash, false);
    pods[0].containers[0].waiting = Some(("ImagePullBackOff".into(), "Back-off".into()));
    pods
}

/// Shows a picture, and shows it again where the surroundings were asked for.
fn look(guard: &mut Guard, snapshot: &Snapshot) -> Step {
    match guard.step(snapshot).1 {
        Step::Survey(_) => guard.step(snapshot).1,
        step => step,
    }
}

fn goes_back(step: &Step) -> Option<u64> {
    match step {
        Step::Send { act: Act::GoBack { to, .. }, .. } => to.map(RevisionNumber::get),
        _ => None,
    }
}

#[test]
fn a_good_rollout_soaks_and_ends() {
    let mut guard = Guard::new(options());
    assert_eq!(look(&mut guard, &at(3, pods(KIND, "bbb"), 0)), Step::Wait);
    assert_eq!(look(&mut guard, &at(3, pods(KIND, "ccc"), 10)), Step::Soak(30));
    assert_eq!(look(&mut guard, &at(3, pods(KIND, "ccc"), 40)), Step::End(Ending::Complete));
}

#[test]
fn a_failed_one_goes_back_to_what_has_available_pods_and_is_undone_when_they_are_all_there() {
    let mut guard = Guard::new(options());
    let step = look(&mut guard, &at(3, failing("ccc", "aaa"), 0));
    assert_eq!(goes_back(&step), Some(1));
    guard.sent(&Outcome::Done(None));
    assert_eq!(look(&mut guard, &at(3, failing("ccc", "aaa"), 1)), Step::Wait);
    assert_eq!(look(&mut guard, &at(1, failing("ccc", "aaa"), 2)), Step::Wait);
    match look(&mut guard, &at(1, pods(KIND, "aaa"), 3)) {
        Step::End(Ending::Undone { from, to, causes }) => {
            assert_eq!((from.map(RevisionNumber::get), to.map(RevisionNumber::get)), (Some(3), Some(1)));
            assert_eq!(causes[0].id, CauseId::ImagePull);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_way_back_is_what_the_server_stored_and_what_admission_changed_is_said() {
    let mut guard = Guard::new(options());
    assert_eq!(goes_back(&look(&mut guard, &at(3, failing("ccc", "aaa"), 0))), Some(1));
    let pinned = at(2, failing("ccc", "aaa"), 1);
    guard.sent(&Outcome::Done(Some(Box::new(pinned.workload.object.clone()))));
    let news = guard.news();
    let [Event::StoredOtherwise(changes)] = news.as_slice() else { panic!("{news:?}") };
    assert_eq!(changes[0].path, "spec.containers[app].image");
    assert_eq!(look(&mut guard, &pinned), Step::Wait);
    assert!(matches!(look(&mut guard, &at(2, pods(KIND, "bbb"), 2)), Step::End(Ending::Undone { .. })));
    // What is neither is somebody else's.
    let mut guard = Guard::new(options());
    look(&mut guard, &at(3, failing("ccc", "aaa"), 0));
    guard.sent(&Outcome::Done(Some(Box::new(pinned.workload.object))));
    assert_eq!(look(&mut guard, &at(1, pods(KIND, "aaa"), 1)), Step::End(Ending::Superseded));
}

#[test]
fn what_was_proven_on_the_way_counts_when_its_pods_are_gone() {
    let mut guard = Guard::new(options());
    assert_eq!(look(&mut guard, &at(3, pods(KIND, "aaa"), 0)), Step::Wait);
    assert_eq!(goes_back(&look(&mut guard, &at(3, failing("ccc", "ccc"), 1))), Some(1));
    let mut late = Guard::new(options());
    let step = look(&mut late, &at(3, failing("ccc", "ccc"), 1));
    assert!(matches!(step, Step::End(Ending::NotUndone { why: NoWayBack::NoProof, .. })));
}

#[test]
fn what_somebody_saw_before_or_asks_for_comes_first() {
    let seen = at(3, failing("ccc", "aaa"), 0);
    let before = seen.history.by_name("web-bbb").cloned().map(Box::new);
    let mut guard = Guard::new(GuardOptions { before, ..options() });
    assert_eq!(goes_back(&look(&mut guard, &seen)), Some(2));
    let mut guard = Guard::new(GuardOptions { back_to: RevisionNumber::new(2), ..options() });
    assert_eq!(goes_back(&look(&mut guard, &seen)), Some(2));
}

#[test]
fn a_first_rollout_has_nothing_to_go_back_to() {
    let object = workload(KIND, "app:1", json!({"type": "RollingUpdate"}));
    let seen = snapshot(KIND, object, vec![revision(KIND, 1, "app:1", "aaa")], failing("aaa", "aaa"));
    let step = look(&mut Guard::new(options()), &seen);
    assert!(matches!(step, Step::End(Ending::NotUndone { why: NoWayBack::First, .. })));
}

#[test]
fn somebody_elses_rollout_is_never_undone() {
    let mut guard = Guard::new(options());
    guard.step(&at(2, pods(KIND, "aaa"), 0));
    assert_eq!(look(&mut guard, &at(3, failing("ccc", "aaa"), 1)), Step::End(Ending::Superseded));
    let mut guard = Guard::new(options());
    assert!(goes_back(&look(&mut guard, &at(3, failing("ccc", "aaa"), 0))).is_some());
    guard.sent(&Outcome::Changed);
    assert_eq!(look(&mut guard, &at(2, failing("ccc", "aaa"), 1)), Step::End(Ending::Superseded));
}

#[test]
fn a_write_without_an_answer_is_looked_for_and_sent_again() {
    let bad = at(3, failing("ccc", "aaa"), 0);
    let mut guard = Guard::new(options());
    // However often: only a workload that changes is given up.
    for _ in 0..2 * ATTEMPTS {
        assert_eq!(goes_back(&look(&mut guard, &bad)), Some(1));
        guard.sent(&Outcome::Unanswered);
    }
    let step = look(&mut guard, &at(1, pods(KIND, "aaa"), 2));
    assert!(matches!(step, Step::End(Ending::Undone { .. })), "{step:?}");
}

#[test]
fn it_does_not_write_for_ever() {
    let bad = at(3, failing("ccc", "aaa"), 0);
    let mut guard = Guard::new(options());
    for _ in 0..ATTEMPTS {
        assert!(goes_back(&look(&mut guard, &bad)).is_some());
        guard.sent(&Outcome::Changed);
    }
    let step = look(&mut guard, &bad);
    assert!(matches!(step, Step::End(Ending::NotUndone { why: NoWayBack::Refused(_), .. })), "{step:?}");
}

#[test]
fn when_the_time_is_over_unready_new_pods_fail_it_and_old_ones_do_not() {
    let mut unready = pods(KIND, "aaa");
    unready[0] = pod(KIND, "web-0", "ccc", false);
    let mut guard = Guard::new(GuardOptions { limit: Some(5), ..options() });
    assert_eq!(look(&mut guard, &at(3, unready.clone(), 0)), Step::Wait);
    assert_eq!(goes_back(&look(&mut guard, &at(3, unready, 5))), Some(1));
    let mut guard = Guard::new(GuardOptions { limit: Some(5), ..options() });
    guard.step(&at(3, pods(KIND, "aaa"), 0));
    assert_eq!(look(&mut guard, &at(3, pods(KIND, "aaa"), 5)), Step::End(Ending::TimedOut));
}

#[test]
fn a_rollout_that_only_takes_long_is_left_and_one_that_does_not_get_on_is_not() {
    let starts = |since: i64, seconds: i64| {
        let mut seen = at(3, pods(KIND, "aaa"), seconds);
        let pods = seen.pods.as_mut().unwrap();
        pods[0] = pod(KIND, "web-0", "ccc", true);
        pods[1] = pod(KIND, "web-1", "ccc", false);
        pods[1].unready_since = Some(now() + SignedDuration::from_secs(since));
        seen
    };
    let mut guard = Guard::new(GuardOptions { limit: Some(20), ..options() });
    assert_eq!(look(&mut guard, &starts(0, 0)), Step::Wait);
    assert_eq!(look(&mut guard, &starts(15, 20)), Step::Wait);
    let mut slow = guard.clone();
    assert_eq!(look(&mut slow, &starts(70, 79)), Step::Wait);
    assert_eq!(look(&mut slow, &starts(70, 80)), Step::End(Ending::TimedOut));
    assert_eq!(goes_back(&look(&mut guard, &starts(15, 75))), Some(1));
}

#[test]
fn when_the_time_is_over_a_pod_that_is_gone_has_failed_and_one_that_just_began_has_not() {
    let seen = |since: Option<i64>, seconds: i64| {
        let mut all = pods(KIND, "aaa");
        all[0] = pod(KIND, "web-0", "ccc", false);
        all[0].unready_since = since.map(|since| now() + SignedDuration::from_secs(since));
        at(3, all.split_off(usize::from(since.is_none())), seconds)
    };
    let guard = || Guard::new(GuardOptions { limit: Some(20), ..options() });
    let mut deleted = guard();
    assert_eq!(look(&mut deleted, &seen(Some(0), 0)), Step::Wait);
    assert_eq!(look(&mut deleted, &seen(Some(0), 15)), Step::Wait);
    assert_eq!(goes_back(&look(&mut deleted, &seen(None, 20))), Some(1));
    let mut late = guard();
    assert_eq!(look(&mut late, &seen(None, 0)), Step::Wait);
    assert_eq!(look(&mut late, &seen(Some(15), 20)), Step::Wait);
    assert_eq!(goes_back(&look(&mut late, &seen(Some(15), 25))), Some(1));
}

#[test]
fn when_the_time_is_over_one_pod_that_has_just_ended_beside_others_that_run_is_waited_for() {
    let seen = |ended: i64, seconds: i64| {
        let mut all = pods(KIND, "ccc");
        all[0] = pod(KIND, "web-0", "aaa", true);
        all[1] = pod(KIND, "web-1", "ccc", false);
        all[1].phase = "Failed".into();
        all[1].unready_since = Some(now() + SignedDuration::from_secs(ended));
        at(3, all, seconds)
    };
    let mut guard = Guard::new(GuardOptions { limit: Some(20), ..options() });
    assert_eq!(look(&mut guard, &seen(19, 19)), Step::Wait);
    assert_eq!(look(&mut guard, &seen(19, 20)), Step::Wait);
    assert_eq!(goes_back(&look(&mut guard, &seen(19, 80))), Some(1));
}

#[test]
fn a_moment_of_one_pod_does_not_fail_what_soaks_when_the_time_is_over() {
    let mut guard =
        Guard::new(GuardOptions { limit: Some(20), back_to: RevisionNumber::new(1), ..options() });
    assert_eq!(look(&mut guard, &at(3, pods(KIND, "ccc"), 0)), Step::Soak(30));
    let mut unready = pods(KIND, "ccc");
    unready[1] = pod(KIND, "web-1", "ccc", false);
    assert_eq!(look(&mut guard, &at(3, unready.clone(), 29)), Step::Wait);
    let mut again = guard.clone();
    assert_eq!(look(&mut again, &at(3, pods(KIND, "ccc"), 30)), Step::Soak(30));
    assert_eq!(look(&mut again, &at(3, pods(KIND, "ccc"), 60)), Step::End(Ending::Complete));
    // What stays so, or is so again and again, does.
    assert_eq!(goes_back(&look(&mut guard, &at(3, unready, 80))), Some(1));
}

#[test]
fn all_or_none_waits_for_the_others_and_is_taken_back_with_them() {
    let together = GuardOptions { together: true, ..options() };
    let good = |seconds| at(3, pods(KIND, "ccc"), seconds);
    let mut guard = Guard::new(together.clone());
    guard.step(&good(0));
    assert_eq!(look(&mut guard, &good(30)), Step::Passed);
    guard.told(&Order::Accept);
    assert_eq!(look(&mut guard, &good(31)), Step::End(Ending::Complete));
    let mut guard = Guard::new(GuardOptions { back_to: RevisionNumber::new(2), ..together });
    guard.step(&at(3, pods(KIND, "aaa"), 0));
    guard.step(&good(0));
    guard.told(&Order::TakeBack("deployment/other failed".into()));
    assert_eq!(goes_back(&look(&mut guard, &good(31))), Some(2));
}

#[test]
fn a_way_back_that_fails_says_so() {
    let mut guard = Guard::new(options());
    look(&mut guard, &at(3, failing("ccc", "aaa"), 0));
    guard.sent(&Outcome::Done(None));
    let step = look(&mut guard, &at(1, failing("aaa", "aaa"), 2));
    assert!(matches!(step, Step::End(Ending::NotUndone { why: NoWayBack::Failed(_), .. })), "{step:?}");
}

#[test]
fn a_check_is_run_with_the_pods_and_its_failure_turns_back() {
    let gate = GateOptions { soak: 30, max_restarts: 0, checks: true };
    let mut guard = Guard::new(GuardOptions { gate, back_to: RevisionNumber::new(1), ..options() });
    let good = at(3, pods(KIND, "ccc"), 0);
    let Step::Check(run) = look(&mut guard, &good) else { panic!() };
    assert_eq!((run.pods.len(), run.revision.map(RevisionNumber::get)), (3, Some(3)));
    guard.checked(Verdict::Failed(Cause::new(CauseId::Check, "no".into())));
    assert_eq!(goes_back(&look(&mut guard, &good)), Some(1));
}

#[test]
fn a_rollout_in_steps_that_is_stored_meanwhile_is_not_crossed() {
    let mut guard = Guard::new(options());
    look(&mut guard, &at(3, pods(KIND, "aaa"), 0));
    let seen = at(3, failing("ccc", "aaa"), 1);
    let Step::Send { request, .. } = look(&mut guard, &seen) else { panic!() };
    let mut object = seen.workload.object.clone();
    assert!(patched(&object, &request.body).is_some());
    object["metadata"]["annotations"] = json!({crate::stored::STORED: "{}"});
    assert_eq!(patched(&object, &request.body), None);
}

#[test]
fn scaling_or_another_generation_does_not_begin_the_soak_anew() {
    let mut guard = Guard::new(options());
    assert_eq!(look(&mut guard, &at(3, pods(KIND, "ccc"), 0)), Step::Soak(30));
    let mut unobserved = at(3, pods(KIND, "ccc"), 10);
    unobserved.workload.generation = 2;
    assert_eq!(look(&mut guard, &unobserved), Step::Soak(20));
    // More are asked for, and one of them starts.
    let more = |extra: Option<Pod>, seconds| {
        let mut seen = at(3, pods(KIND, "ccc").into_iter().chain(extra).collect(), seconds);
        seen.workload.desired = 5;
        seen
    };
    assert_eq!(look(&mut guard, &more(None, 12)), Step::Soak(18));
    let starts = pod(KIND, "web-3", "ccc", false);
    assert_eq!(look(&mut guard, &more(Some(starts), 14)), Step::Soak(16));
    let runs = pod(KIND, "web-3", "ccc", true);
    assert_eq!(look(&mut guard, &more(Some(runs.clone()), 16)), Step::Soak(30));
    assert_eq!(look(&mut guard, &more(Some(runs), 46)), Step::End(Ending::Complete));
}

#[test]
fn that_more_pods_than_there_were_do_not_fit_is_no_failure() {
    let mut guard = Guard::new(options());
    assert_eq!(look(&mut guard, &at(3, pods(KIND, "ccc"), 0)), Step::Soak(30));
    let mut pending = pod(KIND, "web-3", "ccc", false);
    (pending.node, pending.bound) = (None, false);
    pending.unplaced = full(pending.created);
    let asked = |seconds| {
        let mut seen = at(3, pods(KIND, "ccc").into_iter().chain([pending.clone()]).collect(), seconds);
        seen.workload.desired = 4;
        seen.patience = Patience::of(Some(0));
        seen
    };
    assert!(evaluate(&asked(1)).causes.iter().any(|cause| cause.id == CauseId::Unschedulable));
    let (progress, step) = guard.step(&asked(20));
    assert_eq!((step, progress.state), (Step::Soak(10), State::Advancing));
    assert!(progress.causes.failed.is_empty() && !progress.causes.holding_up.is_empty());
    assert_eq!(look(&mut guard, &asked(30)), Step::End(Ending::Complete));
}

fn full(since: Option<k8s_openapi::jiff::Timestamp>) -> Option<Box<crate::objects::pod::Unplaced>> {
    let (reason, message) = ("Unschedulable".into(), "0/3 nodes are available".into());
    Some(Box::new(crate::objects::pod::Unplaced { reason, message, since }))
}

#[test]
fn a_deployment_that_was_complete_before_anybody_looked_is_judged_by_what_runs() {
    let kind = Kind::Deployment;
    let mut revisions =
        [(1, "aaa"), (2, "bbb")].map(|(number, hash)| revision(kind, number, &format!("app:{number}"), hash));
    // The older one asks for another place, so that it would do better.
    let selector = json!({"disk": "fast"});
    revisions[1]["spec"]["template"]["spec"]["nodeSelector"] = selector.clone();
    let seen = |says: &str, seconds| {
        let mut object = workload(kind, "app:2", json!({"type": "RollingUpdate"}));
        object["spec"]["template"]["spec"]["nodeSelector"] = selector.clone();
        object["spec"]["replicas"] = json!(4);
        object["status"]["conditions"] = json!([{"type": "Progressing", "status": "True",
            "reason": "NewReplicaSetAvailable", "message": says}]);
        let mut pending = pod(kind, "web-3", "bbb", false);
        (pending.node, pending.bound, pending.unplaced) = (None, false, full(pending.created));
        let pods = pods(kind, "bbb").into_iter().chain([pending]).collect();
        let seen = snapshot(kind, object, revisions.to_vec(), pods);
        Snapshot { now: now() + SignedDuration::from_secs(seconds), patience: Patience::of(Some(0)), ..seen }
    };
    let says = r#"ReplicaSet "web-bbb" has successfully progressed."#;
    let mut guard = Guard::new(GuardOptions { back_to: RevisionNumber::new(1), ..options() });
    assert_eq!(look(&mut guard, &seen(says, 0)), Step::Soak(30));
    assert_eq!(look(&mut guard, &seen(says, 30)), Step::End(Ending::Complete));
    let mut guard = Guard::new(GuardOptions { back_to: RevisionNumber::new(1), ..options() });
    assert_eq!(goes_back(&look(&mut guard, &seen(r#"ReplicaSet "web-aaa" has …"#, 0))), Some(1));
}

#[test]
fn a_dead_node_neither_begins_the_soak_anew_nor_fails_it() {
    let dead = |name: &str, ready| {
        let name = format!("node-{name}");
        crate::objects::node::Node::from(NodeFacts { name, ready, ..NodeFacts::default() })
    };
    let mut guard = Guard::new(GuardOptions { limit: Some(40), ..options() });
    assert_eq!(look(&mut guard, &at(3, pods(KIND, "ccc"), 0)), Step::Soak(30));
    let dies = |name: &str, seconds| {
        let mut seen = at(3, pods(KIND, "ccc"), seconds);
        for pod in seen.pods.iter_mut().flatten().filter(|pod| name == "all" || pod.name == name) {
            (pod.ready_since, pod.unready_since) = (None, Some(seen.now));
        }
        let nodes = ["web-0", "web-1", "web-2"].map(|it| dead(it, name != "all" && name != it));
        seen.nodes = Some(nodes.to_vec());
        seen
    };
    assert_eq!(look(&mut guard, &dies("web-1", 10)), Step::Soak(20));
    assert_eq!(look(&mut guard.clone(), &dies("web-1", 30)), Step::End(Ending::Complete));
    // Where nothing is left, nothing has soaked; and it is nobody's failure.
    assert_eq!(look(&mut guard, &dies("all", 30)), Step::Wait);
    assert_eq!(look(&mut guard, &dies("all", 40)), Step::Wait);
    assert_eq!(look(&mut guard, &dies("all", 100)), Step::End(Ending::TimedOut));
}

#[test]
fn when_the_time_is_over_what_only_holds_pods_up_does_not_fail_it() {
    let mut guard = Guard::new(GuardOptions { limit: Some(60), ..options() });
    let mut old = pods(KIND, "aaa");
    for pod in &mut old {
        pod.containers[0].waiting = Some(("ImagePullBackOff".into(), "Back-off".into()));
        (pod.ready_since, pod.unready_since) = (None, Some(now()));
    }
    let mut mixed = old.clone();
    mixed[0] = pod(KIND, "web-0", "ccc", false);
    mixed[0].containers[0].waiting = old[0].containers[0].waiting.clone();
    assert_eq!(look(&mut guard, &at(3, mixed.clone(), 0)), Step::Wait);
    assert_eq!(look(&mut guard, &at(3, mixed, 60)), Step::End(Ending::TimedOut));
}

#[test]
fn what_the_older_revision_would_meet_too_is_waited_for_and_said_in_the_end() {
    let mut guard = Guard::new(GuardOptions { limit: Some(60), ..options() });
    let mut progress = evaluate(&at(3, pods(KIND, "aaa"), 0));
    let cause = Cause { old_too: true, ..Cause::new(CauseId::Webhook, "a webhook does not answer".into()) };
    (progress.state, progress.causes) = (State::Failed, Causes::of([cause.clone()]));
    let mut shown = progress.clone();
    assert_eq!(guard.forward(&at(3, pods(KIND, "aaa"), 0), &mut shown), Step::Wait);
    assert_eq!((shown.state, shown.causes.holding_up.len()), (State::Advancing, 1));
    let ended = guard.forward(&at(3, pods(KIND, "aaa"), 60), &mut progress.clone());
    assert_eq!(ended, Step::End(Ending::NotUndone { why: NoWayBack::NoBetter, causes: vec![cause.clone()] }));
    // Beside a failure of its own that is no reason to wait.
    let own = Cause::new(CauseId::CrashLoop, "crashes".into());
    progress.causes = Causes::of([cause, own]);
    let mut guard = Guard::new(GuardOptions { back_to: RevisionNumber::new(1), ..options() });
    assert!(matches!(guard.forward(&at(3, pods(KIND, "aaa"), 0), &mut progress), Step::Survey(_)));
}

#[test]
fn when_the_time_is_over_a_probation_counts_where_the_old_one_would_do_better() {
    let since = now();
    let trial = |old_too| {
        let sort = Sort::OnProbation { since, until: None };
        let mut progress = evaluate(&at(3, pods(KIND, "aaa"), 0));
        let cause = Cause { old_too, ..Cause::new(CauseId::ConfigMissing, "is missing".into()) };
        progress.causes = Causes::of([cause.sort(sort)]);
        let mut guard =
            Guard::new(GuardOptions { limit: Some(5), back_to: RevisionNumber::new(1), ..options() });
        guard.forward(&at(3, pods(KIND, "aaa"), 0), &mut progress.clone());
        guard.forward(&at(3, pods(KIND, "aaa"), 5), &mut progress)
    };
    assert!(matches!(trial(false), Step::Survey(_)));
    assert!(matches!(trial(true), Step::End(Ending::NotUndone { why: NoWayBack::NoBetter, .. })));
}

#[test]
fn one_that_drives_replaces_the_pods_of_an_on_delete_set_and_takes_them_back_too() {
    let see = |image: &str, pods: Vec<Pod>| {
        let object = workload(KIND, image, json!({"type": "OnDelete"}));
        snapshot(KIND, object, revisions(KIND, 2), pods)
    };
    let deleted = |step: &Step| match step {
        Step::Send { act: Act::Delete { pod, .. }, .. } => Some(pod.clone()),
        _ => None,
    };
    let old = see("app:2", pods(KIND, "aaa"));
    assert_eq!(look(&mut Guard::new(options()), &old), Step::End(Ending::Held(Hold::OnDelete)));
    let before = old.history.by_name("web-aaa").cloned().map(Box::new);
    let gate = GateOptions { soak: 0, ..options().gate };
    let mut guard = Guard::new(GuardOptions { before, gate, together: true, ..options() }).driving();
    assert_eq!(deleted(&look(&mut guard, &old)).as_deref(), Some("web-0"));
    guard.sent(&Outcome::Done(None));
    assert_eq!(look(&mut guard, &see("app:2", pods(KIND, "bbb"))), Step::Passed);
    guard.told(&Order::TakeBack("another one failed".into()));
    assert_eq!(goes_back(&look(&mut guard, &see("app:2", pods(KIND, "bbb")))), Some(1));
    guard.sent(&Outcome::Done(None));
    let back = look(&mut guard, &see("app:1", pods(KIND, "bbb")));
    assert_eq!(deleted(&back).as_deref(), Some("web-0"));
}
