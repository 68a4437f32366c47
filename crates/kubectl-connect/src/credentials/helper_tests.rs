use super::*;
use crate::FixedEnvironment;
use kube::config::NamedExtension;
use std::collections::HashMap;
use std::path::Path;

const V1: &str = "client.authentication.k8s.io/v1";

/// A helper that runs `script`, which can count its calls in `$DIR/calls`.
fn helper(dir: &Path, script: &str) -> ExecConfig {
    let var = |name: &str, value: &str| {
        HashMap::from([("name".into(), name.into()), ("value".into(), value.into())])
    };
    ExecConfig {
        api_version: Some(V1.into()),
        command: Some("sh".into()),
        args: Some(vec!["-c".into(), format!("echo call >> $DIR/calls; {script}")]),
        env: Some(vec![var("DIR", dir.to_str().unwrap())]),
        interactive_mode: Some(ExecInteractiveMode::IfAvailable),
        ..ExecConfig::default()
    }
}

fn calls(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("calls")).unwrap_or_default().lines().count()
}

fn token(text: &str, more: &str) -> String {
    format!(r#"echo '{{"apiVersion":"{V1}","status":{{"token":"'{text}'"{more}}}}}'"#)
}

async fn start(exec: &ExecConfig) -> Result<Helper, CredentialError> {
    Helper::start(exec, &Cluster::default(), &FixedEnvironment::default(), false).await
}

#[tokio::test]
async fn runs_once_and_again_after_a_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let exec = helper(dir.path(), &token("t$(wc -l < $DIR/calls | tr -d ' ')", ""));
    let helper = start(&exec).await.unwrap();
    let first = helper.header().await.unwrap();
    assert_eq!(first.as_ref().unwrap(), "Bearer t1");
    helper.header().await.unwrap();
    assert_eq!(calls(dir.path()), 1);
    assert_eq!(helper.renew(first.as_ref()).await.unwrap(), Renewal::New { certificate: false });
    assert_eq!(helper.header().await.unwrap().unwrap(), "Bearer t2");
    // Another request was refused with the first token: the second one is already there.
    assert_eq!(helper.renew(first.as_ref()).await.unwrap(), Renewal::New { certificate: false });
    assert_eq!(calls(dir.path()), 2);
}

#[tokio::test]
async fn runs_again_when_the_answer_has_expired() {
    let dir = tempfile::tempdir().unwrap();
    let exec = helper(dir.path(), &token("t", r#","expirationTimestamp":"2020-01-01T00:00:00Z""#));
    let helper = start(&exec).await.unwrap();
    helper.header().await.unwrap();
    assert_eq!(calls(dir.path()), 2);
}

#[tokio::test]
async fn the_same_answer_is_not_worth_a_retry() {
    let dir = tempfile::tempdir().unwrap();
    let helper = start(&helper(dir.path(), &token("t", ""))).await.unwrap();
    let header = helper.header().await.unwrap();
    assert_eq!(helper.renew(header.as_ref()).await.unwrap(), Renewal::Same);
}

#[tokio::test]
async fn passes_the_truth_about_stdin_and_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("echo \"$KUBERNETES_EXEC_INFO\" > $DIR/info; cat > $DIR/stdin; {}", token("t", ""));
    let exec = ExecConfig { provide_cluster_info: true, ..helper(dir.path(), &script) };
    let cluster = Cluster {
        server: Some("https://k".into()),
        extensions: Some(vec![NamedExtension {
            name: "client.authentication.k8s.io/exec".into(),
            extension: json!({"audience": "a"}),
        }]),
        ..Cluster::default()
    };
    Helper::start(&exec, &cluster, &FixedEnvironment::default(), false).await.unwrap();
    let info: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("info")).unwrap()).unwrap();
    assert_eq!(
        info,
        json!({
            "kind": "ExecCredential",
            "apiVersion": V1,
            "spec": {"interactive": false, "cluster": {"server": "https://k", "config": {"audience": "a"}}},
        })
    );
    assert_eq!(std::fs::read(dir.path().join("stdin")).unwrap(), b"");
}

#[tokio::test]
async fn explains_failures() {
    let dir = tempfile::tempdir().unwrap();
    let failed = start(&helper(dir.path(), "exit 3")).await.err().unwrap();
    assert_eq!(failed.message, "exec: executable sh failed with exit code 3");

    let missing = ExecConfig {
        command: Some("no-such-helper".into()),
        install_hint: Some("brew install\x1b[31m it".into()),
        ..helper(dir.path(), "")
    };
    let missing = start(&missing).await.err().unwrap();
    assert_eq!(missing.message, "exec: executable no-such-helper not found");
    assert_eq!(missing.hint.as_deref(), Some("brew install[31m it"));

    let old = ExecConfig {
        api_version: Some("client.authentication.k8s.io/v1alpha1".into()),
        ..ExecConfig::default()
    };
    let old = start(&old).await.err().unwrap();
    assert_eq!(old.message, "exec plugin: invalid apiVersion \"client.authentication.k8s.io/v1alpha1\"");
}

#[test]
fn interactive_only_where_somebody_can_answer() {
    use ExecInteractiveMode::{Always, IfAvailable, Never};
    let of = |mode, terminal, taken| interactive(Some(&mode), terminal, taken).map_err(|error| error.message);
    assert_eq!(of(Never, true, false), Ok(false));
    assert_eq!(of(IfAvailable, true, false), Ok(true));
    assert_eq!(of(IfAvailable, false, false), Ok(false));
    assert_eq!(of(IfAvailable, true, true), Ok(false));
    assert_eq!(of(Always, true, false), Ok(true));
    let why = "exec plugin cannot support interactive mode: standard input is not a terminal";
    assert_eq!(of(Always, false, false), Err(why.to_owned()));
    assert!(of(Always, true, true).is_err());
    assert_eq!(interactive(None, true, false), Ok(true));
}
