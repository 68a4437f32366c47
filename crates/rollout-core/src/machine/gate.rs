//! The gate that a rollout, or a step of one, has to pass: its pods stay available for a time, do not restart or end, and
//! somebody's checks pass all the while.
//!
//! Each pod soaks for itself: one that joins, or falls, does not begin the time of the others anew.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use crate::judge::cause::Cause;
use crate::machine::check::Verdict;
use crate::objects::pod::Pod;
use crate::snapshot::Snapshot;
use crate::snapshot::symptom::CauseId;

/// Seconds between two runs of the checks while the time runs.
const CHECK_EVERY: i64 = 10;
/// Pods in a row, each made when the one before had ended, that end before that is more than a node's bad day.
const ENDS: u32 = 3;

/// What has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateOptions {
    /// Seconds for which the pods stay available.
    pub soak: i64,
    /// Restarts that a pod may have.
    pub max_restarts: u32,
    /// Whether there are checks to run.
    pub checks: bool,
}

/// A gate and what it has seen so far.
#[derive(Clone, Debug)]
pub struct Gate {
    options: GateOptions,
    /// When everything was there and available for the first time.
    began: Option<Timestamp>,
    /// What was seen of each pod, by UID.
    pods: BTreeMap<String, Track>,
    ends: Ends,
    asked: Option<Timestamp>,
    answer: Option<Verdict>,
    passed: Option<Timestamp>,
}

/// What was seen of one pod.
#[derive(Clone, Debug)]
struct Track {
    joined: Timestamp,
    /// Since when it is available without a break; absent while it is not.
    available_since: Option<Timestamp>,
    /// How it was when it was first healthy: a start may take more than one attempt.
    first: Option<First>,
}

#[derive(Clone, Debug)]
struct First {
    /// The restarts of each container.
    restarts: Vec<u32>,
    generation: i64,
}

/// Pods that have ended: their controllers replace them, and some delete them at once (pkg/controller/daemon,
/// pkg/controller/statefulset), so that one picture does not tell how many there were.
#[derive(Clone, Debug, Default)]
struct Ends {
    /// Their UIDs.
    seen: Vec<String>,
    /// How many have ended one after the other, and when the last one did.
    row: u32,
    last: Option<Timestamp>,
    /// The last one's name and reason.
    what: Option<(String, String)>,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateState {
    /// Not all pods are available.
    Closed,
    /// That many seconds are left, or checks are running.
    Soaking(i64),
    /// The checks are to be run now.
    Check,
    /// Everything held.
    Open,
    /// It will not pass.
    Failed(Cause),
    /// A check could not be run.
    Broken(String),
}

impl Gate {
    /// Makes a gate that has seen nothing yet.
    pub fn new(options: GateOptions) -> Gate {
        Gate {
            options,
            began: None,
            pods: BTreeMap::new(),
            ends: Ends::default(),
            asked: None,
            answer: None,
            passed: None,
        }
    }

    /// Looks at the pods that are to pass, those that have ended among them; `healthy` says whether all that have to be there
    /// are, and available.
    pub fn look(&mut self, pods: &[&Pod], healthy: bool, snapshot: &Snapshot) -> GateState {
        let now = snapshot.now;
        if healthy {
            self.began.get_or_insert(now);
        }
        pods.iter().for_each(|pod| self.remember(pod, snapshot));
        match &self.answer {
            Some(Verdict::Broken(words)) => return GateState::Broken(words.clone()),
            Some(Verdict::Failed(cause)) => return GateState::Failed(cause.clone()),
            Some(Verdict::Passed) | None => {}
        }
        if let Some(cause) =
            self.ended().filter(|_| self.ends.row >= ENDS.max(self.options.max_restarts.saturating_add(1)))
        {
            return GateState::Failed(cause);
        }
        let living = || pods.iter().copied().filter(|pod| !pod.ended() && !pod.terminating);
        if let Some(pod) = living().find(|pod| self.restarts(pod) > self.options.max_restarts) {
            return GateState::Failed(self.restarted(pod));
        }
        let (Some(began), true) = (self.began, healthy) else { return GateState::Closed };
        let Some(end) = self.end(began, living(), snapshot) else { return GateState::Closed };
        let left = (end - now.as_second()).max(0);
        let state = match (self.options.checks, left) {
            (true, _) => self.with_checks(end, now),
            (false, 0) => GateState::Open,
            (false, left) => GateState::Soaking(left),
        };
        // Nobody passes unseen.
        if state == GateState::Open && snapshot.is_old() { GateState::Soaking(1) } else { state }
    }

