//! StatefulSets: pkg/controller/statefulset.

use proptest::prelude::*;
use rollout_core::model::{World, forecast};
use rollout_core::{Amount, Kind, Strategy as Update};

use crate::{A, B, C, LONG, extremes, frames, must_wait, never, of, pods, rest};

/// What the API server of today writes where nothing is said.
fn partitioned(partition: u32) -> Update {
    Update::Partitioned { partition, max_unavailable: Some(Amount::Count(1)) }
}

fn at_once(count: u32) -> Update {
    Update::Partitioned { partition: 0, max_unavailable: Some(Amount::Count(count)) }
}

/// A StatefulSet at rest with all pods at A.
fn stateful_set(desired: u32, strategy: Update) -> World {
    let mut world = World::new(Kind::StatefulSet, "db", strategy, desired);
    rest(&mut world);
    assert_eq!(of(&world, A), (desired as usize, desired as usize));
    world.replaced.clear();
    world
}

/// The same, with pods that come and go together.
fn parallel_set(desired: u32, strategy: Update) -> World {
    let mut world = stateful_set(desired, strategy);
    world.parallel = true;
    world
}

#[test]
fn pods_are_replaced_from_the_highest_ordinal_down() {
    for gated in [None, Some(Amount::Count(1))] {
        let mut world = stateful_set(3, Update::Partitioned { partition: 0, max_unavailable: gated });
        world.set_template(B);
        let forecast = forecast(world);
        assert_eq!(
            frames(&forecast.frames),
            [
                (3, 0, 3, 3),
                (2, 0, 2, 2),
                (2, 1, 2, 3),
                (1, 1, 2, 2),
                (1, 2, 2, 3),
                (0, 2, 2, 2),
                (0, 3, 2, 3),
                (0, 3, 3, 3),
            ]
        );
        assert_eq!(forecast.replaced, ["db-2", "db-1", "db-0"]);
        assert!(forecast.ordered && forecast.moves_without_help);
        assert_eq!(forecast.blocked_by, None);
    }
}

#[test]
fn the_partition_is_a_count_from_the_lowest_ordinal() {
    for first in [0, 5] {
        let mut world = World::new(Kind::StatefulSet, "db", partitioned(2), 4);
        world.first_ordinal = first;
        rest(&mut world);
        world.set_template(B);
        rest(&mut world);
        let expected: Vec<String> =
            (0..4).map(|place| format!("db-{}:{}", first + place, u32::from(place >= 2))).collect();
        assert_eq!(pods(&world), expected);
        assert_eq!((world.current_revision, world.update_revision), (A, B));
        let foretold = forecast(world.clone());
        assert!(!foretold.moves_without_help);
        assert_eq!(foretold.left_old, 2);
        world.set_partition(0);
        rest(&mut world);
        assert_eq!((of(&world, B), world.current_revision), ((4, 4), B));
    }
}

#[test]
fn a_partition_above_all_pods_holds_them_all() {
    for partition in [3, i32::MAX as u32] {
        let mut world = stateful_set(3, partitioned(partition));
        world.set_template(B);
        let forecast = forecast(world);
        assert_eq!((forecast.moves_without_help, forecast.left_old, forecast.replaced.len()), (false, 3, 0));
        assert_eq!(frames(&forecast.frames), [(3, 0, 3, 3)]);
    }
}

#[test]
fn a_raised_partition_leaves_updated_pods_until_they_die() {
    let mut world = stateful_set(4, partitioned(2));
    world.set_template(B);
    rest(&mut world);
    world.set_partition(4);
    rest(&mut world);
    assert_eq!(of(&world, B), (2, 2));
    world.delete_pod("db-3");
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0", "db-1:0", "db-2:1", "db-3:0"]);
}

#[test]
fn below_the_partition_a_pod_comes_back_at_an_ancient_revision() {
    let mut world = stateful_set(4, partitioned(2));
    world.set_template(B);
    rest(&mut world);
    world.set_partition(i32::MAX as u32);
    world.set_template(C);
    rest(&mut world);
    world.delete_pod("db-3");
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0", "db-1:0", "db-2:1", "db-3:0"]);
}

#[test]
fn a_partition_of_the_size_does_not_hold_what_is_added() {
    for (partition, revision) in [(3, B), (i32::MAX as u32, A)] {
        let mut world = stateful_set(3, partitioned(partition));
        world.set_template(B);
        world.scale(5);
        rest(&mut world);
        assert_eq!(world.pod("db-4").unwrap().revision, revision);
        world.scale(0);
        rest(&mut world);
        assert_eq!(world.current_revision, B);
        world.scale(5);
        rest(&mut world);
        assert_eq!(of(&world, B), (5, 5));
    }
}

#[test]
fn a_reverted_set_stays_stuck_until_the_bad_pod_is_deleted() {
    let mut world = stateful_set(3, partitioned(0));
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    world.set_template(A);
    let foretold = forecast(world.clone());
    assert_eq!((foretold.moves_without_help, foretold.blocked_by.as_deref()), (false, Some("db-2")));
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0", "db-1:0", "db-2:1!"]);
    world.delete_pod("db-2");
    rest(&mut world);
    assert_eq!(of(&world, A), (3, 3));
}

