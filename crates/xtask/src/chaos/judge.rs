//! What is right at the end, and what somebody does next who sees that it is not.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::cast::{Call, Ending, Kind, Part, Way};

/// What begins the keys of what the plugins write.
const OURS: &str = "rollout-plugins.dev/";
const STORED: &str = "rollout-plugins.dev/rollout";

/// A workload as it is, with its pods and its revision objects.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub(super) object: Value,
    pub(super) pods: Vec<Value>,
    pub(super) revisions: Vec<Value>,
}

/// What somebody does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Nothing: all is as it should be.
    Nothing,
    Call(Call),
}

/// Returns what somebody does who wants this ending, whatever became of the calls before.
pub(super) fn next(part: &Part, before: &Picture, now: &Picture, tried: usize) -> Move {
    let wanted = is_wanted(part, before, &now.object);
    let call = match stored(&now.object) {
        Some(stored) if stored.get("rollout").is_some() => {
            let back = stored["rollout"]["phase"] == "aborting";
            // What is on its way back is followed to its end, and begun anew then.
            if part.ending == Ending::Back && !back {
                part.abort()
            } else {
                part.rollback("resume", &["--take-over"])
            }
        }
        Some(_) => part.rollback("resume", &[]),
        None if now.object["spec"]["paused"] == true => part.rollback("resume", &[]),
        // What is still under way is waited for before something else is begun.
        None if !wanted && tried.is_multiple_of(2) && !is_uniform(now) && !part.shape.is_on_delete() => {
            part.rollback("status", &["--held-ok"])
        }
        None if !wanted => match part.ending {
            Ending::Forward => again(part, now),
            Ending::Back => go_back(part, before, now),
        },
        None if wrongs(part, before, now).is_empty() => return Move::Nothing,
        None => match (part.shape.is_on_delete() || has_left_partition_behind(now), tried) {
            // Their pods wait for somebody.
            (true, _) if !is_uniform(now) => part.drives(),
            (_, 3) if part.shape.kind == Kind::StatefulSet => part.rollback("unstick", &[]),
            _ => part.rollback("status", &["--held-ok"]),
        },
    };
    Move::Call(call)
}

/// The way forward once more: an undo has a revision to go to, and the others say what they said.
pub(super) fn again(part: &Part, now: &Picture) -> Call {
    match part.way {
        Way::Undo => match revision_of(now, |template| image(template) == part.image()) {
            Some(number) => part.rollback("undo", &[&format!("--to-revision={number}")]),
            None => part.begins(),
        },
        // The image is gone again.
        Way::Guard => part.tries(),
        // A partition of its own keeps pods at what it was taken back from, and steps stop at that unless they are told.
        Way::Steps | Way::RestartInSteps if has_left_partition_behind(now) && !is_uniform(now) => {
            part.begins().of_mixed()
        }
        Way::Try | Way::TryRestart | Way::Steps | Way::RestartInSteps => part.begins(),
    }
}

fn go_back(part: &Part, before: &Picture, now: &Picture) -> Call {
    let base = &before.object["spec"]["template"];
    match revision_of(now, |template| is_same(template, base)) {
        Some(number) => part.rollback("undo", &[&format!("--to-revision={number}")]),
        None => part.rollback("undo", &[]),
    }
}

/// Whether another look can show nothing new: all is well, or it is not the pods that are behind.
pub(super) fn is_over(part: &Part, before: &Picture, now: &Picture) -> bool {
    let waits = stored(&now.object).is_none() && is_wanted(part, before, &now.object);
    !waits || wrongs(part, before, now).is_empty()
}

/// Lists what is not as it should be; nothing when all is.
pub(super) fn wrongs(part: &Part, before: &Picture, now: &Picture) -> Vec<String> {
    let mut wrongs = Vec::new();
    if !is_wanted(part, before, &now.object) {
        let wanted = match part.ending {
            Ending::Forward => "the new template",
            Ending::Back => "the old template",
        };
        wrongs.push(format!("it should have {wanted}, and has {}", now.object["spec"]["template"]));
    }
    wrongs.extend(pods(part, now));
    let rules = |object: &Value| {
        let mut spec = object["spec"].as_object().cloned().unwrap_or_default();
        spec.remove("template");
        Value::Object(spec)
    };
    let (was, is) = (rules(&before.object), rules(&now.object));
    if was != is {
        wrongs.push(format!("its strategy or limits were {was}, and are {is}"));
    }
    let (was, is) = (annotations(&before.object), annotations(&now.object));
    if was != is {
        wrongs.push(format!("its annotations were {was:?}, and are {is:?}"));
    }
    wrongs.extend(traces(now));
    wrongs
}

