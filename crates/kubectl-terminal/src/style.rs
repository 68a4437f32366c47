//! What colours mean, and whether there are any.

use anstyle::{AnsiColor, Effects};
use clap::ColorChoice;

/// What a piece of text means; the colour follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Something is as it should be.
    Good,
    /// Something wants attention.
    Warn,
    /// Something is broken.
    Bad,
    /// The name of a thing, e.g. `deployment/web`.
    Name,
    /// Of less interest.
    Dim,
}

impl Style {
    fn ansi(self) -> anstyle::Style {
        match self {
            Style::Good => AnsiColor::Green.on_default(),
            Style::Warn => AnsiColor::Yellow.on_default(),
            Style::Bad => AnsiColor::Red.on_default().effects(Effects::BOLD),
            Style::Name => anstyle::Style::new().bold(),
            Style::Dim => anstyle::Style::new().dimmed(),
        }
    }

    /// Wraps text in the escape codes of this style.
    pub(crate) fn wrap(self, text: &str) -> String {
        let ansi = self.ansi();
        format!("{ansi}{text}{ansi:#}")
    }
}

/// The environment's part in the decision about colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColorEnv {
    /// Whether `NO_COLOR` is set at all, even to nothing.
    pub no_color: bool,
    /// Whether `TERM` is `dumb`.
    pub dumb_terminal: bool,
}

impl ColorEnv {
    /// Reads the process's environment.
    pub fn from_process() -> ColorEnv {
        ColorEnv {
            no_color: std::env::var_os("NO_COLOR").is_some(),
            dumb_terminal: std::env::var_os("TERM").is_some_and(|term| term == "dumb"),
        }
    }
}

/// Decides whether one stream is coloured: the flag, then `NO_COLOR`, then `TERM=dumb`, then whether it is a terminal.
pub fn use_color(choice: ColorChoice, env: ColorEnv, is_terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && !env.no_color && !env.dumb_terminal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_flag_then_environment_then_terminal() {
        let plain = ColorEnv::default();
        let no_color = ColorEnv { no_color: true, ..plain };
        let dumb = ColorEnv { dumb_terminal: true, ..plain };
        for (choice, env, terminal, expected) in [
            (ColorChoice::Always, no_color, false, true),
            (ColorChoice::Always, dumb, false, true),
            (ColorChoice::Never, plain, true, false),
            (ColorChoice::Auto, plain, true, true),
            (ColorChoice::Auto, plain, false, false),
            (ColorChoice::Auto, no_color, true, false),
            (ColorChoice::Auto, dumb, true, false),
        ] {
            assert_eq!(use_color(choice, env, terminal), expected, "{choice:?} {env:?} {terminal}");
        }
    }
}
