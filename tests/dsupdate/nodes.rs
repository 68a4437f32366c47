//! `nodes`: which revision runs where, and what is wrong.

use cluster::Login;
use e2e::scene::Terminal;
use e2e::{LONG, Running, assert_code, json, set_image};
use serde_json::{Value, json as value};

use crate::fleet::{Fleet, own_cluster};

const ON_DELETE: &str = "updateStrategy: { type: OnDelete }";

/// Three nodes in two zones and one without, of which `b` is updated.
fn one_of_four() -> Fleet<'static> {
    let fleet = Fleet::new(&["x", "y", "x", ""]);
    fleet.web("app:1", &[ON_DELETE]);
    set_image(&fleet.ns, "daemonset/web", "app:2");
    fleet.replace("b");
    fleet
}

fn watching(fleet: &Fleet<'_>, words: &[&str]) -> Running {
    let mut command = fleet.ns.cluster().command("kubectl");
    command.args(["dsupdate", "nodes", "web", "-w"]).args(words).args(["-n", fleet.ns.name()]);
    Running::start(command)
}

#[test]
fn a_row_a_node_below_the_summary_by_revision() {
    let fleet = one_of_four();
    let all = fleet.nodes(&[]);
    assert_code(&all, 0);
    let waits = "1 no yes waits until its pod is deleted (OnDelete)";
    let table = format!(
        "daemonset.apps/web\nrevision 2: 1 of 4 nodes\nrevision 1: 3 of 4 nodes\n\
         NODE REVISION UPDATED READY REASON\na {waits}\nc {waits}\nd {waits}\nb 2 yes yes <none>\n"
    );
    assert_eq!(all.stdout, table);
    assert_eq!(all.stderr, "");

    let behind = fleet.nodes(&["--behind", "--no-headers"]);
    assert!(behind.stdout.ends_with(&format!("3 of 4 nodes\na {waits}\nc {waits}\nd {waits}\n")), "{behind}");
    for letter in ["a", "c", "d"] {
        fleet.replace(letter);
    }
    let none = fleet.nodes(&["--behind"]);
    assert_eq!(none.stdout, "daemonset.apps/web\nrevision 2: 4 of 4 nodes\n");
    assert_eq!(none.stderr, "No node is behind.\n");
}

#[test]
fn nodes_are_grouped_by_a_label_and_every_document_has_them() {
    let fleet = one_of_four();
    let by = fleet.nodes(&["--by", "example.com/zone"]);
    let words = "no yes waits until its pod is deleted (OnDelete)";
    let table = format!(
        "example.com/zone=x: 0 of 2 nodes updated\nexample.com/zone=y: 1 of 1 nodes updated\n\
         no example.com/zone: 0 of 1 nodes updated\nNODE ZONE REVISION UPDATED READY REASON\n\
         a x 1 {words}\nc x 1 {words}\nb y 2 yes yes <none>\nd <none> 1 {words}\n"
    );
    assert!(by.stdout.ends_with(&table), "{by}");

    let wide = fleet.nodes(&["-o", "wide"]);
    let header = "NODE REVISION UPDATED READY REASON POD RESTARTS AGE IMAGES\n";
    assert!(wide.stdout.contains(header), "{wide}");
    let row = wide.stdout.lines().last().unwrap();
    assert!(row.starts_with("b 2 yes yes <none> web-") && row.ends_with(" app=app:2"), "{wide}");

    let document = json(&fleet.ns.kubectl(&["dsupdate", "nodes", "web", "-o", "json"]));
    assert_eq!(document["kind"], "Nodes");
    assert_eq!(document["apiVersion"], "rollout-plugins.dev/v1alpha1");
    assert_eq!(document["workload"]["name"], "web");
    assert_eq!(document["warnings"], value!([]));
    let node = &document["nodes"][3];
    let expected = value!({"node": fleet.node("b"), "pod": fleet.pod("b"), "revision": 2, "updated": true,
        "ready": true, "restarts": 0, "images": {"app": "app:2"}});
    assert_eq!(*node, expected);
    assert_eq!(document["nodes"][0]["reason"], "waits until its pod is deleted (OnDelete)");
    let behind = json(&fleet.ns.kubectl(&["dsupdate", "nodes", "web", "--behind", "-o", "json"]));
    assert_eq!(behind["nodes"].as_array().map(Vec::len), Some(3));

    let list = json(&fleet.ns.kubectl(&["dsupdate", "nodes", "-l", "app=web", "-o", "json"]));
    assert_eq!((&list["kind"], &list["items"][0]["kind"]), (&value!("List"), &value!("Nodes")));
    let names = |more: &[&str]| {
        let words = ["dsupdate", "nodes", "web", "-o", "name"];
        fleet.ns.kubectl(&[&words, more].concat()).stdout
    };
    let named = |letters: &[&str]| -> String {
        letters.iter().map(|letter| format!("node/{}\n", fleet.node(letter))).collect()
    };
    assert_eq!(names(&[]), named(&["a", "c", "d", "b"]));
    assert_eq!(names(&["--behind"]), named(&["a", "c", "d"]));
    // kubectl takes them as they are.
    let behind: Vec<String> = names(&["--behind"]).lines().map(str::to_string).collect();
    let words: Vec<&str> =
        ["get", "-o", "name"].into_iter().chain(behind.iter().map(String::as_str)).collect();
    assert_eq!(fleet.ns.kubectl(&words).stdout, named(&["a", "c", "d"]));
    let path = fleet.nodes(&["-o", "jsonpath={.nodes[?(@.updated==true)].node}"]);
    assert_eq!(path.stdout, "b\n", "{path}");
    let yaml: Value =
        serde_yaml::from_str(&fleet.ns.kubectl(&["dsupdate", "nodes", "web", "-o", "yaml"]).stdout)
            .expect("YAML");
    assert_eq!(yaml["nodes"], document["nodes"]);
}

