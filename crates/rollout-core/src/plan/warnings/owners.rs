//! Warnings about who else writes the object: what was done here comes undone by them, or gets in their way.

use serde_json::Value;

use crate::objects::json::text;
use crate::objects::workload::Workload;
use crate::plan::warning::{Warning, WarningId};
use crate::plan::warnings::change::TemplateChange;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(super) fn warnings(change: &TemplateChange<'_>, warnings: &mut Vec<Warning>) {
    let workload = &change.snapshot.workload;
    let continuous: Vec<Warning> =
        [argo(workload), flux(workload), owner(workload)].into_iter().flatten().collect();
    // What deploys a chart continuously is what speaks, not the labels that the chart itself brings.
    let chart = if continuous.is_empty() { helm(workload, change.target.is_some()) } else { None };
    warnings.extend(continuous);
    warnings.extend(chart);
    warnings.extend(last_applied(workload));
    warnings.extend(server_side(workload));
}

/// Returns a label or an annotation.
fn mark(workload: &Workload, key: &str) -> Option<String> {
    let metadata = workload.object.get("metadata")?;
    let labels = metadata.get("labels").and_then(|all| all.get(key));
    let value = labels.or_else(|| metadata.get("annotations").and_then(|all| all.get(key)))?;
    value.as_str().filter(|value| !value.is_empty()).map(str::to_string)
}

fn managers(workload: &Workload) -> impl Iterator<Item = &Value> {
    let all = workload.object.pointer("/metadata/managedFields").and_then(Value::as_array);
    all.into_iter().flatten().filter(|entry| entry.get("subresource").is_none())
}

fn gitops(message: String, fix: String, stops: bool) -> Warning {
    Warning { id: WarningId::GitopsOwner, message, fix: Some(fix), stops }
}

/// Argo CD tracks by an annotation (`APP:GROUP/KIND:NAMESPACE/NAME`) or by a label, which may be the common one of all tools.
fn argo(workload: &Workload) -> Option<Warning> {
    let tracked = mark(workload, "argocd.argoproj.io/tracking-id");
    let by_argo =
        || managers(workload).any(|it| it["manager"].as_str().is_some_and(|it| it.contains("argocd")));
    let name = tracked
        .as_deref()
        .and_then(|id| id.split(':').next())
        .map(str::to_string)
        .or_else(|| mark(workload, "argocd.argoproj.io/instance"))
        .or_else(|| mark(workload, "app.kubernetes.io/instance").filter(|_| by_argo()))?;
    // An application outside Argo CD's own namespace is tracked as NAMESPACE_NAME.
    let app = name.replacen('_', "/", 1);
    Some(gitops(
        format!(
            "{} belongs to the Argo CD application {app}: where that syncs by itself, the change is reverted within seconds or at the next commit",
            workload.id
        ),
        format!("argocd app set {app} --sync-policy none"),
        true,
    ))
}

/// Flux labels what it applies; an object that it is told to leave alone is nobody's.
fn flux(workload: &Workload) -> Option<Warning> {
    const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
    const HELM: &str = "helm.toolkit.fluxcd.io";
    let says = |key: &str, value: &str| {
        mark(workload, &format!("{KUSTOMIZE}/{key}")).is_some_and(|it| it.eq_ignore_ascii_case(value))
    };
    if says("reconcile", "disabled") || says("ssa", "Ignore") {
        return None;
    }
    let (group, kind) = [(KUSTOMIZE, "kustomization"), (HELM, "helmrelease")]
        .into_iter()
        .find(|(group, _)| mark(workload, &format!("{group}/name")).is_some())?;
    let name = mark(workload, &format!("{group}/name"))?;
    let namespace =
        mark(workload, &format!("{group}/namespace")).unwrap_or_else(|| workload.id.namespace.clone());
    Some(gitops(
        format!(
            "{} belongs to the Flux {kind} {name}, whose next reconciliation reverts the change",
            workload.id
        ),
        format!("flux suspend {kind} {name} -n {namespace}"),
        true,
    ))
}

