//! The output forms of `-o` and how a document is printed in each. What stands in a document is not known here.

use std::path::Path;

use clap::Arg;
use serde_json::Value;

use crate::{Ui, escape};
use columns::{BadColumns, Columns};
use jsonpath::{JsonPathError, Template};

pub mod columns;
pub mod json;
pub mod jsonpath;
mod kyaml;
pub mod yaml;

/// The forms of `-o` that every verb has.
const FORMS: &str = "json,yaml,kyaml,name,wide,jsonpath=…,jsonpath-file=…,jsonpath-as-json=…,custom-columns=…,custom-columns-file=…";

/// The way in which a verb prints its answer.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputForm {
    /// Text for people.
    Human,
    /// Text for people with everything in it.
    Wide,
    /// JSON, indented.
    Json,
    /// YAML.
    Yaml,
    /// KYAML, the explicit flow style of YAML.
    Kyaml,
    /// `deployment.apps/web`, one line an object.
    Name,
    /// A template in kubectl's dialect of JSONPath.
    JsonPath(Template),
    /// The same, with the results as a JSON array.
    JsonPathAsJson(Template),
    /// A table of somebody's own.
    Columns(Columns),
    /// Text for people that only the verb at hand has, e.g. `unified` of `diff`.
    Own(&'static str),
    /// Text that only the verb at hand has, and makes of its documents.
    Made(Maker),
}

/// What makes a text of a document, or of the documents in a list.
#[derive(Clone, Copy, Debug)]
pub struct Maker {
    /// What the form is called.
    pub name: &'static str,
    /// Makes it.
    pub make: fn(&Value) -> String,
}

/// A name stands for one maker.
impl PartialEq for Maker {
    fn eq(&self, other: &Maker) -> bool {
        self.name == other.name
    }
}

/// The ways in which an output form can be wrong, or a document cannot be printed in it.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// No such form.
    #[error(
        "unable to match a printer suitable for the output format {form:?}, allowed formats are: {allowed}"
    )]
    Unknown {
        /// What was asked for.
        form: String,
        /// What can be asked for.
        allowed: String,
    },
    /// The template is missing.
    #[error("template format specified but no template given")]
    NoTemplate,
    /// The columns are none.
    #[error(transparent)]
    Columns(#[from] BadColumns),
    /// The columns do not fit the document.
    #[error("{0}")]
    ExecuteColumns(JsonPathError),
    /// The template's file cannot be read.
    #[error("error reading --template {path}, {source}")]
    TemplateFile {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The template is no template.
    #[error("error parsing jsonpath {template}, {source}")]
    Template {
        /// The template.
        template: String,
        /// What is wrong with it.
        source: JsonPathError,
    },
    /// The template does not fit the document.
    #[error("error executing jsonpath {template:?}: {source}")]
    Execute {
        /// The template.
        template: String,
        /// What does not fit.
        source: JsonPathError,
    },
    /// The document could not be written as YAML.
    #[error("cannot write YAML: {0}")]
    Yaml(String),
}

impl OutputForm {
    /// Reads the value of `-o`, none for a missing flag; `own` are the forms that only this verb has.
    ///
    /// A template is read and checked here, before anything is asked of a cluster.
    pub fn parse(text: Option<&str>, own: &[OutputForm]) -> Result<OutputForm, OutputError> {
        let text = text.unwrap_or_default();
        if let Some(form) = own.iter().find(|form| form.own_name() == Some(text)) {
            return Ok(form.clone());
        }
        let (form, template) = match text.split_once('=') {
            Some((form, template)) => (form, template),
            None => (text, ""),
        };
        match form {
            "jsonpath" => Ok(OutputForm::JsonPath(parse_template(template)?)),
            "jsonpath-as-json" => Ok(OutputForm::JsonPathAsJson(parse_template(template)?)),
            "jsonpath-file" => Ok(OutputForm::JsonPath(parse_template(&template_file(template)?)?)),
            "custom-columns" => Ok(OutputForm::Columns(Columns::parse(template)?)),
            "custom-columns-file" => Ok(OutputForm::Columns(Columns::from_file(template)?)),
            _ => match text.to_ascii_lowercase().as_str() {
                "" => Ok(OutputForm::Human),
                "wide" => Ok(OutputForm::Wide),
                "json" => Ok(OutputForm::Json),
                "yaml" => Ok(OutputForm::Yaml),
                "kyaml" => Ok(OutputForm::Kyaml),
                "name" => Ok(OutputForm::Name),
                _ => Err(unknown(text, own)),
            },
        }
    }

    /// Returns whether the form is text for people, so that tables and plans are printed and not documents.
    pub fn is_human(&self) -> bool {
        match self {
            OutputForm::Human | OutputForm::Wide | OutputForm::Own(_) => true,
            OutputForm::Json
            | OutputForm::Yaml
            | OutputForm::Kyaml
            | OutputForm::Name
            | OutputForm::JsonPath(_)
            | OutputForm::JsonPathAsJson(_)
            | OutputForm::Columns(_)
            | OutputForm::Made(_) => false,
        }
    }

    /// Returns the name of a form that not every verb has.
    pub fn own_name(&self) -> Option<&'static str> {
        match self {
            OutputForm::Own(name) | OutputForm::Made(Maker { name, .. }) => Some(name),
            OutputForm::Human
            | OutputForm::Wide
            | OutputForm::Json
            | OutputForm::Yaml
            | OutputForm::Kyaml
            | OutputForm::Name
            | OutputForm::JsonPath(_)
            | OutputForm::JsonPathAsJson(_)
            | OutputForm::Columns(_) => None,
        }
    }

    /// Returns whether all documents are printed, whatever their kind: a template fits what it was written for alone.
    pub fn is_whole(&self) -> bool {
        match self {
            OutputForm::Json | OutputForm::Yaml | OutputForm::Kyaml | OutputForm::Made(_) => true,
            OutputForm::Human
            | OutputForm::Wide
            | OutputForm::Own(_)
            | OutputForm::Name
            | OutputForm::JsonPath(_)
            | OutputForm::JsonPathAsJson(_)
            | OutputForm::Columns(_) => false,
        }
    }

    /// Returns whether every column is wanted.
    pub fn is_wide(&self) -> bool {
        *self == OutputForm::Wide
    }
}

