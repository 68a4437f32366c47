//! The one way from a process's arguments to its exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgAction, Args, ColorChoice, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use kubectl_connect::ConnectionArgs;
use kubectl_terminal::completion::Asked;
use kubectl_terminal::{Ui, signals};
use rollout_core::Kind;

use super::{Exit, Plugin, Session, Verb, helps};

#[derive(Parser)]
#[command(disable_version_flag = true)]
struct Cli<V: Subcommand> {
    #[command(flatten)]
    flags: Flags,

    /// Print the version
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(subcommand)]
    verb: V,
}

/// The flags that stand before and after a verb.
#[derive(Args)]
struct Flags {
    #[command(flatten)]
    connection: ConnectionArgs,

    /// When to colour: auto, always or never
    #[arg(long, value_enum, default_value_t, global = true, hide = true, value_name = "WHEN")]
    color: ColorChoice,
}

/// Answers whoever is still typing a line for a plugin.
pub type Complete = fn(Plugin, Command, &Asked) -> String;

/// Runs a plugin.
pub fn run<V: Verb>(plugin: Plugin, complete: Complete) -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let argv0 = words.first().cloned().unwrap_or_default();
    let called = called_as(&argv0, plugin.name);
    if let Some(asked) = Asked::of_process(&words) {
        let mut ui = Ui::from_process(ColorChoice::Never);
        ui.out(&complete(plugin, bare::<V>(plugin, &called), &asked));
        return end(&mut ui, Exit::Done).into();
    }
    let parsed = match of_verb::<V>(plugin, &words) {
        Some(parsed) => Ok(parsed),
        None => of_any(plugin, &called, words),
    };
    let (flags, verb) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    let ui = Ui::from_process(flags.color);
    let mut session = Session::new(ui, plugin, called, command_as::<V>, flags.connection);
    let exit = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run_verb(verb, &mut session)),
        Err(error) => {
            session.ui.error(&format!("no runtime: {error}"));
            Exit::Failed
        }
    };
    let exit = end(&mut session.ui, exit);
    // Whatever it made for a while is gone by then.
    drop(session);
    exit.signal().into_iter().for_each(signals::die_of);
    exit.into()
}

/// Ends the output: what could not be written does not pass for success.
fn end(ui: &mut Ui, exit: Exit) -> Exit {
    if ui.finish() { exit } else { Exit::worst_of([exit, Exit::Failed]) }
}

async fn run_verb<V: Verb>(verb: V, session: &mut Session) -> Exit {
    let exit = tokio::select! {
        result = verb.run(session) => result,
        signal = signals::ended() => Ok(signal.into()),
    };
    session.ui.detach();
    if let Ok(Exit::Interrupted | Exit::Terminated) = exit {
        tokio::select! {
            () = session.let_go() => {}
            _ = signals::ended() => {}
        }
    }
    let exit = match exit {
        Ok(exit) => exit,
        Err(error) => {
            session.report(&error);
            error.exit
        }
    };
    session.answer_failures();
    match (session.report_server_warnings(), exit) {
        (Exit::Failed, Exit::Done) => Exit::Failed,
        (_, exit) => exit,
    }
}

/// Returns the command line of a plugin, as kubectl calls it.
pub fn command<V: Verb>(plugin: Plugin) -> Command {
    command_as::<V>(plugin, &called_as(&plugin.name.into(), plugin.name))
}

/// Parses a line that starts with a verb, as most do, with what that verb takes and nothing else: clap copies each global flag to
/// each verb, which was half of what it took to start. Nothing where there is an error or a help to be shown.
fn of_verb<V: Verb>(plugin: Plugin, words: &[OsString]) -> Option<(Flags, V)> {
    let verbs = V::augment_subcommands(Command::new(plugin.name));
    let verb = Flags::augment_args(verbs.find_subcommand(words.get(1)?)?.clone());
    let command = Command::new(plugin.name).args_override_self(true).subcommand(verb);
    let matches = command.try_get_matches_from(words).ok()?;
    let (_, of_verb) = matches.subcommand()?;
    Some((Flags::from_arg_matches(of_verb).ok()?, V::from_arg_matches(&matches).ok()?))
}

/// Parses any line.
fn of_any<V: Verb>(
    plugin: Plugin,
    called: &str,
    mut words: Vec<OsString>,
) -> Result<(Flags, V), clap::Error> {
    let command = bare::<V>(plugin, called);
    if means_default_verb(plugin, &command, &words) {
        words.splice(1..1, plugin.default_verb.map(OsString::from));
    }
    let parse = |command: Command| {
        let matches = command.try_get_matches_from(&words)?;
        Cli::<V>::from_arg_matches(&matches).map(|cli| (cli.flags, cli.verb))
    };
    // What only helps show is made for those who get to see one.
    parse(command).or_else(|_| parse(command_as::<V>(plugin, called)))
}

