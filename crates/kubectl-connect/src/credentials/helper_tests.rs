use super::*;
use crate::FixedEnvironment;
use kube::config::NamedExtension;
use std::collections::HashMap;

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
    format!(r#"echo '{{"kind":"ExecCredential","apiVersion":"{V1}","status":{{"token":"'{text}'"{more}}}}}'"#)
}

fn surroundings() -> FixedEnvironment {
    FixedEnvironment::default().with("PATH", std::env::var_os("PATH").unwrap())
}

async fn start(exec: &ExecConfig) -> Result<Helper, ConnectError> {
    Helper::start(exec, &Cluster::default(), None, &surroundings(), false).await
}

#[tokio::test]
async fn runs_once_and_again_after_a_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let exec = helper(dir.path(), &token("t$(wc -l < $DIR/calls | tr -d ' ')", ""));
    let helper = start(&exec).await.unwrap();
    let first = helper.current().await.unwrap();
    assert_eq!(first.header.as_ref().unwrap(), "Bearer t1");
    helper.current().await.unwrap();
    assert_eq!(calls(dir.path()), 1);
    assert_eq!(helper.renew(&first).await.unwrap(), Renewal::New);
    assert_eq!(helper.current().await.unwrap().header.unwrap(), "Bearer t2");
    // Another request was refused with the first token: the second one is already there.
    assert_eq!(helper.renew(&first).await.unwrap(), Renewal::New);
    assert_eq!(calls(dir.path()), 2);
}

#[tokio::test]
async fn runs_again_when_the_answer_has_expired() {
    let dir = tempfile::tempdir().unwrap();
    let exec = helper(dir.path(), &token("t", r#","expirationTimestamp":"2020-01-01T00:00:00Z""#));
    let helper = start(&exec).await.unwrap();
    helper.current().await.unwrap();
    assert_eq!(calls(dir.path()), 2);
}

#[tokio::test]
async fn the_same_answer_is_not_worth_a_retry() {
    let dir = tempfile::tempdir().unwrap();
    let helper = start(&helper(dir.path(), &token("t", ""))).await.unwrap();
    let issued = helper.current().await.unwrap();
    assert_eq!(helper.renew(&issued).await.unwrap(), Renewal::Same);
}

#[tokio::test]
async fn four_watches_that_are_refused_at_once_ask_for_one_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let status = r#"{"clientCertificateData":"c'$(wc -l < $DIR/calls | tr -d ' ')'","clientKeyData":"k"}"#;
    let script = format!(r#"echo '{{"kind":"ExecCredential","apiVersion":"{V1}","status":{status}}}'"#);
    let helper = start(&helper(dir.path(), &script)).await.unwrap();
    let issued = helper.current().await.unwrap();
    for _ in 0..4 {
        assert_eq!(helper.renew(&issued).await.unwrap(), Renewal::New);
    }
    assert_eq!(calls(dir.path()), 2);
    let now = helper.current().await.unwrap();
    assert_eq!((now.run, now.certificate - issued.certificate), (2, 1));
    assert_eq!(helper.identity().unwrap().certificate, "c2");
}

#[tokio::test]
async fn a_kubeconfig_cannot_choose_another_program_by_setting_path() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    for name in ["good", "evil"] {
        let path = dir.path().join(name).join("corp-login");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{}\n", token(name, ""))).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let search = |first: &str| format!("{}:/usr/bin:/bin", dir.path().join(first).display());
    let exec = ExecConfig {
        command: Some("corp-login".into()),
        args: None,
        env: Some(vec![HashMap::from([
            ("name".to_owned(), "PATH".to_owned()),
            ("value".to_owned(), search("evil")),
        ])]),
        ..helper(dir.path(), "")
    };
    let kuberc = dir.path().join("kuberc");
    for allowed in ["corp-login".to_owned(), dir.path().join("good/corp-login").display().to_string()] {
        let text = format!(
            "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n\
             credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{{command: {allowed}}}]\n"
        );
        std::fs::write(&kuberc, text).unwrap();
        let env = FixedEnvironment::default().with("PATH", search("good"));
        let started = Helper::start(&exec, &Cluster::default(), Some(&kuberc), &env, false).await.unwrap();
        assert_eq!(started.current().await.unwrap().header.unwrap(), "Bearer good");
    }
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
    Helper::start(&exec, &cluster, None, &surroundings(), false).await.unwrap();
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
    let said = |error: ConnectError| match error {
        ConnectError::Credentials { message, hint } => (message, hint),
        other => panic!("{other}"),
    };
    let failed = said(start(&helper(dir.path(), "exit 3")).await.err().unwrap());
    assert_eq!(failed.0, "getting credentials: exec: executable sh failed with exit code 3");

    let missing = ExecConfig {
        command: Some("no-such-helper".into()),
        install_hint: Some("brew install\x1b[31m it".into()),
        ..helper(dir.path(), "")
    };
    let missing = said(start(&missing).await.err().unwrap());
    assert_eq!(missing.0, "getting credentials: exec: executable no-such-helper not found");
    assert_eq!(missing.1.as_deref(), Some("brew install[31m it"));

    let elsewhere = ExecConfig { command: Some("/nonexistent/h.sh".into()), ..helper(dir.path(), "") };
    let elsewhere = said(start(&elsewhere).await.err().unwrap());
    assert_eq!(
        elsewhere.0,
        "getting credentials: exec: fork/exec /nonexistent/h.sh: no such file or directory"
    );

    let old = ExecConfig {
        api_version: Some("client.authentication.k8s.io/v1alpha1".into()),
        ..ExecConfig::default()
    };
    let old = start(&old).await.err().unwrap().to_string();
    assert_eq!(old, "error: exec plugin: invalid apiVersion \"client.authentication.k8s.io/v1alpha1\"");
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
