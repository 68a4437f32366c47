//! The places of a workload's pods in the order in which a rollout in steps comes to them, and how far each step reaches.
//!
//! A DaemonSet's places are the nodes on which its template places pods, a StatefulSet's are its ordinals from the highest
//! down. The order depends on nothing that a restart would lose: nodes by when they joined, so that one that joins meanwhile
//! comes last, but for those that somebody named and those that were new before the rollout started.

use crate::judge::ordinals::name_at;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use fnv::FnvHashMap;
use k8s_openapi::jiff::Timestamp;

use crate::objects::kind::Kind;
use crate::objects::node::Node;
use crate::objects::pod::Pod;
use crate::objects::selector::Labels;
use crate::objects::strategy::Amount;
use crate::objects::word::Word;
use crate::snapshot::{Side, Snapshot};
use crate::stored::Stored;
use crate::stored::rollout::{Phase, Reached, Rollout, StepOptions};
use crate::stored::rules::{BadSteps, First, Rest, Rules};
use crate::template::placement::Placement;

/// One place for a pod.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The node's name, or the name of the pod of an ordinal.
    pub name: String,
    /// The node of a DaemonSet's.
    pub node: Option<&'a Node>,
    /// A StatefulSet's place counted from the lowest ordinal.
    pub index: Option<u32>,
    /// The pods that are here, those that end or have ended too.
    pub pods: Vec<&'a Pod>,
    /// Whether a pod that is deleted here comes back: the node is ready and has no untolerated taint.
    pub touchable: bool,
}

/// The places in order, and where the steps end.
#[derive(Clone, Debug, Default)]
pub struct Places<'a> {
    /// The places, those of the first step first.
    pub all: Vec<Place<'a>>,
    /// How many places are new when a step is done, step by step; never descending.
    pub ends: Vec<usize>,
    /// What each step is, in words.
    pub words: Vec<String>,
    /// Nodes that are in no step, and why: no template places a pod there, or they are not ready and left out.
    pub left_out: Vec<(&'a Node, String)>,
    /// Pods on those nodes.
    pub elsewhere: Vec<&'a Pod>,
    /// A StatefulSet's pods beyond its range, which its controller is about to remove.
    pub beyond: Vec<&'a Pod>,
}

impl Place<'_> {
    /// Iterates over the pods that are neither ended nor on their way out.
    pub fn living(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().copied().filter(|pod| !pod.terminating && !pod.ended())
    }

    /// Tells whether a pod here is available.
    pub fn serves(&self, snapshot: &Snapshot) -> bool {
        self.living().any(|pod| snapshot.available(pod))
    }

    /// Tells whether a pod here is on its way out.
    pub fn ends(&self) -> bool {
        self.pods.iter().any(|pod| pod.terminating)
    }

    /// Tells whether the pod here is new and available, and no other one is left.
    pub fn is_settled(&self, snapshot: &Snapshot) -> bool {
        self.serves(snapshot)
            && self.pods.iter().all(|pod| pod.terminating || pod.ended() || snapshot.side(pod) == Side::New)
    }
}

impl<'a> Places<'a> {
    /// Resolves the steps of a stored rollout; nothing where pods or nodes were not read.
    pub(crate) fn of(snapshot: &'a Snapshot, rollout: &Rollout) -> Option<Places<'a>> {
        let started = Some(rollout.started);
        let mut places =
            Places::before_steps(snapshot, &rollout.rules, rollout.options.skip_unready_nodes, started)?;
        (places.ends, places.words) = places.steps(&rollout.rules);
        Some(places)
    }

    /// Resolves steps for the first time, and says what is wrong with them; `all_old` where no pod is new yet.
    pub fn resolve(
        snapshot: &'a Snapshot,
        rules: &Rules,
        skip_unready: bool,
        all_old: bool,
    ) -> Option<Result<Places<'a>, BadSteps>> {
        let started = all_old.then_some(Timestamp::MIN);
        let mut places = Places::before_steps(snapshot, rules, skip_unready, started)?;
        Some(places.checked(snapshot, rules).map(|()| {
            (places.ends, places.words) = places.steps(rules);
            places
        }))
    }