/// The output flags that every verb has.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OutputArgs {
    /// Output format. One of: (json, yaml, kyaml, name, wide, jsonpath=…, jsonpath-file=…, jsonpath-as-json=…, custom-columns=…, custom-columns-file=…)
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<String>,

    /// Leave out the headers of tables
    #[arg(long)]
    pub no_headers: bool,
}

impl OutputArgs {
    /// Reads the form that was asked for; `own` are the forms that only this verb has.
    pub fn form(&self, own: &[OutputForm]) -> Result<OutputForm, OutputError> {
        Ok(match OutputForm::parse(self.output.as_deref(), own)? {
            OutputForm::Columns(columns) => OutputForm::Columns(columns.no_headers(self.no_headers)),
            form => form,
        })
    }
}

/// Says in the help of `-o` that a verb has forms of its own.
pub fn also(arg: Arg, own: &[OutputForm]) -> Arg {
    let own: String = own.iter().filter_map(OutputForm::own_name).map(|form| format!(", {form}")).collect();
    rewritten(arg, |help| help.replacen(')', &format!("{own})"), 1))
}

/// Says nothing of the wide form in the help of `-o`, for verbs that have nothing wider.
pub fn without_wide(arg: Arg) -> Arg {
    rewritten(arg, |help| help.replace(" wide,", ""))
}

fn rewritten(arg: Arg, rewrite: impl FnOnce(&str) -> String) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.help(rewrite(&help))
}

fn unknown(form: &str, own: &[OutputForm]) -> OutputError {
    let own = own.iter().filter_map(OutputForm::own_name);
    let allowed = own.fold(FORMS.to_string(), |allowed, own| format!("{allowed},{own}"));
    OutputError::Unknown { form: form.to_string(), allowed }
}

fn parse_template(text: &str) -> Result<Template, OutputError> {
    if text.is_empty() {
        return Err(OutputError::NoTemplate);
    }
    Template::parse(text).map_err(|source| OutputError::Template { template: text.to_string(), source })
}

fn template_file(path: &str) -> Result<String, OutputError> {
    if path.is_empty() {
        return Err(OutputError::NoTemplate);
    }
    std::fs::read_to_string(Path::new(path))
        .map_err(|source| OutputError::TemplateFile { path: path.to_string(), source })
}

/// Prints a document to stdout in a form that is not for people; those print as JSON here.
///
/// On a terminal control characters in it are made visible; a pipe gets every byte.
pub fn print_document(ui: &mut Ui, document: &Value, form: &OutputForm) -> Result<(), OutputError> {
    let text = document_text(document, form)?;
    if ui.stdout_is_terminal() {
        ui.out(&escape::block(&text));
    } else {
        ui.out(&text);
    }
    Ok(())
}

/// Prints the document at the end of a verb; behind events it is one more line of JSON.
pub fn print_last(ui: &mut Ui, document: &Value, form: &OutputForm, lines: bool) -> Result<(), OutputError> {
    match (lines, form) {
        (true, OutputForm::Json) => {
            print_event(ui, document);
            Ok(())
        }
        (_, _) => print_document(ui, document, form),
    }
}

