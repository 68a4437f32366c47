//! The verdict against worlds that nobody thought of: no world in which every new pod would become healthy within its patience
//! is ever failed or taken back; every world in which one never does, and the old revision would, is.

#![expect(clippy::unwrap_used, reason = "what a test makes itself is well-formed")]

mod life;
mod properties;
mod scene;
