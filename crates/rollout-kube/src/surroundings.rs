//! Reading what is around a workload: all at once, only what can matter, and of what a template names the metadata only.

use futures_util::future::try_join_all;
use kube::Error;
use kube::api::{GetParams, Request};
use rollout_core::WorkloadId;
use rollout_core::plan::Needs;
use rollout_core::snapshot::{Autoscaler, Budget, Presence, Quota, Surroundings};
use rollout_core::template::{Reference, ReferenceKind};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::list::{Listed, Selection};

/// What an answer was, where it was one.
enum Answer<T> {
    Read(T),
    /// There is no such object, or no such API.
    None,
    /// The server would not say: what is said of it.
    Hidden(&'static str),
}

impl<T> Answer<T> {
    /// A refusal must not keep anybody from going back; a connection that fails would fail the change too.
    fn of(result: Result<T, Error>) -> Result<Answer<T>, Error> {
        match result {
            Ok(read) => Ok(Answer::Read(read)),
            Err(Error::Api(status)) if status.code == 404 => Ok(Answer::None),
            Err(Error::Api(status)) if status.code == 403 => Ok(Answer::Hidden("may not be read")),
            Err(Error::Api(_)) => Ok(Answer::Hidden("could not be read")),
            Err(error) => Err(error),
        }
    }
}

impl Cluster {
    /// Reads what is around a workload.
    pub async fn surroundings(&self, workload: &WorkloadId, needs: &Needs) -> Result<Surroundings, Error> {
        let namespace = workload.namespace.as_str();
        let in_group = |group: &str, plural: &str| format!("/apis/{group}/namespaces/{namespace}/{plural}");
        let autoscalers = in_group("autoscaling/v2", "horizontalpodautoscalers");
        let budgets = in_group("policy/v1", "poddisruptionbudgets");
        let quotas = format!("/api/v1/namespaces/{namespace}/resourcequotas");
        let (autoscalers, budgets, quotas, references) = tokio::try_join!(
            self.around(needs.autoscalers, &autoscalers),
            self.around(needs.budgets, &budgets),
            self.around(needs.quotas, &quotas),
            try_join_all(needs.references.iter().map(|reference| self.presence(namespace, reference))),
        )?;
        let mut read = Surroundings::default();
        let hidden = &mut read.hidden;
        read.autoscalers = items(autoscalers, "horizontalpodautoscalers", hidden, Autoscaler::from_object);
        read.budgets = items(budgets, "poddisruptionbudgets", hidden, Budget::from_object);
        read.quotas = items(quotas, "resourcequotas", hidden, Quota::from_object);
        for (reference, answer) in needs.references.iter().zip(references) {
            match answer {
                Answer::Read(metadata) => {
                    read.references.push((reference.clone(), Presence::of_metadata(&metadata)));
                }
                Answer::None => read.references.push((reference.clone(), Presence::Gone)),
                Answer::Hidden(why) => read.hidden.push(format!("{reference} {why}")),
            }
        }
        Ok(read)
    }

    /// Lists one sort of objects, where it is needed.
    async fn around(&self, needed: bool, path: &str) -> Result<Answer<Listed<Value>>, Error> {
        if needed { Answer::of(self.list(path, Selection::default()).await) } else { Ok(Answer::None) }
    }

    async fn presence(&self, namespace: &str, reference: &Reference) -> Result<Answer<Value>, Error> {
        // The server takes any text for such a name in a template, and no object is called so.
        if !reference.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
            return Ok(Answer::None);
        }
        let in_namespace = |plural: &str| format!("/api/v1/namespaces/{namespace}/{plural}");
        let of_resources = |plural: &str| format!("/apis/resource.k8s.io/v1/namespaces/{namespace}/{plural}");
        let path = match reference.kind {
            ReferenceKind::ConfigMap => in_namespace("configmaps"),
            ReferenceKind::Secret | ReferenceKind::PullSecret => in_namespace("secrets"),
            ReferenceKind::Claim => in_namespace("persistentvolumeclaims"),
            ReferenceKind::ServiceAccount => in_namespace("serviceaccounts"),
            ReferenceKind::PriorityClass => "/apis/scheduling.k8s.io/v1/priorityclasses".to_string(),
            ReferenceKind::RuntimeClass => "/apis/node.k8s.io/v1/runtimeclasses".to_string(),
            ReferenceKind::ResourceClaim => of_resources("resourceclaims"),
            ReferenceKind::ResourceClaimTemplate => of_resources("resourceclaimtemplates"),
        };
        let request = Request::new(path).get_metadata(&reference.name, &GetParams::default());
        match self.client.request(request.map_err(Error::BuildRequest)?).await {
            // A server without this API knows nothing of the object, which another version of the API may have.
            Err(Error::Api(status)) if status.code == 404 && !is_of_object(&status) => {
                Ok(Answer::Hidden("could not be read"))
            }
            answer => Answer::of(answer),
        }
    }
}

/// Tells whether it is an object that is not found, and not its API.
fn is_of_object(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

fn items<T>(
    answer: Answer<Listed<Value>>,
    plural: &str,
    hidden: &mut Vec<String>,
    read: impl Fn(&Value) -> Option<T>,
) -> Vec<T> {
    match answer {
        Answer::Read(listed) => listed.items.iter().filter_map(read).collect(),
        Answer::None => Vec::new(),
        Answer::Hidden(why) => {
            hidden.push(format!("{plural} {why}"));
            Vec::new()
        }
    }
}
