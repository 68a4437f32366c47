//! Following a rollout to its end: a state machine over snapshots. `rollout-kube` runs it; nothing here waits.

use serde_json::Value;

use crate::judge::deletion::{self, Wish, only_out_of_reach_are_old};
use crate::judge::places::Places;
use crate::judge::status::{Hold, Progress, State, evaluate};
use crate::judge::stuck::{self, Blockage};
use crate::machine::act::{Act, Why};
use crate::machine::check::Verdict;
use crate::machine::contract::{Deadline, Machine, Order, Outcome, Step};
use crate::machine::ending::Ending;
use crate::objects::pod::Pod;
use crate::objects::strategy::Strategy;
use crate::plan::request::Request;
use crate::snapshot::{Side, Snapshot};
use crate::template;

/// What is followed.
#[derive(Clone, Debug)]
pub struct Follow {
    template: Option<Value>,
    helps: bool,
    deadline: Deadline,
    deletions: deletion::Deletions,
    /// The UID of the pod whose deletion was sent last.
    last: Option<String>,
    refused: Option<String>,
}

impl Follow {
    /// Watches whatever is being rolled out, for that many seconds at most.
    pub fn watching(limit: Option<i64>) -> Follow {
        Follow {
            template: None,
            helps: false,
            deadline: Deadline::new(limit),
            deletions: deletion::Deletions::default(),
            last: None,
            refused: None,
        }
    }

    /// Watches the rollout of one template, frees a stuck set, and replaces the pods of an OnDelete set.
    pub fn driving(target: &Value, limit: Option<i64>) -> Follow {
        Follow { template: Some(template::normal(target)), helps: true, ..Follow::watching(limit) }
    }

    /// Takes over the template that the server stored, which admission may have made another than the one that was sent.
    pub fn stored(&mut self, template: &Value) {
        self.template = Some(template::normal(template));
    }

    fn decide(&mut self, snapshot: &Snapshot, progress: &Progress) -> Step {
        if let Some(words) = &self.refused {
            return Step::End(Ending::Refused(words.clone()));
        }
        let replaced =
            self.template.as_ref().is_some_and(|it| *it != template::normal(snapshot.workload.template()));
        if replaced {
            return Step::End(Ending::Superseded);
        }
        let is_over = self.deadline.is_over(snapshot.now);
        let step = self.act(snapshot, progress);
        if step == Step::Wait && is_over {
            return Step::End(Ending::TimedOut);
        }
        step
    }

    fn act(&mut self, snapshot: &Snapshot, progress: &Progress) -> Step {
        // What has been deleted may still be in the picture: nothing is done until its end is seen.
        self.deletions.forget(snapshot);
        if self.helps && !self.deletions.sure.is_empty() {
            return Step::Wait;
        }
        if self.helps
            && snapshot.observed()
            && let Some((pod, why)) = self.next_deletion(snapshot)
        {
            self.last = Some(pod.uid.clone());
            self.deletions.sure.insert(pod.uid.clone());
            let request = Request::delete_pod(&snapshot.workload.id.namespace, &pod.name, &pod.uid);
            return Step::Send { act: Act::Delete { pod: pod.name.clone(), why }, request };
        }
        match progress.state {
            State::Complete => Step::End(Ending::Complete),
            State::Failed => Step::End(Ending::Failed),
            State::Held | State::Advancing | State::Stalled
                if self.helps
                    && snapshot.workload.strategy == Strategy::OnDelete
                    && only_out_of_reach_are_old(snapshot) =>
            {
                Step::End(Ending::Held(Hold::OnDelete))
            }
            State::Held if self.helps && progress.hold == Some(Hold::OnDelete) => Step::Wait,
            State::Held => progress.hold.map_or(Step::Wait, |hold| Step::End(Ending::Held(hold))),
            State::Unobserved | State::Advancing | State::Stalled => Step::Wait,
        }
    }
}

