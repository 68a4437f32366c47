//! The grammar, form by form, against what kubectl says.

use clap::Parser;

use super::*;
use crate::Kind;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    targets: TargetArgs,
}

fn parse(line: &str, mode: VerbMode, default_kind: Option<Kind>) -> Result<TargetSpec, TargetError> {
    let words = std::iter::once("kubectl-rollback").chain(line.split_whitespace());
    Cli::try_parse_from(words).unwrap().targets.parse(mode, default_kind)
}

fn named(names: &[(Kind, &str)]) -> TargetSpec {
    TargetSpec::Named(
        names.iter().map(|(kind, name)| TargetName { kind: *kind, name: name.to_string() }).collect(),
    )
}

fn listed(kinds: &[Kind], selector: Option<&str>, all_namespaces: bool) -> TargetSpec {
    TargetSpec::Listed { kinds: kinds.to_vec(), selector: selector.map(str::to_string), all_namespaces }
}

const DEPLOY: Kind = Kind::Deployment;
const DS: Kind = Kind::DaemonSet;
const STS: Kind = Kind::StatefulSet;

#[test]
fn names_are_read_in_every_form() {
    for (line, names) in [
        ("deploy/web", vec![(DEPLOY, "web")]),
        ("deployments.apps/web ds/agent", vec![(DEPLOY, "web"), (DS, "agent")]),
        ("deployment web", vec![(DEPLOY, "web")]),
        ("sts db cache", vec![(STS, "db"), (STS, "cache")]),
        ("deploy,sts web db", vec![(DEPLOY, "web"), (DEPLOY, "db"), (STS, "web"), (STS, "db")]),
        ("deploy/web deployment/web", vec![(DEPLOY, "web")]),
        ("deploy web web", vec![(DEPLOY, "web")]),
    ] {
        for mode in [VerbMode::Reading, VerbMode::Writing] {
            assert_eq!(parse(line, mode, None), Ok(named(&names)), "{line}");
        }
    }
}

#[test]
fn a_reading_verb_lists_freely() {
    for (line, spec) in [
        ("deploy", listed(&[DEPLOY], None, false)),
        ("deploy,sts", listed(&[DEPLOY, STS], None, false)),
        ("ds,ds", listed(&[DS], None, false)),
        ("deploy -l app=web", listed(&[DEPLOY], Some("app=web"), false)),
        ("deploy -A", listed(&[DEPLOY], None, true)),
        ("-l app=web", listed(&Kind::ALL, Some("app=web"), false)),
        ("-A", listed(&Kind::ALL, None, true)),
        ("--all", listed(&Kind::ALL, None, false)),
        ("deploy --all", listed(&[DEPLOY], None, false)),
    ] {
        assert_eq!(parse(line, VerbMode::Reading, None), Ok(spec), "{line}");
    }
}

#[test]
fn a_writing_verb_wants_to_be_told() {
    for (line, result) in [
        ("deploy", Err(TargetError::NoName)),
        ("deploy --all", Ok(listed(&[DEPLOY], None, false))),
        ("deploy -l app=web", Ok(listed(&[DEPLOY], Some("app=web"), false))),
        ("-l app=web", Err(TargetError::SelectorWithoutType)),
        ("--all", Err(TargetError::SelectorWithoutType)),
        ("deploy --all -A", Err(TargetError::WritingEverywhere)),
        ("", Err(TargetError::Missing)),
    ] {
        assert_eq!(parse(line, VerbMode::Writing, None), result, "{line}");
    }
}

#[test]
fn a_default_kind_lets_the_type_be_left_out() {
    for (line, result) in [
        ("agent", Ok(named(&[(DS, "agent")]))),
        ("agent proxy", Ok(named(&[(DS, "agent"), (DS, "proxy")]))),
        ("ds agent", Ok(named(&[(DS, "agent")]))),
        ("daemonset/agent proxy", Ok(named(&[(DS, "agent"), (DS, "proxy")]))),
        ("proxy ds/agent", Ok(named(&[(DS, "proxy"), (DS, "agent")]))),
        ("ds/ds", Ok(named(&[(DS, "ds")]))),
        ("node", Ok(named(&[(DS, "node")]))),
        ("ds", Ok(listed(&[DS], None, false))),
        ("-A", Ok(listed(&[DS], None, true))),
        ("-l app=web", Ok(listed(&[DS], Some("app=web"), false))),
        ("", Ok(listed(&[DS], None, false))),
        ("deploy/web", Err(TargetError::WrongKind { given: "deploy/web".into(), wanted: DS })),
        ("sts db", Err(TargetError::WrongKind { given: "sts".into(), wanted: DS })),
        ("pod/x", Err(TargetError::NoRollout("pod".into()))),
        ("foo/x", Err(TargetError::UnknownType("foo".into()))),
        ("ds ds/agent", Err(TargetError::TypeTwice)),
    ] {
        assert_eq!(parse(line, VerbMode::Reading, Some(DS)), result, "{line}");
    }
    for (line, result) in [
        ("", Err(TargetError::Missing)),
        ("ds", Err(TargetError::NoName)),
        ("--all", Ok(listed(&[DS], None, false))),
        ("-l a=b", Ok(listed(&[DS], Some("a=b"), false))),
    ] {
        assert_eq!(parse(line, VerbMode::Writing, Some(DS)), result, "{line}");
    }
}

