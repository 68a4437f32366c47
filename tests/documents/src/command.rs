//! Which commands print documents.

use std::path::Path;
use std::process::Command;

use crate::{Schemas, read};

/// The plugins, as kubectl is asked for them.
const PLUGINS: [&str; 3] = ["dsupdate", "rollback", "stspartition"];

/// Says what is wrong with the documents that a plugin printed, where it was asked for some; `cut` is true where it was ended
/// from outside, so that the last of them may not be whole.
pub fn fault(command: &Command, stdout: &str, cut: bool) -> Option<String> {
    let program = Path::new(command.get_program()).file_name()?.to_string_lossy().into_owned();
    let args: Vec<String> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let form = form(&program, &args)?;
    let checked = read::documents(stdout, form, cut)
        .and_then(|documents| documents.iter().try_for_each(|it| Schemas::kept().check(it)));
    checked.err().map(|fault| format!("{program} {}: {fault}", args.join(" ")))
}

/// A form in which whole documents are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Yaml,
}

/// Returns the form that a plugin is asked for.
fn form(program: &str, args: &[String]) -> Option<Form> {
    let is_plugin = |name: &str| PLUGINS.contains(&name);
    let called = match program.trim_end_matches(".exe") {
        "kubectl" => args.first().is_some_and(|word| is_plugin(word)),
        other => other.strip_prefix("kubectl-").is_some_and(is_plugin),
    };
    if !called {
        return None;
    }
    // What stands behind `--` is the words of another program.
    let own = args.split(|arg| arg == "--").next()?;
    let value = |(index, arg): (usize, &String)| match arg.as_str() {
        "-o" | "--output" => own.get(index + 1).cloned(),
        arg => {
            let value = arg.strip_prefix("--output=").or(arg.strip_prefix("-o"))?;
            Some(value.trim_start_matches('=').to_string())
        }
    };
    match own.iter().enumerate().find_map(value)?.to_ascii_lowercase().as_str() {
        "json" => Some(Form::Json),
        "yaml" | "kyaml" => Some(Form::Yaml),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_is_asked_for_documents_prints_some() {
        for (words, expected) in [
            ("kubectl rollback status web -o json", Some(Form::Json)),
            ("/x/kubectl rollback status web -oyaml -n a", Some(Form::Yaml)),
            ("kubectl stspartition pods web --output=kyaml", Some(Form::Yaml)),
            ("kubectl-dsupdate nodes web -o JSON", Some(Form::Json)),
            ("kubectl rollback status web", None),
            ("kubectl rollback status web -o name", None),
            ("kubectl rollback diff web --output-watch-events", None),
            ("kubectl rollback try web -- kubectl apply -o json", None),
            ("kubectl get pods -o json", None),
        ] {
            let mut words = words.split(' ').map(str::to_string);
            let program = words.next().unwrap_or_default();
            let program = program.rsplit('/').next().unwrap_or_default();
            assert_eq!(form(program, &words.collect::<Vec<_>>()), expected, "{program}");
        }
    }

    #[test]
    fn what_it_prints_is_held_against_the_schemas() {
        let mut command = Command::new("kubectl");
        command.args(["rollback", "status", "web", "-o", "json"]);
        assert_eq!(fault(&command, "", false), None);
        let fault = fault(&command, "{\"kind\": \"Mood\"}\n", false).unwrap_or_default();
        assert!(
            fault.starts_with("kubectl rollback status web -o json: a document of an unknown kind"),
            "{fault}"
        );
    }
}
