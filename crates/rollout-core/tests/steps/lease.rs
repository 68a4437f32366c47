//! Who drives a rollout is told by a lease, which its driver renews.

use rollout_core::drive::Driver;
use rollout_core::machine::{Act, Ending, Machine, Outcome, Step};
use rollout_core::plan::steps::{self, GivenChecks, ResumeOptions};
use rollout_core::plan::{Decision, Refusal};
use rollout_core::stored::RENEW;
use rollout_core::{Kind, Workload};

use crate::cluster::{Cluster, holder, to};

/// A rollout whose first step soaks for a long time.
fn soaking(kind: Kind) -> (Cluster, Driver) {
    let mut cluster = Cluster::rolling(kind, 4);
    let mut start = to(1, "1,100%");
    start.options.soak = 3000;
    cluster.start(&start);
    let mut driver = Driver::new(holder(1));
    assert_eq!(cluster.run_until(&mut driver, |it| it.now > 1_800_000_060), None);
    (cluster, driver)
}

fn resuming(pid: u32, take_over: bool) -> ResumeOptions {
    ResumeOptions { holder: holder(pid), take_over, pause_after: None, given: GivenChecks::default() }
}

fn renewals(cluster: &Cluster) -> usize {
    cluster.acts.iter().filter(|act| **act == Act::Renew).count()
}

#[test]
fn a_driver_that_waits_says_so_seldom_and_one_that_is_gone_can_be_followed() {
    for kind in [Kind::DaemonSet, Kind::StatefulSet] {
        let (mut cluster, mut driver) = soaking(kind);
        let (before, began) = (renewals(&cluster), cluster.now);
        assert_eq!(cluster.run_until(&mut driver, |it| it.now >= began + 10 * RENEW), None);
        let renewed = renewals(&cluster) - before;
        assert!((9..=10).contains(&renewed), "{kind:?}: {renewed} in {} seconds", 10 * RENEW);
        // Nothing else is written while it soaks.
        let refused = steps::resume(&cluster.snapshot(), &resuming(2, false)).map(|_| ());
        let Err(refusal @ Refusal::UnderWay { .. }) = refused else { panic!("{refused:?}") };
        let words = refusal.to_string();
        assert!(
            words.contains("held by me on host, who renewed that ") && words.ends_with("s ago"),
            "{words}"
        );

        // It dies: a minute after its last word the rollout is free.
        (0..45).for_each(|_| cluster.tick());
        assert!(steps::resume(&cluster.snapshot(), &resuming(2, false)).is_err() || renewed == 10);
        (0..30).for_each(|_| cluster.tick());
        let Ok(Decision::Change(plan)) = steps::resume(&cluster.snapshot(), &resuming(2, false)) else {
            panic!("{kind:?}: it is free")
        };
        let note = &plan.notes[0];
        let words = "taken over from me on host, who holds it for ";
        assert!(note.starts_with(words) && note.contains("m and renewed that "), "{note}");
        cluster.resume(2);
        let stored = cluster.stored().unwrap();
        let held = stored.held(cluster.snapshot().now).unwrap();
        assert_eq!((held.holder, held.since, held.renewed, held.over), (holder(2), 0, 0, false));
    }
}

#[test]
fn whoever_takes_over_is_told_how_old_the_word_of_the_other_is() {
    let (mut cluster, _) = soaking(Kind::DaemonSet);
    (0..5).for_each(|_| cluster.tick());
    let Ok(Decision::Change(plan)) = steps::resume(&cluster.snapshot(), &resuming(2, true)) else { panic!() };
    let note = &plan.notes[0];
    assert!(
        note.starts_with("taken over from me on host, who holds it for ") && note.ends_with("s ago"),
        "{note}"
    );
    // Its own is nobody else's.
    let Ok(Decision::Change(plan)) = steps::resume(&cluster.snapshot(), &resuming(1, false)) else {
        panic!()
    };
    assert_eq!(plan.notes, Vec::<String>::new());
}

#[test]
fn a_driver_that_ends_lets_go_of_its_own_and_of_nothing_else() {
    let (mut cluster, _) = soaking(Kind::StatefulSet);
    let workload = |cluster: &Cluster| Workload::from_object(cluster.kind, cluster.object.clone()).unwrap();
    assert_eq!(steps::let_go(&workload(&cluster), &holder(2)), None);
    let request = steps::let_go(&workload(&cluster), &holder(1)).unwrap();
    cluster.send(&request);
    let stored = cluster.stored().unwrap();
    assert_eq!((stored.holder, stored.lease), (None, None));
    assert!(steps::resume(&cluster.snapshot(), &resuming(2, false)).is_ok());
    assert_eq!(steps::let_go(&workload(&cluster), &holder(1)), None);
}

#[test]
fn a_lease_from_the_future_holds_nobody_off() {
    let (mut cluster, _) = soaking(Kind::DaemonSet);
    let text = cluster.object["metadata"]["annotations"][rollout_core::stored::STORED].as_str().unwrap();
    let mut stored: serde_json::Value = serde_json::from_str(text).unwrap();
    stored["rollout"]["lease"]["renewed"] = serde_json::json!("9999-01-01T00:00:00Z");
    cluster.object["metadata"]["annotations"][rollout_core::stored::STORED] = stored.to_string().into();
    assert!(steps::resume(&cluster.snapshot(), &resuming(2, false)).is_ok());
}

#[test]
fn a_server_that_refuses_a_renewal_does_not_end_the_driver() {
    let (mut cluster, mut driver) = soaking(Kind::DaemonSet);
    let mut refused = 0;
    for _ in 0..3 * RENEW {
        cluster.tick();
        if let (_, Step::Send { act: Act::Renew, .. }) = driver.step(&cluster.snapshot()) {
            driver.sent(&rollout_core::machine::Outcome::Refused("a webhook says no".into()));
            refused += 1;
        }
    }
    assert!((2..=3).contains(&refused), "{refused}");
    assert!(matches!(driver.step(&cluster.snapshot()).1, Step::Soak(_) | Step::Send { act: Act::Renew, .. }));
}

#[test]
fn what_is_paused_before_its_last_patch_gets_through_is_not_said_to_be_complete() {
    for kind in [Kind::DaemonSet, Kind::StatefulSet] {
        let mut cluster = Cluster::rolling(kind, 2);
        cluster.start(&to(1, "100%"));
        let mut driver = Driver::new(holder(1));
        cluster.run_until(&mut driver, |it| it.stored().unwrap().done == 1);
        let (_, step) = driver.step(&cluster.snapshot());
        assert!(matches!(step, Step::Send { act: Act::Finish, .. }), "{step:?}");
        let plan = steps::pause(&cluster.snapshot());
        cluster.apply(plan);
        driver.sent(&Outcome::Changed);
        assert_eq!(cluster.run(&mut driver), Ending::Paused { done: 1, of: 1 });
        assert!(cluster.has_trace());
    }
}
