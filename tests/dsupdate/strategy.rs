//! `strategy`: shown, and changed with what follows from it.

use cluster::{Namespace, Output};
use e2e::scene::Terminal;
use e2e::{LONG, Web, assert_code, cluster, json, observed, pods, set_image, settled};
use serde_json::{Value, json as value};

const ON_DELETE: &str = "updateStrategy: { type: OnDelete }";

#[track_caller]
fn strategy(ns: &Namespace<'_>, words: &[&str]) -> Output {
    ns.kubectl(&[&["dsupdate", "strategy", "web"], words].concat())
}

fn written(ns: &Namespace<'_>) -> Value {
    ns.get(&["daemonset/web"])["spec"]["updateStrategy"].clone()
}

fn rolling(unavailable: Value, surge: Value) -> Value {
    value!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}})
}

fn images(ns: &Namespace<'_>, image: &str) -> usize {
    pods(ns).iter().filter(|(_, _, it)| it == image).count()
}

#[test]
fn a_strategy_is_shown_with_the_pods_that_it_comes_to() {
    let ns = cluster().namespace("strategy");
    Web::new("daemonset", "app:1")
        .spec("updateStrategy: { rollingUpdate: { maxUnavailable: 30% } }")
        .create(&ns);
    let shown = strategy(&ns, &[]);
    assert_code(&shown, 0);
    assert_eq!(
        shown.stdout,
        "NAME   TYPE            MAX-UNAVAILABLE     MAX-SURGE\nweb    RollingUpdate   30% (2 of 4 pods)   0\n"
    );
    let document = json(&strategy(&ns, &["-o", "json"]));
    assert_eq!((&document["kind"], &document["type"]), (&value!("Strategy"), &value!("RollingUpdate")));
    assert_eq!((&document["maxUnavailable"], &document["maxSurge"]), (&value!("30%"), &value!(0)));
    assert_eq!(document["resolved"], value!({"maxUnavailable": 2, "maxSurge": 0}));
    assert_code(&ns.kubectl(&["dsupdate", "pause", "web", "-y"]), 0);
    let paused = strategy(&ns, &[]);
    assert!(paused.stdout.contains("OnDelete   <none>"), "{paused}");
    let words =
        "daemonset/web is paused; afterwards it has RollingUpdate (maxUnavailable 30%, maxSurge 0) again\n";
    assert_eq!(paused.stderr, words);
}

#[test]
fn numbers_are_set_and_nothing_to_do_is_no_error() {
    let ns = cluster().namespace("strategy");
    Web::new("daemonset", "app:1").create(&ns);
    let before = pods(&ns);
    let dry = strategy(&ns, &["--max-unavailable", "50%", "--dry-run=server"]);
    assert_code(&dry, 0);
    assert!(dry.stdout.ends_with("daemonset.apps/web strategy changed (server dry run)\n"), "{dry}");
    assert_eq!(written(&ns), rolling(value!(1), value!(0)));

    let set = strategy(&ns, &["--max-unavailable", "50%"]);
    assert_code(&set, 0);
    assert_eq!(set.stdout, "daemonset.apps/web strategy changed\n");
    let notes = "  strategy: RollingUpdate (maxUnavailable 1, maxSurge 0) -> RollingUpdate (maxUnavailable 50%, maxSurge 0)\n  \
         in a rollout at most 2 of 4 pods are missing at a time\n";
    assert!(set.stderr.contains(notes), "{set}");
    assert_eq!(written(&ns), rolling(value!("50%"), value!(0)));
    let again = strategy(&ns, &["--max-unavailable", "50%", "--type", "RollingUpdate"]);
    assert_code(&again, 0);
    assert_eq!(again.stdout, "daemonset.apps/web unchanged: it has this strategy already\n");

    let surge = strategy(&ns, &["--max-surge", "1", "--max-unavailable", "0", "-o", "json"]);
    assert_code(&surge, 0);
    assert_eq!(json(&surge)["outcome"], "done");
    assert_eq!(written(&ns), rolling(value!(0), value!(1)));
    assert_code(&strategy(&ns, &["--type", "ondelete"]), 0);
    assert_eq!(written(&ns), value!({"type": "OnDelete"}));
    assert_code(&strategy(&ns, &["--type", "RollingUpdate", "--max-surge", "25%"]), 0);
    assert_eq!(written(&ns), rolling(value!(0), value!("25%")));
    assert_eq!(pods(&ns), before, "no pod is touched");
}