#[test]
fn nodes_that_block_are_named_and_a_cordon_is_no_obstacle() {
    let cluster = own_cluster();
    let fleet = Fleet::of(&cluster, &["", "", "", "", ""]);
    let ns = &fleet.ns;
    let taint = |letter: &str| {
        let node = fleet.node(letter);
        ns.cluster().kubectl(&["taint", "node", &node, "gpu=yes:NoSchedule"]).expect_ok();
    };
    taint("e");
    fleet.web("app:1", &[ON_DELETE]);
    set_image(ns, "daemonset/web", "app:2");
    fleet.replace("a");
    ns.cluster().kill_node(&fleet.node("b")).unwrap();
    ns.cluster().kubectl(&["cordon", &fleet.node("c")]).expect_ok();
    taint("d");
    let nodes = fleet.nodes(&[]);
    let table = "revision 2: 1 of 4 nodes\nrevision 1: 3 of 4 nodes, 1 not ready\n\
         blocked: b: the node is not ready\nblocked: d: untolerated taint gpu=yes:NoSchedule\n\
         no pod belongs on e: untolerated taint gpu=yes:NoSchedule\nNODE REVISION UPDATED READY REASON\n\
         b 1 no no the node is not ready\nd 1 no yes untolerated taint gpu=yes:NoSchedule\n\
         c 1 no yes waits until its pod is deleted (OnDelete)\na 2 yes yes <none>\n";
    assert!(nodes.stdout.ends_with(table), "{nodes}");
    let document = json(&ns.kubectl(&["dsupdate", "nodes", "web", "-o", "json"]));
    let warning = |id: &str, message: &str, letter: &str| value!({"id": id, "message": message, "nodes": [fleet.node(letter)]});
    let tainted = "untolerated taint gpu=yes:NoSchedule";
    let expected = value!([
        warning("node-not-ready", "the node is not ready", "b"),
        warning("untolerated-taint", tainted, "d"),
        warning("untolerated-taint", &format!("no pod belongs there: {tainted}"), "e"),
    ]);
    assert_eq!(document["warnings"], expected);

    // What was said is true: deleted on the cordoned node a pod comes back, on the tainted one it does not.
    for letter in ["c", "d"] {
        ns.kubectl(&["delete", "pod", &fleet.pod(letter)]).expect_ok();
    }
    ns.wait_until("the cordoned node is updated", LONG, || {
        fleet.nodes(&[]).stdout.contains("c 2 yes yes <none>")
    });
    let after = fleet.nodes(&[]);
    assert!(
        after.stdout.contains("no pod belongs on d, e: untolerated taint gpu=yes:NoSchedule\n"),
        "{after}"
    );
    assert!(after.stdout.contains("revision 2: 2 of 3 nodes\n"), "{after}");
}