#[test]
fn mistakes_are_named_in_kubectls_words() {
    for (line, message) in [
        ("", "required resource not specified"),
        ("foo", "the server doesn't have a resource type \"foo\""),
        ("foo/bar", "the server doesn't have a resource type \"foo\""),
        ("deploy,foo", "the server doesn't have a resource type \"foo\""),
        (
            "pods x",
            "no rollout is known for \"pods\": only deployments, daemonsets and statefulsets have one",
        ),
        (
            "svc/web",
            "no rollout is known for \"svc\": only deployments, daemonsets and statefulsets have one",
        ),
        ("deploy/a/b", "arguments in resource/name form may not have more than one slash"),
        ("deploy/", "arguments in resource/name form must have a single resource and name"),
        ("/web", "arguments in resource/name form must have a single resource and name"),
        ("deploy,ds/web", "arguments in resource/name form must have a single resource and name"),
        ("deploy web -l a=b", "name cannot be provided when a selector is specified"),
        (
            "deploy/web -l a=b",
            "selectors and the all flag cannot be used when passing resource/name arguments",
        ),
        ("deploy/web -A", "a resource cannot be retrieved by name across all namespaces"),
        ("deploy --all -l a=b", "setting 'all' parameter but found a non empty selector"),
        ("-f a.yaml -k dir", "only one of -f or -k can be specified"),
        ("-k dir -R", "the -k flag can't be used with -f or -R"),
        ("-f - -f -", "standard input cannot be used for multiple arguments"),
        ("deploy/web -f a.yaml", "resource/name arguments cannot be provided when a path is specified"),
        ("deploy web -f a.yaml", "name cannot be provided when a path is specified"),
        ("deploy -f a.yaml", "resource arguments cannot be provided when a path is specified"),
        ("-l a=b -f a.yaml", "-l cannot be used when a path is specified"),
        ("-A -k dir", "-A cannot be used when a path is specified"),
        ("-f https://example.com/a.yaml", "manifests are not read from \"https://example.com/a.yaml\""),
    ] {
        let error = parse(line, VerbMode::Reading, None).unwrap_err();
        assert_eq!(error.to_string(), message, "{line}");
    }
    let twice = parse("deploy deploy/web", VerbMode::Reading, None).unwrap_err().to_string();
    assert!(
        twice.starts_with("there is no need to specify a resource type as a separate argument"),
        "{twice}"
    );
}

#[test]
fn files_are_a_source_of_their_own() {
    let files = |paths: &[&str], recursive| {
        let paths = paths.iter().map(ToString::to_string).collect();
        TargetSpec::Manifests(ManifestSource::Files { paths, recursive })
    };
    for (line, spec) in [
        ("-f a.yaml -f dir -R", files(&["a.yaml", "dir"], true)),
        ("-f -", files(&["-"], false)),
        ("-k dir", TargetSpec::Manifests(ManifestSource::Kustomize("dir".into()))),
    ] {
        assert_eq!(parse(line, VerbMode::Writing, None), Ok(spec), "{line}");
    }
}

#[test]
fn only_one_name_is_itself() {
    for (line, single) in
        [("deploy/web", true), ("deploy web db", false), ("deploy", false), ("-f a.yaml", false)]
    {
        let spec = parse(line, VerbMode::Reading, None).unwrap();
        assert_eq!(spec.single().is_some(), single, "{line}");
    }
}

#[test]
fn a_hint_names_the_way_on() {
    let error = parse("web", VerbMode::Writing, None).unwrap_err();
    assert_eq!(
        error.hint().as_deref(),
        Some("if web is a name, say which type: deployment/web, daemonset/web or statefulset/web")
    );
    assert_eq!(TargetError::HalfName.hint(), None);
}

#[test]
fn images_follow_their_targets() {
    let split = |line: &str| split_images(&line.split(' ').map(str::to_string).collect::<Vec<_>>());
    let (targets, images) = split("deploy web app=nginx:1.9.1 *=busybox@sha256:a=b").unwrap();
    assert_eq!(targets, ["deploy", "web"]);
    let pair = |container: &str, image: &str| SetImage {
        container: container.to_string(),
        image: image.to_string(),
    };
    assert_eq!(images, [pair("app", "nginx:1.9.1"), pair("*", "busybox@sha256:a=b")]);
    assert_eq!(
        split("app=nginx deploy/web").unwrap_err().to_string(),
        "all resources must be specified before image changes: deploy/web"
    );
}
