//! Questions. They are asked where a person sits: on stderr and stdin where both are terminals, else at the terminal itself;
//! what to do where nobody can be asked is the caller's decision.

use crate::Ui;

/// The answer to a question of yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The question was agreed to.
    Yes,
    /// Anything else was answered, or the input ended.
    No,
    /// There is nobody to ask.
    Unavailable,
}

/// The answer to a question with several options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The option at this index was chosen.
    Chosen(usize),
    /// None was chosen, or the input ended.
    Declined,
    /// There is nobody to ask.
    Unavailable,
}

/// How often a wrong answer is asked for again.
const TRIES: usize = 3;

/// Asks whether to go on; only `y` and `yes` agree.
pub fn confirm(ui: &mut Ui, question: &str) -> Answer {
    if !ui.can_ask() {
        return Answer::Unavailable;
    }
    match ui.ask(&format!("{question} [y/N] ")) {
        Ok(Some(line)) if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") => Answer::Yes,
        Ok(Some(_)) => Answer::No,
        // The prompt's line is still open when the input ends.
        Ok(None) | Err(_) => {
            ui.note("");
            Answer::No
        }
    }
}

/// Asks for one of several options by its number; an empty answer declines.
pub fn choose(ui: &mut Ui, question: &str, options: &[String]) -> Choice {
    if !ui.can_ask() {
        return Choice::Unavailable;
    }
    ui.beside_the_question(|ui| {
        ui.note(question);
        for (index, option) in options.iter().enumerate() {
            ui.note(&format!("  {}  {option}", index + 1));
        }
    });
    for _ in 0..TRIES {
        let Ok(Some(line)) = ui.ask(&format!("number (1-{}, empty for none): ", options.len())) else {
            ui.note("");
            return Choice::Declined;
        };
        match line.trim() {
            "" => return Choice::Declined,
            text => match text.parse::<usize>() {
                Ok(number) if (1..=options.len()).contains(&number) => return Choice::Chosen(number - 1),
                Ok(_) | Err(_) => continue,
            },
        }
    }
    Choice::Declined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (input, answer) in [
            ("y\n", Answer::Yes),
            (" YES \n", Answer::Yes),
            ("n\n", Answer::No),
            ("\n", Answer::No),
            ("yep\n", Answer::No),
            ("", Answer::No),
        ] {
            let (mut ui, captured) = Ui::captured_terminal(input, true);
            assert_eq!(confirm(&mut ui, "Roll back?"), answer, "{input:?}");
            assert_eq!(captured.stderr().trim_end_matches('\n'), "Roll back? [y/N] ");
            assert_eq!(captured.stdout(), "");
        }
    }

    #[test]
    fn nobody_is_asked_off_a_terminal() {
        let (mut ui, captured) = Ui::captured_terminal("y\n", false);
        assert_eq!(confirm(&mut ui, "Roll back?"), Answer::Unavailable);
        assert_eq!(choose(&mut ui, "Which?", &["a".into()]), Choice::Unavailable);
        assert_eq!(captured.stderr(), "");
    }

    #[test]
    fn an_option_is_chosen_by_its_number() {
        for (input, choice) in [
            ("2\n", Choice::Chosen(1)),
            ("x\n0\n1\n", Choice::Chosen(0)),
            ("3\n4\n5\n1\n", Choice::Declined),
            ("\n", Choice::Declined),
            ("", Choice::Declined),
        ] {
            let (mut ui, _) = Ui::captured_terminal(input, true);
            assert_eq!(choose(&mut ui, "Which?", &["a".into(), "b".into()]), choice, "{input:?}");
        }
        let (mut ui, captured) = Ui::captured_terminal("2\n", true);
        choose(&mut ui, "Which?", &["a".into(), "b".into()]);
        assert_eq!(captured.stderr(), "Which?\n  1  a\n  2  b\nnumber (1-2, empty for none): ");
    }
}