#[test]
fn a_pod_deleted_before_the_revert_is_seen_comes_back_bad() {
    let mut world = stateful_set(3, partitioned(0));
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    world.delete_pod("db-2");
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0", "db-1:0", "db-2:1!"]);
    world.set_template(A);
    assert!(!world.observed);
    rest(&mut world);
    assert!(world.observed);
    assert_eq!(of(&world, B), (1, 0));
}

#[test]
fn only_the_lowest_of_several_bad_pods_frees_the_set() {
    let mut world = stateful_set(4, partitioned(0));
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    world.break_pod("db-1");
    world.set_template(A);
    rest(&mut world);
    assert_eq!(world.blocker(), Some("db-1"));
    world.delete_pod("db-3");
    rest(&mut world);
    // db-3 is not even made again while the walk waits at db-1.
    assert_eq!(pods(&world), ["db-0:0", "db-1:0!", "db-2:0"]);
    world.delete_pod("db-1");
    rest(&mut world);
    assert_eq!(of(&world, A), (4, 4));
}

#[test]
fn a_scale_down_with_two_unready_pods_beyond_the_range_is_stuck() {
    let mut world = stateful_set(5, partitioned(0));
    world.break_pod("db-3");
    world.break_pod("db-4");
    world.scale(3);
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0", "db-1:0", "db-2:0", "db-3:0!", "db-4:0!"]);
    assert_eq!(world.blocker(), Some("db-3"));
    world.delete_pod("db-3");
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0", "db-1:0", "db-2:0"]);
}

#[test]
fn one_unready_pod_beyond_the_range_is_removed() {
    let mut world = stateful_set(5, partitioned(0));
    world.break_pod("db-4");
    world.scale(3);
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0", "db-1:0", "db-2:0"]);
}

#[test]
fn a_hole_above_an_unready_pod_is_not_filled() {
    let mut world = stateful_set(3, Update::OnDelete);
    world.set_template(B);
    world.break_pod("db-0");
    world.delete_pod("db-2");
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0!", "db-1:0"]);
}

#[test]
fn two_at_once_with_a_bad_image_lose_a_pod() {
    let mut world = stateful_set(3, at_once(2));
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0", "db-1:1!"]);
}

#[test]
fn ordered_pods_go_together_and_come_one_by_one() {
    let mut world = stateful_set(4, at_once(2));
    world.set_template(B);
    let forecast = forecast(world);
    assert_eq!(
        frames(&forecast.frames),
        [
            (4, 0, 4, 4),
            (2, 0, 2, 2),
            (2, 1, 2, 3),
            (2, 2, 3, 4),
            (0, 2, 2, 2),
            (0, 3, 2, 3),
            (0, 4, 3, 4),
            (0, 4, 4, 4),
        ]
    );
    assert_eq!(forecast.replaced, ["db-3", "db-2", "db-1", "db-0"]);
}

#[test]
fn shares_round_down_to_at_least_one() {
    for (share, least) in [(10, 4), (50, 3), (79, 2)] {
        let strategy = Update::Partitioned { partition: 0, max_unavailable: Some(Amount::Percent(share)) };
        let mut world = parallel_set(5, strategy);
        world.set_template(B);
        assert_eq!(forecast(world).least_available, least, "{share}%");
    }
}

#[test]
fn parallel_sets_free_themselves() {
    let mut world = parallel_set(3, partitioned(0));
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    assert_eq!(of(&world, B), (1, 0));
    world.set_template(A);
    rest(&mut world);
    assert_eq!(of(&world, A), (3, 3));
}

#[test]
fn below_the_partition_an_unready_pod_eats_the_budget_of_a_parallel_set() {
    let mut world = parallel_set(4, partitioned(1));
    world.break_pod("db-0");
    world.set_template(B);
    rest(&mut world);
    assert_eq!(of(&world, B), (0, 0));
}

#[test]
fn unavailable_old_pods_of_a_parallel_set_go_first_and_without_budget() {
    let mut world = parallel_set(5, at_once(2));
    for name in ["db-0", "db-1", "db-3"] {
        world.break_pod(name);
    }
    world.set_template(B);
    world.control();
    assert_eq!(world.replaced, ["db-3", "db-1", "db-0"]);
}

#[test]
fn without_the_gate_a_parallel_set_goes_one_by_one() {
    let mut world = parallel_set(3, Update::Partitioned { partition: 0, max_unavailable: None });
    world.set_template(B);
    assert_eq!(extremes(&mut world), (2, 3));
}

#[test]
fn on_delete_takes_the_update_revision_whatever_the_ordinal() {
    let mut world = stateful_set(3, Update::OnDelete);
    world.set_template(B);
    assert!(!forecast(world.clone()).moves_without_help);
    for name in ["db-0", "db-1", "db-2"] {
        world.delete_pod(name);
        rest(&mut world);
    }
    assert_eq!((of(&world, B), world.current_revision), ((3, 3), B));
}

