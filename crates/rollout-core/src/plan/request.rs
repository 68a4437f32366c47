//! Requests to the API server, each with what it was planned on.

use serde::Serialize;
use serde_json::{Value, json};

use crate::objects::workload::{Workload, WorkloadId};
use crate::plan::operations::{self, annotation_operations, cause_operations, cause_path, stored_path};
use crate::stored::STORED;

/// The HTTP method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// A JSON patch (RFC 6902) that tests what it was planned on.
    Patch,
    /// A deletion with preconditions.
    Delete,
    /// A creation: of an eviction.
    Post,
}

/// One request to the API server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path below the server's address.
    pub path: String,
    /// The JSON patch, the delete options, or the eviction.
    pub body: Value,
    /// Whether the change fails without it; otherwise a refusal is only reported.
    #[serde(skip)]
    pub required: bool,
}

impl Request {
    /// Makes a JSON patch of the workload that holds only for this incarnation of it, and, with `template`, only while the
    /// pod template is what it was when the patch was planned.
    ///
    /// Not `resourceVersion`, which status updates change all the time, and not `generation`, which a scale bumps
    /// (hazards H16, H17).
    pub fn patch(workload: &Workload, mut tests: Vec<Value>, changes: Vec<Value>) -> Request {
        let mut body = vec![
            operations::test("/metadata/uid", json!(workload.id.uid)),
            operations::test("/spec/template", workload.template().clone()),
        ];
        body.append(&mut tests);
        body.extend(changes);
        let id = &workload.id;
        let path = format!("/apis/apps/v1/namespaces/{}/{}/{}", id.namespace, id.kind.plural(), id.name);
        Request { method: Method::Patch, path, body: Value::Array(body), required: true }
    }

    /// Adds a test to a patch, which then does nothing where that does not hold either.
    pub fn only_if(mut self, test: Value) -> Request {
        if let Some(operations) = self.body.as_array_mut() {
            operations.insert(0, test);
        }
        self
    }

    /// Makes the deletion of one incarnation of a pod.
    pub fn delete_pod(namespace: &str, name: &str, uid: &str) -> Request {
        Request {
            method: Method::Delete,
            path: format!("/api/v1/namespaces/{namespace}/pods/{name}"),
            body: json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}),
            required: true,
        }
    }

    /// Makes the eviction of one incarnation of a pod (policy/v1): 429 where a disruption budget forbids it, 409 where the
    /// pod is another one by now.
    pub fn evict_pod(namespace: &str, name: &str, uid: &str) -> Request {
        Request {
            method: Method::Post,
            path: format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"),
            body: json!({"apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": {"name": name, "namespace": namespace},
                "deleteOptions": {"preconditions": {"uid": uid}}}),
            required: true,
        }
    }

    /// Makes a patch of the reason that a revision carries. Refusing it does not spoil the change.
    pub fn revision_cause(workload: &WorkloadId, revision: &Value, cause: &str) -> Option<Request> {
        Request::patch_revision(workload, revision, cause_operations(revision, Some(cause)))
    }

    /// Makes a patch that takes the copy of a stored rollout off a ControllerRevision. Refusing it does no harm.
    pub fn forget_stored(workload: &WorkloadId, revision: &Value) -> Option<Request> {
        Request::patch_revision(workload, revision, annotation_operations(revision, STORED, None))
    }

    /// Makes a patch that takes the reason of a change off a workload, where it is still that one.
    pub fn forget_cause(workload: &WorkloadId, cause: &str) -> Request {
        let path = cause_path();
        let body = vec![
            operations::test("/metadata/uid", json!(workload.uid)),
            operations::test(&path, json!(cause)),
            json!({"op": "remove", "path": path}),
        ];
        let WorkloadId { kind, namespace, name, uid: _ } = workload;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/{}/{name}", kind.plural());
        Request { method: Method::Patch, path, body: Value::Array(body), required: false }
    }

    /// Tells whether it takes the copy of a stored rollout off.
    pub fn forgets_stored(&self) -> bool {
        let path = stored_path();
        let mut operations = self.body.as_array().into_iter().flatten();
        operations.any(|it| it["op"] == "remove" && it["path"] == path.as_str())
    }

    fn patch_revision(workload: &WorkloadId, revision: &Value, changes: Vec<Value>) -> Option<Request> {
        let name = revision.pointer("/metadata/name")?.as_str()?;
        let uid = revision.pointer("/metadata/uid")?;
        let revisions = workload.kind.revisions();
        let mut body = vec![operations::test("/metadata/uid", uid.clone())];
        body.extend(changes);
        Some(Request {
            method: Method::Patch,
            path: format!("/apis/apps/v1/namespaces/{}/{revisions}/{name}", workload.namespace),
            body: Value::Array(body),
            required: false,
        })
    }
}