/// Returns what any line is parsed with.
fn bare<V: Verb>(plugin: Plugin, called: &str) -> Command {
    Cli::<V>::command()
        .name(plugin.name)
        .bin_name(called)
        .version(concat!("v", env!("CARGO_PKG_VERSION")))
        .about(plugin.about)
        // As in kubectl the last of a repeated flag counts: scripts append to what they are given.
        .args_override_self(true)
}

/// Returns it with what helps show.
fn command_as<V: Verb>(plugin: Plugin, called: &str) -> Command {
    let mut command = bare::<V>(plugin, called);
    // What is said of a verb is said by its flags.
    command.build();
    let command = command
        .after_help(format!("Connection flags are those of kubectl: {called} options"))
        .mut_subcommands(|verb| helps::with_exits(verb, plugin));
    let examples = V::EXAMPLES.iter().copied().flatten();
    let command = helps::with_examples(command, plugin, called, plugin.examples);
    examples.fold(command, |command, (verb, text)| {
        command.mut_subcommand(verb, |it| helps::with_examples(it, plugin, called, text))
    })
}

/// The name that a user typed: krew may publish the same binary under another plugin's name.
fn called_as(argv0: &OsString, name: &str) -> String {
    let file = Path::new(argv0).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
    match file.strip_prefix("kubectl-") {
        Some(plugin) => format!("kubectl {}", plugin.replace('_', "-")),
        None => file.to_string(),
    }
}

/// `kubectl rollback deploy/web` is short for `kubectl rollback undo deploy/web`. Only what is a target stands for the verb: a
/// word that is nothing may be a verb with a typo, and with `-f` nobody sees what would be undone.
pub(crate) fn means_default_verb(plugin: Plugin, command: &Command, words: &[OsString]) -> bool {
    let is_verb = |word: &str| command.get_subcommands().any(|it| it.get_name() == word);
    let Some(mut of_verb) = plugin.default_verb.and_then(|verb| command.find_subcommand(verb)).cloned()
    else {
        return false;
    };
    of_verb.build();
    let flags: Vec<&clap::Arg> = command.get_arguments().chain(of_verb.get_arguments()).collect();
    let mut typed = words.iter().skip(1).map_while(|word| word.to_str()).take_while(|it| *it != "--");
    let mut first = None;
    while let Some(word) = typed.next() {
        if !word.starts_with('-') {
            first = first.or(Some(word));
            continue;
        }
        if names_files(word) {
            return false;
        }
        if takes_the_next(&flags, word) {
            typed.next();
        }
    }
    let is_target = |word: &str| {
        let kind = word.split(['/', ',']).next().unwrap_or_default();
        word.contains('/') || Kind::parse(kind).is_some()
    };
    first.is_some_and(|word| !is_verb(word) && is_target(word))
}

fn names_files(flag: &str) -> bool {
    let long = flag.split('=').next().unwrap_or_default();
    ["--filename", "--kustomize"].contains(&long)
        || !flag.starts_with("--") && (flag.starts_with("-f") || flag.starts_with("-k"))
}

/// Tells whether a flag's value is the word after it.
fn takes_the_next(flags: &[&clap::Arg], word: &str) -> bool {
    let known = |it: &&&clap::Arg| match word.strip_prefix("--") {
        Some(long) => it.get_long() == Some(long),
        None => {
            it.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()))
        }
    };
    flags.iter().find(known).is_some_and(|it| it.get_action().takes_values() && !it.is_require_equals_set())
}

fn refuse(error: &clap::Error) -> ExitCode {
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
    // A closed pipe is not an error.
    let _ = error.print();
    exit.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Args)]
    struct Words {
        words: Vec<String>,
        #[arg(short = 'l', long)]
        selector: Option<String>,
        #[arg(short = 'f', long)]
        filename: Vec<String>,
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "client")]
        dry_run: Option<String>,
    }

    #[derive(Subcommand)]
    enum Verbs {
        Undo(Words),
        Status(Words),
    }

    fn means(line: &str) -> String {
        let plugin = Plugin {
            name: "kubectl-rollback",
            about: "",
            examples: "",
            kind: None,
            default_verb: Some("undo"),
        };
        let command = Cli::<Verbs>::command();
        let mut words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        words.insert(0, "me".into());
        if means_default_verb(plugin, &command, &words) {
            words.insert(1, "undo".into());
        }
        words.iter().skip(1).map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_a_target_is_short_for_an_undo() {
        for line in [
            "deploy/web",
            "deploy web",
            "deploy,sts -l app=web",
            "-n shop deploy/web",
            "--dry-run deploy/web",
            "pod/web",
        ] {
            assert_eq!(means(line), format!("undo {line}"));
        }
        for line in [
            "stauts deploy/web",
            "staus -l app=web deploy",
            "status deploy/web",
            "-f web.yaml",
            "deploy/web -f x",
            "web",
            "-n deploy stauts",
            "deploy/web -kdir",
            "deploy/web --filename=x",
        ] {
            assert_eq!(means(line), line);
        }
    }
}
