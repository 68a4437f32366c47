//! Reads the fenced blocks of a Markdown document.

/// A command of a `console` block with what it prints.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The line of the document, counted from 1.
    pub line: usize,
    /// What is typed.
    pub command: String,
    /// What is shown, on both streams.
    pub output: String,
}

/// Returns the commands of all `console` blocks, in their order.
pub fn play(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (line, text) in fenced(document, "console") {
        match (text.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step { line, command: command.to_string(), output: String::new() });
            }
            (None, Some(step)) => {
                step.output.push_str(text);
                step.output.push('\n');
            }
            (None, None) => panic!("line {line}: a console block starts with a command: {text}"),
        }
    }
    steps
}

/// Returns the commands of all `sh` blocks, without comments.
pub fn commands(document: &str) -> Vec<String> {
    let code = |text: &str| text.split(" #").next().unwrap_or_default().trim().to_string();
    let lines = fenced(document, "sh").into_iter().map(|(_, text)| code(text));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Returns the lines of all blocks of a language, with their numbers.
fn fenced<'a>(document: &'a str, language: &str) -> Vec<(usize, &'a str)> {
    let mut open: Option<&str> = None;
    let mut lines = Vec::new();
    for (index, text) in document.lines().enumerate() {
        match (open, text.strip_prefix("```")) {
            (None, Some(info)) => open = Some(info.trim()),
            (Some(_), Some(_)) => open = None,
            (Some(info), None) if info == language => lines.push((index + 1, text)),
            (Some(_) | None, None) => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Step, commands, play};

    const DOCUMENT: &str = "\
text
```console
$ kubectl get a
one
...
$ kubectl get b
```
```sh
cargo xtask test    # everything
# nothing
kubectl rollback -A
```
";

    #[test]
    fn a_console_block_is_commands_with_their_output() {
        let step =
            |line, command: &str, output: &str| Step { line, command: command.into(), output: output.into() };
        assert_eq!(play(DOCUMENT), [step(3, "kubectl get a", "one\n...\n"), step(6, "kubectl get b", "")]);
    }

    #[test]
    fn a_sh_block_is_commands_without_comments() {
        assert_eq!(commands(DOCUMENT), ["cargo xtask test", "kubectl rollback -A"]);
    }
}