#[test]
fn recreate_ends_all_old_pods_first() {
    let mut world = stateful_set(3, Update::Recreate);
    world.set_template(B);
    let forecast = forecast(world);
    assert_eq!(
        frames(&forecast.frames),
        [(3, 0, 3, 3), (0, 0, 0, 0), (0, 1, 0, 1), (0, 2, 1, 2), (0, 3, 2, 3), (0, 3, 3, 3)]
    );
}

#[test]
fn a_failed_pod_is_made_again_where_it_was() {
    let mut world = stateful_set(3, partitioned(0));
    world.fail_pod("db-1");
    rest(&mut world);
    assert_eq!(pods(&world), ["db-0:0", "db-1:0", "db-2:0"]);
}

#[test]
fn the_current_revision_moves_when_pods_are_ready_though_not_available() {
    let mut world = stateful_set(1, partitioned(0));
    must_wait(&mut world, 5);
    world.set_template(B);
    for _ in 0..6 {
        world.tick();
    }
    assert_eq!((of(&world, B), world.current_revision), ((1, 0), B));
}

proptest! {
    #[test]
    fn the_order_is_strictly_from_the_highest_ordinal(
        desired in 0..12u32, first in 0..4u32, partition in 0..14u32, count in 1..5u32, parallel: bool
    ) {
        let strategy = Update::Partitioned { partition, max_unavailable: Some(Amount::Count(count)) };
        let mut world = World::new(Kind::StatefulSet, "db", strategy, desired);
        (world.first_ordinal, world.parallel) = (first, parallel);
        rest(&mut world);
        world.replaced.clear();
        world.set_template(B);
        let forecast = forecast(world);
        let expected: Vec<String> =
            (partition..desired).rev().map(|place| format!("db-{}", first + place)).collect();
        prop_assert_eq!(&forecast.replaced, &expected);
        prop_assert_eq!(forecast.left_old, desired.min(partition));
        prop_assert!(forecast.least_available >= desired.saturating_sub(count));
        prop_assert!(forecast.most_existing <= desired);
        prop_assert_eq!(forecast.moves_without_help, desired == 0 || partition < desired);
    }

    #[test]
    fn ordered_pods_change_only_behind_available_ones(
        desired in 1..8u32, partition in 0..8u32, min_ready in 0..3u32, grace in 0..3u32, kill in 0..8u32
    ) {
        let mut world = stateful_set(desired, partitioned(partition));
        world.grace = grace;
        must_wait(&mut world, min_ready);
        world.set_template(B);
        world.delete_pod(&format!("db-{}", kill % desired));
        for _ in 0..LONG {
            let before = world.clone();
            world.control();
            let serving = |world: &World, place| world
                .pods
                .iter()
                .any(|pod| pod.slot == place && !pod.terminating() && world.available(pod));
            for made in world.pods.iter().filter(|pod| pod.uid > before.last_uid) {
                prop_assert!((0..made.slot).all(|place| serving(&before, place)));
            }
            if world.replaced.len() > before.replaced.len() {
                prop_assert_eq!(world.replaced.len(), before.replaced.len() + 1);
                prop_assert!((0..desired).all(|place| serving(&before, place)));
            }
            world.run_pods();
        }
        prop_assert_eq!(of(&world, B).0 as u32, desired.saturating_sub(partition));
        prop_assert_eq!(world.pods.len() as u32, desired);
    }

    #[test]
    fn a_stuck_set_stays_stuck_until_the_blocker_is_deleted(
        desired in 1..8u32, partition in 0..4u32, ticks in 0..60u32, others in proptest::collection::vec(0..8u32, 0..3)
    ) {
        let mut world = stateful_set(desired, partitioned(partition % desired));
        never(&mut world, B);
        world.set_template(B);
        rest(&mut world);
        let blocker = format!("db-{}", desired - 1);
        world.set_template(A);
        for _ in 0..ticks {
            world.tick();
        }
        for place in others {
            // Whoever else dies comes back, and frees nothing.
            if place + 1 < desired {
                world.delete_pod(&format!("db-{place}"));
                rest(&mut world);
            }
        }
        rest(&mut world);
        prop_assert_eq!(world.blocker(), Some(blocker.as_str()));
        prop_assert_eq!(of(&world, B), (1, 0));
        world.delete_pod(&blocker);
        rest(&mut world);
        prop_assert_eq!(of(&world, A), (desired as usize, desired as usize));
        prop_assert_eq!(world.blocker(), None);
    }

    #[test]
    fn every_world_comes_to_rest_with_its_size(
        desired in 0..8u32, other in 0..8u32, partition in 0..10u32, parallel: bool, gated: bool, ticks in 0..10u32
    ) {
        let max_unavailable = gated.then_some(Amount::Count(1));
        let mut world = stateful_set(desired, Update::Partitioned { partition, max_unavailable });
        world.parallel = parallel;
        world.set_template(B);
        for _ in 0..ticks {
            world.tick();
        }
        world.scale(other);
        rest(&mut world);
        prop_assert_eq!(world.pods.len() as u32, other);
        prop_assert!(world.pods.iter().all(|pod| world.available(pod) && !pod.terminating()));
        prop_assert!(world.pods.iter().all(|pod| pod.slot < partition || pod.revision == B));
    }
}
