//! The recipes for pipelines: their files are what they say, and their commands do it with the rights that they give.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

mod rights;

use std::fs;

use cluster::{Namespace, Output, workspace};
use e2e::{Web, cluster, image, set_image};
use serde_json::{Value, json};
use tempfile::TempDir;

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

fn recipe(name: &str) -> String {
    let path = workspace().join("docs/recipes").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of a recipe's blocks of YAML.
fn documents(name: &str) -> Vec<Value> {
    let text = recipe(name);
    let blocks = text.split("```yaml\n").skip(1).map(|block| block.split("\n```").next().unwrap());
    blocks
        .flat_map(|block| {
            serde_yaml::from_multiple::<Value>(block).unwrap_or_else(|error| panic!("{name}: {error}"))
        })
        .collect()
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|it| it["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

fn kinds(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|document| document["kind"].as_str().unwrap_or_default()).collect()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_string()).collect()
}

const RIGHTS: [&str; 3] = ["ServiceAccount", "Role", "RoleBinding"];

#[test]
fn each_recipe_is_the_files_that_it_says() {
    assert_eq!(kinds(&documents("README.md")), RIGHTS);
    assert_eq!(kinds(&documents("tekton.md")), [&["Task", "TaskRun"][..], &RIGHTS].concat());
    assert_eq!(kinds(&documents("argo-cd.md")), [&["Job"][..], &RIGHTS].concat());
    // The rights are the same wherever they stand.
    for name in ["tekton.md", "argo-cd.md"] {
        assert!(documents(name).ends_with(&documents("README.md")), "{name}");
    }
    let task = &documents("tekton.md")[0];
    let declared: Vec<&str> =
        task["spec"]["params"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    for word in words(&task["spec"]["steps"][0]["args"]) {
        if let Some((_, name)) = word.split_once("$(params.") {
            assert!(declared.contains(&name.trim_end_matches([')', ']', '*', '['])), "{word}");
        }
    }
    let [gitlab] = &documents("gitlab.md")[..] else { panic!("one file") };
    let stages = words(&gitlab["stages"]);
    for job in ["tools", "deploy"] {
        assert!(stages.iter().any(|stage| gitlab[job]["stage"] == **stage), "{job}");
        assert!(!words(&gitlab[job]["script"]).is_empty());
    }
    let [github] = &documents("github.md")[..] else { panic!("one file") };
    assert!(github["jobs"]["deploy"]["steps"].is_array());
}

#[test]
fn the_workflow_gives_the_action_inputs_that_it_has() {
    let action: Value =
        serde_yaml::from_str(&fs::read_to_string(workspace().join("action.yml")).unwrap()).unwrap();
    let github = &documents("github.md")[0];
    let steps = github["jobs"]["deploy"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["uses"].is_string()).unwrap();
    for name in step["with"].as_object().unwrap().keys() {
        assert!(action["inputs"].get(name).is_some(), "there is no input {name}");
    }
    assert_eq!(step["with"]["version"], VERSION);
    assert!(step["uses"].as_str().unwrap().ends_with(&format!("@{VERSION}")), "{step}");
    for output in ["outcome", "exit-code", "document"] {
        assert!(action["outputs"].get(output).is_some() && recipe("github.md").contains(output), "{output}");
    }
}

#[test]
fn recipes_use_the_image_of_this_version() {
    let mut seen = 0;
    for name in ["README.md", "gitlab.md", "tekton.md", "argo-cd.md"] {
        for used in recipe(name).split("ghcr.io/rollout-plugins/rollout-plugins:").skip(1) {
            let tag = used.split(|it: char| !it.is_ascii_alphanumeric() && it != '.').next().unwrap();
            assert_eq!(tag, VERSION, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 4, "{seen}");
}

/// Applies the rights of a recipe, and returns the kubeconfig of its service account.
fn account(ns: &Namespace<'_>, name: &str) -> (TempDir, String) {
    for document in
        documents(name).iter().filter(|it| RIGHTS.contains(&it["kind"].as_str().unwrap_or_default()))
    {
        ns.apply(&document.to_string());
    }
    let token = ns.kubectl(&["create", "token", "guard"]).expect_ok();
    let config = ns.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]).expect_ok();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["users"][0]["user"] = json!({"token": token.trim()});
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config");
    fs::write(&path, config.to_string()).unwrap();
    let path = path.to_str().unwrap().to_string();
    (folder, path)
}

/// Runs the command of a container in a namespace, as its service account.
fn run(ns: &Namespace<'_>, kubeconfig: &str, command: &[String]) -> Output {
    assert_eq!(command[..2], ["kubectl", "rollback"]);
    let mut kubectl = ns.cluster().command("kubectl");
    // In a pod the service account says where it is.
    kubectl.args(&command[1..]).args(["--namespace", ns.name()]).env("KUBECONFIG", kubeconfig);
    Output::of(&mut kubectl, "").unwrap()
}

#[test]
fn the_hook_of_argo_cd_takes_back_what_fails_with_the_rights_that_it_has() {
    let ns = cluster().namespace("recipe-argo");
    let (_folder, kubeconfig) = account(&ns, "argo-cd.md");
    let documents = documents("argo-cd.md");
    let job = of_kind(&documents, "Job");
    // Argo CD makes it as it stands.
    ns.apply(&job.to_string());
    ns.kubectl(&["delete", "job/guard-web"]).expect_ok();
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    Web::new("deployment", "app:1").create(&ns);
    set_image(&ns, "deployment/web", "app:missing");
    let output = run(&ns, &kubeconfig, &[words(&container["command"]), words(&container["args"])].concat());
    assert_eq!(output.code, 5, "{output}");
    assert!(output.stderr.contains("image-pull: "), "{output}");
    assert_eq!(image(&ns, "deployment/web"), "app:1");
}

#[test]
fn the_task_of_tekton_takes_back_what_fails_with_the_rights_that_it_has() {
    let ns = cluster().namespace("recipe-tekton");
    let (_folder, kubeconfig) = account(&ns, "tekton.md");
    let documents = documents("tekton.md");
    let step = &of_kind(&documents, "Task")["spec"]["steps"][0];
    let args = words(&step["args"]).into_iter().map(|word| {
        let word = word
            .replace("$(params.target)", "statefulset/web")
            .replace("$(params.images[*])", "app=app:missing");
        word.replace("$(params.soak)", "2s").replace("$(params.timeout)", "1m")
    });
    let command = [words(&step["command"]), args.collect()].concat();
    // A StatefulSet hangs on the pod that fails: to go back, it has to be deleted.
    Web::new("statefulset", "app:1").create(&ns);
    let output = run(&ns, &kubeconfig, &command);
    assert_eq!(output.code, 5, "{output}");
    assert_eq!(image(&ns, "statefulset/web"), "app:1");
}