    /// Returns the ordinals of a StatefulSet from the highest down, without any steps; nothing where the pods were not read.
    pub(crate) fn without_steps(snapshot: &'a Snapshot) -> Option<Places<'a>> {
        Places::before_steps(snapshot, &Rules { first: None, rest: Rest::Amounts(Vec::new()) }, false, None)
    }

    /// Returns the places where a pod that is deleted comes back, without any steps; nothing where the pods were not read.
    /// Where the nodes were not read, those of the pods, and one for each pod that is missing.
    pub(crate) fn within_reach(snapshot: &'a Snapshot) -> Option<Places<'a>> {
        let rules = Rules { first: None, rest: Rest::Amounts(Vec::new()) };
        let by_node = match snapshot.workload.id.kind {
            Kind::StatefulSet => false,
            Kind::DaemonSet | Kind::Deployment => true,
        };
        if by_node && snapshot.nodes.is_none() {
            return Some(Places { all: by_pods(snapshot, snapshot.pods.as_deref()?), ..Places::default() });
        }
        let mut places = Places::before_steps(snapshot, &rules, true, None)?;
        places.all.retain(|place| place.touchable);
        if by_node {
            places.all.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Some(places)
    }

    fn before_steps(
        snapshot: &'a Snapshot,
        rules: &Rules,
        skip_unready: bool,
        started: Option<Timestamp>,
    ) -> Option<Places<'a>> {
        let pods = snapshot.pods.as_deref()?;
        let mut places = Places::default();
        match snapshot.workload.id.kind {
            Kind::StatefulSet => {
                places.all = ordinals(snapshot, pods);
                places.beyond = pods.iter().filter(|pod| snapshot.is_beyond_range(pod)).collect();
            }
            Kind::DaemonSet | Kind::Deployment => {
                places.take_nodes(snapshot, snapshot.nodes.as_deref()?, pods, skip_unready);
                places.sort(snapshot, rules, started);
            }
        }
        Some(places)
    }

    fn take_nodes(&mut self, snapshot: &'a Snapshot, nodes: &'a [Node], pods: &'a [Pod], skip_unready: bool) {
        let placement = Placement::of(snapshot.workload.template());
        let mut by_node: FnvHashMap<&str, Vec<&Pod>> =
            FnvHashMap::with_capacity_and_hasher(pods.len(), Default::default());
        for pod in pods {
            by_node.entry(pod.node.as_deref().unwrap_or_default()).or_default().push(pod);
        }
        for node in nodes {
            let pods = by_node.remove(node.name.as_str()).unwrap_or_default();
            let why = match placement.lasting_obstacle(node) {
                Some(obstacle) => Some(obstacle.to_string()),
                None if skip_unready && !node.ready => Some("it is not ready".to_string()),
                None => None,
            };
            match why {
                Some(why) => {
                    self.left_out.push((node, why));
                    self.elsewhere.extend(pods);
                }
                None => self.all.push(Place {
                    name: node.name.clone(),
                    node: Some(node),
                    index: None,
                    pods,
                    touchable: node.ready && placement.obstacle(node).is_none(),
                }),
            }
        }
    }

    fn sort(&mut self, snapshot: &Snapshot, rules: &Rules, started: Option<Timestamp>) {
        let first = FirstNodes::of(rules);
        let was_new = |place: &Place<'_>| {
            place.living().any(|pod| {
                let before =
                    started.is_none_or(|started| pod.created.is_some_and(|created| created < started));
                before && snapshot.side(pod) == Side::New
            })
        };
        // Of nodes that joined in one second the names decide. Servers list nodes by name, and what is in order is not sorted.
        self.all.sort_by(|a, b| a.name.cmp(&b.name));
        self.all.sort_by_cached_key(|place| {
            let named = !first.has(place);
            let joined = place.node.map(|node| node.created);
            match &rules.rest {
                Rest::Amounts(_) => (named, Reverse(was_new(place)), None, joined),
                Rest::Label(label) => {
                    // Nodes without the label come last.
                    let value = place.node.and_then(|node| node.labels.get(label)).cloned();
                    (named, Reverse(value.is_some()), value, joined)
                }
            }
        });
    }

    /// Returns how far each step reaches, and its words.
    fn steps(&self, rules: &Rules) -> (Vec<usize>, Vec<String>) {
        let total = self.all.len();
        let first = FirstNodes::of(rules);
        let mut ends = Vec::new();
        let mut words = Vec::new();
        if rules.first.is_some() {
            ends.push(self.all.iter().take_while(|place| first.has(place)).count());
            words.push("the first nodes".to_string());
        }
        match &rules.rest {
            Rest::Amounts(amounts) => {
                for amount in amounts {
                    ends.push((amount.rounded_up(total as u32) as usize).min(total));
                    words.push(amount.to_string());
                }
            }
            Rest::Label(label) => self.steps_by_label(label, &mut ends, &mut words),
        }
        let mut reached = 0;
        for end in &mut ends {
            reached = reached.max(*end);
            *end = reached;
        }
        (ends, words)
    }

    fn steps_by_label(&self, label: &str, ends: &mut Vec<usize>, words: &mut Vec<String>) {
        if ends.is_empty() {
            ends.push(self.all.len().min(1));
            words.push("one node".to_string());
        }
        let value = |place: &Place<'_>| place.node.and_then(|node| node.labels.get(label)).cloned();
        let values: BTreeSet<(bool, Option<Word>)> =
            self.all.iter().map(value).map(|it| (it.is_none(), it)).collect();
        for (_, wanted) in values {
            let last = self.all.iter().rposition(|place| value(place) == wanted).unwrap_or(0);
            ends.push(last + 1);
            words.push(wanted.map_or_else(|| format!("no {label}"), |value| format!("{label}={value}")));
        }
    }

    fn checked(&self, snapshot: &Snapshot, rules: &Rules) -> Result<(), BadSteps> {
        if snapshot.workload.id.kind == Kind::StatefulSet
            && (rules.first.is_some() || matches!(rules.rest, Rest::Label(_)))
        {
            return Err(BadSteps::NoNodes);
        }
        match &rules.first {
            Some(First::Nodes(names)) => self.all_named(snapshot, names)?,
            Some(First::Selector(query)) => {
                let labels = Labels::parse(query).ok_or_else(|| BadSteps::BadSelector(query.clone()))?;
                let any =
                    self.all.iter().any(|it| it.node.is_some_and(|node| labels.match_all(&node.labels)));
                if !any {
                    return Err(BadSteps::NothingSelected(query.clone()));
                }
            }
            None => {}
        }
        match &rules.rest {
            Rest::Label(label) => {
                let any =
                    self.all.iter().any(|it| it.node.is_some_and(|node| node.labels.get(label).is_some()));
                if any { Ok(()) } else { Err(BadSteps::NoSuchLabel(label.clone())) }
            }
            Rest::Amounts(amounts) => {
                let total = self.all.len() as u32;
                let reach = |it: crate::objects::strategy::Amount| it.rounded_up(total).min(total);
                match amounts.windows(2).find(|pair| reach(pair[1]) < reach(pair[0])) {
                    Some(pair) => {
                        let [before, after] =
                            [pair[0], pair[1]].map(|it| format!("{it} ({} of {total})", reach(it)));
                        Err(BadSteps::NotAscending { after, before })
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn all_named(&self, snapshot: &Snapshot, names: &[String]) -> Result<(), BadSteps> {
        if names.is_empty() {
            return Err(BadSteps::Empty);
        }
        for name in names {
            if self.all.iter().any(|place| place.name == *name) {
                continue;
            }
            return Err(match self.left_out.iter().find(|(node, _)| node.name == *name) {
                Some((_, why)) => BadSteps::NotPlaced {
                    workload: snapshot.workload.id.to_string(),
                    node: name.clone(),
                    why: why.clone(),
                },
                None => BadSteps::NoSuchNode(name.clone()),
            });
        }
        Ok(())
    }

    /// Returns how many places are new when so many steps are done; all but those that no step reaches at the end.
    pub fn end(&self, done: usize) -> usize {
        match done {
            0 => 0,
            done => self.ends.get(done - 1).or(self.ends.last()).copied().unwrap_or(0),
        }
    }

    /// Says which step comes to each place, from 1; none where no step does.
    pub(crate) fn by_step(&self) -> impl Iterator<Item = (&Place<'a>, Option<usize>)> {
        let step = |index: usize| self.ends.iter().position(|end| index < *end).map(|step| step + 1);
        self.all.iter().enumerate().map(move |(index, place)| (place, step(index)))
    }

    /// Returns the places that a step adds, by how many are done before it.
    pub fn added(&self, done: usize) -> &[Place<'a>] {
        &self.all[self.end(done)..self.end(done + 1)]
    }

    /// Returns how many places may be without an available pod at once.
    pub(crate) fn budget(&self, options: &StepOptions) -> usize {
        let amount = options.max_unavailable.unwrap_or(Amount::Count(1));
        (amount.rounded_up(self.all.len() as u32) as usize).max(1)
    }

    /// Returns how far the steps have reached when so many are done.
    pub(crate) fn reached(
        &self,
        snapshot: &Snapshot,
        rollout: &Rollout,
        done: usize,
        partition: u32,
    ) -> Option<Reached> {
        match snapshot.workload.id.kind {
            Kind::StatefulSet => Some(Reached::Index { partition, replicas: snapshot.workload.desired }),
            Kind::DaemonSet | Kind::Deployment => {
                // Those that were new before come first wherever they are.
                let late = |place: &&Place<'_>| {
                    place.living().all(|pod| pod.created.is_none_or(|created| created >= rollout.started))
                };
                let within = self.all[..self.end(done)].iter().filter(late);
                let last =
                    within.max_by_key(|it| (it.node.and_then(|node| node.created), it.name.clone()))?;
                let created = last.node.and_then(|node| node.created);
                Some(Reached::Node { created, node: last.name.clone() })
            }
        }
    }

    /// Returns the pods that are new although no step of what is stored has come to them; none where nothing is stored, where
    /// it is taken back, or where pods or nodes were not read.
    pub(crate) fn outside(snapshot: &Snapshot) -> Vec<Pod> {
        let stored = Stored::of(&snapshot.workload).and_then(|stored| stored.rollout);
        let Some(rollout) = stored.filter(|it| it.phase != Phase::Aborting) else { return Vec::new() };
        let places = Places::of(snapshot, &rollout).filter(|_| rollout.workload == snapshot.workload.id.uid);
        places.map_or_else(Vec::new, |it| it.leaked(snapshot, &rollout).into_iter().cloned().collect())
    }

    /// Returns the pods that are new although no step has come to them, by whatever they came up.
    pub(crate) fn leaked(&self, snapshot: &Snapshot, rollout: &Rollout) -> Vec<&Pod> {
        let end = self.end(if rollout.between { rollout.done } else { rollout.done + 1 });
        let late = |pod: &&Pod| pod.created.is_some_and(|created| created >= rollout.started);
        let new = |pod: &&Pod| rollout.is_updated(snapshot, pod);
        let outside = self.all[end..].iter().filter(|place| !reached(place, rollout));
        let elsewhere =
            self.elsewhere.iter().copied().filter(|pod| !pod.terminating && !pod.ended()).filter(new);
        // A node that became unfit later had its turn before that; only what came up there since is news.
        let elsewhere = elsewhere.filter(|pod| pod.created.is_some_and(|it| it >= rollout.began));
        outside.flat_map(Place::living).filter(late).filter(new).chain(elsewhere.filter(late)).collect()
    }
}

/// What the steps reached before stays within them when nodes leave or an ordinal's rank moves.
fn reached(place: &Place<'_>, rollout: &Rollout) -> bool {
    match (&rollout.reached, &rollout.rules.rest, place.index) {
        (Some(Reached::Index { partition, replicas }), _, Some(index)) => {
            index >= *partition && index < *replicas
        }
        (Some(Reached::Node { created, node }), Rest::Amounts(_), None) => {
            let joined = place.node.and_then(|node| node.created);
            rollout.rules.first.is_none() && (joined, &place.name) <= (*created, node)
        }
        (Some(Reached::Node { .. } | Reached::Index { .. }) | None, _, _) => false,
    }
}

/// Nodes that somebody named.
struct FirstNodes<'r> {
    names: BTreeSet<&'r str>,
    labels: Option<Labels>,
}

impl FirstNodes<'_> {
    fn of(rules: &Rules) -> FirstNodes<'_> {
        match &rules.first {
            Some(First::Nodes(names)) => {
                FirstNodes { names: names.iter().map(String::as_str).collect(), labels: None }
            }
            Some(First::Selector(query)) => {
                FirstNodes { names: BTreeSet::new(), labels: Labels::parse(query) }
            }
            None => FirstNodes { names: BTreeSet::new(), labels: None },
        }
    }

    fn has(&self, place: &Place<'_>) -> bool {
        let selected = |labels: &Labels| place.node.is_some_and(|node| labels.match_all(&node.labels));
        self.names.contains(place.name.as_str()) || self.labels.as_ref().is_some_and(selected)
    }
}

/// The nodes that pods name, and a place without one for each pod that is missing.
fn by_pods<'a>(snapshot: &'a Snapshot, pods: &'a [Pod]) -> Vec<Place<'a>> {
    let mut by_node: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in pods {
        by_node.entry(pod.node.as_deref().unwrap_or_default()).or_default().push(pod);
    }
    let place = |(name, pods): (&str, Vec<&'a Pod>)| Place {
        name: name.to_string(),
        node: None,
        index: None,
        pods,
        touchable: true,
    };
    let missing = (snapshot.workload.desired as usize).saturating_sub(by_node.len());
    by_node.into_iter().map(place).chain((0..missing).map(|_| place(("", Vec::new())))).collect()
}

/// Ordinals from the highest down, those without a pod too.
fn ordinals<'a>(snapshot: &'a Snapshot, pods: &'a [Pod]) -> Vec<Place<'a>> {
    let workload = &snapshot.workload;
    let mut by_index: BTreeMap<u32, Vec<&Pod>> = BTreeMap::new();
    for pod in pods {
        if let Some(index) = snapshot.index(pod) {
            by_index.entry(index).or_default().push(pod);
        }
    }
    (0..workload.desired)
        .rev()
        .map(|index| Place {
            name: name_at(workload, index),
            node: None,
            index: Some(index),
            pods: by_index.remove(&index).unwrap_or_default(),
            touchable: true,
        })
        .collect()
}
