//! Putting the updated pods below a partition back: each is deleted and comes back at the older revision, one by one from
//! the highest ordinal.

use serde_json::Value;

use crate::drive::follow::Follow;
use crate::judge::cause::Cause;
use crate::judge::causes;
use crate::judge::deletion::{self, Wish};
use crate::judge::ordinals::{self, is_left_over, recreated_at};
use crate::judge::places::{self, Places};
use crate::judge::status::{Progress, evaluate};
use crate::judge::stuck::{self, Blockage};
use crate::machine::act::{Act, Why};
use crate::machine::check::Verdict;
use crate::machine::contract::{Deadline, Machine, Order, Outcome, Step};
use crate::machine::ending::{Ending, NoWayBack};
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::plan::request::Request;
use crate::snapshot::Snapshot;
use crate::template;

/// A machine that puts back what is updated below a partition, and follows the set to its rest.
#[derive(Clone, Debug)]
pub struct Revert {
    partition: u32,
    template: Value,
    /// The UIDs of the pods that are put back.
    wanted: Vec<String>,
    deletions: deletion::Deletions,
    /// The pod whose deletion was sent last; none where the last request was the follower's.
    last: Option<String>,
    refused: Option<String>,
    follow: Follow,
    deadline: Deadline,
}

impl Revert {
    /// Puts back the updated pods that a snapshot shows below that partition, within so many seconds.
    pub fn new(before: &Snapshot, partition: u32, limit: Option<i64>) -> Revert {
        let target = before.workload.template();
        let below = |pod: &&Pod| before.index(pod).is_some_and(|place| place < partition);
        Revert {
            partition,
            template: template::normal(target),
            wanted: before.living().filter(below).map(|pod| pod.uid.clone()).collect(),
            deletions: deletion::Deletions::default(),
            last: None,
            refused: None,
            follow: Follow::driving(target, None),
            deadline: Deadline::new(limit),
        }
    }

    fn decide(&mut self, snapshot: &Snapshot) -> Step {
        if let Some(words) = &self.refused {
            return Step::End(Ending::Refused(words.clone()));
        }
        let holds =
            matches!(snapshot.workload.strategy, Strategy::Partitioned { partition: _, max_unavailable: _ })
                && snapshot.workload.partition() == self.partition;
        // Below another partition, or of another template, a deleted pod comes back as something else.
        if !holds || self.template != template::normal(snapshot.workload.template()) {
            return Step::End(Ending::Superseded);
        }
        let over = self.deadline.is_over(snapshot.now);
        let step = if snapshot.observed() { self.act(snapshot) } else { Step::Wait };
        if step == Step::Wait && over { Step::End(Ending::TimedOut) } else { step }
    }

    fn act(&mut self, snapshot: &Snapshot) -> Step {
        self.deletions.forget(snapshot);
        if let Blockage::Stuck(_) = stuck::examine(snapshot) {
            return self.follow(snapshot);
        }
        let failed = self.failures(snapshot);
        if !failed.is_empty() {
            let why = NoWayBack::Failed(failed);
            return Step::End(Ending::NotUndone { why, causes: Vec::new() });
        }
        let Some(places) = Places::without_steps(snapshot) else {
            return Step::End(Ending::Refused("the pods cannot be read".to_string()));
        };
        let wanted = |pod: &Pod| self.wanted.contains(&pod.uid) && is_left_over(snapshot, pod);
        let wish = Wish { unwanted: &wanted, budget: 1 };
        if let Some(pod) = deletion::next(snapshot, &places, &places.all, &self.deletions, wish).first() {
            return self.delete(snapshot, pod);
        }
        let left = ordinals::left_over(snapshot);
        if let Some(pod) = left.iter().find(|pod| !self.wanted.contains(&pod.uid)) {
            return Step::End(Ending::Refused(format!("pod {} came back new all the same", pod.name)));
        }
        // Those that are gone already have to be back and available before the set is looked at.
        let returns = |place: &&places::Place<'_>| {
            place.index.is_some_and(|index| index < self.partition) && !place.serves(snapshot)
        };
        if left.is_empty() && !places.all.iter().any(|place| returns(&place)) {
            return self.follow(snapshot);
        }
        Step::Wait
    }

    fn follow(&mut self, snapshot: &Snapshot) -> Step {
        self.last = None;
        self.follow.step(snapshot).1
    }

    fn delete(&mut self, snapshot: &Snapshot, pod: &Pod) -> Step {
        self.last = Some(pod.uid.clone());
        let request = Request::delete_pod(&snapshot.workload.id.namespace, &pod.name, &pod.uid);
        Step::Send { act: Act::Delete { pod: pod.name.clone(), why: Why::PutBack }, request }
    }

    /// What the pods fail with that came back; those that failed before are nobody's fault.
    fn failures(&self, snapshot: &Snapshot) -> Vec<Cause> {
        let Some(current) = recreated_at(snapshot) else { return Vec::new() };
        let kind = snapshot.workload.id.kind;
        let back = snapshot.living().filter(|pod| {
            let below = snapshot.index(pod).is_some_and(|place| place < self.partition);
            let at_current = pod.revision.as_deref().is_some_and(|label| current.owns_label(kind, label));
            below && at_current && !self.wanted.contains(&pod.uid)
        });
        back.flat_map(|pod| causes::of_pod(pod, snapshot)).filter(Cause::fails).collect()
    }
}

