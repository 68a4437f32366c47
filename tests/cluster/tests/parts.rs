//! Parts end and start again, nodes die, users may do what they may, and all is gone with the process.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use cluster::{Cluster, Login, Node, Options, Part, Version, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

/// Set in the process that is to be killed.
const VICTIM: &str = "CLUSTER_TEST_VICTIM";

fn start() -> Cluster {
    Cluster::start(&Options { nodes: 1, ..Options::default() }).expect("a cluster starts")
}

#[test]
fn parts_stop_and_start_again() {
    let cluster = start();
    assert_eq!(cluster.kubernetes(), Version::chosen().unwrap(), "the version that was asked for");
    let namespace = cluster.namespace("parts");
    cluster.restart(Part::ApiServer).unwrap();
    namespace.kubectl(&["get", "serviceaccount", "default"]).expect_ok();

    cluster.stop(Part::ApiServer).unwrap();
    assert!(!namespace.kubectl(&["get", "pods"]).ok());
    cluster.restart(Part::ApiServer).unwrap();

    cluster.stop(Part::ControllerManager).unwrap();
    namespace.kubectl(&["create", "deployment", "web", "--image=nginx:1"]).expect_ok();
    assert!(!namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=2s"]).ok());
    cluster.restart(Part::ControllerManager).unwrap();
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"]).expect_ok();
    assert!(cluster.casualty().is_none());
}

#[test]
fn a_dead_node_keeps_its_pods() {
    let cluster = Cluster::shared();
    let node = Node::new("doomed").label("role", "doomed").taint("role", "doomed", "NoSchedule");
    cluster.create_nodes(&[node]).unwrap();
    let namespace = cluster.namespace("dead");
    namespace.apply(
        "apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  nodeSelector: { role: doomed }
  tolerations: [{ operator: Exists }]
  containers: [{ name: web, image: 'nginx:1' }]
",
    );
    namespace.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=30s"]).expect_ok();
    cluster.kill_node("doomed").unwrap();
    cluster.kubectl(&["wait", "--for=condition=Ready=Unknown", "node/doomed", "--timeout=30s"]).expect_ok();
    let taints =
        || cluster.kubectl(&["get", "node", "doomed", "-o", "jsonpath={.spec.taints[*].key}"]).expect_ok();
    let unreachable = "node.kubernetes.io/unreachable";
    wait_until("the node is unreachable", LIMIT, || {
        taints().split(' ').filter(|it| *it == unreachable).count() == 2
    });
    let ready = || {
        let pod = namespace.get(&["pod", "web"]);
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
        (ready, pod["status"]["containerStatuses"][0]["ready"] == true)
    };
    assert_eq!(ready(), (false, true), "the node controller does not ask the containers");
    cluster.revive_node("doomed").unwrap();
    wait_until("the pod is ready again", LIMIT, || ready() == (true, true));
    cluster.kill_node("doomed").unwrap();
    namespace.kubectl(&["delete", "pod", "web", "--wait=false"]).expect_ok();
    thread::sleep(Duration::from_secs(2));
    assert!(namespace.get(&["pod", "web"])["metadata"]["deletionTimestamp"].is_string());

    cluster.revive_node("doomed").unwrap();
    namespace.kubectl(&["wait", "--for=delete", "pod/web", "--timeout=30s"]).expect_ok();
    wait_until("the node is back", LIMIT, || !taints().contains(unreachable));
}

#[test]
fn users_may_do_what_they_may() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("users");
    for login in [Login::Token, Login::Certificate, Login::Exec] {
        let kubeconfig =
            namespace.user(login, &[("get,list", "pods,deployments.apps/scale")], &[("list", "nodes")]);
        let can = |args: &[&str]| {
            let args = [&["--kubeconfig", kubeconfig.to_str().unwrap(), "auth", "can-i"], args].concat();
            cluster.kubectl(&args).ok()
        };
        assert!(can(&["list", "pods"]), "{login:?}");
        assert!(
            can(&["get", "deployments.apps/scale"])
                || can(&["get", "deployments.apps", "--subresource=scale"])
        );
        assert!(can(&["list", "nodes"]), "{login:?}");
        assert!(!can(&["delete", "pods"]), "{login:?}");
        assert!(!can(&["list", "pods", "-A"]), "{login:?}");
    }
}

/// Not a test: the process that the next test kills.
#[test]
#[ignore = "it waits to be killed"]
fn victim() {
    let cluster = start();
    fs::write(env::var_os(VICTIM).unwrap(), cluster.kubeconfig().to_str().unwrap()).unwrap();
    thread::sleep(Duration::from_secs(600));
}

#[test]
fn nothing_is_left_of_a_killed_process() {
    let note = tempfile::NamedTempFile::new().unwrap();
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "victim"])
        .env(VICTIM, note.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let kubeconfig = || fs::read_to_string(note.path()).unwrap();
    wait_until("the victim's cluster runs", Duration::from_secs(120), || !kubeconfig().is_empty());
    let folder = Path::new(&kubeconfig()).parent().map(PathBuf::from).unwrap();
    assert!(!processes_in(&folder).is_empty());

    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until("its folder is gone", LIMIT, || !folder.exists());
    wait_until("its processes are gone", LIMIT, || processes_in(&folder).is_empty());
}

/// The command lines that name the folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let ps = Command::new("ps").args(["-A", "-ww", "-o", "args"]).output().expect("ps runs");
    let folder = folder.display().to_string();
    let lines = String::from_utf8_lossy(&ps.stdout);
    lines.lines().filter(|line| line.contains(&folder)).map(str::to_owned).collect()
}
