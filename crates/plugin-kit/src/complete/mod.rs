//! What is offered to whoever is still typing. What does not answer in time, or may not be read, is not offered; nobody is told.
//!
//! Nothing is kept from one word to the next: kubectl keeps nothing either, a page of names is one small request, and a name that
//! was made or deleted a moment ago is right.

mod ask;
mod offer;
mod typed;

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use clap::Command;
use clap_complete::engine::ArgValueCompleter;
use kubectl_terminal::completion::Asked;

use crate::call::{Plugin, means_default_verb};

pub use offer::Offer;
use typed::Typed;

/// Answers whoever is still typing a line for a plugin.
pub fn answer(plugin: Plugin, mut command: Command, asked: &Asked) -> String {
    let mut before = asked.before().to_vec();
    let words = [&before[..], &[asked.current().to_os_string()]].concat();
    let unsaid = plugin.default_verb.filter(|_| means_default_verb(plugin, &command, &words));
    before.splice(1..1, unsaid.map(OsString::from));
    let typed = Arc::new(Typed::read(plugin, command.clone(), &before));
    // Only then a verb has its flags, and those that all verbs have.
    command.build();
    let line = unsaid.and_then(|verb| command.find_subcommand(verb)).cloned().unwrap_or(command);
    asked.answer(offering(line, &typed))
}

/// Lets the flags and words of a command, and of those below it, offer what there is.
fn offering(command: Command, typed: &Arc<Typed>) -> Command {
    let with_offer = |arg: clap::Arg| match Offer::of(&arg) {
        Some(offer) => {
            let typed = Arc::clone(typed);
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            arg.add(ArgValueCompleter::new(move |current: &OsStr| {
                offer.candidates(&typed, &help, &current.to_string_lossy())
            }))
        }
        None => arg,
    };
    command.mut_args(with_offer).mut_subcommands(|it| offering(it, typed))
}