impl Follow {
    /// Returns the pod to delete next, if any may be. Pods out of reach are left alone, and hold nothing up.
    fn next_deletion<'a>(&self, snapshot: &'a Snapshot) -> Option<(&'a Pod, Why)> {
        match stuck::examine(snapshot) {
            Blockage::Stuck(pod) => return Some((pod, Why::Blocks)),
            Blockage::None | Blockage::Waiting { .. } => {}
        }
        if snapshot.workload.strategy != Strategy::OnDelete {
            return None;
        }
        let places = Places::within_reach(snapshot)?;
        let wish = Wish { unwanted: &|pod| snapshot.side(pod) == Side::Old, budget: 1 };
        let uid = deletion::next(snapshot, &places, &places.all, &self.deletions, wish).first()?.uid.clone();
        let pod = snapshot.pods.iter().flatten().find(|pod| pod.uid == uid)?;
        Some((pod, Why::OnDelete))
    }
}

impl Machine for Follow {
    fn step(&mut self, snapshot: &Snapshot) -> (Progress, Step) {
        let progress = evaluate(snapshot);
        let step = self.decide(snapshot, &progress);
        (progress, step)
    }

    fn sent(&mut self, sent: &Outcome) {
        let last = self.last.take();
        match sent {
            Outcome::Done(_) | Outcome::Changed | Outcome::Gone => {}
            Outcome::Refused(words) => self.refused = Some(words.clone()),
            // It is still there, or on its way out: the next picture says which.
            Outcome::Unanswered | Outcome::NotNow(_) => {
                let last = last.and_then(|uid| self.deletions.sure.take(&uid));
                self.deletions.doubtful.extend(last);
            }
        }
    }

    fn checked(&mut self, _: Verdict) {}

    fn told(&mut self, _: &Order) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{pod, pods, revisions, snapshot, stateful, template, workload};
    use crate::objects::kind::Kind;
    use crate::objects::node::{Node, NodeFacts};
    use serde_json::json;

    fn seen(kind: Kind, object: Value, pods: Vec<Pod>) -> Snapshot {
        snapshot(kind, object, revisions(kind, 2), pods)
    }

    fn on_delete(kind: Kind) -> Value {
        let mut object = workload(kind, "app:1", json!({"type": "OnDelete"}));
        object["status"]["updateRevision"] = json!("web-aaa");
        object
    }

    fn deletes(follow: &mut Follow, snapshot: &Snapshot) -> Option<String> {
        match follow.step(snapshot).1 {
            Step::Send { act: Act::Delete { pod, .. }, request } => {
                assert_eq!(request.body["preconditions"]["uid"], json!(format!("uid-{pod}")));
                Some(pod)
            }
            _ => None,
        }
    }

    #[test]
    fn a_stuck_set_is_freed_by_deleting_the_blocker_once() {
        let mut pods = pods(Kind::StatefulSet, "aaa");
        pods[2] = pod(Kind::StatefulSet, "web-2", "bbb", false);
        let snapshot = seen(Kind::StatefulSet, stateful("app:1", 0, "aaa", "aaa"), pods);
        let mut follow = Follow::driving(&template("app:1"), None);
        assert_eq!(deletes(&mut follow, &snapshot).as_deref(), Some("web-2"));
        assert_eq!(follow.step(&snapshot).1, Step::Wait);
        assert_eq!(Follow::watching(None).step(&snapshot).1, Step::End(Ending::Failed));
    }

    #[test]
    fn an_on_delete_set_is_replaced_one_by_one_from_the_highest_ordinal() {
        let kind = Kind::StatefulSet;
        let mut follow = Follow::driving(&template("app:1"), None);
        let mut all = pods(kind, "bbb");
        assert_eq!(deletes(&mut follow, &seen(kind, on_delete(kind), all.clone())).as_deref(), Some("web-2"));
        all[2].terminating = true;
        assert_eq!(follow.step(&seen(kind, on_delete(kind), all.clone())).1, Step::Wait);
        let new = |ready| {
            let mut new = pod(kind, "web-2", "aaa", ready);
            new.uid = "another".into();
            new
        };
        assert_eq!(follow.step(&seen(kind, on_delete(kind), all[..2].to_vec())).1, Step::Wait);
        all[2] = new(false);
        assert_eq!(follow.step(&seen(kind, on_delete(kind), all.clone())).1, Step::Wait);
        all[2] = new(true);
        assert_eq!(deletes(&mut follow, &seen(kind, on_delete(kind), all)).as_deref(), Some("web-1"));
    }