/// Documents that are printed one after the other, as `kubectl get -w` prints objects.
#[derive(Debug, Default)]
pub struct Stream {
    begun: bool,
    widths: Vec<usize>,
}

impl Stream {
    /// Prints the next one.
    pub fn print(&mut self, ui: &mut Ui, document: &Value, form: &OutputForm) -> Result<(), OutputError> {
        let begun = std::mem::replace(&mut self.begun, true);
        match form {
            OutputForm::Yaml if begun => ui.line("---"),
            OutputForm::Columns(columns) => {
                // The headers stand above the first.
                let below = begun.then(|| columns.clone().no_headers(true));
                let rows = below.as_ref().unwrap_or(columns).render_below(document, &mut self.widths);
                ui.out(&rows.map_err(OutputError::ExecuteColumns)?);
                return Ok(());
            }
            _ => {}
        }
        print_document(ui, document, form)
    }
}

/// Prints one event as a line of JSON.
pub fn print_event(ui: &mut Ui, event: &Value) {
    ui.line(&event.to_string());
}

/// Returns what `-o name` says of an object: `deployment.apps/web`.
pub fn object_name(api_version: &str, kind: &str, name: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    match api_version.split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{name}"),
        None => format!("{kind}/{name}"),
    }
}

fn document_text(document: &Value, form: &OutputForm) -> Result<String, OutputError> {
    let execute = |template: &Template, result: Result<String, JsonPathError>| {
        result.map_err(|source| OutputError::Execute { template: template.text().to_string(), source })
    };
    match form {
        OutputForm::Human | OutputForm::Wide | OutputForm::Own(_) | OutputForm::Json => {
            Ok(json::to_string(document))
        }
        OutputForm::Yaml => yaml::to_string(document).map_err(OutputError::Yaml),
        OutputForm::Kyaml => Ok(kyaml::to_string(document)),
        OutputForm::Name => Ok(names(document)),
        OutputForm::JsonPath(template) => execute(template, template.render(document)),
        OutputForm::JsonPathAsJson(template) => execute(template, template.render_json(document)),
        OutputForm::Columns(columns) => columns.render(document).map_err(OutputError::ExecuteColumns),
        OutputForm::Made(maker) => Ok((maker.make)(document)),
    }
}

