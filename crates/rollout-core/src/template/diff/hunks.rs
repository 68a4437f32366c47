//! The longest common part of two lists, and the stretches that it leaves over.

use serde_json::Value;

use crate::template::form::equal;

/// Above this many pairs the longest common part is not looked for.
const MANY: usize = 1_000_000;

pub(super) type Hunk = (std::ops::Range<usize>, std::ops::Range<usize>);

/// Returns the stretches that differ, in order.
pub(super) fn hunks(from: &[Value], to: &[Value]) -> Vec<Hunk> {
    let head = from.iter().zip(to).take_while(|(from, to)| equal(from, to)).count();
    let tail =
        from[head..].iter().rev().zip(to[head..].iter().rev()).take_while(|(f, t)| equal(f, t)).count();
    let (from_end, to_end) = (from.len() - tail, to.len() - tail);
    let (before, after) = (&from[head..from_end], &to[head..to_end]);
    if before.len() * after.len() > MANY {
        return vec![(head..from_end, head..to_end)];
    }
    let mut hunks: Vec<Hunk> = Vec::new();
    let (mut f, mut t) = (head, head);
    for (pair_f, pair_t) in common(before, after).into_iter().chain([(before.len(), after.len())]) {
        let (next_f, next_t) = (head + pair_f, head + pair_t);
        if f < next_f || t < next_t {
            hunks.push((f..next_f, t..next_t));
        }
        (f, t) = (next_f + 1, next_t + 1);
    }
    hunks
}

/// Returns the places of a longest common part.
fn common(from: &[Value], to: &[Value]) -> Vec<(usize, usize)> {
    let width = to.len() + 1;
    let mut longest = vec![0u32; (from.len() + 1) * width];
    for f in (0..from.len()).rev() {
        for t in (0..to.len()).rev() {
            longest[f * width + t] = match equal(&from[f], &to[t]) {
                true => longest[(f + 1) * width + t + 1] + 1,
                false => longest[(f + 1) * width + t].max(longest[f * width + t + 1]),
            };
        }
    }
    let (mut f, mut t, mut pairs) = (0, 0, Vec::new());
    while f < from.len() && t < to.len() {
        if equal(&from[f], &to[t]) {
            pairs.push((f, t));
            (f, t) = (f + 1, t + 1);
        } else if longest[(f + 1) * width + t] >= longest[f * width + t + 1] {
            f += 1;
        } else {
            t += 1;
        }
    }
    pairs
}
