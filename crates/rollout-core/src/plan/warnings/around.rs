//! Warnings about what is around a workload: autoscalers, disruption budgets, quotas, and what the template names.

use std::collections::BTreeMap;

use crate::objects::kind::Kind;
use crate::objects::quantity::Quantity;
use crate::objects::strategy::{Amount, Strategy};
use crate::objects::workload::Workload;
use crate::plan::impact::extra_pods;
use crate::plan::warning::{Warning, WarningId};
use crate::plan::warnings::change::TemplateChange;
use crate::snapshot::Snapshot;
use crate::snapshot::surroundings::{Autoscaler, Budget, Presence, Quota};
use crate::template::references::{Reference, ReferenceKind};
use crate::template::resources;

pub(super) fn warnings(change: &TemplateChange<'_>, warnings: &mut Vec<Warning>) {
    let around = &change.snapshot.surroundings;
    for (reference, presence) in &around.references {
        warnings.extend(missing(change, reference, presence));
        warnings.extend(changed(change, reference, presence));
    }
    let workload = &change.snapshot.workload;
    let needed = needed(change);
    warnings.extend(around.quotas.iter().filter_map(|quota| short(change, quota, &needed)));
    warnings.extend(around.budgets.iter().filter_map(|budget| broken(change, budget)));
    let scaling = around.autoscalers.iter().filter(|autoscaler| autoscaler.is_of(workload));
    warnings.extend(scaling.map(|autoscaler| scaled(workload, autoscaler)));
}

fn missing(change: &TemplateChange<'_>, reference: &Reference, presence: &Presence) -> Option<Warning> {
    let namespace = &change.snapshot.workload.id.namespace;
    let (what, fix) = match presence {
        Presence::Gone => (format!("{reference} does not exist"), create(reference, namespace)),
        Presence::There { keys: Some(keys), changed: _ } => {
            let key = reference.keys.iter().find(|key| !keys.contains(*key))?;
            (format!("{reference} has no key {key}"), format!("kubectl edit {reference} -n {namespace}"))
        }
        Presence::There { keys: None, changed: _ } => return None,
    };
    let consequence = match reference.kind {
        ReferenceKind::ConfigMap
        | ReferenceKind::Secret
        | ReferenceKind::Claim
        | ReferenceKind::ResourceClaim
        | ReferenceKind::ResourceClaimTemplate => "its pods would not start",
        // Admission asks for these (plugin/pkg/admission: serviceaccount, priority, runtimeclass).
        ReferenceKind::ServiceAccount | ReferenceKind::PriorityClass | ReferenceKind::RuntimeClass => {
            "its pods would not be made"
        }
        ReferenceKind::PullSecret => "an image that needs it cannot be pulled",
    };
    Some(Warning {
        id: WarningId::MissingConfig,
        message: format!("{what}, and {} names it: {consequence}", change.named()),
        fix: Some(fix),
        // The kubelet goes on without it, and many templates name one that never was.
        stops: reference.kind != ReferenceKind::PullSecret,
    })
}

/// Returns how such an object is made.
fn create(reference: &Reference, namespace: &str) -> String {
    let name = &reference.name;
    match reference.kind {
        ReferenceKind::ConfigMap => {
            format!("kubectl create configmap {name} -n {namespace} --from-file=FILE")
        }
        ReferenceKind::Secret => {
            format!("kubectl create secret generic {name} -n {namespace} --from-file=FILE")
        }
        ReferenceKind::PullSecret => {
            format!("kubectl create secret docker-registry {name} -n {namespace} --from-file=FILE")
        }
        ReferenceKind::Claim | ReferenceKind::ResourceClaim | ReferenceKind::ResourceClaimTemplate => {
            format!("kubectl apply -n {namespace} -f FILE")
        }
        ReferenceKind::RuntimeClass => "kubectl apply -f FILE".to_string(),
        ReferenceKind::ServiceAccount => format!("kubectl create serviceaccount {name} -n {namespace}"),
        ReferenceKind::PriorityClass => format!("kubectl create priorityclass {name} --value=N"),
    }
}

