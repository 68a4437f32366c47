//! DaemonSets: pkg/controller/daemon.

use proptest::prelude::*;
use rollout_core::model::{World, forecast};
use rollout_core::{Amount, Kind, Strategy as Update};

use crate::{A, B, C, extremes, frames, must_wait, never, of, rest};

fn counts(unavailable: u32, surge: u32) -> Update {
    Update::RollingUpdate { max_unavailable: Amount::Count(unavailable), max_surge: Amount::Count(surge) }
}

/// A DaemonSet at rest on so many nodes with all pods at A.
fn daemon_set(nodes: u32, strategy: Update) -> World {
    let mut world = World::new(Kind::DaemonSet, "agent", strategy, 0);
    for node in 0..nodes {
        world.add_node(&format!("node-{node}"));
    }
    rest(&mut world);
    assert_eq!(of(&world, A), (nodes as usize, nodes as usize));
    world.replaced.clear();
    world
}

/// The name of the first pod on a node that nobody has deleted.
fn on(world: &World, node: u32) -> String {
    world.pods.iter().find(|pod| pod.slot == node && !pod.terminating()).expect("a pod").name.clone()
}

#[test]
fn pods_are_replaced_in_place_within_the_budget() {
    let mut world = daemon_set(3, counts(1, 0));
    world.set_template(B);
    let names: Vec<String> = (0..3).map(|node| on(&world, node)).collect();
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
    assert_eq!(forecast.replaced, names);
    assert!(!forecast.ordered);
}

#[test]
fn shares_round_up() {
    for (nodes, share, least) in [(10, 25, 7), (3, 1, 2), (5, 50, 2)] {
        let strategy =
            Update::RollingUpdate { max_unavailable: Amount::Percent(share), max_surge: Amount::Count(0) };
        let mut world = daemon_set(nodes, strategy);
        world.set_template(B);
        assert_eq!(forecast(world).least_available, least, "{share}% of {nodes}");
    }
}

#[test]
fn pods_are_replaced_beside_the_old_ones_with_a_surge() {
    let mut world = daemon_set(3, counts(0, 1));
    world.set_template(B);
    let forecast = forecast(world);
    assert_eq!(
        frames(&forecast.frames),
        [(3, 0, 3, 3), (3, 1, 3, 4), (2, 1, 3, 3), (2, 2, 3, 4), (1, 2, 3, 3), (1, 3, 3, 4), (0, 3, 3, 3),]
    );
}

#[test]
fn unavailable_old_pods_go_at_once_and_count_against_the_budget() {
    let mut world = daemon_set(5, counts(1, 0));
    for node in [3, 4] {
        let name = on(&world, node);
        world.break_pod(&name);
    }
    let (third, fourth) = (on(&world, 3), on(&world, 4));
    world.set_template(B);
    world.control();
    assert_eq!(world.replaced, [third, fourth]);
}

#[test]
fn going_back_puts_back_exactly_the_changed_pods() {
    let mut world = daemon_set(5, counts(2, 0));
    never(&mut world, B);
    world.set_template(B);
    rest(&mut world);
    assert_eq!((of(&world, A), of(&world, B)), ((3, 3), (2, 0)));
    let kept: Vec<u64> = world.pods.iter().filter(|pod| pod.revision == A).map(|pod| pod.uid).collect();
    world.set_template(A);
    rest(&mut world);
    assert_eq!(of(&world, A), (5, 5));
    assert!(kept.iter().all(|uid| world.pods.iter().any(|pod| pod.uid == *uid)));
}

#[test]
fn on_delete_waits_for_somebody_and_then_takes_the_newest_template() {
    let mut world = daemon_set(4, Update::OnDelete);
    world.set_template(B);
    let foretold = forecast(world.clone());
    assert_eq!((foretold.moves_without_help, foretold.left_old, foretold.replaced.len()), (false, 4, 0));
    let name = on(&world, 2);
    world.delete_pod(&name);
    rest(&mut world);
    assert_eq!((of(&world, A), of(&world, B)), ((3, 3), (1, 1)));
    assert_eq!(world.pods.iter().find(|pod| pod.slot == 2).unwrap().revision, B);
}

#[test]
fn a_held_set_leaks_through_new_nodes_and_failed_pods() {
    let mut world = daemon_set(3, Update::OnDelete);
    world.set_template(B);
    world.add_node("late");
    let name = on(&world, 0);
    world.fail_pod(&name);
    rest(&mut world);
    assert_eq!((of(&world, A), of(&world, B)), ((2, 2), (2, 2)));
}

#[test]
fn a_pod_deleted_where_none_may_be_placed_never_comes_back() {
    let mut world = daemon_set(3, Update::OnDelete);
    world.nodes[1].accepts = false;
    rest(&mut world);
    assert_eq!(of(&world, A), (3, 3));
    let name = on(&world, 1);
    world.delete_pod(&name);
    rest(&mut world);
    assert_eq!(of(&world, A), (2, 2));
}

