//! Arguments of a verb that are declared where that verb is called.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Id};

/// The arguments of a verb, declared once it is called, completed or written about: most of what it costs to start a plugin is
/// to declare what nobody asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lazy<T>(pub T);

impl<T: Args> Args for Lazy<T> {
    fn group_id() -> Option<Id> {
        T::group_id()
    }

    fn augment_args(verb: Command) -> Command {
        verb.defer(|verb| under_its_name(verb, T::augment_args))
    }

    fn augment_args_for_update(verb: Command) -> Command {
        verb.defer(|verb| under_its_name(verb, T::augment_args_for_update))
    }
}

impl<T: FromArgMatches> FromArgMatches for Lazy<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Lazy<T>, Error> {
        T::from_arg_matches(matches).map(Lazy)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// What is said of the arguments, which clap takes for the verb's, comes after what is said of the verb.
fn under_its_name(verb: Command, declare: fn(Command) -> Command) -> Command {
    let (about, long) = (verb.get_about().cloned(), verb.get_long_about().cloned());
    let verb = declare(verb).about(about.unwrap_or_default());
    match long {
        Some(long) => verb.long_about(long),
        None => verb.long_about(None::<&'static str>),
    }
}
