//! What is to be read before a template is changed.

use serde_json::Value;

use crate::objects::kind::Kind;
use crate::objects::quantity::Quantity;
use crate::plan::impact::{Impact, extra_pods};
use crate::snapshot::Snapshot;
use crate::template::references::{self, Reference};
use crate::template::resources;

/// What is to be read before a template is changed: no more than can matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The objects that the new template names.
    pub references: Vec<Reference>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: bool,
    /// PodDisruptionBudgets.
    pub budgets: bool,
    /// ResourceQuotas.
    pub quotas: bool,
}

impl Needs {
    /// Returns what can matter to a change of the template with that effect.
    pub fn of(snapshot: &Snapshot, wanted: &Value, impact: &Impact) -> Needs {
        let (before, after) = (resources::of(snapshot.workload.template()), resources::of(wanted));
        let zero = Quantity::default();
        let more = after.iter().any(|(name, amount)| *amount > before.get(name).copied().unwrap_or(zero));
        Needs {
            references: references::of(wanted),
            autoscalers: match snapshot.workload.id.kind {
                Kind::Deployment | Kind::StatefulSet => true,
                Kind::DaemonSet => false,
            },
            budgets: !impact.known || !impact.pods.is_empty(),
            quotas: more || extra_pods(snapshot, impact) > 0,
        }
    }
}
