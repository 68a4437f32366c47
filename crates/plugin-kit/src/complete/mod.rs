//! What is offered to whoever is still typing. What does not answer in time, or may not be read, is not offered; nobody is told.
//!
//! Nothing is kept from one word to the next: kubectl keeps nothing either, a page of names is one small request, and a name that
//! was made or deleted a moment ago is right.

mod ask;
mod offer;
mod typed;

use std::sync::Arc;

use clap::Command;
use clap_complete::engine::ArgValueCompleter;
use kubectl_terminal::completion::Asked;

use crate::call::{Plugin, means_default_verb};

pub use offer::Offer;
use typed::Typed;

/// Answers whoever is still typing a line for a plugin.
pub fn answer(plugin: Plugin, command: Command, asked: &Asked) -> String {
    let mut words = asked.before().to_vec();
    words.push(asked.current().to_os_string());
    let line = match plugin.default_verb {
        Some(verb) if means_default_verb(plugin, &command, &words) => command_of_verb(command, verb),
        _ => command,
    };
    let typed = Arc::new(Typed::read(plugin, line.clone(), asked.before()));
    asked.answer(offering(line, &typed))
}

/// Returns the command line of a verb that is not typed, as its own.
fn command_of_verb(mut command: Command, verb: &str) -> Command {
    // Only then a verb has the flags that all verbs have.
    command.build();
    command.find_subcommand(verb).cloned().unwrap_or(command)
}

/// Lets the flags and words of a command, and of those below it, offer what there is.
fn offering(command: Command, typed: &Arc<Typed>) -> Command {
    let with_offer = |arg: clap::Arg| match Offer::of(&arg) {
        Some(offer) => {
            let typed = Arc::clone(typed);
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            arg.add(ArgValueCompleter::new(move |current: &std::ffi::OsStr| {
                offer.candidates(&typed, &help, &current.to_string_lossy())
            }))
        }
        None => arg,
    };
    command.mut_args(with_offer).mut_subcommands(|it| offering(it, typed))
}
