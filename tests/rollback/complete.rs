//! What is offered to whoever is still typing: through kubectl, as its own shell scripts ask, and in a shell of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cluster::{Namespace, Output};
use e2e::{Running, Web, assert_code, cluster, set_image};
use tempfile::TempDir;

/// A folder with the plugins and their completers, which is all that kubectl asks for.
fn linked() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for plugin in ["rollback", "dsupdate"] {
        let binary = fs::canonicalize(cluster().bin().join(format!("kubectl-{plugin}"))).unwrap();
        for name in ["kubectl-", "kubectl_complete-"] {
            symlink(&binary, folder.path().join(format!("{name}{plugin}"))).unwrap();
        }
    }
    folder
}

fn run(folder: &Path, program: &str, words: &[&str]) -> Output {
    let mut command = cluster().command(program);
    let path = format!("{}:{}:/usr/bin:/bin", folder.display(), cluster().bin().display());
    command.env("PATH", path).args(words);
    Running::start(command).ends()
}

/// Returns what kubectl offers: each candidate with what is said of it, and the directive.
fn offered(folder: &Path, words: &[&str]) -> (Vec<String>, String) {
    let output = run(folder, "kubectl", &[&["__complete"], words].concat());
    assert_code(&output, 0);
    // kubectl says what it calls; what it called says nothing.
    let kubectls = |line: &str| {
        line.starts_with("[Debug]") || line.starts_with("Completion ended with") || line.is_empty()
    };
    assert!(output.stderr.lines().all(kubectls), "a line is no place for noise: {output}");
    let mut lines: Vec<String> = output.stdout.lines().map(str::to_string).collect();
    let directive = lines.pop().unwrap_or_default();
    (lines, directive)
}

fn workloads(ns: &Namespace<'_>) {
    Web::new("deployment", "app:1").replicas(1).create(ns);
    set_image(ns, "deployment/web", "app:2");
    Web::new("daemonset", "agent:1").named("agent").create(ns);
}

const WHOLE: &str = ":36";
const GOES_ON: &str = ":38";

#[test]
fn kubectl_offers_what_there_is() {
    let ns = cluster().namespace("complete");
    workloads(&ns);
    let folder = linked();
    let name = ns.name();
    let check = |words: &[&str], candidates: &[&str], directive: &str| {
        let (offered, ended) = offered(folder.path(), words);
        assert_eq!(
            (offered, ended.as_str()),
            (candidates.iter().map(ToString::to_string).collect(), directive),
            "{words:?}"
        );
    };
    let verbs = offered(folder.path(), &["rollback", "his"]).0;
    assert!(verbs.len() == 1 && verbs[0].starts_with("history\t"), "{verbs:?}");
    check(&["rollback", "undo", "-n", name, "d"], &["deploy/\tDeployment", "ds/\tDaemonSet"], GOES_ON);
    check(&["rollback", "undo", "-n", name, "deploy/"], &["deploy/web"], WHOLE);
    check(&["rollback", "undo", "-n", name, "deploy", ""], &["web"], WHOLE);
    check(&["rollback", "-n", name, "deploy/"], &["deploy/web"], WHOLE);
    check(&["rollback", "undo", "deploy/", "-n", "no-such-namespace", "deploy/"], &[], WHOLE);
    check(&["rollback", "undo", "-n", &name[..name.len() - 1]], &[name], WHOLE);
    check(&["rollback", "try", "-n", name, "deploy/web", ""], &["app=\tapp:2"], GOES_ON);
    check(&["rollback", "try", "-n", name, "deploy/web", "--", ""], &[], ":0");
    let revisions = ["2\tapp 1 -> 2", "1\tapp app:1"];
    check(&["rollback", "undo", "-n", name, "deploy/web", "--to-revision", ""], &revisions, WHOLE);
    check(&["rollback", "history", "-n", name, "deploy", "web", "--revision", "1"], &revisions[1..], WHOLE);
    check(&["rollback", "diff", "-n", name, "deploy/web", "--revision", "1,2"], &["1,2\tapp 1 -> 2"], WHOLE);
    check(&["dsupdate", "start", "-n", name, ""], &["agent"], WHOLE);
    check(&["dsupdate", "start", "-n", name, "agent", ""], &["app=\tagent:1"], GOES_ON);
    check(
        &["dsupdate", "nodes", "-n", name, "agent", "--by", "kubernetes.io/h"],
        &["kubernetes.io/hostname"],
        WHOLE,
    );
    let nodes = offered(folder.path(), &["dsupdate", "start", "agent", "--nodes", "a,"]).0;
    assert!(!nodes.is_empty() && nodes.iter().all(|node| node.starts_with("a,")), "{nodes:?}");
    check(&["rollback", "undo", "--allow", "restart"], &["restart-only"], WHOLE);
    check(&["rollback", "diff", "-o", "unif"], &["unified"], WHOLE);
    check(
        &["rollback", "undo", "--to-l"],
        &["--to-last-good\tGo back to the newest older revision that is known to have worked"],
        WHOLE,
    );
    // The connection flags are in no help, and are completed all the same.
    check(&["rollback", "undo", "--cont"], &["--context\tThe name of the kubeconfig context to use"], WHOLE);
}

