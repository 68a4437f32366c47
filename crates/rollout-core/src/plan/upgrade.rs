//! Planning a change of images, as `kubectl set image` makes it.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::history::revision::Revision;
use crate::objects::strategy::Strategy;
use crate::plan::decision::{self, Decision, Plan};
use crate::plan::impact::Impact;
use crate::plan::patch::Patch;
use crate::plan::refusal::Refusal;
use crate::plan::warning::{Warning, WarningId};
use crate::plan::warnings::change::TemplateChange;
use crate::plan::{impact, losses, steps, warnings};
use crate::snapshot::Snapshot;
use crate::stored;
use crate::template::{self, diff};

/// A container and its new image; the container `*` stands for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetImage {
    /// The container's name, or `*`.
    pub container: String,
    /// The image.
    pub image: String,
}

/// Why a text is no container with an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not CONTAINER=IMAGE")]
pub struct NoImage(String);

/// Why words are no images.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoImages {
    /// A word is none.
    #[error(transparent)]
    Word(#[from] NoImage),
    /// `*` leaves nothing for others.
    #[error(
        "all containers are already specified by *, but saw more than one container_name=container_image pairs"
    )]
    BesideAll,
}

impl FromStr for SetImage {
    type Err = NoImage;

    fn from_str(text: &str) -> Result<SetImage, NoImage> {
        match text.split_once('=') {
            Some((container, image)) if !container.is_empty() && !image.is_empty() => {
                Ok(SetImage { container: container.to_string(), image: image.to_string() })
            }
            Some(_) | None => Err(NoImage(text.to_string())),
        }
    }
}

/// Reads containers with images, as `kubectl set image` takes them.
pub fn parse(words: &[String]) -> Result<Vec<SetImage>, NoImages> {
    let images = words.iter().map(|word| word.parse()).collect::<Result<Vec<SetImage>, NoImage>>()?;
    match images.len() > 1 && images.iter().any(|it| it.container == "*") {
        true => Err(NoImages::BesideAll),
        false => Ok(images),
    }
}

/// Plans the change of images.
pub fn plan(snapshot: &Snapshot, images: &[SetImage], reason: Option<&str>) -> Result<Decision, Refusal> {
    let workload = &snapshot.workload;
    if stored::is_paused(workload) {
        return Err(Refusal::PausedUpgrade { kind: workload.id.kind });
    }
    steps::none_under_way(snapshot)?;
    if !snapshot.observed() {
        return Err(Refusal::Unobserved);
    }
    let wanted = with_images(workload.template(), images)?;
    if template::same(&wanted, workload.template()) {
        return Ok(nothing(snapshot));
    }
    let normal = template::normal(&wanted);
    let known = |it: &&Revision| it.template.as_ref().is_some_and(|it| template::normal(it) == normal);
    let target = snapshot.history.others().find(known);
    let patch = Patch::of(workload).stored_stays().template(&template::writable(&wanted)).reason(reason);
    // Whoever tries new images deletes no pod: those of an OnDelete workload stay as they are.
    let impact = match workload.strategy {
        Strategy::OnDelete => {
            Impact { known: snapshot.pods.is_some(), ..decision::unchanged(snapshot).impact }
        }
        Strategy::RollingUpdate { .. }
        | Strategy::Partitioned { .. }
        | Strategy::Recreate
        | Strategy::Other(_) => impact::impact(snapshot, target),
    };
    let (warnings, _) = warnings::of_template_change(&TemplateChange {
        snapshot,
        wanted: &wanted,
        target,
        defaulted: false,
        impact: &impact,
    });
    Ok(Decision::Change(Box::new(Plan {
        to: target.and_then(|target| target.number),
        to_object: target.map(|target| target.name.clone()).unwrap_or_default(),
        changes: diff::changes(workload.template(), &wanted),
        template: template::writable(&wanted),
        requests: vec![patch.request()],
        impact,
        notes: losses::of_template(snapshot, &wanted, target).chain(warnings::skipped(snapshot)).collect(),
        warnings,
        ..decision::unchanged(snapshot)
    })))
}

fn nothing(snapshot: &Snapshot) -> Decision {
    Decision::Nothing {
        revision: snapshot.history.current().and_then(|current| current.number),
        warning: Some(Warning {
            id: WarningId::SameTemplate,
            message: format!("{} has these images already", snapshot.workload.id),
            fix: None,
            stops: false,
        }),
    }
}

