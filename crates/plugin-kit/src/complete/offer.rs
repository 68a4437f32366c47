//! Which words and flags offer what.

use clap::Arg;
use clap_complete::engine::CompletionCandidate;
use kubectl_connect::Section;
use kubectl_terminal::escape;
use rollout_core::plan::WarningId;

use super::typed::Typed;
use crate::Kind;

/// What a word or the value of a flag can be completed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Types and names of workloads; behind them the containers that may get a new image.
    Targets,
    /// The revisions of the workload that is named.
    Revisions,
    /// The forms of `-o`, as its help lists them.
    Forms,
    /// The ids of warnings.
    Warnings,
    /// Nodes.
    Nodes,
    /// Keys of the labels of nodes.
    NodeLabels,
    /// Namespaces.
    Namespaces,
    /// Names in the kubeconfig.
    Kubeconfig(Section),
    /// Words that are always the same.
    Words(&'static [&'static str]),
}

impl Offer {
    /// Returns what an argument offers, none where nobody can know what comes.
    pub fn of(arg: &Arg) -> Option<Offer> {
        match arg.get_id().as_str() {
            "targets" | "words" => Some(Offer::Targets),
            "revision" | "to_revision" => Some(Offer::Revisions),
            "output" => Some(Offer::Forms),
            "allow" => Some(Offer::Warnings),
            "nodes" => Some(Offer::Nodes),
            "by" => Some(Offer::NodeLabels),
            "namespace" => Some(Offer::Namespaces),
            "context" => Some(Offer::Kubeconfig(Section::Contexts)),
            "cluster" => Some(Offer::Kubeconfig(Section::Clusters)),
            "user" => Some(Offer::Kubeconfig(Section::Users)),
            "dry_run" => Some(Offer::Words(&["none", "client", "server"])),
            "kind" => Some(Offer::Words(&["RollingUpdate", "OnDelete"])),
            _ => None,
        }
    }

    /// Returns what goes on from what is typed of the word; `help` is that of the argument.
    pub(super) fn candidates(self, typed: &Typed, help: &str, current: &str) -> Vec<CompletionCandidate> {
        let plain = |words: Vec<String>| words.into_iter().map(|word| (word, String::new())).collect();
        let all: Vec<(String, String)> = match self {
            Offer::Targets => return targets(typed, current),
            // `diff --revision A,B`: what stands before the comma stays.
            Offer::Revisions => {
                let first = current.rfind(',').map_or("", |at| &current[..=at]);
                let revisions = typed.target().map(|target| typed.revisions(&target)).unwrap_or_default();
                revisions.into_iter().map(|(number, change)| (format!("{first}{number}"), change)).collect()
            }
            Offer::Forms => plain(forms(help)),
            Offer::Warnings => plain(WarningId::ALL.iter().map(|id| id.as_str().to_string()).collect()),
            Offer::Nodes => plain(typed.nodes()),
            Offer::NodeLabels => plain(typed.node_labels()),
            Offer::Namespaces => plain(typed.namespaces()),
            Offer::Kubeconfig(section) => plain(typed.connection.names(section)),
            Offer::Words(words) => plain(words.iter().map(ToString::to_string).collect()),
        };
        begun(all, current)
    }
}

/// Completes what a verb works on, as kubectl does: a type with its slash, a name behind it.
fn targets(typed: &Typed, current: &str) -> Vec<CompletionCandidate> {
    let undescribed = |word: String| (word, String::new());
    if let Some((kind, name)) = current.split_once('/') {
        let names = Kind::parse(kind).map(|kind| typed.workloads(kind)).unwrap_or_default();
        let more = names.into_iter().filter(|it| it.starts_with(name)).map(|it| format!("{kind}/{it}"));
        return begun(more.filter(|it| !typed.words.contains(it)).map(undescribed).collect(), current);
    }
    if let Some(target) = typed.target().filter(|_| typed.takes_images) {
        let given =
            |container: &str| typed.words.iter().any(|word| word.starts_with(&format!("{container}=")));
        let containers = typed.containers(&target).into_iter().filter(|(container, _)| !given(container));
        return begun(
            containers.map(|(container, image)| (format!("{container}="), image)).collect(),
            current,
        );
    }
    match (typed.kind_of_next(), typed.words.first()) {
        (Some(kind), _) => {
            let names = typed.workloads(kind).into_iter().filter(|it| !typed.words.contains(it));
            begun(names.map(undescribed).collect(), current)
        }
        (None, _) => Kind::ALL.into_iter().filter_map(|kind| type_of(kind, current)).collect(),
    }
}

/// Returns the shortest spelling of a type that goes on from what is typed.
fn type_of(kind: Kind, current: &str) -> Option<CompletionCandidate> {
    let spellings = [kind.short(), kind.singular(), kind.plural()];
    let spelling = spellings.into_iter().find(|spelling| spelling.starts_with(current))?;
    Some(candidate(format!("{spelling}/"), kind.name()))
}

/// Returns the forms that the help of `-o` lists: `… One of: (json, yaml, jsonpath=…)`.
fn forms(help: &str) -> Vec<String> {
    let listed =
        help.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(forms, _)| forms);
    listed.split(',').map(|form| form.trim().trim_end_matches('…').to_string()).collect()
}

fn begun(all: Vec<(String, String)>, current: &str) -> Vec<CompletionCandidate> {
    let begun = all.into_iter().filter(|(word, _)| word.starts_with(current) && !word.is_empty());
    begun.map(|(word, help)| candidate(word, &help)).collect()
}

/// What the server said is harmless in a shell's list: a candidate and its help are one line.
fn candidate(word: String, help: &str) -> CompletionCandidate {
    let help = Some(escape::inline(help).into_owned()).filter(|help| !help.is_empty());
    CompletionCandidate::new(word).help(help.map(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(candidates: Vec<CompletionCandidate>) -> Vec<String> {
        candidates.iter().map(|it| it.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_type_goes_on_from_what_is_typed_and_ends_with_its_slash() {
        let types = |current: &str| -> Vec<String> {
            values(Kind::ALL.into_iter().filter_map(|kind| type_of(kind, current)).collect())
        };
        assert_eq!(types(""), ["deploy/", "ds/", "sts/"]);
        assert_eq!(types("d"), ["deploy/", "ds/"]);
        assert_eq!(types("da"), ["daemonset/"]);
        assert_eq!(types("deploy"), ["deploy/"]);
        assert_eq!(types("deployments"), ["deployments/"]);
        assert!(types("pod").is_empty());
    }

    #[test]
    fn the_forms_of_output_are_those_of_its_help() {
        assert_eq!(forms("Output format. One of: (json, wide, jsonpath=…)"), ["json", "wide", "jsonpath="]);
        assert_eq!(
            values(begun(vec![("json".into(), String::new()), ("wide".into(), String::new())], "w")),
            ["wide"]
        );
    }
}
