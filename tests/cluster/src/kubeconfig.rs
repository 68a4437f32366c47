//! Writes kubeconfigs: one cluster, one user, one context named `test`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::{Context, Result};

/// By what credentials a user logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// A bearer token in the kubeconfig.
    Token,
    /// A client certificate, as kubeadm and kind give it to their admin.
    Certificate,
    /// A credential helper that prints a token, as the clouds have it.
    Exec,
}

/// The `user` entry for a bearer token.
pub(crate) fn token(token: &str) -> Value {
    json!({ "token": token })
}

/// The `user` entry for `NAME.crt` and `NAME.key` in the folder.
pub(crate) fn certificate(folder: &Path, name: &str) -> Value {
    json!({
        "client-certificate": folder.join(format!("{name}.crt")),
        "client-key": folder.join(format!("{name}.key")),
    })
}

/// The `user` entry for a credential helper, which is written to `NAME-credentials` in the folder.
pub(crate) fn exec(folder: &Path, name: &str, token: &str) -> Result<Value> {
    let api = "client.authentication.k8s.io/v1";
    let credential = json!({ "apiVersion": api, "kind": "ExecCredential", "status": { "token": token } });
    let helper = folder.join(format!("{name}-credentials"));
    fs::write(&helper, format!("#!/bin/sh\ncat <<'END'\n{credential}\nEND\n")).context(helper.display())?;
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).context(helper.display())?;
    Ok(json!({ "exec": { "apiVersion": api, "command": helper, "interactiveMode": "Never" } }))
}

/// Writes a kubeconfig to `PATH`; JSON is YAML.
pub(crate) fn write(path: PathBuf, cluster: &Value, namespace: &str, user: &Value) -> Result<PathBuf> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": [{ "name": "test", "user": user }],
        "contexts": [{
            "name": "test",
            "context": { "cluster": "test", "user": "test", "namespace": namespace },
        }],
        "current-context": "test",
    });
    fs::write(&path, format!("{config:#}\n")).context(path.display())?;
    Ok(path)
}