    /// Takes in what the checks came to.
    pub fn checked(&mut self, verdict: Verdict) {
        if verdict == Verdict::Passed {
            self.passed = self.asked;
        }
        self.asked = None;
        self.answer = Some(verdict);
    }

    /// Tells whether a pod has been healthy since the gate began.
    pub fn was_healthy(&self, pod: &Pod) -> bool {
        self.pods.get(&pod.uid).is_some_and(|track| track.first.is_some())
    }

    /// Names the last pod that has ended, if one has.
    pub fn ended(&self) -> Option<Cause> {
        let Ends { row, what, .. } = &self.ends;
        let (pod, reason) = what.as_ref()?;
        let id = if reason == "Evicted" { CauseId::Evicted } else { CauseId::Ended };
        let message = match row {
            1 => format!("pod {pod} has ended ({reason})"),
            row => format!("{row} pods have ended one after the other, the last one is {pod} ({reason})"),
        };
        Some(Cause { pod: Some(pod.clone()), ..Cause::new(id, message) })
    }

    /// Returns the second at which the last of the pods has soaked; none while one that has to be waited for is not available.
    ///
    /// Not waited for are pods on dead nodes, those that were never healthy (an autoscaler may ask for more than fits), and
    /// those that came when all others had soaked (it may ask for more all the time).
    fn end<'a>(
        &self,
        began: Timestamp,
        pods: impl Iterator<Item = &'a Pod>,
        snapshot: &Snapshot,
    ) -> Option<i64> {
        let first = began.as_second() + self.options.soak;
        let mut end = first;
        for pod in pods {
            let Some(track) = self.pods.get(&pod.uid) else { continue };
            let late = track.joined > began && track.joined.as_second() >= first;
            match track.available_since {
                _ if late || snapshot.is_out_of_reach(pod) => {}
                Some(since) => end = end.max(since.as_second() + self.options.soak),
                None if track.first.is_none() => {}
                None => return None,
            }
        }
        Some(end)
    }

    /// The checks are run when the pods are healthy, then every few seconds, and once more when the time is over.
    fn with_checks(&mut self, end: i64, now: Timestamp) -> GateState {
        let left = (end - now.as_second()).max(0);
        let due = match self.passed {
            None => true,
            Some(passed) if left == 0 => passed.as_second() < end,
            Some(passed) => now.as_second() - passed.as_second() >= CHECK_EVERY && now.as_second() < end,
        };
        match (self.asked, due) {
            (Some(_), _) => GateState::Soaking(left),
            (None, true) => {
                self.asked = Some(now);
                GateState::Check
            }
            (None, false) if left > 0 => GateState::Soaking(left),
            (None, false) => GateState::Open,
        }
    }

    fn remember(&mut self, pod: &Pod, snapshot: &Snapshot) {
        if pod.ended() {
            self.ends.count(pod, snapshot.now);
            return;
        }
        if !self.pods.contains_key(&pod.uid) {
            let track = Track { joined: snapshot.now, available_since: None, first: None };
            self.pods.insert(pod.uid.clone(), track);
        }
        let Some(track) = self.pods.get_mut(&pod.uid) else { return };
        if snapshot.available(pod) {
            // What was available before all were soaks with the others.
            track.available_since.get_or_insert(snapshot.now);
            if self.began.is_some() && track.first.is_none() {
                let restarts = pod.containers.iter().map(|it| it.restarts).collect();
                track.first = Some(First { restarts, generation: pod.generation });
            }
        } else if !snapshot.is_out_of_reach(pod) {
            track.available_since = None;
        }
    }