impl Machine for Revert {
    fn step(&mut self, snapshot: &Snapshot) -> (Progress, Step) {
        (evaluate(snapshot), self.decide(snapshot))
    }

    fn sent(&mut self, sent: &Outcome) {
        let Some(uid) = self.last.take() else { return self.follow.sent(sent) };
        match sent {
            Outcome::Done(_) | Outcome::Changed | Outcome::Gone => {
                self.deletions.sure.insert(uid);
            }
            Outcome::Unanswered | Outcome::NotNow(_) => {}
            Outcome::Refused(words) => self.refused = Some(words.clone()),
        }
    }

    fn checked(&mut self, _: Verdict) {}

    fn told(&mut self, _: &Order) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revisions, snapshot, stateful};
    use crate::judge::status::Hold;
    use crate::objects::kind::Kind;

    const STS: Kind = Kind::StatefulSet;

    fn seen(partition: u32, pods: Vec<Pod>) -> Snapshot {
        snapshot(STS, stateful("app:2", partition, "aaa", "bbb"), revisions(STS, 2), pods)
    }

    fn updated(from: usize, ready: bool) -> Vec<Pod> {
        let mut all = pods(STS, "aaa");
        for (index, pod_at) in all.iter_mut().enumerate().skip(from) {
            *pod_at = pod(STS, &format!("web-{index}"), "bbb", ready);
        }
        all
    }

    fn came_back(index: usize, ready: bool) -> Pod {
        pod(STS, &format!("web-{index}"), "aaa", ready).with(|it| it.uid = format!("back-{index}"))
    }

    fn deletes(machine: &mut Revert, snapshot: &Snapshot) -> Option<String> {
        match machine.step(snapshot).1 {
            Step::Send { act: Act::Delete { pod, why: Why::PutBack }, request: _ } => {
                machine.sent(&Outcome::Done(None));
                Some(pod)
            }
            _ => None,
        }
    }

    #[test]
    fn updated_pods_below_the_partition_are_put_back_one_by_one_from_the_highest() {
        let mut all = updated(1, true);
        let mut machine = Revert::new(&seen(1, all.clone()), 3, None);
        assert_eq!(deletes(&mut machine, &seen(3, all.clone())).as_deref(), Some("web-2"));
        // The picture may be older than the deletion; then there is a hole, then a pod that starts.
        assert_eq!(machine.step(&seen(3, all.clone())).1, Step::Wait);
        assert_eq!(machine.step(&seen(3, all[..2].to_vec())).1, Step::Wait);
        all[2] = came_back(2, false);
        assert_eq!(machine.step(&seen(3, all.clone())).1, Step::Wait);
        all[2] = came_back(2, true);
        assert_eq!(deletes(&mut machine, &seen(3, all.clone())).as_deref(), Some("web-1"));
        all[1] = came_back(1, true);
        assert_eq!(machine.step(&seen(3, all)).1, Step::End(Ending::Held(Hold::Partition(3))));
    }

    #[test]
    fn a_broken_pod_goes_first_only_where_the_set_waits_for_it() {
        let mut all = updated(1, true);
        all[2] = pod(STS, "web-2", "bbb", false);
        let mut machine = Revert::new(&seen(1, all.clone()), 3, None);
        assert_eq!(deletes(&mut machine, &seen(3, all.clone())).as_deref(), Some("web-2"));
        let mut machine = Revert::new(&seen(1, all.clone()), 3, None);
        all[0] = pod(STS, "web-0", "aaa", false);
        assert_eq!(deletes(&mut machine, &seen(3, all)), None);
    }

    #[test]
    fn it_ends_when_somebody_else_moves_the_partition_or_what_comes_back_is_new_or_fails() {
        let all = updated(2, true);
        let start = || Revert::new(&seen(1, all.clone()), 3, None);
        assert_eq!(start().step(&seen(0, all.clone())).1, Step::End(Ending::Superseded));
        let mut machine = start();
        assert_eq!(deletes(&mut machine, &seen(3, all.clone())).as_deref(), Some("web-2"));
        let mut new = all.clone();
        new[2].uid = "another".into();
        assert!(matches!(machine.step(&seen(3, new)).1, Step::End(Ending::Refused(_))));
        let mut bad = all.clone();
        bad[2] = came_back(2, false);
        bad[2].containers[0].waiting = Some(("ImagePullBackOff".into(), "no".into()));
        let end = machine.step(&seen(3, bad)).1;
        assert!(matches!(end, Step::End(Ending::NotUndone { why: NoWayBack::Failed(_), .. })), "{end:?}");
        machine.last = Some("uid".into());
        machine.sent(&Outcome::Refused("forbidden".into()));
        assert_eq!(machine.step(&seen(3, all)).1, Step::End(Ending::Refused("forbidden".into())));
    }

    #[test]
    fn the_time_is_over_when_it_is_over() {
        let all = updated(2, true);
        let mut machine = Revert::new(&seen(1, all.clone()), 3, Some(10));
        assert!(deletes(&mut machine, &seen(3, all.clone())).is_some());
        let mut late = seen(3, all[..2].to_vec());
        late.now += k8s_openapi::jiff::SignedDuration::from_secs(10);
        assert_eq!(machine.step(&late).1, Step::End(Ending::TimedOut));
    }
}