/// Lists the workloads that a document, or each item of it, is about.
fn names(document: &Value) -> String {
    let mut text = String::new();
    for workload in json::items(document).iter().filter_map(|item| item.get("workload")) {
        let field = |name: &str| workload.get(name).and_then(Value::as_str).unwrap_or_default();
        text.push_str(&object_name(field("apiVersion"), field("kind"), field("name")));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(document: &Value, form: &str) -> String {
        let (mut ui, captured) = Ui::captured();
        let form = OutputForm::parse(Some(form), &[]).unwrap();
        print_document(&mut ui, document, &form).unwrap();
        captured.stdout()
    }

    fn history() -> Value {
        json!({
            "apiVersion": "rollout-plugins.dev/v1alpha1",
            "kind": "History",
            "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "revisions": [{"revision": 1, "images": {"web": "nginx:1.7.9"}}],
        })
    }

    #[test]
    fn forms_are_read_as_kubectl_reads_them() {
        let template = || Template::parse("{.kind}").unwrap();
        for (text, form) in [
            (None, OutputForm::Human),
            (Some(""), OutputForm::Human),
            (Some("wide"), OutputForm::Wide),
            (Some("json"), OutputForm::Json),
            (Some("JSON"), OutputForm::Json),
            (Some("yaml"), OutputForm::Yaml),
            (Some("kyaml"), OutputForm::Kyaml),
            (Some("name"), OutputForm::Name),
            (Some("jsonpath={.kind}"), OutputForm::JsonPath(template())),
            (Some("jsonpath-as-json={.kind}"), OutputForm::JsonPathAsJson(template())),
            (Some("unified"), OutputForm::Own("unified")),
        ] {
            assert_eq!(OutputForm::parse(text, &[OutputForm::Own("unified")]).unwrap(), form, "{text:?}");
        }
    }

    #[test]
    fn wrong_forms_are_refused_in_kubectls_words() {
        for (text, message) in [
            (
                "go-template={{.x}}",
                "unable to match a printer suitable for the output format \"go-template={{.x}}\", allowed formats are: json,yaml,kyaml,name,wide,jsonpath=…,jsonpath-file=…,jsonpath-as-json=…,custom-columns=…,custom-columns-file=…,unified",
            ),
            ("jsonpath", "template format specified but no template given"),
            ("jsonpath=", "template format specified but no template given"),
            ("jsonpath-file=", "template format specified but no template given"),
            ("jsonpath={.a", "error parsing jsonpath {.a, unclosed action"),
        ] {
            assert_eq!(
                OutputForm::parse(Some(text), &[OutputForm::Own("unified")]).unwrap_err().to_string(),
                message
            );
        }
        let missing = OutputForm::parse(Some("jsonpath-file=no-such-file"), &[]).unwrap_err().to_string();
        assert!(missing.starts_with("error reading --template no-such-file, "), "{missing}");
        for text in ["custom", "template", "foo"] {
            assert!(matches!(OutputForm::parse(Some(text), &[]), Err(OutputError::Unknown { .. })), "{text}");
        }
    }

    #[test]
    fn a_template_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("template");
        std::fs::write(&path, "{.kind}{\"\\n\"}").unwrap();
        assert_eq!(printed(&history(), &format!("jsonpath-file={}", path.display())), "History\n");
    }

    #[test]
    fn json_is_indented_as_kubectls() {
        let document = json!({"kind": "Diff", "changes": [{"from": 1}], "none": [], "empty": {}});
        assert_eq!(
            printed(&document, "json"),
            "{\n    \"kind\": \"Diff\",\n    \"changes\": [\n        {\n            \"from\": 1\n        }\n    ],\n    \"none\": [],\n    \"empty\": {}\n}\n"
        );
    }

    #[test]
    fn every_form_ends_its_document() {
        assert_eq!(printed(&history(), "name"), "deployment.apps/web\n");
        assert_eq!(printed(&history(), "jsonpath={.revisions[0].images.web}"), "nginx:1.7.9");
        assert_eq!(printed(&history(), "jsonpath-as-json={.kind}"), "[\n    \"History\"\n]\n");
        assert_eq!(
            printed(&history(), "yaml"),
            "apiVersion: rollout-plugins.dev/v1alpha1\nkind: History\nworkload:\n  apiVersion: apps/v1\n  kind: Deployment\n  name: web\nrevisions:\n- revision: 1\n  images:\n    web: nginx:1.7.9\n"
        );
        assert!(
            printed(&history(), "kyaml")
                .starts_with("---\n{\n  apiVersion: \"rollout-plugins.dev/v1alpha1\",\n")
        );
    }

    #[test]
    fn a_list_names_each_of_its_items() {
        let list = json!({"kind": "List", "items": [history(), history()]});
        assert_eq!(printed(&list, "name"), "deployment.apps/web\ndeployment.apps/web\n");
        assert_eq!(printed(&json!({"kind": "List", "items": []}), "name"), "");
        assert_eq!(object_name("v1", "Pod", "web-0"), "pod/web-0");
    }

    #[test]
    fn a_template_that_does_not_fit_is_an_error() {
        let (mut ui, captured) = Ui::captured();
        let form = OutputForm::parse(Some("jsonpath={.revisions[7]}"), &[]).unwrap();
        let error = print_document(&mut ui, &history(), &form).unwrap_err().to_string();
        assert_eq!(
            error,
            "error executing jsonpath \"{.revisions[7]}\": array index out of bounds: index 7, length 1"
        );
        assert_eq!(captured.stdout(), "");
    }

    #[test]
    fn only_a_terminal_is_spared_control_characters() {
        let document = json!({"cause": "\u{1b}[2J\u{9b}31m"});
        for (terminal, expected) in [(true, "^[[2J\\u009b31m"), (false, "\u{1b}[2J\u{9b}31m")] {
            let (mut ui, captured) = Ui::captured_terminal("", terminal);
            let form = OutputForm::parse(Some("jsonpath={.cause}"), &[]).unwrap();
            print_document(&mut ui, &document, &form).unwrap();
            assert_eq!(captured.stdout(), expected);
        }
    }

    #[test]
    fn documents_of_a_stream_are_told_apart() {
        for (form, expected) in [
            ("yaml", "a: 1\n---\na: 1\n"),
            ("name", "deployment.apps/web\ndeployment.apps/web\n"),
            ("custom-columns=KIND:.kind,N:.workload.name", "KIND      N\nHistory   web\nHistory   web\n"),
        ] {
            let (mut ui, captured) = Ui::captured();
            let form = OutputForm::parse(Some(form), &[]).unwrap();
            let document = if form == OutputForm::Yaml { json!({"a": 1}) } else { history() };
            let mut stream = Stream::default();
            stream.print(&mut ui, &document, &form).unwrap();
            stream.print(&mut ui, &document, &form).unwrap();
            assert_eq!(captured.stdout(), expected);
        }
    }

    #[test]
    fn an_event_is_one_line() {
        let (mut ui, captured) = Ui::captured();
        print_event(&mut ui, &json!({"kind": "Event", "message": "a\nb"}));
        assert_eq!(captured.stdout(), "{\"kind\":\"Event\",\"message\":\"a\\nb\"}\n");
    }
}
