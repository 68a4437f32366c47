//! Deployments: pkg/controller/deployment.

use proptest::prelude::*;
use rollout_core::model::{Behaviour, RevisionId, World, forecast};
use rollout_core::{Amount, Kind, Strategy as Update};

use crate::{A, B, C, extremes, frames, must_wait, never, of, rest};

fn rolling(max_unavailable: Amount, max_surge: Amount) -> Update {
    Update::RollingUpdate { max_unavailable, max_surge }
}

/// A Deployment at rest with all pods at A.
fn deployment(desired: u32, strategy: Update) -> World {
    let mut world = World::new(Kind::Deployment, "web", strategy, desired);
    rest(&mut world);
    assert_eq!(of(&world, A), (desired as usize, desired as usize));
    world.replaced.clear();
    world
}

fn counts(unavailable: u32, surge: u32) -> Update {
    rolling(Amount::Count(unavailable), Amount::Count(surge))
}

fn quarter() -> Update {
    rolling(Amount::Percent(25), Amount::Percent(25))
}

#[test]
fn three_pods_at_a_quarter_go_one_by_one_above_the_desired_number() {
    let mut world = deployment(3, quarter());
    world.set_template(B);
    let forecast = forecast(world);
    assert_eq!(
        frames(&forecast.frames),
        [(3, 0, 3, 3), (3, 1, 3, 4), (2, 1, 3, 3), (2, 2, 3, 4), (1, 2, 3, 3), (1, 3, 3, 4), (0, 3, 3, 3),]
    );
    assert_eq!((forecast.least_available, forecast.most_existing), (3, 4));
    assert_eq!((forecast.replaced.len(), forecast.left_old), (3, 0));
    assert!(forecast.moves_without_help && !forecast.ordered);
}

#[test]
fn one_and_one_replaces_two_at_a_time() {
    let mut world = deployment(3, counts(1, 1));
    world.set_template(B);
    let forecast = forecast(world);
    assert_eq!(
        frames(&forecast.frames),
        [(3, 0, 3, 3), (2, 1, 2, 3), (2, 2, 3, 4), (0, 2, 2, 2), (0, 3, 2, 3), (0, 3, 3, 3)]
    );
}

#[test]
fn shares_round_the_surge_up_and_the_unavailable_down() {
    for (desired, least, most) in [(1, 1, 2), (3, 3, 4), (4, 3, 5), (5, 4, 7), (8, 6, 10), (10, 8, 13)] {
        let mut world = deployment(desired, quarter());
        world.set_template(B);
        let forecast = forecast(world);
        assert_eq!((forecast.least_available, forecast.most_existing), (least, most), "{desired}");
    }
}

#[test]
fn one_may_be_missing_where_both_shares_come_to_nothing() {
    let mut world = deployment(3, rolling(Amount::Percent(1), Amount::Count(0)));
    world.set_template(B);
    let forecast = forecast(world);
    assert_eq!((forecast.least_available, forecast.most_existing), (2, 3));
}

#[test]
fn a_bad_revision_stops_where_the_comment_in_the_source_says() {
    let mut world = deployment(10, counts(2, 3));
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    assert_eq!((of(&world, A), of(&world, B)), ((8, 8), (5, 0)));
    let old = world.pods.iter().find(|pod| pod.revision == A).unwrap().name.clone();
    world.break_pod(&old);
    rest(&mut world);
    assert_eq!((of(&world, A), of(&world, B)), ((8, 7), (5, 0)));
    // Back to the good one: four of the bad pods go at once.
    world.set_template(A);
    world.tick();
    assert_eq!((of(&world, A).0, of(&world, B).0), (8, 1));
    world.tick();
    assert_eq!((of(&world, A).0, of(&world, B).0), (10, 1));
    rest(&mut world);
    assert_eq!((of(&world, A), of(&world, B)), ((10, 9), (0, 0)));
}

#[test]
fn a_bad_revision_does_not_block_the_next_one() {
    let mut world = deployment(10, counts(2, 3));
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    world.set_template(C);
    world.tick();
    assert_eq!((of(&world, A).0, of(&world, B).0, of(&world, C).0), (8, 0, 0));
    rest(&mut world);
    assert_eq!((of(&world, A).0, of(&world, B).0, of(&world, C)), (0, 0, (10, 10)));
}

#[test]
fn recreate_ends_all_old_pods_first() {
    let mut world = deployment(3, Update::Recreate);
    world.grace = 2;
    world.set_template(B);
    let forecast = forecast(world);
    assert_eq!(frames(&forecast.frames), [(3, 0, 3, 3), (0, 0, 0, 0), (0, 3, 0, 3), (0, 3, 3, 3)]);
    assert_eq!((forecast.least_available, forecast.most_existing), (0, 3));
}

