//! What has been typed before the word under the cursor.

use std::ffi::OsString;

use clap::{ArgMatches, Command, FromArgMatches};
use kubectl_connect::ConnectionArgs;

use crate::Kind;
use crate::call::Plugin;
use crate::targets::{TargetName, Words, parse_words};

/// What has been typed before the word under the cursor.
#[derive(Debug)]
pub(super) struct Typed {
    /// The plugin.
    pub(super) plugin: Plugin,
    /// The connection flags.
    pub(super) connection: ConnectionArgs,
    /// The words that say what a verb works on.
    pub(super) words: Vec<String>,
    /// Whether the verb takes new images behind them.
    pub(super) takes_images: bool,
}

impl Typed {
    /// Reads the words that are typed to their end, as far as they can be read: the line is not whole yet.
    pub(super) fn read(plugin: Plugin, command: Command, before: &[OsString]) -> Typed {
        let mut typed =
            Typed { plugin, connection: ConnectionArgs::default(), words: Vec::new(), takes_images: false };
        let line = command.ignore_errors(true).subcommand_required(false).arg_required_else_help(false);
        let Ok(matches) = line.try_get_matches_from(before) else { return typed };
        let mut innermost = &matches;
        while let Some((verb, below)) = innermost.subcommand() {
            typed.takes_images = ["try", "start"].contains(&verb);
            innermost = below;
        }
        // What cannot be read is as if it were not typed.
        let _ = typed.connection.update_from_arg_matches(innermost);
        typed.words = ["targets", "words"].into_iter().flat_map(|id| texts(innermost, id)).collect();
        typed
    }

    /// Returns what is pointed at, where that is exactly one workload.
    pub(super) fn target(&self) -> Option<TargetName> {
        let words: Vec<String> = self.words.iter().filter(|word| !word.contains('=')).cloned().collect();
        match parse_words(&words, self.plugin.kind) {
            Ok(Words::Named { names, .. }) => <[TargetName; 1]>::try_from(names).ok().map(|[name]| name),
            Ok(Words::Types(_) | Words::None) | Err(_) => None,
        }
    }

    /// Returns the kind that the next word is a name of: the plugin's own, or that of the type before it.
    pub(super) fn kind_of_next(&self) -> Option<Kind> {
        match self.words.first() {
            Some(first) if !first.contains('/') => Kind::parse(first).or(self.plugin.kind),
            Some(_) | None => self.plugin.kind,
        }
    }
}

fn texts(matches: &ArgMatches, id: &str) -> Vec<String> {
    let texts = matches.try_get_many::<String>(id).ok().flatten();
    texts.into_iter().flatten().cloned().collect()
}
