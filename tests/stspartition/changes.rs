//! What `start` rolls out, and who has to agree: restarts, manifests, checks.

use std::fs;

use cluster::Namespace;
use e2e::{Web, assert_code, cluster, image, json, uids};
use serde_json::{Value, json};

use crate::scene::{SET, images, rests, sts};
use crate::steps::{TWO, kept, no_trace, same, start};

/// A set of three at rest.
fn three(hint: &str) -> Namespace<'static> {
    let ns = cluster().namespace(hint);
    Web::new("statefulset", "app:1").create(&ns);
    ns
}

#[test]
fn a_restart_goes_in_steps_too_and_its_reason_stays() {
    let ns = three("changes-restart");
    let (before, pods) = (kept(&ns), uids(&ns));
    let restart = ["start", "web", "--restart", TWO, "--soak=1s"];
    assert_code(&sts(&ns, &[&restart[..], &["--pause-after=1", "--reason=a leak"]].concat()), 0);
    same(&ns, &pods, &["web-0", "web-1"]);
    assert_code(&sts(&ns, &["resume", "web"]), 0);
    rests(&ns, &["app:1"; 3]);
    let now = uids(&ns);
    assert!(pods.iter().all(|(name, uid)| now[name] != *uid), "{now:?}");
    let restarted = &ns.get(&[SET])["spec"]["template"]["metadata"]["annotations"];
    assert!(restarted["kubectl.kubernetes.io/restartedAt"].is_string(), "{restarted}");
    // The reason is the revision's, and none is left for the next change.
    no_trace(&ns, &before);
    let history = e2e::json(&sts(&ns, &["history", "web", "-o", "json"]));
    assert_eq!(
        history["revisions"].as_array().unwrap().last().unwrap()["changeCause"],
        "a leak",
        "{history}"
    );
    assert_code(&sts(&ns, &[&restart[..], &["--pause-after=1"]].concat()), 0);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:1"; 3]);
    same(&ns, &now, &["web-0", "web-1"]);
}

#[test]
fn the_template_of_a_manifest_is_rolled_out_and_nothing_else_of_it() {
    let ns = three("changes-file");
    let before = kept(&ns);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    // As it is written by hand: what the server fills in is no change.
    let same_again = path("same.yaml", &Web::new("statefulset", "app:1").yaml());
    let nothing = sts(&ns, &["start", "-f", &same_again, TWO, "--soak=1s"]);
    assert_code(&nothing, 0);
    assert!(format!("{}{}", nothing.stdout, nothing.stderr).contains("nothing to roll out"), "{nothing}");
    let other = Web::new("statefulset", "app:2").replicas(7).spec("minReadySeconds: 1").yaml();
    let new = path(
        "new.yaml",
        &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: web }}\n---\n{other}"),
    );
    let done = sts(&ns, &["start", "-f", &new, TWO, "--soak=1s"]);
    assert_code(&done, 0);
    rests(&ns, &["app:2"; 3]);
    let spec = ns.get(&[SET])["spec"].clone();
    assert_eq!((&spec["replicas"], spec["minReadySeconds"].as_u64().unwrap_or(0)), (&json!(3), 0), "{spec}");
    no_trace(&ns, &before);

    let (spec, pods) = (ns.get(&[SET])["spec"].clone(), uids(&ns));
    let none = path("none.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\n");
    let twice = path("twice.yaml", &format!("{other}---\n{other}"));
    let missing = folder.path().join("nosuch.yaml").to_string_lossy().into_owned();
    for (words, code, says) in [
        (&["-f", &none][..], 1, "none.yaml has no statefulset with a template"),
        (&["-f", &twice], 1, "twice.yaml has more than one statefulset"),
        (&["-f", &missing], 1, "nosuch.yaml"),
        (&["-f", &new, "--restart"], 2, "cannot be used with '--restart'"),
        (
            &["web", "app=app:3", "-f", &new],
            2,
            "either images, --restart or -f change the template, not several",
        ),
    ] {
        let refused = sts(&ns, &[&["start"], words].concat());
        assert_code(&refused, code);
        assert!(refused.stderr.contains(says) && refused.stdout.is_empty(), "{says:?}: {refused}");
    }
    assert_eq!((ns.get(&[SET])["spec"].clone(), uids(&ns)), (spec, pods));
}

