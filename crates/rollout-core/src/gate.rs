//! The gate that a rollout, or a step of one, has to pass: its pods stay available for a time, do not restart, and somebody's
//! checks pass all the while.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use crate::cause::{Cause, CauseId};
use crate::machine::Verdict;
use crate::pods::Pod;

/// Seconds between two runs of the checks while the time runs.
const CHECK_EVERY: i64 = 10;

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
    /// Restarts that pods had when all were available for the first time, by UID: a start may take more than one attempt.
    before: BTreeMap<String, u32>,
    was_healthy: bool,
    healthy_since: Option<Timestamp>,
    asked: Option<Timestamp>,
    answer: Option<Verdict>,
    passed: Option<Timestamp>,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateState {
    /// The pods are not all available: the time starts anew.
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
            before: BTreeMap::new(),
            was_healthy: false,
            healthy_since: None,
            asked: None,
            answer: None,
            passed: None,
        }
    }

    /// Looks at the pods that are to pass; `healthy` says whether they are all there and available.
    pub fn look(&mut self, pods: &[&Pod], healthy: bool, now: Timestamp) -> GateState {
        self.remember(pods, healthy);
        match &self.answer {
            Some(Verdict::Broken(words)) => return GateState::Broken(words.clone()),
            Some(Verdict::Failed(cause)) => return GateState::Failed(cause.clone()),
            Some(Verdict::Passed) | None => {}
        }
        if let Some(pod) = pods.iter().find(|pod| self.restarts(pod) > self.options.max_restarts) {
            return GateState::Failed(self.restarted(pod));
        }
        if !healthy {
            (self.healthy_since, self.passed) = (None, None);
            return GateState::Closed;
        }
        let since = *self.healthy_since.get_or_insert(now);
        let left = (self.options.soak - (now.as_second() - since.as_second())).max(0);
        if self.options.checks {
            return self.with_checks(left, now);
        }
        if left > 0 { GateState::Soaking(left) } else { GateState::Open }
    }

    /// Takes in what the checks came to.
    pub fn checked(&mut self, verdict: Verdict) {
        if verdict == Verdict::Passed {
            self.passed = self.asked;
        }
        self.asked = None;
        self.answer = Some(verdict);
    }

    /// The checks are run when the pods are healthy, then every few seconds, and once more when the time is over.
    fn with_checks(&mut self, left: i64, now: Timestamp) -> GateState {
        let end = now.as_second() + left;
        let due = match self.passed {
            None => true,
            Some(passed) if left == 0 => {
                let since = self.healthy_since.map_or(0, Timestamp::as_second);
                passed.as_second() < since + self.options.soak
            }
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

    fn remember(&mut self, pods: &[&Pod], healthy: bool) {
        if !self.was_healthy {
            self.before = pods.iter().map(|pod| (pod.uid.clone(), pod.restarts())).collect();
        }
        self.was_healthy |= healthy;
    }

    fn restarts(&self, pod: &Pod) -> u32 {
        pod.restarts().saturating_sub(self.before.get(&pod.uid).copied().unwrap_or(0))
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
            container: ended.map(|(name, _)| name.clone()),
            evidence: ended.map(|(_, end)| format!("{}, exit code {}", end.reason, end.code)),
            ..Cause::new(CauseId::Restarts, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{now, pod};
    use crate::kind::Kind;
    use k8s_openapi::jiff::SignedDuration;

    fn gate(checks: bool) -> Gate {
        Gate::new(GateOptions { soak: 30, max_restarts: 0, checks })
    }

    fn at(seconds: i64) -> Timestamp {
        now() + SignedDuration::from_secs(seconds)
    }

    fn web(restarts: u32) -> Pod {
        let mut pod = pod(Kind::Deployment, "web-0", "bbb", true);
        pod.containers[0].restarts = restarts;
        pod
    }

    #[test]
    fn it_opens_when_the_time_is_over_and_starts_anew_after_a_fall() {
        let (mut gate, pod) = (gate(false), web(0));
        let mut look = |seconds, healthy| gate.look(&[&pod], healthy, at(seconds));
        assert_eq!(look(0, true), GateState::Soaking(30));
        assert_eq!(look(20, true), GateState::Soaking(10));
        assert_eq!(look(21, false), GateState::Closed);
        assert_eq!(look(22, true), GateState::Soaking(30));
        assert_eq!(look(52, true), GateState::Open);
    }

    #[test]
    fn a_restart_fails_it_once_the_pods_were_available() {
        let mut gate = gate(false);
        assert_eq!(gate.look(&[&web(7)], false, at(0)), GateState::Closed);
        assert_eq!(gate.look(&[&web(8)], true, at(0)), GateState::Soaking(30));
        let GateState::Failed(cause) = gate.look(&[&web(9)], true, at(1)) else { panic!() };
        assert_eq!(cause.id, CauseId::Restarts);
    }

    #[test]
    fn a_pod_that_came_later_is_judged_by_all_its_restarts() {
        let mut gate = gate(false);
        gate.look(&[], true, at(0));
        assert!(matches!(gate.look(&[&web(1)], true, at(2)), GateState::Failed(_)));
    }

    #[test]
    fn checks_run_at_once_then_now_and_then_and_at_the_end() {
        let (mut gate, pod) = (gate(true), web(0));
        let mut asked = Vec::new();
        for second in 0..60 {
            match gate.look(&[&pod], true, at(second)) {
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
            let (mut gate, pod) = (gate(true), web(0));
            assert_eq!(gate.look(&[&pod], true, at(0)), GateState::Check);
            gate.checked(verdict);
            assert_eq!(gate.look(&[&pod], true, at(1)), state);
        }
    }
}
