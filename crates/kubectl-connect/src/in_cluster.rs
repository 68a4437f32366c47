//! The connection that a pod is given: address in variables, credentials in a mounted folder.

use kube::config::{AuthInfo, Cluster};

use crate::Environment;

/// Says whether this process runs in a pod with a service account.
///
/// Looks at the disk only when the variables are there.
pub(crate) fn possible(env: &dyn Environment) -> bool {
    env.text("KUBERNETES_SERVICE_HOST").is_some()
        && env.text("KUBERNETES_SERVICE_PORT").is_some()
        && env.service_account().join("token").is_file()
}

/// Returns the API server and the identity of this pod.
pub(crate) fn identity(env: &dyn Environment) -> (Cluster, AuthInfo) {
    let folder = env.service_account();
    let host = env.text("KUBERNETES_SERVICE_HOST").unwrap_or_default();
    let port = env.text("KUBERNETES_SERVICE_PORT").unwrap_or_default();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let ca = folder.join("ca.crt");
    let cluster = Cluster {
        server: Some(format!("https://{host}:{port}")),
        certificate_authority: ca.is_file().then(|| ca.to_string_lossy().into_owned()),
        ..Cluster::default()
    };
    let user = AuthInfo {
        token_file: Some(folder.join("token").to_string_lossy().into_owned()),
        ..AuthInfo::default()
    };
    (cluster, user)
}

/// Returns the namespace of this pod.
pub(crate) fn namespace(env: &dyn Environment) -> Option<String> {
    env.text("POD_NAMESPACE").or_else(|| {
        let text = std::fs::read_to_string(env.service_account().join("namespace")).ok()?;
        Some(text.trim().to_owned()).filter(|name| !name.is_empty())
    })
}