#[test]
fn a_cluster_that_does_not_answer_is_not_waited_for_and_not_complained_of() {
    let folder = linked();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("--server=https://{}", silent.local_addr().unwrap());
    let started = std::time::Instant::now();
    assert_eq!(offered(folder.path(), &["rollback", "undo", &server, "deploy/"]).0, Vec::<String>::new());
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    assert_eq!(
        offered(folder.path(), &["rollback", "undo", "--kubeconfig=/no/such", "deploy/"]).0,
        Vec::<String>::new()
    );
    assert_eq!(
        offered(folder.path(), &["rollback", "undo", "--as=nobody", "deploy/"]).0,
        Vec::<String>::new()
    );
}

#[test]
fn the_names_of_the_kubeconfig_are_those_of_the_one_that_is_typed() {
    let folder = linked();
    let config = folder.path().join("config");
    fs::write(
        &config,
        "contexts: [{name: far, context: {cluster: sea}}, {name: near, context: {cluster: sea}}]\n\
         clusters: [{name: sea, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: me, user: {}}]\n",
    )
    .unwrap();
    let config = config.to_str().unwrap();
    for (flag, names) in
        [("--context", vec!["far", "near"]), ("--cluster", vec!["sea"]), ("--user", vec!["me"])]
    {
        for words in [["--kubeconfig", config, "undo", flag, ""], ["undo", "--kubeconfig", config, flag, ""]]
        {
            assert_eq!(offered(folder.path(), &[&["rollback"], &words[..]].concat()).0, names, "{words:?}");
        }
    }
}

#[test]
fn the_script_of_a_shell_asks_the_plugin_for_the_same() {
    let ns = cluster().namespace("complete-bash");
    workloads(&ns);
    let folder = linked();
    let script = run(folder.path(), "kubectl", &["rollback", "completion", "bash"]).expect_ok();
    let path = folder.path().join("completion.bash");
    let ask = format!(
        "complete -p kubectl-rollback\n\
         COMP_WORDS=(kubectl-rollback undo -n {} deploy/); COMP_CWORD=4; COMP_TYPE=9\n\
         _clap_complete_kubectl_rollback kubectl-rollback deploy/ {}\n\
         echo \"offered: ${{COMPREPLY[*]}}\"\n",
        ns.name(),
        ns.name()
    );
    fs::write(&path, format!("{script}\n{ask}")).unwrap();
    let read = run(folder.path(), "bash", &[path.to_str().unwrap()]);
    assert_code(&read, 0);
    assert!(read.stdout.ends_with("offered: deploy/web\n"), "{read}");
    assert_code(&run(folder.path(), "kubectl", &["rollback", "completion", "no-such-shell"]), 2);
}
