//! What a step is judged by: its own places and pods, what fails in them, and what only holds it up.

use crate::judge::cause::{Cause, Causes, Sort};
use crate::judge::causes;
use crate::judge::places::{Place, Places};
use crate::judge::status::Progress;
use crate::machine::check::CheckRun;
use crate::objects::kind::Kind;
use crate::objects::names::few;
use crate::objects::pod::Pod;
use crate::snapshot::{Side, Snapshot};
use crate::stored::rollout::{Rollout, Way};

pub(super) fn in_words(causes: &[Cause]) -> String {
    causes.iter().map(|it| it.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// What a step is judged by.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub snapshot: &'a Snapshot,
    pub rollout: &'a Rollout,
    pub places: &'a Places<'a>,
    pub progress: &'a Progress,
}

impl<'a> At<'a> {
    /// The places that are new when the present step is done.
    pub(super) fn scope(&self) -> &'a [Place<'a>] {
        let places = self.places;
        &places.all[..places.end(self.rollout.done + 1)]
    }

    /// The new pods in them, those that have ended too, but for those that failed before the rollout was resumed.
    pub(super) fn own(&self) -> impl Iterator<Item = &'a Pod> {
        let At { snapshot, rollout, .. } = *self;
        let new = move |pod: &&Pod| {
            snapshot.side(pod) == Side::New && !pod.terminating && !rollout.is_stale_failure(snapshot, pod)
        };
        self.scope().iter().flat_map(|place| place.pods.iter().copied()).filter(new)
    }

    /// What the step fails by: the pods of its own places, and what keeps pods of them from being made. A blocker is freed,
    /// and what the old revision meets as well is waited for.
    pub(super) fn failures(&self) -> Vec<Cause> {
        let At { snapshot, rollout, places, progress } = *self;
        let waits = self.scope().iter().any(|place| !place.is_settled(snapshot));
        let outside = &places.all[places.end(rollout.done + 1)..];
        let outside =
            || outside.iter().flat_map(|place| &place.pods).chain(&places.elsewhere).chain(&places.beyond);
        let stale = |name: &String| {
            let mut pods = snapshot.pods.iter().flatten().filter(|pod| pod.name == *name);
            pods.any(|pod| rollout.is_stale_failure(snapshot, pod))
        };
        let fails = |cause: &Cause| match &cause.pod {
            // One cause is shown for all that are alike: a pod of the step may show it too.
            Some(name) if outside().any(|pod| pod.name == *name) || stale(name) => {
                let unready = self.own().filter(|pod| !pod.ready());
                let mut own = unready.flat_map(|pod| causes::of_pod(pod, snapshot));
                own.find(|it| it.fails() && it.symptom() == cause.symptom())
            }
            Some(_) => Some(cause.clone()),
            None => waits.then(|| cause.clone()),
        };
        let failed = progress.causes.failed.iter().filter(|it| !it.id.is_stuck() && !it.old_too);
        failed.filter_map(fails).collect()
    }

    /// Tells whether a step whose time is over waits for its own new pods, and for nothing that holds them up.
    pub(super) fn is_own_fault(&self) -> bool {
        let At { snapshot, progress, .. } = *self;
        if !snapshot.observed() {
            return false;
        }
        let held = |pod: &Pod| {
            let shown = causes::of_pod(pod, snapshot);
            snapshot.is_out_of_reach(pod)
                || !shown.is_empty() && shown.iter().all(|it| it.sort == Sort::HoldsUp || it.old_too)
        };
        let late = |place: &Place<'_>| {
            place.touchable
                && self.own().any(|pod| {
                    place.pods.iter().any(|it| it.uid == pod.uid) && !snapshot.available(pod) && !held(pod)
                })
        };
        let unmade = self.scope().iter().any(|place| place.living().next().is_none() && !place.ends());
        let mut probed = progress.causes.on_probation.iter().filter(|it| it.pod.is_none() && !it.old_too);
        self.scope().iter().any(late) || unmade && probed.next().is_some()
    }

    /// What holds up a step whose time is over, as far as it is known.
    pub(super) fn holding_up(&self) -> Vec<Cause> {
        let Causes { failed, on_probation: _, holding_up } = &self.progress.causes;
        let both = failed.iter().filter(|it| it.old_too).chain(holding_up);
        both.cloned().map(Cause::holds_up).collect()
    }

    /// Says what a step whose time is over waits for.
    pub(super) fn late(&self) -> String {
        let At { snapshot, places, .. } = *self;
        let unsettled = self.scope().iter().filter(|place| !place.is_settled(snapshot));
        let beyond = places.beyond.iter().map(|pod| pod.name.as_str());
        let waits: Vec<&str> = unsettled.map(|place| place.name.as_str()).chain(beyond).collect();
        let missing = places.all.iter().filter(|place| !place.serves(snapshot));
        let blocks: Vec<&str> = missing.map(|place| place.name.as_str()).collect();
        match (snapshot.observed(), waits.is_empty()) {
            (false, _) => "the controller has not acted upon the change within the time given".to_string(),
            (true, false) => {
                let mut words = format!("not new and available within the time given: {}", few(&waits));
                if !blocks.is_empty() {
                    words += &format!("; without an available pod: {}", few(&blocks));
                }
                words
            }
            (true, true) => "the step is not over within the time given".to_string(),
        }
    }
}

/// Returns what stays old although all steps are done: nodes, also those in no step, or pods.
pub(super) fn still_old(snapshot: &Snapshot, places: &Places<'_>) -> Vec<String> {
    let old = |pod: &Pod| snapshot.side(pod) == Side::Old;
    let within = places.all.iter().filter(|place| place.living().any(old)).map(|place| place.name.clone());
    let elsewhere = places.elsewhere.iter().filter(|pod| !pod.terminating && !pod.ended() && old(pod));
    within.chain(elsewhere.map(|pod| pod.node.clone().unwrap_or_else(|| pod.name.clone()))).collect()
}

/// The set's current revision has to be the new one: a pod below a partition, one that comes back here or that of the next
/// rollout, would come back old (hazard H2).
pub(super) fn is_completing(snapshot: &Snapshot, rollout: &Rollout) -> bool {
    let status = &snapshot.workload.status;
    rollout.way(snapshot.workload.id.kind) == Way::Partition
        && snapshot.workload.desired > 0
        && status.current_revision != status.update_revision
}

pub(super) fn check_run(snapshot: &Snapshot, rollout: &Rollout, places: &Places<'_>) -> CheckRun {
    let added = places.added(rollout.done);
    let pods = added.iter().flat_map(Place::living).map(|pod| pod.name.clone()).collect();
    let nodes = match snapshot.workload.id.kind {
        Kind::DaemonSet => added.iter().map(|place| place.name.clone()).collect(),
        Kind::StatefulSet | Kind::Deployment => {
            added.iter().flat_map(Place::living).filter_map(|pod| pod.node.clone()).collect()
        }
    };
    CheckRun {
        revision: snapshot.target().and_then(|target| target.number),
        step: rollout.done + 1,
        pods,
        nodes,
    }
}