/// A controller that owns the workload writes it as its own object says.
fn owner(workload: &Workload) -> Option<Warning> {
    let owners = workload.object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let owner = owners.into_iter().flatten().find(|owner| owner["controller"] == true)?;
    let (kind, name) = (text(owner, "/kind")?, text(owner, "/name")?);
    // kubectl takes KIND.VERSION.GROUP, so that the resource's name need not be known.
    let resource = match text(owner, "/apiVersion")?.split_once('/') {
        Some((group, version)) => format!("{kind}.{version}.{group}"),
        None => kind.clone(),
    };
    Some(gitops(
        format!(
            "{} belongs to {kind} {name}, whose controller reverts the change: change {kind} {name} instead",
            workload.id
        ),
        format!("kubectl edit {resource} {name} -n {}", workload.id.namespace),
        true,
    ))
}

/// A release goes back by itself, and forward by what it is made from.
fn helm(workload: &Workload, back: bool) -> Option<Warning> {
    let release = mark(workload, "meta.helm.sh/release-name");
    let managed = mark(workload, "app.kubernetes.io/managed-by").is_some_and(|by| by == "Helm");
    if release.is_none() && !managed {
        return None;
    }
    let namespace =
        mark(workload, "meta.helm.sh/release-namespace").unwrap_or_else(|| workload.id.namespace.clone());
    let release = release.or_else(|| mark(workload, "app.kubernetes.io/instance"));
    Some(gitops(
        format!(
            "{} belongs to {}, which does not learn of the change: its next upgrade reverts it",
            workload.id,
            release
                .as_ref()
                .map_or_else(|| "a Helm release".to_string(), |it| format!("the Helm release {it}"))
        ),
        match release {
            Some(release) if back => format!("helm rollback {release} -n {namespace}"),
            Some(release) => format!(
                "make the same change in what it is made from: helm upgrade {release} CHART -n {namespace}"
            ),
            None => format!("helm list -n {namespace}"),
        },
        false,
    ))
}

fn last_applied(workload: &Workload) -> Option<Warning> {
    workload.annotation(LAST_APPLIED).map(|_| Warning {
        id: WarningId::LastApplied,
        message: format!(
            "{} was made by 'kubectl apply': the next apply of the same manifest reverts the change",
            workload.id
        ),
        fix: Some("make the same change in the manifest that is applied".to_string()),
        stops: false,
    })
}