#[test]
fn what_fails_is_on_top_with_its_cause() {
    let fleet = Fleet::new(&["", "", ""]);
    fleet.web("app:1", &[]);
    set_image(&fleet.ns, "daemonset/web", "app:missing");
    let mut nodes = fleet.nodes(&[]);
    fleet.ns.wait_until("the bad image is named", LONG, || {
        nodes = fleet.nodes(&[]);
        nodes.stdout.contains("image-pull")
    });
    let rows: Vec<&str> = nodes.stdout.lines().skip_while(|line| !line.starts_with("NODE")).skip(1).collect();
    assert!(rows[0].ends_with(" 2 yes no image-pull: image app:missing cannot be pulled"), "{nodes}");
    assert!(rows[1..].iter().all(|row| row.ends_with(" 1 no yes waits for its turn")), "{nodes}");
    assert!(nodes.stdout.contains("revision 2: 1 of 3 nodes, 1 not ready\n"), "{nodes}");

    let mut terminal = Terminal::of("dsupdate", &fleet.ns, &["nodes", "web", "--color=never"]);
    let head = terminal.shows("NODE");
    let (rest, code) = terminal.ends();
    assert_eq!(code, 0);
    let text = format!("{head}NODE{rest}");
    assert!(text.lines().all(|line| line.trim_end().chars().count() <= 80), "{text}");
    assert!(text.contains("image-pull:"), "{text}");
}

#[test]
fn a_node_without_room_for_the_pod_is_named() {
    let fleet = Fleet::new(&["", ""]);
    fleet.web("app:1", &[]);
    let large = r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":"1000"}}}]}}}}"#;
    fleet.ns.kubectl(&["patch", "daemonset/web", "--type", "strategic", "-p", large]).expect_ok();
    let mut nodes = fleet.nodes(&[]);
    fleet.ns.wait_until("the lack of room is named", LONG, || {
        nodes = fleet.nodes(&[]);
        nodes.stdout.contains(": no room for the pod\n")
    });
    assert!(nodes.stdout.contains(" 2 yes no unschedulable: finds no node: "), "{nodes}");
    assert!(nodes.stdout.contains("Insufficient cpu"), "{nodes}");
}

#[test]
fn watched_the_table_is_drawn_over_on_a_terminal_and_elsewhere_rows_that_change_are_printed() {
    let fleet = Fleet::new(&["", ""]);
    fleet.web("app:1", &[ON_DELETE]);
    let elsewhere = watching(&fleet, &[]);
    elsewhere.says("revision 1: 2 of 2 nodes\n");
    let mut terminal = Terminal::of("dsupdate", &fleet.ns, &["nodes", "web", "-w"]);
    terminal.shows("revision 1: 2 of 2 nodes");
    set_image(&fleet.ns, "daemonset/web", "app:2");
    fleet.replace("b");
    let drawn = terminal.shows("revision 2: 1 of 2 nodes");
    assert!(drawn.contains("\u{1b}[H"), "{drawn:?}");
    terminal.shows("revision 1: 1 of 2 nodes");
    elsewhere.says("no        yes     waits until its pod is deleted (OnDelete)\n");
    elsewhere.says("2          yes       yes     <none>\n");
    fleet.ns.kubectl(&["delete", "daemonset", "web"]).expect_ok();
    let ended = elsewhere.ends();
    assert_code(&ended, 1);
    assert!(ended.stderr.ends_with("error: object has been deleted\n"), "{ended}");
    assert_eq!(ended.stdout.matches("NODE").count(), 1, "{ended}");
    assert_eq!(terminal.ends().1, 1);
}

