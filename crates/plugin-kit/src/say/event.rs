//! What happens while a rollout is followed, in words and as fields of a document.

use rollout_core::RevisionNumber;
use rollout_core::judge::Progress;
use rollout_core::machine::{Act, StepProgress, Why};
use rollout_core::objects::few;
use rollout_core::template::diff::Change;

use crate::say::changes::change_lines;

/// Says how far the pods are.
pub fn counts(progress: &Progress) -> String {
    let Progress { updated, desired, available, old, .. } = progress;
    format!("{updated} of {desired} new ({available} available), {old} old")
}

/// Says what is being done.
pub fn doing(act: &Act) -> String {
    match act {
        Act::Delete { pod, why } => match why {
            Why::Blocks => format!("pod {pod} blocks the set and nothing will replace it: deleting it"),
            Why::OnDelete => format!("deleting pod {pod}, which is old: its strategy is OnDelete"),
            Why::PutBack => format!("deleting pod {pod}, which is new: the rollout is taken back"),
            Why::Retry => format!("deleting pod {pod}, which failed before: it is tried again"),
        },
        Act::Evict { pod, why: _, again: _ } => format!("evicting pod {pod}"),
        Act::GoBack { to, causes } => {
            let why = causes.first().map(|it| format!(" ({}: {})", it.id.as_str(), it.message));
            let to = RevisionNumber::or(*to, "?");
            format!("the rollout failed{}: going back to revision {to}", why.unwrap_or_default())
        }
        Act::Partition { to } => format!("lowering the partition to {to}"),
        Act::Renew => "saying that it is still driven".to_string(),
        Act::Record => "noting the revision that is rolled out".to_string(),
        Act::StepDone { done } => format!("step {done} is done"),
        Act::HoldAgain { found } => {
            format!("somebody set the strategy to {found}, which would replace all pods: holding them again")
        }
        Act::StandStill { causes } => {
            let why = causes.first().map(|it| format!(" ({}: {})", it.id.as_str(), it.message));
            format!("the step failed{}: standing still", why.unwrap_or_default())
        }
        Act::HeldUp { causes } => {
            let why = causes.first().map(|it| format!(" ({})", it.message));
            format!("the step is held up{}: standing still", why.unwrap_or_default())
        }
        Act::Clean { object } => format!("taking what was stored off {object}"),
        Act::Finish => "putting back what held the pods".to_string(),
    }
}

/// Says that something was not done, because what it was meant for had gone or changed.
pub fn not_done(act: &Act) -> String {
    match act {
        Act::Delete { pod, .. } | Act::Evict { pod, .. } => format!("pod {pod} was gone already"),
        Act::GoBack { .. }
        | Act::Partition { .. }
        | Act::Record
        | Act::Renew
        | Act::StepDone { .. }
        | Act::HoldAgain { .. }
        | Act::StandStill { .. }
        | Act::HeldUp { .. }
        | Act::Clean { .. }
        | Act::Finish => "it was changed meanwhile: looking again".to_string(),
    }
}

/// Says how far a step is.
pub fn step(step: &StepProgress) -> String {
    let StepProgress { step, of, words, total, settled, in_hand } = step;
    let in_hand = match in_hand.is_empty() {
        true => String::new(),
        false => format!(", {} in hand", few(in_hand)),
    };
    format!("step {step} of {of} ({words}): {settled} of {total}{in_hand}")
}

/// Says that admission changed a template on its way to the store, and what.
pub fn stored_otherwise(changes: &[Change]) -> String {
    format!("admission changed what was sent, and that is followed: {}", change_lines(changes).join("; "))
}
