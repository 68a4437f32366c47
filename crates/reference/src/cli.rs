//! The reference of the command lines: a page a plugin, and one of the connection flags, which all of them have.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, Command};

use crate::Result;

/// The page of the flags that are kubectl's.
const CONNECTION: &str = "connection-flags";

/// What stands on top of every page.
pub(crate) const NOTICE: &str =
    "<!-- Written by `cargo run -p reference -- all docs`; what is changed by hand is lost. -->";

/// Writes `kubectl-rollback.md` and so on.
pub(crate) fn write(command: Command, folder: &Path) -> Result {
    for (name, text) in pages(command) {
        fs::write(folder.join(format!("{name}.md")), text)?;
    }
    Ok(())
}

/// Returns the pages that a plugin makes, by name.
pub(crate) fn pages(mut command: Command) -> [(String, String); 2] {
    command.build();
    let connection = connection(&command);
    [(command.get_name().to_string(), plugin(&mut command)), (CONNECTION.to_string(), connection)]
}

fn plugin(command: &mut Command) -> String {
    let called = command.get_bin_name().unwrap_or_default().to_string();
    let mut page = format!("# {called}\n\n{NOTICE}\n\n{}.\n\n", text(command.get_about()));
    page.push_str(&examples(command));
    page.push_str("| Verb | What it does |\n| --- | --- |\n");
    for verb in verbs(command) {
        let _ = writeln!(page, "| [`{0}`](#{0}) | {1} |", verb.get_name(), cell(&text(verb.get_about())));
    }
    let _ = write!(
        page,
        "\nEvery verb also takes [the connection flags]({CONNECTION}.md), which are kubectl's, and `-h`, `--help`. \
         `{called} help VERB` prints the help of a verb, `{called} --version` the version.\n"
    );
    let names: Vec<String> = verbs(command).iter().map(|it| it.get_name().to_string()).collect();
    for name in names {
        if let Some(verb) = command.find_subcommand_mut(&name) {
            page.push_str(&section(verb));
        }
    }
    page
}

/// Returns the verbs in the order in which the help lists them.
fn verbs(command: &Command) -> Vec<&Command> {
    let listed = |it: &&Command| !it.is_hide_set() && it.get_name() != "help";
    let mut verbs: Vec<&Command> = command.get_subcommands().filter(listed).collect();
    verbs.sort_by_key(|it| (it.get_display_order(), it.get_name()));
    verbs
}

fn section(verb: &mut Command) -> String {
    let usage = verb.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).trim().to_string();
    let mut section = format!("\n## {}\n\n{}.\n\n", verb.get_name(), text(verb.get_about()));
    let _ = write!(section, "```text\n{usage}\n```\n\n");
    section.push_str(&examples(verb));
    let visible = |arg: &&Arg| !arg.is_hide_set() && !is_help(arg);
    let (words, flags): (Vec<&Arg>, Vec<&Arg>) =
        verb.get_arguments().filter(visible).partition(|it| it.is_positional());
    if !words.is_empty() {
        section.push_str("| Word | What it is |\n| --- | --- |\n");
        for word in words {
            let _ = writeln!(section, "| {} | {} |", code(&value(word)), meaning(word));
        }
        section.push('\n');
    }
    if !flags.is_empty() {
        section.push_str(&table(&flags));
        section.push('\n');
    }
    let after = text(verb.get_after_help());
    if !after.is_empty() {
        let _ = writeln!(section, "{after}");
    }
    section.trim_end().to_string() + "\n"
}

fn connection(command: &Command) -> String {
    let flags: Vec<&Arg> = command.get_arguments().filter(|it| it.is_global_set()).collect();
    format!(
        "# Connection flags\n\n{NOTICE}\n\nThe same as kubectl's, with the same meaning, before or behind the verb. They are in no \
         verb's help; `options` lists them.\n\n{}",
        table(&flags)
    )
}

fn table(flags: &[&Arg]) -> String {
    let mut table = "| Flag | What it does | Default |\n| --- | --- | --- |\n".to_string();
    for flag in flags {
        let default =
            flag.get_default_values().iter().map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(",");
        let quiet = default.is_empty() || default == "false";
        let default = if quiet { String::new() } else { code(&default) };
        let _ = writeln!(table, "| {} | {} | {default} |", names(flag), meaning(flag));
    }
    table
}

/// Returns a flag as it is typed: `-o`, `--output FORMAT`.
fn names(flag: &Arg) -> String {
    let value = match flag.get_action() {
        ArgAction::Set | ArgAction::Append => value(flag),
        _ => String::new(),
    };
    let value = match (value.is_empty(), flag.is_require_equals_set()) {
        (true, _) => String::new(),
        (false, true) => format!("[={value}]"),
        (false, false) => format!(" {value}"),
    };
    let short = flag.get_short().map(|short| code(&format!("-{short}")));
    let long = flag.get_long().map(|long| code(&format!("--{long}{value}")));
    short.into_iter().chain(long).collect::<Vec<_>>().join(", ")
}

fn value(arg: &Arg) -> String {
    arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn meaning(arg: &Arg) -> String {
    let mut meaning = cell(&text(arg.get_help()));
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| !matches!(arg.get_action(), ArgAction::SetTrue))
        .map(|it| match it.get_help() {
            Some(help) => format!("{}: {}", code(it.get_name()), cell(&help.to_string())),
            None => code(it.get_name()),
        })
        .collect();
    if !values.is_empty() {
        let _ = write!(meaning, "<br>{}", values.join("<br>"));
    }
    meaning
}

/// Returns the examples of a command as something to copy.
fn examples(command: &Command) -> String {
    let examples = command.get_before_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<&str> = examples.lines().filter(|it| *it != "Examples:").map(str::trim).collect();
    if lines.is_empty() { String::new() } else { format!("```sh\n{}\n```\n\n", lines.join("\n")) }
}

fn is_help(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong)
}

fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PLUGINS, docs};

    #[test]
    fn the_reference_is_current() {
        for command in PLUGINS {
            for (name, text) in pages(command()) {
                let path = docs().join("reference/cli").join(format!("{name}.md"));
                let written = fs::read_to_string(&path).unwrap_or_default();
                assert!(
                    written == text,
                    "{} is not what the command line is: cargo run -p reference -- all docs",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn every_verb_and_flag_is_in_it() {
        for command in PLUGINS {
            let [(_, page), (_, connection)] = pages(command());
            let command = command();
            for verb in command.get_subcommands().filter(|it| it.get_name() != "help") {
                assert!(page.contains(&format!("\n## {}\n", verb.get_name())), "{}", verb.get_name());
                for flag in verb.get_arguments().filter(|it| !it.is_hide_set()).filter_map(Arg::get_long) {
                    assert!(page.contains(&format!("`--{flag}")), "{flag}");
                }
            }
            assert!(connection.contains("`-n`, `--namespace NAMESPACE`"), "{connection}");
        }
    }
}
