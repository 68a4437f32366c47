use super::*;
use crate::FixedEnvironment;
use std::fs;

const FIRST: &str = "
kind: Config
apiVersion: v1
current-context: ''
clusters:
- name: c
  cluster: {server: 'https://first', certificate-authority: ca.pem, tls-server-name: ''}
users:
- name: u
  user: {client-certificate: '', token: ''}
";
const SECOND: &str = "
current-context: ctx
clusters:
- name: c
  cluster: {server: 'https://second'}
- name: d
  cluster: {server: 'https://d'}
contexts:
- name: ctx
  context: {cluster: d, user: '', namespace: ''}
";

fn env(list: &[&Path]) -> FixedEnvironment {
    FixedEnvironment::default().with("KUBECONFIG", std::env::join_paths(list).unwrap())
}

fn loaded(text: &str) -> Result<Loaded, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    fs::write(&file, text).unwrap();
    let shown = file.display().to_string();
    load(Some(&file), &FixedEnvironment::default()).map_err(|error| error.to_string().replace(&shown, "FILE"))
}

fn user(fields: &str) -> Result<AuthInfo, String> {
    let loaded = loaded(&format!("users:\n- name: me\n  user: {fields}\n")).unwrap();
    match loaded.user("me") {
        Ok(user) => Ok(user.unwrap()),
        Err(ConnectError::Kubeconfig { reason, .. }) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn merges_a_list_and_skips_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, missing] = ["a", "b", "missing"].map(|name| dir.path().join(name));
    fs::write(&first, FIRST).unwrap();
    fs::write(&second, SECOND).unwrap();
    let loaded = load(None, &env(&[&missing, Path::new(""), &first, &second, &first])).unwrap();
    assert_eq!(loaded.missing, [missing]);
    assert_eq!(loaded.files, [first.clone(), second]);
    assert_eq!(loaded.current_context.as_deref(), Some("ctx"));
    assert_eq!(loaded.clusters.len(), 2);
    let cluster = loaded.cluster("c").unwrap().unwrap();
    assert_eq!(cluster.server.as_deref(), Some("https://first"));
    assert_eq!(cluster.certificate_authority.as_deref(), dir.path().join("ca.pem").to_str());
    assert_eq!(cluster.tls_server_name, None);
    let user = loaded.user("u").unwrap().unwrap();
    assert_eq!(user.client_certificate, None);
    assert!(user.token.is_none());
    assert_eq!(loaded.users["u"].file, first);
    let context = loaded.context("ctx").unwrap().unwrap();
    assert_eq!((context.user.as_ref(), context.namespace.as_ref()), (None, None));
    assert!(loaded.context("other").unwrap().is_none());
}

#[test]
fn nothing_configured_is_not_an_error() {
    let loaded = load(None, &FixedEnvironment::default()).unwrap();
    assert!(loaded.clusters.is_empty() && loaded.files.is_empty() && loaded.missing.is_empty());
    let home = FixedEnvironment { home: Some("/nonexistent".into()), ..Default::default() };
    assert_eq!(load(None, &home).unwrap().missing, [Path::new("/nonexistent/.kube/config")]);
}

#[test]
fn a_file_named_by_flag_must_exist() {
    let error = load(Some(Path::new("/nonexistent/k")), &FixedEnvironment::default()).err().unwrap();
    assert_eq!(error.to_string(), "error: stat /nonexistent/k: no such file or directory");
}