/// Returns a template with other images.
pub fn with_images(template: &Value, images: &[SetImage]) -> Result<Value, Refusal> {
    let mut wanted = template.clone();
    for SetImage { container, image } in images {
        let mut found = false;
        for list in ["/spec/initContainers", "/spec/containers"] {
            let containers = wanted.pointer_mut(list).and_then(Value::as_array_mut);
            for it in containers.into_iter().flatten() {
                if container == "*" || it["name"] == container.as_str() {
                    it["image"] = json!(image);
                    found = true;
                }
            }
        }
        if !found {
            let existing = template::images(template).into_iter().map(|(name, _)| name).collect();
            return Err(Refusal::NoContainer { name: container.clone(), existing });
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{patched, pods, revisions, snapshot, workload};
    use crate::objects::kind::Kind;

    fn seen(edit: impl FnOnce(&mut Value)) -> Snapshot {
        let kind = Kind::DaemonSet;
        let mut object = workload(kind, "app:2", json!({"type": "RollingUpdate"}));
        edit(&mut object);
        snapshot(kind, object, revisions(kind, 2), pods(kind, "bbb"))
    }

    fn planned(snapshot: &Snapshot, image: &str) -> Result<Decision, Refusal> {
        plan(snapshot, &[image.parse().unwrap()], None)
    }

    #[test]
    fn an_image_is_changed_and_nothing_else() {
        let snapshot = seen(|_| {});
        let Decision::Change(plan) = planned(&snapshot, "app=app:3").unwrap() else { panic!() };
        assert_eq!((plan.from.map(crate::history::number::RevisionNumber::get), plan.to), (Some(2), None));
        assert_eq!(plan.template, crate::fixture::template("app:3"));
        assert_eq!(plan.impact.pods.len(), 3);
    }

    #[test]
    fn nothing_replaces_the_pods_of_an_on_delete_workload() {
        let seen = seen(|object| object["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
        let Decision::Change(plan) = planned(&seen, "app=app:3").unwrap() else { panic!() };
        assert_eq!((plan.impact.pods, plan.impact.least_available, plan.impact.known), (Vec::new(), 3, true));
    }

    #[test]
    fn an_image_that_was_there_before_names_its_revision() {
        let Decision::Change(plan) = planned(&seen(|_| {}), "*=app:1").unwrap() else { panic!() };
        assert_eq!(
            (plan.to.map(crate::history::number::RevisionNumber::get), plan.to_object.as_str()),
            (Some(1), "web-aaa")
        );
    }

    #[test]
    fn the_same_image_is_nothing_to_do() {
        assert!(matches!(planned(&seen(|_| {}), "app=app:2"), Ok(Decision::Nothing { .. })));
    }

    #[test]
    fn an_unknown_container_is_refused_with_those_that_exist() {
        let error = planned(&seen(|_| {}), "side=x:1").unwrap_err();
        assert_eq!(error.to_string(), "unable to find container named \"side\"");
        assert_eq!(error, Refusal::NoContainer { name: "side".into(), existing: vec!["app".into()] });
    }

    #[test]
    fn the_reason_of_the_last_change_does_not_stay() {
        const KEY: &str = "kubernetes.io/change-cause";
        let snapshot = seen(|it| it["metadata"]["annotations"] = json!({KEY: "old"}));
        let Decision::Change(plan) = planned(&snapshot, "app=app:3").unwrap() else { panic!() };
        let object = patched(&snapshot.workload.object, &plan.requests[0].body).unwrap();
        assert_eq!(object["metadata"]["annotations"], json!({}));
    }

    #[test]
    fn a_rollout_in_steps_that_is_stored_meanwhile_keeps_the_images() {
        for annotations in [json!({"mine": "stays"}), Value::Null] {
            let snapshot = seen(|it| it["metadata"]["annotations"] = annotations.clone());
            let Decision::Change(plan) = planned(&snapshot, "app=app:3").unwrap() else { panic!() };
            let mut object = snapshot.workload.object.clone();
            assert!(patched(&object, &plan.requests[0].body).is_some());
            object["metadata"]["annotations"] = json!({"mine": "stays", crate::stored::STORED: "{}"});
            assert_eq!(patched(&object, &plan.requests[0].body), None);
        }
    }

    #[test]
    fn what_is_paused_or_not_observed_is_not_tried() {
        let mut unobserved = seen(|_| {});
        unobserved.workload.generation = 9;
        assert_eq!(planned(&unobserved, "app=app:3").unwrap_err(), Refusal::Unobserved);
        let mut paused = seen(|_| {});
        paused.workload.paused = true;
        assert!(matches!(planned(&paused, "app=app:3"), Err(Refusal::PausedUpgrade { .. })));
    }

    #[test]
    fn a_pair_is_a_container_and_an_image() {
        for text in ["", "app", "=x", "app="] {
            assert!(text.parse::<SetImage>().is_err(), "{text}");
        }
        let pair: SetImage = "app=r:5000/app@sha256:a=b".parse().unwrap();
        assert_eq!(pair.image, "r:5000/app@sha256:a=b");
    }
}