#[test]
fn a_rollout_that_starts_at_once_is_told_with_its_pods_and_waited_for() {
    let ns = cluster().namespace("strategy");
    Web::new("daemonset", "app:1").spec(ON_DELETE).create(&ns);
    set_image(&ns, "daemonset/web", "app:2");
    let old = pods(&ns);
    let plan = strategy(&ns, &["--type", "RollingUpdate", "--dry-run=client"]);
    assert_code(&plan, 0);
    assert!(plan.stdout.contains("  pods: 4 replaced: "), "{plan}");
    assert!(old.iter().all(|(name, _, _)| plan.stdout.contains(name)), "{plan}");
    assert!(
        plan.stdout.contains("  a rollout starts at once: the controller replaces the old pods"),
        "{plan}"
    );
    assert_eq!(pods(&ns), old);

    let set = strategy(&ns, &["--type", "RollingUpdate", "--timeout", "60s"]);
    assert_code(&set, 0);
    assert!(set.stdout.ends_with("daemon set \"web\" successfully rolled out\n"), "{set}");
    assert_eq!(images(&ns, "app:2"), 4);
}

#[test]
fn a_rollout_that_starts_may_be_left_alone_and_one_that_fails_is_told() {
    let ns = cluster().namespace("strategy");
    Web::new("daemonset", "app:1").spec(ON_DELETE).create(&ns);
    set_image(&ns, "daemonset/web", "app:missing");
    let left = strategy(&ns, &["--type", "RollingUpdate", "--wait=false"]);
    assert_code(&left, 0);
    assert!(left.stderr.ends_with("written, not waited for\n"), "{left}");
    // While it goes on, other numbers are followed too.
    let faster = strategy(&ns, &["--max-unavailable", "2", "--timeout", "60s"]);
    assert_code(&faster, 3);
    assert!(faster.stderr.contains("  image-pull: "), "{faster}");
}

#[test]
fn a_rollout_stops_where_it_is() {
    let ns = cluster().namespace("strategy");
    Web::new("daemonset", "app:1").create(&ns);
    set_image(&ns, "daemonset/web", "app:never");
    ns.wait_until("a pod is new", LONG, || images(&ns, "app:never") == 1 && pods(&ns).len() == 4);
    let stop = strategy(&ns, &["--type", "OnDelete"]);
    assert_code(&stop, 0);
    assert!(stop.stderr.contains("  the rollout stops where it is: 3 of 4 pods stay old until"), "{stop}");
    observed(&ns, "daemonset/web");
    set_image(&ns, "daemonset/web", "app:3");
    let held = pods(&ns);
    std::thread::sleep(e2e::scene::A_WHILE);
    assert_eq!(pods(&ns), held);
    assert_code(&strategy(&ns, &["--type", "RollingUpdate", "--timeout", "60s"]), 0);
    settled(&ns, "daemonset/web");
    assert_eq!(images(&ns, "app:3"), 4);
}

