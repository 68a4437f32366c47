//! The steps of a plan, by the places that there are now.

use crate::judge::places::{Place, Places};
use crate::objects::kind::Kind;
use crate::objects::pod::Pod;
use crate::plan::decision::PlannedStep;
use crate::snapshot::{Side, Snapshot};

impl Places<'_> {
    /// Returns the steps after so many, with what each adds; `all_old` where no pod is new yet.
    pub(crate) fn planned(&self, snapshot: &Snapshot, done: usize, all_old: bool) -> Vec<PlannedStep> {
        let by_node = snapshot.workload.id.kind == Kind::DaemonSet;
        let old = |pod: &&Pod| all_old || snapshot.side(pod) == Side::Old;
        (done..self.ends.len())
            .map(|index| {
                let added = self.added(index);
                PlannedStep {
                    step: index + 1,
                    words: self.words[index].clone(),
                    total: self.end(index + 1),
                    nodes: if by_node {
                        added.iter().map(|it| it.name.clone()).collect()
                    } else {
                        Vec::new()
                    },
                    pods: added
                        .iter()
                        .flat_map(Place::living)
                        .filter(old)
                        .map(|it| it.name.clone())
                        .collect(),
                }
            })
            .collect()
    }
}