    /// Returns how often a pod was restarted since it was first healthy. A change of a running pod may restart a container
    /// (pkg/kubelet/kuberuntime/kuberuntime_manager.go, `computePodResizeAction`), which is not the revision's doing: once
    /// for each generation.
    fn restarts(&self, pod: &Pod) -> u32 {
        let first = self.pods.get(&pod.uid).and_then(|track| track.first.as_ref());
        let Some(First { restarts, generation }) = first else { return 0 };
        let changes = u32::try_from(pod.generation - generation).unwrap_or(0);
        let of_container = pod.containers.iter().zip(restarts).map(|(container, before)| {
            let excused = if container.restarted_by_resize { changes } else { 0 };
            container.restarts.saturating_sub(*before).saturating_sub(excused)
        });
        of_container.sum()
    }

    fn restarted(&self, pod: &Pod) -> Cause {
        let (count, limit) = (self.restarts(pod), self.options.max_restarts);
        let ended = pod.containers.iter().find_map(|it| it.last_end().map(|end| (&it.name, end)));
        let message = format!(
            "pod {} was restarted {count} time{} after it was available, allowed are {limit}",
            pod.name,
            if count == 1 { "" } else { "s" }
        );
        Cause {
            pod: Some(pod.name.clone()),
            container: ended.map(|(name, _)| name.to_string()),
            evidence: ended.map(|(_, end)| format!("{}, exit code {}", end.reason, end.code)),
            ..Cause::new(CauseId::Restarts, message)
        }
    }
}