#[test]
fn without_the_right_to_list_nodes_the_pods_tell_and_without_pods_nothing_does() {
    let fleet = Fleet::new(&["x", "y"]);
    fleet.web("app:1", &[]);
    let sets = ("get,list", "daemonsets.apps,controllerrevisions.apps");
    let without_nodes = fleet.ns.user(Login::Token, &[sets, ("get,list", "pods")], &[]);
    let as_user = |kubeconfig: &std::path::Path, words: &[&str]| {
        let config = format!("--kubeconfig={}", kubeconfig.display());
        fleet.nodes(&[&[config.as_str()], words].concat())
    };
    let seen = as_user(&without_nodes, &[]);
    assert_code(&seen, 0);
    assert_eq!(
        seen.stdout,
        "daemonset.apps/web\nrevision 1: 2 of 2 nodes\nNODE REVISION UPDATED READY REASON\n\
         a 1 yes yes <none>\nb 1 yes yes <none>\n"
    );
    assert!(seen.stderr.starts_with("Warning: the nodes may not be listed: "), "{seen}");
    let document = json(&as_user(&without_nodes, &["-o", "json"]));
    assert_eq!(document["warnings"][0]["id"], "nodes-hidden");
    let by = as_user(&without_nodes, &["--by", "example.com/zone"]);
    assert_code(&by, 1);
    assert_eq!(by.stderr, "error: the nodes may not be listed, and --by goes by their labels\n");

    let nothing = as_user(&fleet.ns.user(Login::Token, &[sets], &[]), &[]);
    assert_code(&nothing, 1);
    assert!(nothing.stderr.contains("may not be listed, and its nodes go by them"), "{nothing}");
    assert_eq!(nothing.stdout, "");
}

#[test]
fn a_rollout_in_steps_and_a_pause_are_told() {
    let fleet = Fleet::new(&["", "", ""]);
    fleet.web("app:1", &[]);
    let words =
        ["start", "web", "app=app:2", "--steps", "1,100%", "--soak", "1s", "--pause-after", "1", "-y"];
    assert_code(&fleet.ns.kubectl(&[&["dsupdate"], &words[..]].concat()), 0);
    let nodes = fleet.nodes(&[]);
    assert!(nodes.stdout.contains("\na rollout in steps is paused (step 2 of 2 is next)\n"), "{nodes}");
    assert!(nodes.stdout.contains(" 1 no yes waits for step 2 of 2\n"), "{nodes}");
    let document = json(&fleet.ns.kubectl(&["dsupdate", "nodes", "web", "-o", "json"]));
    let rollout = &document["rollout"];
    assert_eq!(
        (&rollout["phase"], &rollout["done"], &rollout["steps"]),
        (&value!("paused"), &value!(1), &value!(2))
    );
    assert_code(&fleet.ns.kubectl(&["dsupdate", "abort", "web", "-y"]), 0);
    assert!(!fleet.nodes(&[]).stdout.contains("rollout in steps"));

    assert_code(&fleet.ns.kubectl(&["dsupdate", "pause", "web", "-y"]), 0);
    let paused = fleet.nodes(&[]);
    assert!(paused.stdout.contains("\npaused: kubectl dsupdate resume web lets it go on\n"), "{paused}");
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let fleet = Fleet::new(&["x"]);
    let nothing = fleet.ns.kubectl(&["dsupdate", "nodes"]);
    assert_code(&nothing, 0);
    assert!(nothing.stderr.starts_with("No resources found in "), "{nothing}");
    let missing = fleet.nodes(&[]);
    assert_code(&missing, 1);
    assert_eq!(missing.stderr, "Error from server (NotFound): daemonsets.apps \"web\" not found\n");
    fleet.web("app:1", &[]);
    for (words, code, said) in [
        (&["deployment/web"][..], 2, "deployment/web is not a daemonset"),
        (&["web", "--by", "no-such"], 1, "has the label \"no-such\""),
        (&["web", "--by", ""], 2, "--by needs a label"),
        (&["web", "-w", "-o", "json"], 2, "--watch shows a table"),
        (
            &["web", "-w", "other"],
            2,
            "watch is only supported on individual resources - 2 resources were found",
        ),
        (&["web", "-o", "nonsense"], 2, "unable to match a printer"),
    ] {
        let output = fleet.ns.kubectl(&[&["dsupdate", "nodes"], words].concat());
        assert_code(&output, code);
        assert!(output.stderr.contains(said), "{output}");
        // Programs get a document of what went wrong.
        assert_eq!(output.stdout.is_empty(), !words.contains(&"json"), "{output}");
    }
    let nowhere = r#"{"spec":{"template":{"spec":{"nodeSelector":{"pool":"none"}}}}}"#;
    fleet.ns.kubectl(&["patch", "daemonset/web", "-p", nowhere]).expect_ok();
    fleet.ns.wait_until("no pod is left", LONG, || {
        fleet.nodes(&[]).stdout == "daemonset.apps/web\nno node: the template places no pod anywhere\n"
    });
}