#[test]
fn what_the_server_refuses_and_nonsense_are_refused_before() {
    let ns = cluster().namespace("strategy");
    Web::new("daemonset", "app:1").create(&ns);
    let before = written(&ns);
    for (words, code, said) in [
        (
            &["--max-surge", "1"][..],
            1,
            "error: maxSurge 1 and maxUnavailable 1: one of them must be 0 (daemonset/web in",
        ),
        (&["--max-surge", "1", "--max-unavailable", "2"], 2, "one of them must be 0"),
        (
            &["--max-unavailable", "0"],
            1,
            "error: maxUnavailable and maxSurge are both 0: no pod could be replaced",
        ),
        (&["--max-unavailable", "0", "--max-surge", "0%"], 2, "are both 0"),
        (&["--max-unavailable", "101%"], 2, "error: maxUnavailable 101%: must not be greater than 100%"),
        (&["--type", "OnDelete", "--max-unavailable", "1"], 2, "error: OnDelete has no maxUnavailable"),
        (&["--max-unavailable", "-1"], 2, "must be a number of pods or a percentage, such as 1 or 10%"),
        (&["--max-surge=1.5"], 2, "must be a number of pods or a percentage"),
        (&["--type", "Recreate"], 2, "must be RollingUpdate or OnDelete"),
    ] {
        let output = strategy(&ns, words);
        assert_code(&output, code);
        assert!(output.stderr.contains(said), "{output}");
        assert_eq!(output.stdout, "", "{output}");
    }
    assert_eq!(written(&ns), before);
    let missing = ns.kubectl(&["dsupdate", "strategy", "none", "--type", "OnDelete"]);
    assert_code(&missing, 1);
    assert_eq!(missing.stderr, "Error from server (NotFound): daemonsets.apps \"none\" not found\n");
    assert_code(&strategy(&ns, &["--type", "OnDelete"]), 0);
    let numbers = strategy(&ns, &["--max-unavailable", "2"]);
    assert_code(&numbers, 1);
    assert!(numbers.stderr.ends_with("hint: --type RollingUpdate has both numbers\n"), "{numbers}");
    assert_code(&ns.kubectl(&["dsupdate", "strategy", "--type", "OnDelete", "daemonset"]), 2);
}

#[test]
fn what_is_held_keeps_the_strategy_that_holds_it() {
    let ns = cluster().namespace("strategy");
    Web::new("daemonset", "app:1").create(&ns);
    let words = [
        "dsupdate",
        "start",
        "web",
        "app=app:2",
        "--steps",
        "1,100%",
        "--soak",
        "1s",
        "--pause-after",
        "1",
        "-y",
    ];
    assert_code(&ns.kubectl(&words), 0);
    let before = ns.get(&["daemonset/web"])["spec"].clone();
    let under_way = strategy(&ns, &["--type", "RollingUpdate"]);
    assert_code(&under_way, 1);
    assert!(under_way.stderr.contains("a rollout in steps is paused (step 2 of 2 is next)"), "{under_way}");
    let shown = strategy(&ns, &[]);
    let words = "daemonset/web is in a rollout in steps; afterwards it has RollingUpdate (maxUnavailable 1, maxSurge 0) again";
    assert!(shown.stderr.contains(words), "{shown}");
    assert_eq!(ns.get(&["daemonset/web"])["spec"], before);
    assert_code(&ns.kubectl(&["dsupdate", "abort", "web", "-y"]), 0);

    assert_code(&ns.kubectl(&["dsupdate", "pause", "web", "-y"]), 0);
    let paused = strategy(&ns, &["--type", "RollingUpdate"]);
    assert_code(&paused, 1);
    assert!(paused.stderr.contains("resume it first with 'kubectl dsupdate resume'"), "{paused}");
    assert_eq!(written(&ns), value!({"type": "OnDelete"}));
}

#[test]
fn somebody_is_asked_and_told_when_the_strategy_changed_meanwhile() {
    let ns = cluster().namespace("strategy");
    Web::new("daemonset", "app:1").create(&ns);
    let mut terminal = Terminal::of("dsupdate", &ns, &["strategy", "web", "--max-unavailable", "2"]);
    terminal.shows("Change the strategy of daemonset/web?");
    let other = r#"{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":3}}}}"#;
    ns.kubectl(&["patch", "daemonset/web", "-p", other]).expect_ok();
    terminal.types("y");
    terminal.shows("it was changed while the question stood");
    terminal.shows("maxUnavailable 3, maxSurge 0) -> ");
    terminal.shows("Change the strategy of daemonset/web?");
    assert_eq!(written(&ns), rolling(value!(3), value!(0)));
    terminal.types("y");
    let (rest, code) = terminal.ends();
    assert_eq!(code, 0, "{rest}");
    assert_eq!(written(&ns), rolling(value!(2), value!(0)));

    let mut declined = Terminal::of("dsupdate", &ns, &["strategy", "web", "--type", "OnDelete"]);
    declined.shows("Change the strategy of daemonset/web?");
    declined.types("n");
    assert_eq!(declined.ends().1, 8);
    assert_eq!(written(&ns), rolling(value!(2), value!(0)));
}
