//! The workflows, the action and the recipes: what is not ours is pinned, and no shell text is made of what somebody typed.

use std::fs;
use std::path::PathBuf;

use cluster::workspace;
use serde_json::Value;

/// The workflows and the action, with their texts.
fn files() -> Vec<(PathBuf, String)> {
    let folder = fs::read_dir(workspace().join(".github/workflows")).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|file| file.unwrap().path()).collect();
    paths.push(workspace().join("action.yml"));
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// Says whether an action of another repository is named by its commit, with its version behind it.
fn is_pinned(line: &str) -> bool {
    let Some((_, used)) = line.split_once("uses:") else { return true };
    let used = used.trim();
    if used.starts_with("./") {
        return true;
    }
    let Some((commit, version)) = used.split_once('@').and_then(|(_, at)| at.split_once(" # v")) else {
        return false;
    };
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    commit.len() == 40 && commit.bytes().all(hex) && version.split('.').all(|it| it.parse::<u32>().is_ok())
}

#[test]
fn what_is_another_repositorys_is_pinned_by_its_commit() {
    let mut seen = 0;
    for (path, text) in files() {
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            assert!(is_pinned(line), "{}: {line}", path.display());
            seen += usize::from(line.contains("uses:"));
        }
    }
    assert!(seen > 10, "only {seen} actions are used");
    let commit = "0123456789abcdef0123456789abcdef01234567";
    assert!(is_pinned(&format!("- uses: a/b@{commit} # v4.2.2")) && is_pinned("- uses: ./action"));
    for line in ["a/b@v4", &format!("a/b@{commit}"), "a/b", "a/b@0123 # v4", &format!("a/b@{commit} # main")]
    {
        assert!(!is_pinned(&format!("- uses: {line}")), "{line}");
    }
}

/// Collects what every step of a document runs.
fn scripts<'a>(document: &'a Value, found: &mut Vec<&'a str>) {
    match document {
        Value::Object(fields) => {
            found.extend(fields.get("run").and_then(Value::as_str));
            fields.values().for_each(|value| scripts(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| scripts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn no_shell_text_holds_an_expression() {
    for (path, text) in files() {
        let document: Value = serde_yaml::from_str(&text).unwrap();
        let mut found = Vec::new();
        scripts(&document, &mut found);
        assert!(!found.is_empty(), "{}", path.display());
        // What an expression yields would be read as shell: it goes through the environment.
        for script in found {
            assert!(!script.contains("${{"), "{}: {script}", path.display());
        }
    }
}

#[test]
fn a_workflow_may_only_what_it_says_and_keeps_no_credentials() {
    for (path, text) in files().into_iter().filter(|(path, _)| !path.ends_with("action.yml")) {
        let name = path.display();
        let document: Value = serde_yaml::from_str(&text).unwrap();
        let permissions =
            document["permissions"].as_object().unwrap_or_else(|| panic!("{name}: no permissions"));
        let reads = |right: &Value| right == "read";
        assert!(permissions.values().all(reads), "{name}: rights to write belong to the job that needs them");
        assert!(document["concurrency"].is_object(), "{name}: no concurrency");
        for (job, it) in document["jobs"].as_object().unwrap() {
            assert!(it["timeout-minutes"].is_number(), "{name}: {job} may hang for six hours");
            for step in it["steps"].as_array().unwrap() {
                let uses = step["uses"].as_str().unwrap_or_default();
                if uses.starts_with("actions/checkout@") {
                    assert_eq!(step["with"]["persist-credentials"], false, "{name}: {job}");
                }
            }
        }
    }
}

#[test]
fn what_a_workflow_asks_of_the_projects_commands_exists() {
    let names: Vec<&str> = crate::COMMANDS.iter().map(|command| command.name).collect();
    for (path, text) in files() {
        for asked in text.split("cargo xtask ").skip(1) {
            let name: String = asked.chars().take_while(char::is_ascii_lowercase).collect();
            assert!(names.contains(&name.as_str()), "{}: cargo xtask {name}", path.display());
        }
    }
}

#[test]
fn the_oldest_rust_that_is_tried_is_the_one_that_is_promised() {
    let ci = fs::read_to_string(workspace().join(".github/workflows/ci.yml")).unwrap();
    let ci: Value = serde_yaml::from_str(&ci).unwrap();
    assert_eq!(ci["jobs"]["oldest-rust"]["env"]["RUST"], env!("CARGO_PKG_RUST_VERSION"));
}
