//! Every interleaving up to a bound: two drivers, killed ones, lost requests and answers, old pictures, rivals, pods and nodes
//! that come and go, at every moment of a rollout in steps and of one under guard. `docs/reliability.md` says what that is and what it found.

mod beside;
mod explore;
mod in_steps;
mod judge;
mod key;
mod process;
mod story;
mod under_guard;

use std::io::Write;
use std::time::Instant;

use rollout_core::plan::steps::StartOptions;
use rollout_core::stored::OnFailure;
use rollout_core::{Amount, Kind};
use serde_json::{Value, json};

use crate::cluster::{Blind, Cluster, to};
use crate::interleave::explore::{State, explore};
use crate::interleave::in_steps::{Scene, World};

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

fn on_delete() -> Value {
    json!({"type": "OnDelete"})
}

fn holds(name: &str, scene: Scene) {
    explored(name, |events| World::new(scene, events));
}

fn guard_holds(name: &str, cluster: Cluster, bad: bool) {
    explored(name, |events| under_guard::World::new(under_guard::Scene { cluster, bad }, events));
}

fn explored<S: State>(name: &str, world: impl FnOnce(u32) -> S) {
    let (events, started) = (bound(), Instant::now());
    let explored = explore(world(events)).unwrap_or_else(|story| panic!("{name}: {story}"));
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
    holds(
        "daemon set",
        scene(Kind::DaemonSet, Cluster::rolling_update(Kind::DaemonSet), false, OnFailure::Pause),
    );
}

#[test]
fn a_daemon_set_whose_new_pods_fail() {
    holds(
        "daemon set, bad",
        scene(Kind::DaemonSet, Cluster::rolling_update(Kind::DaemonSet), true, OnFailure::Abort),
    );
}

#[test]
fn a_daemon_set_that_only_deletion_moves_and_whose_new_pods_fail() {
    holds("daemon set, on delete, bad", scene(Kind::DaemonSet, on_delete(), true, OnFailure::Abort));
}

#[test]
fn a_stateful_set_in_steps() {
    holds(
        "stateful set",
        scene(Kind::StatefulSet, Cluster::rolling_update(Kind::StatefulSet), false, OnFailure::Pause),
    );
}

#[test]
fn a_stateful_set_whose_new_pods_fail() {
    holds(
        "stateful set, bad",
        scene(Kind::StatefulSet, Cluster::rolling_update(Kind::StatefulSet), true, OnFailure::Abort),
    );
}

#[test]
fn a_stateful_set_that_only_deletion_moves() {
    holds("stateful set, on delete", scene(Kind::StatefulSet, on_delete(), false, OnFailure::Pause));
}

#[test]
fn a_daemon_set_under_guard() {
    guard_holds("daemon set under guard", Cluster::rolling(Kind::DaemonSet, 3), false);
}

#[test]
fn a_daemon_set_under_guard_whose_new_pods_fail() {
    guard_holds("daemon set under guard, bad", Cluster::rolling(Kind::DaemonSet, 3), true);
}

#[test]
fn a_stateful_set_under_guard() {
    guard_holds("stateful set under guard", Cluster::rolling(Kind::StatefulSet, 3), false);
}

#[test]
fn a_stateful_set_under_guard_whose_new_pods_fail() {
    guard_holds("stateful set under guard, bad", Cluster::rolling(Kind::StatefulSet, 3), true);
}

#[test]
fn a_daemon_set_under_guard_that_only_deletion_moves() {
    guard_holds("daemon set under guard, on delete", Cluster::new(Kind::DaemonSet, 3, on_delete()), false);
}

#[test]
fn a_daemon_set_under_guard_that_only_deletion_moves_and_whose_new_pods_fail() {
    guard_holds(
        "daemon set under guard, on delete, bad",
        Cluster::new(Kind::DaemonSet, 3, on_delete()),
        true,
    );
}

#[test]
fn a_stateful_set_under_guard_that_only_deletion_moves() {
    guard_holds(
        "stateful set under guard, on delete",
        Cluster::new(Kind::StatefulSet, 3, on_delete()),
        false,
    );
}

#[test]
fn a_stateful_set_under_guard_that_only_deletion_moves_and_whose_new_pods_fail() {
    guard_holds(
        "stateful set under guard, on delete, bad",
        Cluster::new(Kind::StatefulSet, 3, on_delete()),
        true,
    );
}

/// Each guard of a request is needed: without it, something comes that must not.
#[test]
fn a_server_that_does_not_heed_a_guard_is_found() {
    let both = [Kind::DaemonSet, Kind::StatefulSet];
    let unheeded = [
        (
            &both[..],
            Blind::Test("/metadata/annotations"),
            Cluster::rolling_update as fn(Kind) -> Value,
            "wrote",
        ),
        (
            &both[..],
            Blind::Test("/spec/template"),
            Cluster::rolling_update,
            "wrote over another /spec/template",
        ),
        (
            &both[..],
            Blind::Test("/spec/updateStrategy"),
            Cluster::rolling_update,
            "wrote over another /spec/updateStrategy",
        ),
        (
            &both[..],
            Blind::Test("/metadata/uid"),
            Cluster::rolling_update,
            "wrote over another /metadata/uid",
        ),
        (&both[1..], Blind::Test("/spec/replicas"), Cluster::rolling_update, "counted against"),
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

#[test]
fn a_server_that_does_not_heed_a_guard_of_the_way_back_is_found() {
    let unheeded = [
        (Kind::DaemonSet, Blind::Test("/spec/template"), "wrote over another /spec/template"),
        (Kind::DaemonSet, Blind::Test("/metadata/uid"), "wrote over another /metadata/uid"),
        (Kind::StatefulSet, Blind::PodUid, "deleted another"),
    ];
    for (kind, blind, words) in unheeded {
        let mut cluster = Cluster::rolling(kind, 3);
        cluster.blind = Some(blind);
        let scene = under_guard::Scene { cluster, bad: true };
        let found = explore(under_guard::World::new(scene, 1)).expect_err(&format!("{kind} {blind:?}"));
        assert!(found.lines().next().unwrap().contains(words), "{kind} {blind:?}: {found}");
    }
}
