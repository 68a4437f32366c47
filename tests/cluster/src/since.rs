//! What a test may expect from some version of Kubernetes on only.

use std::fs::File;
use std::io::{Write, stderr};
use std::panic::Location;
use std::{env, thread};

use crate::cluster::Cluster;
use crate::version::{LEFT_OUT, Version};

impl Cluster {
    /// Tells whether this is a version or a newer one. Where it is older, what the test shows is not there, `why` says for what reason,
    /// and that it was left out is said where nobody can miss it: a test has no other end than good or bad.
    ///
    /// # Panics
    ///
    /// When `version` is none.
    #[must_use]
    #[track_caller]
    pub fn since(&self, version: &str, why: &str) -> bool {
        let first: Version = version.parse().unwrap_or_else(|error| panic!("{error}"));
        let here = self.kubernetes();
        if here < first {
            let why = format!("not before Kubernetes {version}, and this is {here}: {why}");
            leave_out(&why, Location::caller());
        }
        here >= first
    }
}

/// Writes past what captures the words of a test.
fn leave_out(why: &str, place: &Location<'_>) {
    let thread = thread::current();
    let place = place.to_string();
    let name = thread.name().filter(|name| *name != "main").unwrap_or(&place);
    let line = format!("left out: {name}: {why}\n");
    let _ = stderr().write_all(line.as_bytes());
    if let Some(file) = env::var_os(LEFT_OUT) {
        let file = File::options().create(true).append(true).open(file);
        file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap_or_else(|error| panic!("{error}"));
    }
}
