//! What a stored rollout may hold. Anybody who may change the workload may have written it, so that no number in it may be
//! one that nobody could have asked for: arithmetic with it must not overflow, and nothing in it may be endless.

use serde_json::Value;

use crate::objects::strategy::Amount;
use crate::stored::query::Query;
use crate::stored::rollout::{Reached, Rollout};
use crate::stored::rules::{First, Rest};

/// Seconds of ten years.
const LONG: i64 = 315_360_000;
/// Seconds of an hour.
const LEASE: u32 = 3600;
/// More steps than any cluster has nodes.
const STEPS: usize = 100_000;
/// More nodes than any cluster has.
const NODES: usize = 20_000;
/// More than anybody lists.
const CHECKS: usize = 100;
/// What the API takes for a number of pods (`int32`).
const PODS: u32 = i32::MAX as u32;
/// Bytes of an `updateStrategy`.
const STRATEGY: usize = 4096;

/// Says what is wrong with a stored rollout.
pub(crate) fn check(rollout: &Rollout) -> Result<(), String> {
    let Rollout { history_limit, rules, done, reached, pause_after, options, strategy: before, .. } = rollout;
    let no = |what: &str| Err(what.to_string());
    strategy(before)?;
    if *done > STEPS || pause_after.is_some_and(|steps| steps > STEPS) || rules.count() > STEPS {
        return no("it has more steps than there can be");
    }
    match &rules.first {
        Some(First::Nodes(nodes)) if nodes.len() > NODES => {
            return no("it names more nodes than there can be");
        }
        Some(First::Nodes(_) | First::Selector(_)) | None => {}
    }
    let steps = match &rules.rest {
        Rest::Amounts(amounts) if amounts.is_empty() => return no("it has no steps"),
        Rest::Amounts(amounts) => amounts.as_slice(),
        Rest::Label(_) => &[],
    };
    if !steps.iter().chain(&options.max_unavailable).copied().all(is_amount) {
        return no("a number of pods is out of range");
    }
    if history_limit.is_some_and(|limit| limit > PODS) {
        return no("its history limit is out of range");
    }
    match reached {
        Some(Reached::Index { partition, replicas }) if *partition > PODS || *replicas > PODS => {
            return no("a number of pods is out of range");
        }
        Some(Reached::Index { .. } | Reached::Node { .. }) | None => {}
    }
    if rollout.lease.is_some_and(|lease| lease.seconds > LEASE) {
        return no("its lease is longer than anybody's");
    }
    if !(0..=LONG).contains(&options.soak) || options.timeout.is_some_and(|it| !(0..=LONG).contains(&it)) {
        return no("a time is out of range");
    }
    if options.checks.len() > CHECKS || options.queries.len() > CHECKS {
        return no("it has more checks than anybody lists");
    }
    match options.queries.iter().map(|query| query.parse::<Query>()).find_map(Result::err) {
        Some(error) => Err(error.to_string()),
        None => Ok(()),
    }
}

fn is_amount(amount: Amount) -> bool {
    match amount {
        Amount::Count(count) => count <= PODS,
        Amount::Percent(percent) => percent <= 100,
    }
}

/// Says what is wrong with an `updateStrategy` that is to be written back.
pub(crate) fn strategy(value: &Value) -> Result<(), String> {
    let known = matches!(
        value.get("type").map(Value::as_str),
        None | Some(Some("RollingUpdate" | "OnDelete" | "Recreate"))
    );
    if !(value.is_null() || value.is_object() && known) || value.to_string().len() > STRATEGY {
        return Err("the update strategy in it is none".to_string());
    }
    Ok(())
}