#[test]
fn checks_see_the_step_and_decide() {
    let ns = three("changes-check");
    let before = kept(&ns);
    let file = tempfile::NamedTempFile::new().unwrap();
    let check = format!(
        "echo \"$ROLLOUT_STEP|$ROLLOUT_WORKLOAD|$ROLLOUT_NAMESPACE|$ROLLOUT_REVISION|$ROLLOUT_PODS|$(tr '\\n' ' ' < $ROLLOUT_PODS_FILE)\" >> {}",
        file.path().display()
    );
    assert_code(&start(&ns, "app:2", &[TWO, "--check", &check]), 0);
    let text = fs::read_to_string(file.path()).unwrap();
    let set = format!("statefulset/web|{}|2", ns.name());
    for line in [format!("1|{set}|web-2|web-2 "), format!("2|{set}|web-1 web-0|web-1 web-0 ")] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }

    let failed = start(&ns, "app:3", &[TWO, "--check=echo 'five errors'; exit 4"]);
    assert_code(&failed, 3);
    let said = format!("{}{}", failed.stdout, failed.stderr);
    assert!(said.contains("ended with exit code 4") && said.contains("five errors"), "{failed}");
    assert_eq!(images(&ns), ["app:2", "app:2", "app:3"]);
    // The checks are stored with the rollout, and run when they are said again.
    assert_code(&sts(&ns, &["resume", "web"]), 8);
    let again = sts(&ns, &["resume", "web", "--check=echo 'five errors'; exit 4"]);
    assert_code(&again, 3);
    assert!(format!("{}{}", again.stdout, again.stderr).contains("five errors"), "{again}");
    let pods = uids(&ns);
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:2"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    no_trace(&ns, &before);
}

#[test]
fn a_check_that_fails_takes_it_back_where_that_was_asked_for_and_one_that_cannot_be_run_does_not() {
    let ns = three("changes-check-back");
    let (before, pods) = (kept(&ns), uids(&ns));
    let undone = start(&ns, "app:2", &[TWO, "--check=exit 1", "--on-failure=abort", "-o", "json"]);
    assert_code(&undone, 5);
    let result = json(&undone);
    assert_eq!(
        (&result["outcome"], &result["causes"][0]["id"]),
        (&json!("undone"), &json!("check")),
        "{undone}"
    );
    rests(&ns, &["app:1"; 3]);
    same(&ns, &pods, &["web-0", "web-1"]);
    no_trace(&ns, &before);

    let broken = start(&ns, "app:2", &[TWO, "--check=no-such-program", "--on-failure=abort"]);
    assert_code(&broken, 1);
    assert!(broken.stderr.contains("error: a check cannot be run: "), "{broken}");
    assert!(broken.stderr.contains("no-such-program"), "{broken}");
    assert_eq!((image(&ns, SET).as_str(), images(&ns)[2].as_str()), ("app:2", "app:2"));
    let stored = json(&sts(&ns, &["pods", "web", "-o", "json"]));
    assert_eq!(stored["rollout"]["options"]["checks"], json!(["no-such-program"]), "{stored}");
    assert_code(&sts(&ns, &["abort", "web"]), 0);
    rests(&ns, &["app:1"; 3]);
    no_trace(&ns, &before);
}

#[test]
fn a_check_that_fails_only_in_the_soak_fails_the_step() {
    let ns = three("changes-check-soak");
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let check = format!("test ! -e {0} && touch {0}", mark.display());
    let failed = sts(&ns, &["start", "web", "app=app:2", TWO, "--soak=2s", "--check", &check]);
    assert_code(&failed, 3);
    assert!(format!("{}{}", failed.stdout, failed.stderr).contains("ended with exit code 1"), "{failed}");
    assert_eq!(images(&ns), ["app:1", "app:1", "app:2"]);
    let stored: Value = json(&sts(&ns, &["pods", "web", "-o", "json"]));
    assert_eq!((&stored["rollout"]["phase"], &stored["rollout"]["done"]), (&json!("failed"), &json!(0)));
}