/// The annotations that nobody but a user or a plugin writes.
fn annotations(object: &Value) -> Map<String, Value> {
    let mut all = object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    all.retain(|key, _| {
        key != "deprecated.daemonset.template.generation" && key != "deployment.kubernetes.io/revision"
    });
    all
}

/// What a plugin has left on an object.
fn traces(now: &Picture) -> Vec<String> {
    let all = [&now.object].into_iter().chain(&now.pods).chain(&now.revisions);
    let of = |object: &Value| {
        let keys = object["metadata"]["annotations"].as_object().into_iter().flatten().map(|(key, _)| key);
        let ours: Vec<String> = keys.filter(|key| key.starts_with(OURS)).cloned().collect();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        (!ours.is_empty()).then(|| format!("{name} bears {}", ours.join(", ")))
    };
    all.filter_map(of).collect()
}

fn pods(part: &Part, now: &Picture) -> Vec<String> {
    let mut wrongs = Vec::new();
    let wanted = match part.shape.kind {
        Kind::DaemonSet => super::plan::NODES,
        Kind::Deployment | Kind::StatefulSet => part.replicas as usize,
    };
    if now.pods.len() != wanted {
        wrongs.push(format!("it has {} pods instead of {wanted}", now.pods.len()));
    }
    if !is_uniform(now) {
        let of = |pod: &Value| format!("{} {}", name(pod), image(&pod_template(pod)));
        let all: Vec<String> = now.pods.iter().map(of).collect();
        wrongs.push(format!("not all of its pods are of its template: {}", all.join(", ")));
    }
    let ready = |pod: &Value| {
        let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        pod["metadata"]["deletionTimestamp"].is_null()
            && conditions.any(|it| it["type"] == "Ready" && it["status"] == "True")
    };
    let unready: Vec<&str> = now.pods.iter().filter(|pod| !ready(pod)).map(name).collect();
    if !unready.is_empty() {
        wrongs.push(format!("not ready: {}", unready.join(", ")));
    }
    wrongs
}

/// Whether every pod is of one revision, and that of the template.
fn is_uniform(now: &Picture) -> bool {
    let hash = |pod: &Value| {
        let labels = &pod["metadata"]["labels"];
        let hash = labels["pod-template-hash"].as_str().or(labels["controller-revision-hash"].as_str());
        hash.map(str::to_string)
    };
    let hashes: BTreeSet<_> = now.pods.iter().map(hash).collect();
    let template = &now.object["spec"]["template"];
    let mark = |template: &Value| (image(template), restarted_at(template));
    hashes.len() <= 1 && now.pods.iter().all(|pod| mark(&pod_template(pod)) == mark(template))
}

/// Whether pods below a partition have another template than the rest, which nothing brings there by itself.
fn has_left_partition_behind(now: &Picture) -> bool {
    let partition = &now.object["spec"]["updateStrategy"]["rollingUpdate"]["partition"];
    partition.as_u64().is_some_and(|partition| partition > 0)
}

fn pod_template(pod: &Value) -> Value {
    serde_json::json!({ "metadata": { "annotations": pod["metadata"]["annotations"] }, "spec": pod["spec"] })
}

/// Whether the template is the one that it is to end with.
fn is_wanted(part: &Part, before: &Picture, object: &Value) -> bool {
    let (base, template) = (&before.object["spec"]["template"], &object["spec"]["template"]);
    match part.ending {
        Ending::Back => is_same(base, template),
        Ending::Forward => is_new(part, before, object),
    }
}

/// Whether the template is what the workload is to be rolled out to.
pub(super) fn is_new(part: &Part, before: &Picture, object: &Value) -> bool {
    let (base, template) = (&before.object["spec"]["template"], &object["spec"]["template"]);
    image(template) == part.image() && (!part.restarts() || restarted_at(template) != restarted_at(base))
}

/// Whether the template is the old one.
pub(super) fn is_old(before: &Picture, object: &Value) -> bool {
    is_same(&before.object["spec"]["template"], &object["spec"]["template"])
}

/// Revision objects leave out what is null, and add what marks them.
fn is_same(one: &Value, other: &Value) -> bool {
    let plain = |template: &Value| {
        let mut template = template.clone();
        if let Some(template) = template.as_object_mut() {
            template.remove("$patch");
        }
        if let Some(metadata) = template["metadata"].as_object_mut() {
            metadata.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|it| !it.is_empty()));
            if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
                labels.remove("pod-template-hash");
            }
        }
        template
    };
    plain(one) == plain(other)
}

