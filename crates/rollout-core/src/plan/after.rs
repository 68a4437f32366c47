//! The picture as it is after a change.

use serde_json::{Value, json};

use crate::objects::workload::Workload;
use crate::plan::operations::{strategy_of, with_partition};
use crate::snapshot::Snapshot;
use crate::stored::Stored;

/// Returns the picture as it is when the pause has ended.
pub(crate) fn released(snapshot: &Snapshot) -> Snapshot {
    edited(snapshot, |object| {
        if let Some(strategy) = Stored::of(&snapshot.workload).and_then(|stored| stored.paused_strategy) {
            object["spec"]["updateStrategy"] = strategy;
        }
        object["spec"]["paused"] = json!(false);
    })
}

/// The picture with another partition.
pub(crate) fn at_partition(snapshot: &Snapshot, partition: u32) -> Snapshot {
    with_strategy(snapshot, &strategy_at(&snapshot.workload, partition))
}

/// The picture with another `updateStrategy`.
pub(crate) fn with_strategy(snapshot: &Snapshot, strategy: &Value) -> Snapshot {
    edited(snapshot, |object| object["spec"]["updateStrategy"] = strategy.clone())
}

/// Returns the `updateStrategy` with another partition.
pub(crate) fn strategy_at(workload: &Workload, partition: u32) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": with_partition(&strategy_of(workload), partition)})
}

/// Returns the picture with the new template, which decides where pods are placed.
pub(crate) fn with_template(snapshot: &Snapshot, template: Option<&Value>) -> Snapshot {
    let mut after = snapshot.clone();
    if let Some(template) = template {
        after.workload.object["spec"]["template"] = template.clone();
    }
    after
}

/// The picture with another object.
fn edited(snapshot: &Snapshot, edit: impl FnOnce(&mut Value)) -> Snapshot {
    let mut after = snapshot.clone();
    let mut object = after.workload.object.clone();
    edit(&mut object);
    if let Ok(workload) = Workload::from_object(after.workload.id.kind, object) {
        after.workload = workload;
    }
    after
}