#[test]
fn says_what_is_wrong_without_quoting_the_file() {
    let error = loaded("users:\n- name: u\n  user:\n    token: [s3cret\n").err().unwrap();
    assert!(error.starts_with("error: error loading config file \"FILE\": yaml: line "), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
    for (text, reason) in [
        ("[]", "yaml: the file is not a kubeconfig: an object is expected"),
        ("clusters: {}", "yaml: clusters: a list is expected"),
        ("kind: Foo", "no kind \"Foo\" is registered for version \"v1\""),
        ("apiVersion: v2", "no kind \"Config\" is registered for version \"v2\""),
    ] {
        assert_eq!(
            loaded(text).err().unwrap(),
            format!("error: error loading config file \"FILE\": {reason}")
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let error = load(None, &env(&[dir.path()])).err().unwrap().to_string();
    assert!(error.ends_with("is a directory"), "{error}");
}

#[test]
fn what_is_not_in_use_may_be_anything() {
    // The first user is what kubectl itself makes of an old one when it writes the file.
    let text = "
users:
- name: old
  user: {auth-provider: {config: null, name: gcp}}
- name: odd
  user: {exec: {env: [{name: A, value: null}], interactiveMode: Sometimes, provideClusterInfo: null}, token: 5}
- user: {token: nameless}
- name: me
  user: {token: first, token: t, as-uid: ''}
contexts:
- name: bare
- name: half
  context: {user: me, extensions: [{name: x}]}
clusters:
- name: c
  cluster: {server: a, extensions: [{name: x}, {extension: y}]}
- name: twice
  cluster: {server: a}
- name: twice
  cluster: {server: b}
";
    let loaded = loaded(text).unwrap();
    let me = loaded.user("me").unwrap().unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(me.token.as_ref().unwrap()), "t");
    assert_eq!(me.impersonate_uid, None);
    assert_eq!(loaded.user("old").unwrap().unwrap().auth_provider.unwrap().name, "gcp");
    assert_eq!(loaded.context("bare").unwrap().unwrap().cluster, "");
    assert_eq!(loaded.context("half").unwrap().unwrap().user.as_deref(), Some("me"));
    assert_eq!(loaded.cluster("c").unwrap().unwrap().extensions.unwrap().len(), 1);
    let said = |error: ConnectError| error.to_string().split("\": ").last().unwrap().to_owned();
    assert_eq!(
        said(loaded.user("odd").err().unwrap()),
        "users[odd].user.token: a string is expected, not a number"
    );
    assert!(
        loaded
            .cluster("twice")
            .err()
            .unwrap()
            .to_string()
            .ends_with("duplicate name \"twice\" in list clusters")
    );
}

#[test]
fn a_helper_is_read_as_leniently_as_client_go_reads_it() {
    let exec = user("{exec: {command: h, env: [{name: A, value: null}], args: null, interactiveMode: ''}}");
    let exec = exec.unwrap().exec.unwrap();
    assert_eq!(exec.env.unwrap()[0].get("value"), None);
    assert_eq!((exec.args, exec.interactive_mode.is_none()), (None, true));
    let odd = user("{exec: {command: h, interactiveMode: Sometimes}}");
    assert_eq!(odd.err().unwrap(), "invalid interactiveMode for me: \"Sometimes\"");
    let wrong = user("{exec: {args: [s3cret, 5]}}");
    assert_eq!(wrong.err().unwrap(), "users[me].user.exec.args: a string is expected, not a number");
    let pair = user("{as-user-extra: {k: [a, b]}, as-groups: [g]}").unwrap();
    assert_eq!(pair.impersonate_user_extra.unwrap()["k"], ["a", "b"]);
}

#[test]
fn base64_may_be_broken_into_lines() {
    let cluster =
        "clusters:\n- name: c\n  cluster:\n    certificate-authority-data: |\n      aGVs\n      bG8=\n";
    let cluster = loaded(cluster).unwrap().cluster("c").unwrap().unwrap();
    assert_eq!(cluster.certificate_authority_data.as_deref(), Some("aGVsbG8="));
    let user = user("{client-certificate-data: \"YQ==\\r\\n\", client-key-data: \"Yg==\\n\"}").unwrap();
    assert_eq!(user.client_certificate_data.as_deref(), Some("YQ=="));
    assert_eq!(secrecy::ExposeSecret::expose_secret(user.client_key_data.as_ref().unwrap()), "Yg==");
}

#[test]
fn twenty_thousand_clusters_are_not_too_many() {
    let mut text = "clusters:\n".to_owned();
    for number in 0..20_000 {
        text.push_str(&format!("- name: c{number}\n  cluster:\n    server: https://c{number}\n    tls-server-name: x\n    proxy-url: ''\n    insecure-skip-tls-verify: yes\n"));
    }
    let loaded = loaded(&text).unwrap();
    let cluster = loaded.cluster("c19999").unwrap().unwrap();
    assert_eq!(cluster.server.as_deref(), Some("https://c19999"));
    assert_eq!(cluster.insecure_skip_tls_verify, Some(true));
}

mod anything {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// A value as it may stand anywhere in a file that some program wrote.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|number| json!(number)),
            Just(json!("s3cret")),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((key(), inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    fn key() -> impl Strategy<Value = String> {
        const KNOWN: &[&str] = &[
            "name",
            "user",
            "cluster",
            "context",
            "token",
            "exec",
            "env",
            "args",
            "command",
            "auth-provider",
            "config",
            "as-user-extra",
            "client-key-data",
            "interactiveMode",
            "provideClusterInfo",
            "extensions",
            "tokenFile",
        ];
        prop_oneof![proptest::sample::select(KNOWN).prop_map(str::to_owned), "[a-z-]{0,8}"]
    }

    fn all(loaded: &Loaded, said: &mut Vec<String>) {
        let mut keep = |error: Option<ConnectError>| said.extend(error.map(|error| error.to_string()));
        for name in loaded.users.keys() {
            keep(loaded.user(name).err());
        }
        for name in loaded.clusters.keys() {
            keep(loaded.cluster(name).err());
        }
        for name in loaded.contexts.keys() {
            keep(loaded.context(name).err());
        }
    }

    proptest! {
        #[test]
        fn no_file_is_quoted_and_none_is_fatal(
            users in proptest::collection::vec(value(), 0..3),
            fields in proptest::collection::vec((key(), value()), 0..6),
            clusters in value(),
        ) {
            let fields = Value::Object(fields.into_iter().collect());
            let mut users = users;
            users.push(json!({"name": "me", "user": fields, "context": fields, "cluster": fields}));
            let document = json!({"users": users, "clusters": clusters, "contexts": users});
            let mut said = Vec::new();
            let mut loaded = Loaded::default();
            match take(&mut loaded, document.clone(), Path::new("/x/config")) {
                Ok(()) => all(&loaded, &mut said),
                Err(error) => said.push(error.to_string()),
            }
            // A name is told, and may be anything; a value is not.
            for sentence in said {
                let told = sentence.contains("[s3cret]") || sentence.contains("name \"s3cret\"");
                prop_assert!(told || sentence.contains("interactiveMode for") || !sentence.contains("s3cret"), "{sentence}");
            }
            let text = serde_yaml::to_string(&document).unwrap();
            let _ = parse(&text);
        }

        #[test]
        fn no_text_is_fatal(text in "([-{}\\[\\]:,&*!|>'\"%@`#?a-z0-9 \n\t]|users|name|s3cret){0,200}") {
            if let Err(error) = parse(&text) {
                prop_assert!(!error.contains("s3cret"), "{error}");
            }
        }
    }
}