fn image(template: &Value) -> String {
    template["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_string()
}

fn restarted_at(template: &Value) -> Option<String> {
    let value = &template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
    value.as_str().map(str::to_string)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// What is stored on a workload.
pub(super) fn stored(object: &Value) -> Option<Value> {
    let text = object["metadata"]["annotations"][STORED].as_str()?;
    Some(serde_json::from_str(text).unwrap_or(Value::Null))
}

/// The number of the revision whose template is such a one.
fn revision_of(now: &Picture, such: impl Fn(&Value) -> bool) -> Option<u64> {
    let number = |revision: &Value| {
        let annotation = revision["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
        annotation.and_then(|number| number.parse().ok()).or(revision["revision"].as_u64())
    };
    let template = |revision: &Value| match revision.pointer("/data/spec/template") {
        Some(template) => template.clone(),
        None => revision["spec"]["template"].clone(),
    };
    now.revisions.iter().filter(|revision| such(&template(revision))).filter_map(number).max()
}

/// What a call's end says about the call, whatever happened around it.
pub(super) fn end(code: i32, signals: &[&str], text: &str) -> Vec<String> {
    // docs/reference/exit-codes.md
    let documented = matches!(code, 0..=8)
        || code == 130 && signals.contains(&"INT")
        || code == 143 && signals.contains(&"TERM")
        || code == -1 && signals.contains(&"KILL");
    let mut wrongs = Vec::new();
    if !documented {
        wrongs.push(format!(
            "it ended with {code}, which is no documented end of a program that got {signals:?}"
        ));
    }
    // What a plugin was asked in is right.
    if code == 2 {
        wrongs.push("it did not understand its command line".into());
    }
    for word in ["panicked", "RUST_BACKTRACE", "internal error: entered unreachable"] {
        if text.contains(word) {
            wrongs.push(format!("it said {word:?}"));
        }
    }
    wrongs
}

/// What is wrong with a workload by what an undisturbed call said that has just ended.
pub(super) fn claim(part: &Part, code: i32, before: &Picture, object: &Value) -> Option<String> {
    let stored = stored(object).is_some();
    let pauses = part.pause_after.is_some();
    match code {
        0 if pauses && stored => None,
        0 if !is_new(part, before, object) => {
            Some("it ended with 0, and the new template is not there".into())
        }
        0 | 5 if stored => Some(format!("it ended with {code}, and something is stored")),
        5 if !is_old(before, object) => Some("it ended with 5, and the old template is not there".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Move, Picture, claim, end, next, wrongs};
    use crate::chaos::cast::{Ending, Part, SHAPES, Way};

    fn part(shape: &str, way: Way, ending: Ending) -> Part {
        let shape = *SHAPES.iter().find(|it| it.name == shape).expect("a shape");
        Part { shape, replicas: 3, way, tag: "2", aborts: false, pause_after: None, ending }
    }

    fn pod(name: &str, tag: &str) -> Value {
        json!({
            "metadata": { "name": name, "labels": { "controller-revision-hash": tag } },
            "spec": { "containers": [{ "name": "app", "image": format!("app:{tag}") }] },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        })
    }

    fn picture(part: &Part, tag: &str, pods: [&str; 3]) -> Picture {
        let revision = |(number, tag)| json!({ "revision": number, "data": { "spec": { "template": part.manifest(tag)["spec"]["template"] } } });
        Picture {
            object: part.manifest(tag),
            pods: pods.iter().enumerate().map(|(at, tag)| pod(&format!("p-{at}"), tag)).collect(),
            revisions: [(1, "1"), (2, "2")].map(revision).to_vec(),
        }
    }

    fn words(next: &Move) -> String {
        match next {
            Move::Nothing => String::new(),
            Move::Call(call) => call.to_string(),
        }
    }

    #[test]
    fn what_is_as_it_should_be_needs_nothing() {
        let part = part("ordered", Way::Steps, Ending::Forward);
        let before = picture(&part, "1", ["1", "1", "1"]);
        let now = picture(&part, "2", ["2", "2", "2"]);
        assert_eq!(wrongs(&part, &before, &now), Vec::<String>::new());
        assert_eq!(next(&part, &before, &now, 0), Move::Nothing);
    }

    #[test]
    fn each_thing_that_is_wrong_is_named() {
        let part = part("ordered", Way::Steps, Ending::Back);
        let before = picture(&part, "1", ["1", "1", "1"]);
        let wrong = |change: &dyn Fn(&mut Picture)| {
            let mut now = before.clone();
            change(&mut now);
            wrongs(&part, &before, &now).join("\n")
        };
        assert_eq!(wrong(&|_| ()), "");
        assert!(wrong(&|now| now.object = part.manifest("2")).contains("the old template"));
        assert!(wrong(&|now| now.pods[1] = pod("p-1", "2")).contains("not all of its pods"));
        assert!(wrong(&|now| now.pods[1]["status"] = json!({})).contains("not ready: p-1"));
        assert!(wrong(&|now| drop(now.pods.pop())).contains("2 pods instead of 3"));
        assert!(
            wrong(&|now| now.object["spec"]["updateStrategy"] = json!({ "type": "OnDelete" }))
                .contains("limits")
        );
        let ours = json!({ "rollout-plugins.dev/rollout": "{}" });
        assert!(wrong(&|now| now.object["metadata"]["annotations"] = ours.clone()).contains("bears"));
        assert!(
            wrong(&|now| now.revisions[0]["metadata"] = json!({ "annotations": ours })).contains("bears")
        );
        assert!(
            wrong(&|now| now.object["metadata"]["annotations"] = json!({ "a": "b" }))
                .contains("annotations were")
        );
    }

    #[test]
    fn what_is_stored_is_resumed_or_aborted_first() {
        for (ending, phase, words_then) in [
            (Ending::Forward, "failed", "resume"),
            (Ending::Back, "failed", "abort"),
            (Ending::Back, "aborting", "resume"),
        ] {
            let part = part("ordered", Way::Steps, ending);
            let before = picture(&part, "1", ["1", "1", "1"]);
            let mut now = picture(&part, "2", ["1", "1", "2"]);
            let stored = json!({ "version": 1, "rollout": { "phase": phase } }).to_string();
            now.object["metadata"]["annotations"] = json!({ "rollout-plugins.dev/rollout": stored });
            let next = words(&next(&part, &before, &now, 0));
            assert!(next.contains(words_then), "{next}");
        }
    }

    #[test]
    fn steps_take_along_what_a_partition_left_behind_where_they_are_told_to() {
        let part = part("partition", Way::Steps, Ending::Forward);
        let before = picture(&part, "1", ["1", "1", "1"]);
        let held = picture(&part, "1", ["2", "2", "1"]);
        let moved = words(&next(&part, &before, &held, 1));
        assert!(moved.contains("start partition") && moved.ends_with("--allow=mixed-revisions"), "{moved}");
        assert!(!words(&next(&part, &before, &before, 1)).contains("--allow"));
    }

    #[test]
    fn the_way_goes_on_from_wherever_it_was_left() {
        let back = part("ordered", Way::Steps, Ending::Back);
        let before = picture(&back, "1", ["1", "1", "1"]);
        let bad = picture(&back, "2", ["1", "1", "2"]);
        assert!(words(&next(&back, &before, &bad, 0)).contains("status statefulset/ordered"));
        assert!(words(&next(&back, &before, &bad, 1)).contains("undo statefulset/ordered"));
        assert!(words(&next(&back, &before, &bad, 1)).ends_with("--to-revision=1"));
        let forward = part("ordered", Way::Steps, Ending::Forward);
        assert!(words(&next(&forward, &before, &before, 0)).contains("start ordered app=app:2"));
        assert!(words(&next(&forward, &before, &bad, 0)).contains("status"));
        assert!(words(&next(&forward, &before, &bad, 3)).contains("unstick"));
        let hands = part("byhand", Way::Steps, Ending::Forward);
        assert!(words(&next(&hands, &before, &bad, 0)).contains("start byhand --steps=100%"));
    }

    #[test]
    fn a_program_may_end_by_the_signal_that_it_got_and_by_no_other() {
        assert!(end(0, &[], "").is_empty() && end(-1, &["KILL"], "").is_empty());
        assert!(end(130, &["INT"], "").is_empty() && end(143, &["TERM"], "").is_empty());
        assert_eq!(end(130, &[], "").len(), 1);
        assert_eq!(end(-1, &["INT"], "").len(), 1);
        assert_eq!(end(101, &[], "thread 'main' panicked at x.rs").len(), 2);
        assert_eq!(end(2, &[], "error: unexpected argument").len(), 1);
    }

    #[test]
    fn an_end_that_is_not_so_is_a_lie() {
        let part = part("ordered", Way::Try, Ending::Forward);
        let before = picture(&part, "1", ["1", "1", "1"]);
        assert_eq!(claim(&part, 0, &before, &part.manifest("2")), None);
        assert!(claim(&part, 0, &before, &part.manifest("1")).is_some());
        assert_eq!(claim(&part, 5, &before, &part.manifest("1")), None);
        assert!(claim(&part, 5, &before, &part.manifest("2")).is_some());
        assert_eq!(claim(&part, 3, &before, &part.manifest("2")), None);
    }
}