    #[test]
    fn the_lowest_broken_pod_of_an_on_delete_set_goes_first() {
        let kind = Kind::StatefulSet;
        let mut all = pods(kind, "bbb");
        all[0] = pod(kind, "web-0", "bbb", false);
        let mut follow = Follow::driving(&template("app:1"), None);
        assert_eq!(deletes(&mut follow, &seen(kind, on_delete(kind), all)).as_deref(), Some("web-0"));
    }

    #[test]
    fn a_ready_pod_that_is_not_available_yet_is_waited_for() {
        let kind = Kind::StatefulSet;
        let mut object = on_delete(kind);
        object["spec"]["minReadySeconds"] = json!(61);
        assert_eq!(
            Follow::driving(&template("app:1"), None).step(&seen(kind, object, pods(kind, "bbb"))).1,
            Step::Wait
        );
    }

    #[test]
    fn nothing_is_deleted_before_the_change_is_observed_or_after_it_was_replaced() {
        let kind = Kind::DaemonSet;
        let mut unobserved = on_delete(kind);
        unobserved["metadata"]["generation"] = json!(2);
        let mut follow = Follow::driving(&template("app:1"), None);
        assert_eq!(follow.step(&seen(kind, unobserved, pods(kind, "bbb"))).1, Step::Wait);
        let mut follow = Follow::driving(&template("app:7"), None);
        assert_eq!(
            follow.step(&seen(kind, on_delete(kind), pods(kind, "bbb"))).1,
            Step::End(Ending::Superseded)
        );
    }

    #[test]
    fn the_time_is_over_when_it_is_over() {
        let kind = Kind::DaemonSet;
        let object = workload(kind, "app:1", json!({"type": "RollingUpdate"}));
        let mut snapshot = seen(kind, object, pods(kind, "bbb"));
        let mut follow = Follow::driving(&template("app:1"), Some(10));
        assert_eq!(follow.step(&snapshot).1, Step::Wait);
        snapshot.now += k8s_openapi::jiff::SignedDuration::from_secs(10);
        assert_eq!(follow.step(&snapshot).1, Step::End(Ending::TimedOut));
    }

    #[test]
    fn what_the_server_did_not_answer_is_asked_again_and_what_it_refuses_ends_it() {
        let kind = Kind::DaemonSet;
        let snapshot = seen(kind, on_delete(kind), pods(kind, "bbb"));
        let mut follow = Follow::driving(&template("app:1"), None);
        let first = deletes(&mut follow, &snapshot);
        follow.sent(&Outcome::Unanswered);
        assert_eq!(deletes(&mut follow, &snapshot), first);
        follow.sent(&Outcome::Refused("forbidden".into()));
        assert_eq!(follow.step(&snapshot).1, Step::End(Ending::Refused("forbidden".into())));
    }

    #[test]
    fn pods_on_nodes_where_they_would_not_come_back_are_left_and_hold_nothing_up() {
        let kind = Kind::DaemonSet;
        let node = |name: &str, ready| {
            Node::from(NodeFacts { name: format!("node-web-{name}"), ready, ..NodeFacts::default() })
        };
        let see = |hashes: [&str; 3]| {
            let pods = (0..3).map(|n| pod(kind, &format!("web-{n}"), hashes[n], n != 1)).collect();
            let nodes = Some(vec![node("0", true), node("1", false), node("2", true)]);
            Snapshot { nodes, ..seen(kind, on_delete(kind), pods) }
        };
        let mut follow = Follow::driving(&template("app:1"), None);
        assert_eq!(deletes(&mut follow, &see(["bbb", "bbb", "aaa"])).as_deref(), Some("web-0"));
        let mut follow = Follow::driving(&template("app:1"), None);
        assert_eq!(follow.step(&see(["aaa", "bbb", "aaa"])).1, Step::End(Ending::Held(Hold::OnDelete)));
    }

    #[test]
    fn watching_never_deletes_and_ends_held() {
        let kind = Kind::DaemonSet;
        let step = Follow::watching(None).step(&seen(kind, on_delete(kind), pods(kind, "bbb"))).1;
        assert_eq!(step, Step::End(Ending::Held(Hold::OnDelete)));
    }
}
