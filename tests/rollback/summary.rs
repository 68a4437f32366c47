//! What became of it, for the summary of a step or a chat: `-o markdown` and `--summary FILE`.

use std::fs;

use e2e::scene::rollback;
use e2e::{Web, assert_code, cluster, image, json, set_image};
use tempfile::TempDir;

#[test]
fn an_ending_is_added_to_a_file_beside_what_is_printed() {
    let ns = cluster().namespace("summary");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("summary.md");
    fs::write(&file, "before\n\n").unwrap();
    let flag = format!("--summary={}", file.display());
    for name in ["api", "web"] {
        Web::new("deployment", "app:1").named(name).create(&ns);
    }
    set_image(&ns, "deployment/web", "app:missing");
    let undone = rollback(&ns, &["guard", "deploy/api", "deploy/web", "--soak=1s", &flag]);
    assert_code(&undone, 5);
    assert!(undone.stderr.contains("failed and was undone"), "{undone}");
    let summary = fs::read_to_string(&file).unwrap();
    let undone = "before\n\n### deployment/web: undone (revision 2 to 1)\n\n3 of 3 pods are at revision 3, 3 available\n\n";
    assert!(summary.starts_with(undone), "{summary}");
    assert!(summary.contains("\n- **image-pull**: ") && summary.contains("\n  > "), "{summary}");
    let fine = "\n### deployment/api: complete\n\n3 of 3 pods are at revision 1, 3 available\n\n";
    assert!(summary.ends_with(fine), "{summary}");

    // A template is asked for one thing, and the summary tells everything.
    let told =
        rollback(&ns, &["status", "deploy/web", "deploy/none", "-o", "jsonpath={.items[*].state}", &flag]);
    assert_code(&told, 1);
    assert_eq!(told.stdout, "complete", "{told}");
    let summary = fs::read_to_string(&file).unwrap();
    let missing =
        "### deployment/none: error\n\nError from server (NotFound): deployments.apps \"none\" not found\n\n";
    assert!(summary.contains(missing), "{summary}");
    assert!(summary.contains("### deployment/web: complete (revision 3)\n"), "{summary}");
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_anything_changes() {
    let ns = cluster().namespace("summary-refused");
    let folder = TempDir::new().unwrap();
    let flag = format!("--summary={}/none/file", folder.path().display());
    Web::new("deployment", "app:1").create(&ns);
    for verb in [&["pause", "deploy/web"][..], &["try", "deploy/web", "app=app:2"], &["status", "deploy/web"]]
    {
        let refused = rollback(&ns, &[verb, &[&flag]].concat());
        assert_code(&refused, 2);
        assert!(
            refused.stderr.starts_with("error: --summary: ") && refused.stderr.contains("none/file: "),
            "{refused}"
        );
        assert_eq!(refused.stdout, "", "{refused}");
    }
    assert_eq!(image(&ns, "deployment/web"), "app:1");
    assert_eq!(ns.get(&["deployment/web"])["metadata"]["generation"], 1);
    let endless =
        rollback(&ns, &["status", "deploy", "-w", &format!("--summary={}/file", folder.path().display())]);
    assert_code(&endless, 2);
    assert!(endless.stderr.contains("--summary and -w of several"), "{endless}");
}

#[test]
fn markdown_is_a_form_of_what_ends_and_of_nothing_else() {
    let ns = cluster().namespace("markdown");
    Web::new("deployment", "app:1").create(&ns);
    let planned = rollback(&ns, &["try", "deploy/web", "app=app:2", "--dry-run", "-o", "markdown"]);
    assert_code(&planned, 0);
    let expected = "### deployment/web: planned (from revision 1)\n\n- `spec.containers[app].image`: `app:1` → `app:2`\n\n";
    assert_eq!(planned.stdout, expected);
    let done = rollback(&ns, &["try", "deploy/web", "app=app:2", "--soak=1s", "--yes", "-o", "markdown"]);
    assert_code(&done, 0);
    let expected = "### deployment/web: complete (from revision 1)\n\n- `spec.containers[app].image`: `app:1` → `app:2`\n\n\
                    3 of 3 pods are at revision 2, 3 available\n\n";
    assert_eq!(done.stdout, expected);
    let missing = rollback(&ns, &["undo", "deploy/none", "-o", "markdown"]);
    assert_code(&missing, 1);
    assert_eq!(
        missing.stdout,
        "### deployment/none: error\n\nError from server (NotFound): deployments.apps \"none\" not found\n\n",
        "{missing}"
    );
    let history = rollback(&ns, &["history", "deploy/web", "-o", "markdown"]);
    assert_code(&history, 2);
    assert!(history.stderr.contains("unable to match a printer"), "{history}");
    assert_eq!(json(&rollback(&ns, &["status", "deploy/web", "-o", "json"]))["state"], "complete");
}