impl Ends {
    /// A pod that somebody deletes ends too, but says no reason of its own. Pods that end at once, with their node, are one
    /// end: only what was made since counts as the next.
    fn count(&mut self, pod: &Pod, now: Timestamp) {
        if pod.terminating && pod.reason.is_none() || self.seen.contains(&pod.uid) {
            return;
        }
        self.seen.push(pod.uid.clone());
        // The server cuts the time at which a pod was made to seconds.
        let next = self.last.is_none_or(|last| {
            pod.created.is_some_and(|created| created.as_second() + 1 >= last.as_second())
        });
        if next {
            self.row += 1;
            self.last = Some(now);
        }
        let reason = pod.reason.clone().unwrap_or_else(|| pod.phase.to_string());
        self.what = Some((pod.name.clone(), reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{now, pod, revision, snapshot, workload};
    use crate::objects::kind::Kind;
    use crate::objects::node::{Node, NodeFacts};
    use k8s_openapi::jiff::SignedDuration;
    use serde_json::json;

    const KIND: Kind = Kind::Deployment;

    fn gate(checks: bool) -> Gate {
        Gate::new(GateOptions { soak: 30, max_restarts: 0, checks })
    }

    fn at(seconds: i64) -> Snapshot {
        let object = workload(KIND, "app:1", json!({"type": "RollingUpdate"}));
        let seen = snapshot(KIND, object, vec![revision(KIND, 1, "app:1", "bbb")], Vec::new());
        Snapshot { now: now() + SignedDuration::from_secs(seconds), ..seen }
    }

    fn web(name: &str, restarts: u32) -> Pod {
        let mut pod = pod(KIND, name, "bbb", true);
        pod.containers[0].restarts = restarts;
        pod
    }

    fn unready(pod: &Pod) -> Pod {
        pod.clone().with(|it| (it.ready_since, it.unready_since) = (None, pod.ready_since))
    }

    fn ended(name: &str, created: i64, reason: &str) -> Pod {
        let created = Some(now() + SignedDuration::from_secs(created));
        web(name, 0).with(|it| {
            (it.phase, it.reason, it.created) = ("Failed".into(), Some(reason.into()), created);
        })
    }

    #[test]
    fn it_opens_when_the_time_is_over_and_starts_anew_after_a_fall() {
        let (mut gate, pod) = (gate(false), web("a", 0));
        let mut look = |seconds, pod: &Pod| gate.look(&[pod], pod.ready(), &at(seconds));
        assert_eq!(look(0, &pod), GateState::Soaking(30));
        assert_eq!(look(20, &pod), GateState::Soaking(10));
        assert_eq!(look(21, &unready(&pod)), GateState::Closed);
        assert_eq!(look(22, &pod), GateState::Soaking(30));
        assert_eq!(look(52, &pod), GateState::Open);
    }

    #[test]
    fn it_does_not_open_while_the_server_does_not_answer() {
        let (mut gate, pod) = (gate(false), web("a", 0));
        assert_eq!(gate.look(&[&pod], true, &at(0)), GateState::Soaking(30));
        let silent = Snapshot { answering: Some(at(31).now), ..at(31) };
        assert_eq!(gate.look(&[&pod], true, &silent), GateState::Soaking(1));
        assert_eq!(
            gate.look(&[&pod], true, &Snapshot { answering: Some(at(31).now), ..at(32) }),
            GateState::Open
        );
    }

    #[test]
    fn what_is_not_seen_whole_for_a_moment_does_not_begin_it_anew() {
        let (mut gate, pod) = (gate(false), web("a", 0));
        assert_eq!(gate.look(&[&pod], true, &at(0)), GateState::Soaking(30));
        assert_eq!(gate.look(&[&pod], false, &at(20)), GateState::Closed);
        assert_eq!(gate.look(&[&pod], true, &at(21)), GateState::Soaking(9));
    }

    #[test]
    fn a_pod_that_joins_soaks_for_itself_unless_all_others_have() {
        let (mut gate, first, second) = (gate(false), web("a", 0), web("b", 0));
        gate.look(&[&first], true, &at(0));
        assert_eq!(gate.look(&[&first, &unready(&second)], true, &at(10)), GateState::Soaking(20));
        assert_eq!(gate.look(&[&first, &second], true, &at(15)), GateState::Soaking(30));
        assert_eq!(gate.look(&[&first, &second], true, &at(30)), GateState::Soaking(15));
        let late = unready(&web("c", 0));
        assert_eq!(gate.look(&[&first, &second, &late], true, &at(31)), GateState::Soaking(14));
        assert_eq!(gate.look(&[&first, &second, &late], true, &at(45)), GateState::Open);
    }

    #[test]
    fn a_pod_that_does_not_start_is_not_waited_for_unless_it_was_healthy() {
        let (mut gate, first) = (gate(false), web("a", 0));
        gate.look(&[&first], true, &at(0));
        let pending = unready(&web("b", 0)).with(|it| it.node = None);
        assert_eq!(gate.look(&[&first, &pending], true, &at(10)), GateState::Soaking(20));
        let gone = unready(&first).with(|it| it.node = None);
        assert_eq!(gate.look(&[&gone, &pending], true, &at(11)), GateState::Closed);
    }

    #[test]
    fn a_pod_on_a_dead_node_begins_nothing_anew() {
        let (mut gate, first, second) = (gate(false), web("a", 0), web("b", 0));
        gate.look(&[&first, &second], true, &at(0));
        let node =
            |name: &str, ready| Node::from(NodeFacts { name: name.into(), ready, ..NodeFacts::default() });
        let dead = node("node-b", false);
        let alive = node("node-a", true);
        let seen = Snapshot { nodes: Some(vec![alive, dead]), ..at(20) };
        assert_eq!(gate.look(&[&first, &unready(&second)], true, &seen), GateState::Soaking(10));
    }

    #[test]
    fn a_restart_fails_it_once_the_pod_was_healthy() {
        let mut gate = gate(false);
        assert_eq!(gate.look(&[&web("a", 7)], false, &at(0)), GateState::Closed);
        assert_eq!(gate.look(&[&web("a", 8)], true, &at(0)), GateState::Soaking(30));
        let GateState::Failed(cause) = gate.look(&[&web("a", 9)], true, &at(1)) else { panic!() };
        assert_eq!(cause.id, CauseId::Restarts);
        assert!(cause.message.contains("was restarted 1 time after it was available"), "{}", cause.message);
    }

    #[test]
    fn a_pod_that_came_later_is_judged_from_when_it_was_first_healthy() {
        let mut gate = gate(false);
        let (first, later) = (web("a", 0), web("b", 1));
        gate.look(&[&first], true, &at(0));
        assert_eq!(gate.look(&[&first, &unready(&later)], false, &at(2)), GateState::Closed);
        assert_eq!(gate.look(&[&first, &later], true, &at(3)), GateState::Soaking(30));
        assert!(matches!(gate.look(&[&first, &web("b", 2)], true, &at(4)), GateState::Failed(_)));
    }

    #[test]
    fn a_restart_that_a_resize_asks_for_is_excused_once_for_each() {
        let resized = |restarts, generation| {
            let mut pod = web("a", restarts);
            pod.generation = generation;
            pod.containers[0].restarted_by_resize = true;
            pod
        };
        let mut gate = gate(false);
        gate.look(&[&resized(0, 1)], true, &at(0));
        assert_eq!(gate.look(&[&resized(1, 2)], true, &at(1)), GateState::Soaking(29));
        assert!(matches!(gate.look(&[&resized(2, 2)], true, &at(2)), GateState::Failed(_)));
        let mut plain = Gate::new(gate.options);
        plain.look(&[&web("a", 0).with(|it| it.generation = 1)], true, &at(0));
        let changed = web("a", 1).with(|it| it.generation = 2);
        assert!(matches!(plain.look(&[&changed], true, &at(1)), GateState::Failed(_)));
    }

    #[test]
    fn pods_that_end_one_after_the_other_fail_it_and_those_that_end_at_once_are_named() {
        let mut gate = gate(false);
        let good = web("a", 0);
        gate.look(&[&good, &web("b", 0), &web("c", 0), &web("d", 0)], true, &at(0));
        let all = ["b", "c", "d"].map(|name| ended(name, -60, "Evicted"));
        assert_eq!(gate.look(&[&good, &all[0], &all[1], &all[2]], false, &at(5)), GateState::Closed);
        let named = gate.ended().unwrap();
        assert_eq!((named.id, named.message.as_str()), (CauseId::Evicted, "pod d has ended (Evicted)"));
        assert_eq!(gate.look(&[&good, &ended("e", 5, "Evicted")], false, &at(10)), GateState::Closed);
        assert_eq!(gate.look(&[&good, &ended("e", 5, "Evicted")], false, &at(11)), GateState::Closed);
        let GateState::Failed(cause) = gate.look(&[&good, &ended("f", 10, "Evicted")], false, &at(15)) else {
            panic!()
        };
        let words = "3 pods have ended one after the other, the last one is f (Evicted)";
        assert_eq!((cause.id, cause.message.as_str()), (CauseId::Evicted, words));
    }

    #[test]
    fn pods_that_somebody_deletes_have_not_ended_by_themselves() {
        let mut gate = gate(false);
        for second in 0..9 {
            let gone = ended(&format!("pod-{second}"), second, "");
            let gone = gone.with(|it| (it.reason, it.terminating) = (None, true));
            assert_eq!(gate.look(&[&gone, &web("a", 0)], true, &at(second)), GateState::Soaking(30 - second));
        }
        assert_eq!(gate.ended(), None);
    }

    #[test]
    fn checks_run_at_once_then_now_and_then_and_at_the_end() {
        let (mut gate, pod) = (gate(true), web("a", 0));
        let mut asked = Vec::new();
        for second in 0..60 {
            match gate.look(&[&pod], true, &at(second)) {
                GateState::Check => {
                    asked.push(second);
                    gate.checked(Verdict::Passed);
                }
                GateState::Open => {
                    assert_eq!((second, asked), (31, vec![0, 10, 20, 30]));
                    return;
                }
                GateState::Soaking(_) => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("never open");
    }

    #[test]
    fn a_check_that_fails_or_cannot_be_run_ends_it() {
        let cause = Cause::new(CauseId::Check, "no".into());
        for (verdict, state) in [
            (Verdict::Failed(cause.clone()), GateState::Failed(cause)),
            (Verdict::Broken("no such file".into()), GateState::Broken("no such file".into())),
        ] {
            let (mut gate, pod) = (gate(true), web("a", 0));
            assert_eq!(gate.look(&[&pod], true, &at(0)), GateState::Check);
            gate.checked(verdict);
            assert_eq!(gate.look(&[&pod], true, &at(1)), state);
        }
    }
}