/// Who applies the template server-side meets a conflict, once it asks for something else than what is written here
/// (hazard H26). Argo CD and Flux force, and are named already.
fn server_side(workload: &Workload) -> Option<Warning> {
    let forces = |manager: &str| manager.contains("argocd") || manager.ends_with("kustomize-controller");
    let manager = managers(workload)
        .filter(|it| it["operation"] == "Apply" && it.pointer("/fieldsV1/f:spec/f:template").is_some())
        .filter_map(|it| it["manager"].as_str())
        .find(|manager| !forces(manager))?;
    Some(Warning {
        id: WarningId::SsaOwner,
        message: format!(
            "the template's fields are applied server-side by {manager}: its next apply of something else conflicts with this change"
        ),
        fix: Some(format!(
            "make the same change in the manifest, then: kubectl apply --server-side --field-manager={manager} --force-conflicts -f FILE"
        )),
        stops: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::objects::kind::Kind;
    use serde_json::json;

    fn workload(labels: Value, annotations: Value, fields: Value) -> Workload {
        let mut object = fixture::workload(Kind::Deployment, "app:1", json!({}));
        object["metadata"]["labels"] = labels;
        object["metadata"]["annotations"] = annotations;
        object["metadata"]["managedFields"] = fields;
        Workload::from_object(Kind::Deployment, object).unwrap()
    }

    fn fix(warning: Option<Warning>) -> String {
        warning.and_then(|it| it.fix).unwrap_or_default()
    }

    #[test]
    fn argo_is_known_by_its_annotation_its_label_or_its_manager() {
        let suspend = "argocd app set shop --sync-policy none";
        let none = json!(null);
        let tracked = json!({"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/web"});
        assert_eq!(fix(argo(&workload(none.clone(), tracked, none.clone()))), suspend);
        let labelled = json!({"argocd.argoproj.io/instance": "shop"});
        assert_eq!(fix(argo(&workload(labelled, none.clone(), none.clone()))), suspend);
        let common = json!({"app.kubernetes.io/instance": "shop"});
        let managed = json!([{"manager": "argocd-controller", "operation": "Apply"}]);
        assert_eq!(fix(argo(&workload(common.clone(), none.clone(), managed))), suspend);
        assert_eq!(argo(&workload(common, none.clone(), none.clone())), None);
        let elsewhere = json!({"argocd.argoproj.io/tracking-id": "team_shop:apps/Deployment:default/web"});
        assert_eq!(
            fix(argo(&workload(none.clone(), elsewhere, none))),
            "argocd app set team/shop --sync-policy none"
        );
    }

    #[test]
    fn flux_is_known_by_its_labels_unless_it_leaves_the_object_alone() {
        let labels = json!({"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});
        let release = json!({"helm.toolkit.fluxcd.io/name": "shop"});
        let off = json!({"kustomize.toolkit.fluxcd.io/reconcile": "disabled"});
        assert_eq!(
            fix(flux(&workload(labels.clone(), json!(null), json!(null)))),
            "flux suspend kustomization apps -n flux-system"
        );
        assert_eq!(
            fix(flux(&workload(release, json!(null), json!(null)))),
            "flux suspend helmrelease shop -n default"
        );
        assert_eq!(flux(&workload(labels, off, json!(null))), None);
    }

    #[test]
    fn helm_only_warns_and_is_silent_where_something_else_deploys_its_chart() {
        let labels = json!({"app.kubernetes.io/managed-by": "Helm"});
        let annotations =
            json!({"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "prod"});
        let warning = helm(&workload(labels.clone(), annotations, json!(null)), true).unwrap();
        assert_eq!((warning.fix.as_deref(), warning.stops), (Some("helm rollback shop -n prod"), false));
        assert_eq!(
            fix(helm(&workload(labels.clone(), json!(null), json!(null)), true)),
            "helm list -n default"
        );
        assert_eq!(helm(&workload(json!({"app": "web"}), json!(null), json!(null)), true), None);
    }

    #[test]
    fn a_controller_that_owns_the_workload_is_named_as_kubectl_takes_it() {
        let mut set = workload(json!(null), json!(null), json!(null));
        let reference = |controller: bool| {
            json!([{"apiVersion": "kafka.strimzi.io/v1beta2", "kind": "Kafka", "name": "main", "uid": "u",
                "controller": controller}])
        };
        set.object["metadata"]["ownerReferences"] = reference(true);
        assert_eq!(fix(owner(&set)), "kubectl edit Kafka.v1beta2.kafka.strimzi.io main -n default");
        set.object["metadata"]["ownerReferences"] = reference(false);
        assert_eq!(owner(&set), None);
    }

    #[test]
    fn who_applies_the_template_server_side_is_named() {
        let entry = |manager: &str, operation: &str, fields: Value| json!({"manager": manager, "operation": operation, "fieldsV1": fields});
        let template = json!({"f:spec": {"f:template": {}}});
        let of = |entries: Value| server_side(&workload(json!(null), json!(null), entries)).map(|it| it.id);
        assert_eq!(of(json!([entry("ci", "Apply", template.clone())])), Some(WarningId::SsaOwner));
        assert_eq!(of(json!([entry("kubectl", "Update", template.clone())])), None);
        assert_eq!(of(json!([entry("ci", "Apply", json!({"f:metadata": {}}))])), None);
        assert_eq!(of(json!([entry("kustomize-controller", "Apply", template)])), None);
    }
}