/// A revision does not hold what its configuration said.
fn changed(change: &TemplateChange<'_>, reference: &Reference, presence: &Presence) -> Option<Warning> {
    let snapshot = change.snapshot;
    let is_config = match reference.kind {
        ReferenceKind::ConfigMap | ReferenceKind::Secret => true,
        ReferenceKind::PullSecret
        | ReferenceKind::Claim
        | ReferenceKind::ServiceAccount
        | ReferenceKind::PriorityClass
        | ReferenceKind::RuntimeClass
        | ReferenceKind::ResourceClaim
        | ReferenceKind::ResourceClaimTemplate => false,
    };
    let (Presence::There { changed: Some(changed), keys: _ }, true) = (presence, is_config) else {
        return None;
    };
    let until = snapshot.history.live_until(change.target?)?;
    (*changed > until).then(|| Warning {
        id: WarningId::ConfigChanged,
        message: format!(
            "{reference} was changed at {changed}, and {} was live until {until}: it meets what the {} says now",
            change.named(),
            reference.kind.singular()
        ),
        fix: Some(format!(
            "kubectl get {reference} -n {} -o yaml --show-managed-fields",
            snapshot.workload.id.namespace
        )),
        stops: false,
    })
}

/// Returns what the change needs beyond what is used now, by the names that quotas use: the pods that exist in addition
/// meanwhile, or the larger ones at the end, whichever is more.
fn needed(change: &TemplateChange<'_>) -> BTreeMap<String, Quantity> {
    let snapshot = change.snapshot;
    let extra = extra_pods(snapshot, change.impact);
    let before = used(snapshot);
    let mut needed: BTreeMap<String, Quantity> = resources::of(change.wanted)
        .into_iter()
        .map(|(name, amount)| {
            let at_the_end = amount.times(snapshot.workload.desired);
            let more = at_the_end.less(before.get(&name).copied().unwrap_or_default());
            (name, amount.times(extra).max(more))
        })
        .collect();
    for name in ["pods", "count/pods"] {
        needed.insert(name.to_string(), Quantity::whole(extra));
    }
    needed
}

/// Returns what the pods that exist ask for, each by its own revision's template.
fn used(snapshot: &Snapshot) -> BTreeMap<String, Quantity> {
    let live = resources::of(snapshot.workload.template());
    let mut sum: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut add = |asked: &BTreeMap<String, Quantity>, count: u32| {
        for (name, amount) in asked {
            let entry = sum.entry(name.clone()).or_default();
            *entry = entry.plus(amount.times(count));
        }
    };
    if snapshot.pods.is_none() {
        add(&live, snapshot.workload.desired);
        return sum;
    }
    let mut counts: BTreeMap<Option<&str>, u32> = BTreeMap::new();
    for pod in snapshot.living() {
        *counts.entry(snapshot.history.of_pod(pod).map(|revision| revision.name.as_str())).or_default() += 1;
    }
    for (name, count) in counts {
        let template =
            name.and_then(|name| snapshot.history.by_name(name)).and_then(|it| it.template.as_ref());
        add(&template.map_or_else(|| live.clone(), resources::of), count);
    }
    sum
}

fn short(change: &TemplateChange<'_>, quota: &Quota, needed: &BTreeMap<String, Quantity>) -> Option<Warning> {
    if !quota.counts(change.wanted) {
        return None;
    }
    let short: Vec<String> = quota
        .left
        .iter()
        .filter_map(|(name, left)| {
            let full = match name.as_str() {
                "cpu" | "memory" | "ephemeral-storage" => format!("requests.{name}"),
                other => other.to_string(),
            };
            let needed = needed.get(&full).filter(|needed| *needed > left)?;
            Some(format!("{name} (needs {needed} more, {left} left)"))
        })
        .collect();
    (!short.is_empty()).then(|| Warning {
        id: WarningId::Quota,
        message: format!(
            "resourcequota {} has no room for all pods of the change: {}: it is slower, or stands still",
            quota.name,
            short.join(", ")
        ),
        fix: Some(format!(
            "kubectl edit resourcequota {} -n {}",
            quota.name, change.snapshot.workload.id.namespace
        )),
        stops: false,
    })
}