#[test]
fn a_dead_node_eats_a_budget_of_one() {
    let mut world = daemon_set(4, counts(1, 0));
    world.nodes[2].alive = false;
    let name = on(&world, 2);
    world.break_pod(&name);
    world.set_template(B);
    rest(&mut world);
    // Its pod ends for ever, and so nothing else is replaced.
    assert_eq!((of(&world, A), of(&world, B)), ((3, 3), (0, 0)));
    assert!(world.pod(&name).unwrap().terminating());
}

#[test]
fn a_node_that_leaves_takes_its_pod_along() {
    let mut world = daemon_set(3, counts(1, 0));
    assert!(world.remove_node("node-1") && !world.remove_node("node-1"));
    world.set_template(B);
    rest(&mut world);
    assert_eq!((world.wanted(), of(&world, B), world.pods.len()), (2, (2, 2), 2));
}

#[test]
fn the_strategy_put_back_rolls_every_old_node() {
    let mut world = daemon_set(3, Update::OnDelete);
    world.set_template(B);
    rest(&mut world);
    world.set_strategy(counts(1, 0));
    rest(&mut world);
    assert_eq!(of(&world, B), (3, 3));
}

#[test]
fn thousands_of_nodes_are_foretold_in_few_phases() {
    let mut world = daemon_set(2000, counts(1, 0));
    world.set_template(B);
    let forecast = forecast(world);
    assert_eq!((forecast.least_available, forecast.most_existing, forecast.left_old), (1999, 2000, 0));
    assert_eq!(forecast.replaced.len(), 2000);
    assert!(forecast.frames.len() <= 50);
    assert_eq!(frames(&forecast.frames)[0], (2000, 0, 2000, 2000));
    assert_eq!(frames(&forecast.frames).last(), Some(&(0, 2000, 2000, 2000)));
}

/// What the API server takes: one of both is 0, the other is not.
fn strategies() -> impl Strategy<Value = Update> {
    let amount = || prop_oneof![(1..6u32).prop_map(Amount::Count), (1..101u32).prop_map(Amount::Percent)];
    prop_oneof![
        amount().prop_map(|it| Update::RollingUpdate { max_unavailable: it, max_surge: Amount::Count(0) }),
        amount().prop_map(|it| Update::RollingUpdate { max_unavailable: Amount::Count(0), max_surge: it }),
    ]
}

fn bounds(world: &World) -> (u32, u32) {
    let Update::RollingUpdate { max_unavailable, max_surge } = &world.strategy else { unreachable!() };
    let wanted = world.wanted();
    (wanted.saturating_sub(max_unavailable.rounded_up(wanted)), wanted + max_surge.rounded_up(wanted))
}

proptest! {
    #[test]
    fn a_healthy_rollout_stays_within_its_budget(nodes in 0..25u32, strategy in strategies(), seed in any::<u64>()) {
        let mut world = daemon_set(nodes, strategy);
        world.seed = seed;
        world.set_template(B);
        let (least, most) = bounds(&world);
        let forecast = forecast(world);
        prop_assert!(forecast.least_available >= least);
        prop_assert!(forecast.most_existing <= most);
        prop_assert_eq!((forecast.left_old, forecast.replaced.len()), (0, nodes as usize));
    }

    #[test]
    fn slow_pods_and_other_revisions_on_the_way_keep_the_budget(
        nodes in 1..15u32,
        strategy in strategies(),
        seed in any::<u64>(),
        min_ready in 0..3u32,
        grace in 0..3u32,
        turns in proptest::collection::vec((0..3u32, 0..6u32), 1..5),
    ) {
        let mut world = daemon_set(nodes, strategy);
        world.seed = seed;
        let (least, _) = bounds(&world);
        world.grace = grace;
        must_wait(&mut world, min_ready);
        let surging = matches!(world.strategy, Update::RollingUpdate { max_unavailable: Amount::Count(0), .. });
        for (revision, ticks) in turns {
            world.set_template([A, B, C][revision as usize]);
            for _ in 0..ticks {
                world.control();
                let available = world.pods.iter().filter(|pod| !pod.terminating() && world.available(pod)).count();
                // A change of mind finds half-made pods at work: only without a surge they count as unavailable.
                prop_assert!(surging || available as u32 >= least);
                world.run_pods();
            }
        }
        rest(&mut world);
        prop_assert_eq!(of(&world, world.template), (nodes as usize, nodes as usize));
        prop_assert_eq!(world.pods.len(), nodes as usize);
    }

    #[test]
    fn a_bad_revision_never_costs_more_than_the_budget(
        nodes in 1..20u32, strategy in strategies(), seed in any::<u64>()
    ) {
        let mut world = daemon_set(nodes, strategy);
        world.seed = seed;
        never(&mut world, B);
        world.set_template(B);
        let (least, most) = bounds(&world);
        let (available, existing) = extremes(&mut world);
        prop_assert!(available >= least && existing <= most);
        world.set_template(A);
        rest(&mut world);
        prop_assert_eq!(of(&world, A), (nodes as usize, nodes as usize));
    }
}
