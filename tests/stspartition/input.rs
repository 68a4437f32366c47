//! Bad input: clear words, and nothing is changed.

use e2e::{Web, assert_code, cluster, uids};

use crate::scene::{SET, partitioned, sts};

#[test]
fn bad_numbers_unknown_sets_and_other_kinds_are_refused_and_nothing_is_changed() {
    let ns = cluster().namespace("input");
    partitioned(2).create(&ns);
    Web::new("daemonset", "app:1").create(&cluster().namespace("input-daemons"));
    let before = (ns.get(&[SET])["spec"].clone(), uids(&ns));
    for (words, code, says) in [
        (&["set", "web", "--partition", "-1"][..], 2, "a partition is 0 or more"),
        (&["set", "web", "--partition=-1"], 2, "a partition is 0 or more"),
        (&["set", "web", "--partition=2147483648"], 2, "a partition is 2147483647 at most"),
        (&["set", "web", "--partition=all"], 2, "a partition is a whole number"),
        (&["set", "web"], 2, "--partition"),
        (&["set", "--partition=1"], 2, "required resource not specified"),
        (
            &["set", "web", "--partition=1", "--recreate", "--wait=false"],
            2,
            "no pod is put back without waiting",
        ),
        (&["set", "nosuch", "--partition=1"], 1, "statefulsets.apps \"nosuch\" not found"),
        (&["set", "daemonset/web", "--partition=1"], 2, "daemonset/web is not a statefulset"),
        (&["advance", "web", "--to=-1"], 2, "a number of pods or a percentage is needed"),
        (&["advance", "web", "--to", "101%"], 2, "100% is all of them"),
        (&["advance", "web", "--to=0"], 2, "at least one pod is to be new"),
        (&["advance", "web", "--to=0%"], 2, "at least one pod is to be new"),
        (&["advance", "web", "--to=half"], 2, "a number of pods or a percentage is needed"),
        (&["advance", "web", "--to=4"], 1, "4 pods cannot be new: there are 3"),
        (&["advance", "nosuch"], 1, "statefulsets.apps \"nosuch\" not found"),
        (&["advance", "ds/web"], 2, "ds/web is not a statefulset"),
        (&["pods", "nosuch"], 1, "statefulsets.apps \"nosuch\" not found"),
        (&["pods", "ds", "web"], 2, "is not a statefulset"),
        (&["pods", "web", "-o", "nosuch"], 2, "unable to match a printer"),
        (&["unstick", "nosuch"], 1, "statefulsets.apps \"nosuch\" not found"),
        (&["unstick", "ds/web"], 2, "is not a statefulset"),
        (&["unstick"], 2, "required resource not specified"),
    ] {
        let output = sts(&ns, words);
        assert_code(&output, code);
        assert!(output.stderr.contains(says) && output.stdout.is_empty(), "{says:?}: {output}");
    }
    assert_eq!((ns.get(&[SET])["spec"].clone(), uids(&ns)), before);
}

#[test]
fn each_help_starts_with_examples_of_this_plugin() {
    let ns = cluster().namespace("input-help");
    for verb in ["pods", "set", "advance", "unstick"] {
        let help = sts(&ns, &[verb, "-h"]).expect_ok();
        let first: Vec<&str> = help.lines().take(2).collect();
        assert_eq!(first[0], "Examples:", "{help}");
        assert!(first[1].starts_with(&format!("  kubectl stspartition {verb} ")), "{help}");
    }
}
