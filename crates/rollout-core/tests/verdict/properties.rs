//! The properties.

use proptest::prelude::*;
use rollout_core::Kind;
use rollout_core::drive::{Guard, GuardOptions};
use rollout_core::judge::{State, evaluate};
use rollout_core::machine::{Act, Ending, GateOptions, Machine, Outcome, Step};
use rollout_core::model::RevisionId;

use crate::life::{self, Life};
use crate::scene::Scene;

/// Longer than any world takes to show what it is.
const LONG: i64 = 8000;

fn guard() -> Guard {
    let gate = GateOptions { soak: 5, max_restarts: 0, checks: false };
    let options = GuardOptions {
        gate,
        limit: None,
        undo_limit: Some(600),
        allow: Vec::new(),
        back_to: None,
        before: None,
        together: false,
    };
    Guard::new(options)
}

/// How a guarded rollout ends, whether it was ever called failed, and after how many seconds it turned.
struct Told {
    ending: Option<Ending>,
    failed: bool,
    turned: Option<i64>,
}

fn guarded(scene: &mut Scene, limit: i64) -> Told {
    let (mut guard, began) = (guard(), scene.now);
    let mut told = Told { ending: None, failed: false, turned: None };
    while scene.now < began + limit {
        scene.tick();
        let snapshot = scene.snapshot();
        let forward = scene.world.template == RevisionId::TARGET;
        told.failed |= forward && evaluate(&snapshot).state == State::Failed;
        match guard.step(&snapshot).1 {
            Step::End(ending) => {
                told.ending = Some(ending);
                return told;
            }
            Step::Send { act, request } => {
                if matches!(act, Act::GoBack { .. }) {
                    told.turned = Some(scene.now - began);
                }
                scene.send(&request);
                guard.sent(&Outcome::Done(None));
            }
            Step::Wait
            | Step::Soak(_)
            | Step::Passed
            | Step::Survey(_)
            | Step::SendAll(_)
            | Step::Check(_) => {}
        }
    }
    told
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Deployment), Just(Kind::DaemonSet), Just(Kind::StatefulSet)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_becomes_healthy_within_its_patience_is_never_failed_and_never_taken_back(
        kind in kinds(), size in 1..4_u32, life in life::good(), alike in any::<bool>(),
    ) {
        let mut scene = Scene::new(kind, size, life.clone(), alike);
        let told = guarded(&mut scene, LONG);
        prop_assert!(!told.failed, "{kind} {life:?} was called failed");
        prop_assert_eq!(told.ending, Some(Ending::Complete), "{} {:?}", kind, life);
        prop_assert_eq!(told.turned, None);
    }

    #[test]
    fn what_never_becomes_healthy_is_taken_back_when_it_has_lasted(
        kind in kinds(), size in 1..4_u32, life in life::bad(), alike in any::<bool>(),
    ) {
        let mut scene = Scene::new(kind, size, life.clone(), alike);
        let told = guarded(&mut scene, LONG);
        let undone = matches!(told.ending, Some(Ending::Undone { .. }));
        prop_assert!(undone, "{kind} {life:?}: {:?}", told.ending);
        // What certainly fails within seconds of its beginning; the rest when its patience is over.
        let before: u32 = life.states.iter().map(|(_, seconds)| seconds).sum();
        let patience = life.never.unwrap().patience().unwrap_or(2);
        let limit = i64::from(before + patience) + 25;
        prop_assert!(told.turned.unwrap() <= limit, "{kind} {life:?}: {:?} > {limit}", told.turned);
    }
}

#[test]
fn what_both_revisions_would_meet_is_no_reason_to_go_back() {
    for kind in [Kind::Deployment, Kind::DaemonSet, Kind::StatefulSet] {
        let full = || Life { states: Vec::new(), never: Some(life::State::NoRoom) };
        let told = guarded(&mut Scene::new(kind, 2, full(), true), 400);
        assert!(told.failed && told.turned.is_none() && told.ending.is_none(), "{kind}: {:?}", told.ending);
        let told = guarded(&mut Scene::new(kind, 2, full(), false), 400);
        assert!(matches!(told.ending, Some(Ending::Undone { .. })), "{kind}: {:?}", told.ending);
    }
}