#[test]
fn a_paused_deployment_changes_nothing_but_its_size() {
    let mut world = deployment(3, quarter());
    world.paused = true;
    world.set_template(B);
    let foretold = forecast(world.clone());
    assert_eq!((foretold.moves_without_help, foretold.left_old, foretold.replaced.len()), (false, 3, 0));
    world.scale(5);
    rest(&mut world);
    assert_eq!((of(&world, A), of(&world, B)), ((5, 5), (0, 0)));
    world.paused = false;
    rest(&mut world);
    assert_eq!((of(&world, A), of(&world, B)), ((0, 0), (5, 5)));
}

#[test]
fn a_scale_in_the_middle_is_shared_in_proportion() {
    let mut world = deployment(10, counts(2, 3));
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    world.scale(15);
    rest(&mut world);
    assert_eq!((of(&world, A).0, of(&world, B).0), (11, 7));
    world.scale(10);
    rest(&mut world);
    assert_eq!((of(&world, A).0, of(&world, B).0), (8, 5));
    world.scale(0);
    rest(&mut world);
    assert!(world.pods.is_empty());
}

#[test]
fn a_deleted_or_failed_pod_comes_back_at_the_revision_of_its_set() {
    let mut world = deployment(3, quarter());
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    let names: Vec<String> =
        world.pods.iter().filter(|pod| pod.revision == A).map(|pod| pod.name.clone()).collect();
    assert!(world.delete_pod(&names[0]) && !world.delete_pod(&names[0]));
    assert!(world.fail_pod(&names[1]));
    rest(&mut world);
    assert_eq!((of(&world, A), of(&world, B)), ((3, 3), (1, 0)));
    assert!(world.pod(&names[0]).is_none());
}

prop_compose! {
    fn strategies()(unavailable in amount(), surge in amount()) -> Update { rolling(unavailable, surge) }
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![(0..6u32).prop_map(Amount::Count), (0..101u32).prop_map(Amount::Percent)]
}

proptest! {
    #[test]
    fn a_healthy_rollout_stays_within_its_budget(desired in 0..30u32, strategy in strategies()) {
        let mut world = deployment(desired, strategy.clone());
        world.set_template(B);
        let Update::RollingUpdate { max_surge, .. } = strategy else { unreachable!() };
        let (budget, surge) = (world.max_unavailable(), max_surge.rounded_up(desired));
        let forecast = forecast(world);
        prop_assert!(forecast.least_available >= desired - budget);
        prop_assert!(forecast.most_existing <= desired + surge);
        prop_assert_eq!((forecast.left_old, forecast.replaced.len()), (0, desired as usize));
        let end = forecast.frames[forecast.frames.len() - 1];
        prop_assert_eq!((end.new, end.available, end.existing), (desired, desired, desired));
    }

    #[test]
    fn slow_pods_and_other_revisions_on_the_way_keep_the_budget(
        desired in 1..20u32,
        strategy in strategies(),
        delay in 0..4u32,
        min_ready in 0..3u32,
        grace in 0..3u32,
        turns in proptest::collection::vec((0..3u32, 0..6u32), 1..5),
    ) {
        let mut world = deployment(desired, strategy.clone());
        let Update::RollingUpdate { max_surge, .. } = strategy else { unreachable!() };
        let (least, most) = (desired - world.max_unavailable(), desired + max_surge.rounded_up(desired));
        world.grace = grace;
        must_wait(&mut world, min_ready);
        for revision in [A, B, C] {
            world.behaviours.insert(revision, Behaviour::Ready { after: delay });
        }
        for (revision, ticks) in turns {
            world.set_template(RevisionId(revision));
            for _ in 0..ticks {
                world.control();
                let living = || world.pods.iter().filter(|pod| !pod.terminating());
                prop_assert!(living().filter(|pod| world.available(pod)).count() as u32 >= least);
                prop_assert!(living().count() as u32 <= most);
                world.run_pods();
            }
        }
        let (available, existing) = extremes(&mut world);
        prop_assert!(available >= least && existing <= most);
        prop_assert_eq!(of(&world, world.template), (desired as usize, desired as usize));
    }

    #[test]
    fn a_bad_revision_never_costs_more_than_the_budget(desired in 1..30u32, strategy in strategies()) {
        let mut world = deployment(desired, strategy);
        never(&mut world, B);
        world.set_template(B);
        let least = desired - world.max_unavailable();
        let (available, _) = extremes(&mut world);
        prop_assert!(available >= least);
        world.set_template(A);
        let (available, _) = extremes(&mut world);
        prop_assert!(available >= least);
        prop_assert_eq!(of(&world, A), (desired as usize, desired as usize));
        prop_assert_eq!(of(&world, B), (0, 0));
    }
}
