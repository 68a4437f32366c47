//! The workflows, the action and the workflow that users copy, read by actionlint.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use cluster::{go_tool, workspace};

use crate::Result;

const ACTIONLINT: &str = "github.com/rhysd/actionlint/cmd/actionlint";

/// Reads all of them; with shellcheck, where there is one.
pub(crate) fn lint() -> Result {
    let actionlint = go_tool(ACTIONLINT)?;
    let status = Command::new(&actionlint).current_dir(workspace()).status()?;
    if !status.success() {
        return Err("the workflows do not pass".into());
    }
    let recipe = workspace().join("docs/recipes/github.md");
    let text = fs::read_to_string(&recipe).map_err(|error| format!("{}: {error}", recipe.display()))?;
    let workflow = workflow(&text)
        .ok_or_else(|| format!("{} holds no workflow that uses the action", recipe.display()))?;
    pass(&actionlint, &recipe, &workflow).map_err(|_| format!("{} does not pass", recipe.display()).into())
}

/// Returns the workflow of a recipe, with the action as it stands here: so that it is read too, and its inputs.
fn workflow(recipe: &str) -> Option<String> {
    let (before, block) = recipe.split_once("```yaml\n")?;
    let (workflow, _) = block.split_once("\n```")?;
    let project = env!("CARGO_PKG_REPOSITORY").trim_start_matches("https://github.com/");
    let released = format!("uses: {project}@v{}", env!("CARGO_PKG_VERSION"));
    // Where it stands there, so that what is found is found on its line.
    let lines = "\n".repeat(before.lines().count() + 1);
    workflow.contains(&released).then(|| lines + &workflow.replace(&released, "uses: ./") + "\n")
}

/// Reads a workflow as one of this project: actionlint looks for the project at the file that it is told.
fn pass(actionlint: &Path, recipe: &Path, workflow: &str) -> Result {
    let mut child = Command::new(actionlint)
        .arg("-stdin-filename")
        .arg(recipe)
        .arg("-")
        .current_dir(workspace())
        .stdin(Stdio::piped())
        .spawn()?;
    child.stdin.take().map(|mut stdin| stdin.write_all(workflow.as_bytes())).transpose()?;
    if child.wait()?.success() { Ok(()) } else { Err("it does not pass".into()) }
}

#[cfg(test)]
mod tests {
    use super::workflow;

    #[test]
    fn the_recipe_is_read_with_the_action_that_stands_here() {
        let released = concat!("rollout-plugins/rollout-plugins@v", env!("CARGO_PKG_VERSION"));
        let recipe = format!("# A\n\n```yaml\njobs:\n- uses: {released}\n```\n\nB\n");
        assert_eq!(workflow(&recipe).unwrap(), "\n\n\njobs:\n- uses: ./\n");
        assert_eq!(workflow("```yaml\n- uses: a/b@v1\n```"), None);
        assert_eq!(workflow("none"), None);
    }
}