/// Controllers delete pods without asking a budget; it says only what somebody thought must be there.
fn broken(change: &TemplateChange<'_>, budget: &Budget) -> Option<Warning> {
    let (snapshot, impact) = (change.snapshot, change.impact);
    let workload = &snapshot.workload;
    let labels = workload.template().pointer("/metadata/labels")?;
    if !impact.known || !budget.covers(labels) {
        return None;
    }
    let available = snapshot.count_available();
    // It may cover pods of others too, which stay as they are.
    let others =
        if budget.expected > workload.desired { budget.healthy.saturating_sub(available) } else { 0 };
    let asks = budget.asks(budget.expected.max(workload.desired));
    let least = impact.least_available + others;
    (least < asks && impact.least_available < available).then(|| Warning {
        id: WarningId::Pdb,
        message: format!(
            "poddisruptionbudget {} asks for {asks} available pods, and meanwhile there are only {least}: controllers do not heed it",
            budget.name
        ),
        fix: Some(slower(workload, budget)),
        stops: false,
    })
}

/// A budget whose controller cannot count what it covers never allows an eviction (hazard H21), and neither does one that
/// asks for all of them.
pub(crate) fn never_evicted(snapshot: &Snapshot) -> impl Iterator<Item = Warning> {
    let workload = &snapshot.workload;
    let labels = workload.template().pointer("/metadata/labels").cloned().unwrap_or_default();
    snapshot.surroundings.budgets.iter().filter(move |budget| budget.covers(&labels)).filter_map(|budget| {
        let why = never(workload, budget)?;
        Some(Warning {
            id: WarningId::Pdb,
            message: format!("poddisruptionbudget {} never allows an eviction: {why}", budget.name),
            fix: Some(format!(
                "without --evict its pods are deleted; or: kubectl edit poddisruptionbudget {} -n {}",
                budget.name, workload.id.namespace
            )),
            stops: true,
        })
    })
}

/// Returns why a budget never allows an eviction (pkg/controller/disruption/disruption.go, `getExpectedPodCount`: a number
/// is counted against the pods, anything else against a scale, which DaemonSets do not have).
fn never(workload: &Workload, budget: &Budget) -> Option<String> {
    if let Some(failed) = &budget.failed_sync {
        return Some(failed.clone());
    }
    let needs_scale =
        budget.max_unavailable.is_some() || matches!(budget.min_available, Some(Amount::Percent(_)));
    if needs_scale && workload.id.kind == Kind::DaemonSet {
        return Some("only a number as minAvailable can be counted for a daemon set".to_string());
    }
    // It may cover pods of others too.
    let all = budget.expected.max(workload.desired);
    let asks = budget.asks(all);
    (asks >= all).then(|| format!("it asks for {asks} available pods, and there are {all}"))
}

/// Returns how no pod is missed meanwhile, or who asks for more than there can be.
fn slower(workload: &Workload, budget: &Budget) -> String {
    let namespace = &workload.id.namespace;
    let surges = match &workload.strategy {
        Strategy::RollingUpdate { .. } => workload.id.kind == Kind::Deployment,
        Strategy::Partitioned { .. } | Strategy::OnDelete | Strategy::Recreate | Strategy::Other(_) => false,
    };
    match surges {
        true => format!(
            "kubectl patch {} -n {namespace} --type merge -p '{{\"spec\":{{\"strategy\":{{\"rollingUpdate\":{{\"maxUnavailable\":0,\"maxSurge\":1}}}}}}}}'",
            workload.id
        ),
        false => format!("kubectl edit poddisruptionbudget {} -n {namespace}", budget.name),
    }
}

fn scaled(workload: &Workload, autoscaler: &Autoscaler) -> Warning {
    let Autoscaler { name, scales: _, min, max } = autoscaler;
    Warning {
        id: WarningId::Hpa,
        message: format!(
            "the replicas of {} are those of the horizontal pod autoscaler {name} ({min}..{max}): they are not rolled back, and may change meanwhile",
            workload.id
        ),
        fix: Some(format!("kubectl describe hpa {name} -n {}", workload.id.namespace)),
        stops: false,
    }
}
