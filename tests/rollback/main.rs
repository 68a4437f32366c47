//! `kubectl rollback` end to end.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

mod admission;
mod asks;
mod attempt;
mod causes;
mod choice;
mod complete;
mod connection;
mod deleting;
mod diff;
mod failures;
mod faults;
mod gates;
mod guard;
mod guard_faults;
mod history;
mod live;
mod order;
mod output;
mod pause;
mod soak;
mod status;
mod stuck;
mod summary;
mod targets;
mod timeline;
mod to_time;
mod together;
mod undo;
mod unobserved;
mod unstick;
mod verdict;
mod warnings;
mod words;
