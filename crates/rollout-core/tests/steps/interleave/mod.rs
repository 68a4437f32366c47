//! Every interleaving up to a bound: two drivers, killed ones, lost requests and answers, old pictures, rivals, pods and nodes
//! that come and go, at every moment of a rollout in steps. `docs/reliability.md` says what that is and what it found.

mod explore;
mod judge;
mod key;
mod world;

use std::io::Write;
use std::time::Instant;

use rollout_core::plan::steps::StartOptions;
use rollout_core::stored::OnFailure;
use rollout_core::{Amount, Kind};
use serde_json::{Value, json};

use crate::cluster::{Blind, Cluster, to};
use crate::interleave::explore::explore;
use crate::interleave::world::{Scene, World};

/// How many events there may be in one story; more by hand.
fn bound() -> u32 {
    std::env::var("INTERLEAVE_EVENTS").map_or(1, |it| it.parse().unwrap())
}

fn scene(kind: Kind, strategy: Value, bad: bool, on_failure: OnFailure) -> Scene {
    let mut start: StartOptions = to(1, "1,100%");
    start.options.soak = 1;
    start.options.timeout = Some(12);
    start.options.on_failure = on_failure;
    start.options.max_unavailable = Some(Amount::Count(1));
    Scene { cluster: Cluster::new(kind, 3, strategy), start, budget: 1, bad }
}

fn rolling(kind: Kind) -> Value {
    match kind {
        Kind::StatefulSet => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        Kind::DaemonSet | Kind::Deployment => {
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})
        }
    }
}

fn on_delete() -> Value {
    json!({"type": "OnDelete"})
}

fn holds(name: &str, scene: Scene) {
    let (events, started) = (bound(), Instant::now());
    let explored = explore(World::new(scene, events)).unwrap_or_else(|story| panic!("{name}: {story}"));
    let seconds = started.elapsed().as_secs_f64();
    // Shown whether or not the test passes.
    let words = format!(
        "{name}: {} states, {} steps, {} ends, at most {events} events, {seconds:.1} s\n",
        explored.states, explored.steps, explored.ends
    );
    std::io::stderr().write_all(words.as_bytes()).unwrap();
}

#[test]
fn a_daemon_set_in_steps() {
    holds("daemon set", scene(Kind::DaemonSet, rolling(Kind::DaemonSet), false, OnFailure::Pause));
}

#[test]
fn a_daemon_set_whose_new_pods_fail() {
    holds("daemon set, bad", scene(Kind::DaemonSet, rolling(Kind::DaemonSet), true, OnFailure::Abort));
}

#[test]
fn a_daemon_set_that_only_deletion_moves_and_whose_new_pods_fail() {
    holds("daemon set, on delete, bad", scene(Kind::DaemonSet, on_delete(), true, OnFailure::Abort));
}

#[test]
fn a_stateful_set_in_steps() {
    holds("stateful set", scene(Kind::StatefulSet, rolling(Kind::StatefulSet), false, OnFailure::Pause));
}

#[test]
fn a_stateful_set_whose_new_pods_fail() {
    holds("stateful set, bad", scene(Kind::StatefulSet, rolling(Kind::StatefulSet), true, OnFailure::Abort));
}

#[test]
fn a_stateful_set_that_only_deletion_moves() {
    holds("stateful set, on delete", scene(Kind::StatefulSet, on_delete(), false, OnFailure::Pause));
}

/// Each guard of a request is needed: without it, something comes that must not.
#[test]
fn a_server_that_does_not_heed_a_guard_is_found() {
    let both = [Kind::DaemonSet, Kind::StatefulSet];
    let unheeded = [
        (&both[..], Blind::Test("/metadata/annotations"), rolling as fn(Kind) -> Value, "wrote"),
        (&both[..], Blind::Test("/spec/template"), rolling, "wrote over another /spec/template"),
        (&both[..], Blind::Test("/spec/updateStrategy"), rolling, "wrote over another /spec/updateStrategy"),
        (&both[..], Blind::Test("/metadata/uid"), rolling, "wrote over another /metadata/uid"),
        (&both[1..], Blind::Test("/spec/replicas"), rolling, "counted against"),
        (&both[1..], Blind::PodUid, |_| on_delete(), "deleted another"),
    ];
    for (kinds, blind, strategy, words) in unheeded {
        for kind in kinds {
            let mut scene = scene(*kind, strategy(*kind), false, OnFailure::Pause);
            scene.cluster.blind = Some(blind);
            let found = explore(World::new(scene, 1)).expect_err(&format!("{kind} {blind:?}"));
            let first = found.lines().next().unwrap();
            assert!(first.contains(words), "{kind} {blind:?}: {found}");
        }
    }
}
