//! What kubectl-connect reads: kubeconfigs, kuberc, what credential helpers print.

use kubectl_connect::{ConnectionArgs, FixedEnvironment, check_helper_allowed, check_helper_output};
use serde_json::Value;

use crate::{check_length, check_line, scratch};

/// How a secret begins, so that it is known again in what must not hold it.
const SECRET: &str = "s3cret";

/// A kubeconfig is read up to the settings of a connection, for its own context and for others.
pub(crate) fn kubeconfig(data: &[u8]) {
    let path = scratch::file("config", data);
    let env = FixedEnvironment::default().with("KUBECONFIG", &path);
    let secret = holds_one_secret(data);
    let some = |name: &str| Some(name.to_owned());
    for args in [
        ConnectionArgs::default(),
        ConnectionArgs { context: some("dev"), ..ConnectionArgs::default() },
        ConnectionArgs { cluster: some("dev"), user: some("dev"), ..ConnectionArgs::default() },
    ] {
        let said = match args.settings_in(&env) {
            Ok(settings) => {
                let server = &settings.server;
                assert!(matches!(server.scheme_str(), Some("http" | "https")), "{server}");
                assert!(
                    !server.authority().is_some_and(|it| it.as_str().contains('@')),
                    "a login in {server}"
                );
                format!("{settings:?} {:?}", settings.proxy)
            }
            Err(error) => {
                let said = error.to_string().replace(&path.display().to_string(), "config");
                assert!(
                    said.starts_with("error: ") || said.starts_with("Error in configuration: "),
                    "{said}"
                );
                said
            }
        };
        assert!(!secret || !said.contains(SECRET), "a secret is told: {said}");
        let again = args
            .settings_in(&env)
            .map_or_else(|error| error.to_string(), |it| format!("{it:?} {:?}", it.proxy));
        assert_eq!(
            again.replace(&path.display().to_string(), "config"),
            said.replace(&path.display().to_string(), "config")
        );
    }
}

/// Tells whether the only secret of a kubeconfig stands where secrets stand.
fn holds_one_secret(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    if text.matches(SECRET).count() != 1 {
        return false;
    }
    let documents = kubectl_terminal::forms::yaml::documents(text).unwrap_or_default();
    let values = |list: &str, part: &str, fields: &[&str]| -> Vec<String> {
        let entries = documents.first().and_then(|it| it.get(list)).and_then(Value::as_array);
        let value = |entry: &Value, field: &str| Some(entry.get(part)?.get(field)?.as_str()?.to_owned());
        entries
            .into_iter()
            .flatten()
            .flat_map(|it| fields.iter().filter_map(move |field| value(it, field)))
            .collect()
    };
    let of_user =
        values("users", "user", &["token", "password", "client-key-data", "client-certificate-data"]);
    let of_cluster = values("clusters", "cluster", &["server", "proxy-url"]);
    of_user.iter().any(|value| value.contains(SECRET))
        || of_cluster.iter().any(|it| login(it).contains(SECRET))
}

/// Returns what an address says of a user and a password.
fn login(address: &str) -> &str {
    let authority =
        address.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
    authority.rsplit_once('@').map_or("", |(login, _)| login)
}

/// A helper's output is read for each version that it may have been asked for.
pub(crate) fn helper(data: &[u8]) {
    let versions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
    let answers = versions.map(|version| check_helper_output(data, version));
    assert!(answers.iter().filter(|it| it.is_ok()).count() <= 1, "one output for two versions");
    for error in answers.into_iter().filter_map(Result::err) {
        check_line(&error.to_string());
    }
}

/// A kuberc is read for a helper that it may forbid.
///
/// One that has no say leaves it to what stands behind it; and what does forbid is never passed over.
pub(crate) fn kuberc(data: &[u8]) {
    const DENY: &[u8] = b"\n---\napiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: DenyAll\n";
    let allowed = |name: &str, data: &[u8]| {
        let path = scratch::file(name, data);
        let env = FixedEnvironment::default().with("PATH", "/nonexistent");
        let answer = check_helper_allowed("helper", Some(&path), &env);
        answer.map_err(|error| error.to_string().replace(&path.display().to_string(), "kuberc"))
    };
    let alone = allowed("kuberc", data);
    let behind = allowed("kuberc-with-more", &[data, DENY].concat());
    for error in [&alone, &behind].into_iter().filter_map(|it| it.as_ref().err()) {
        check_length(error);
    }
    let blank = data.iter().all(u8::is_ascii_whitespace);
    let silent = matches!(&alone, Err(error) if error.contains("no valid preferences found"));
    if blank || silent {
        let denied = behind.expect_err("a policy is passed over");
        assert!(denied.contains("DenyAll") || denied.contains("about credential plugins"), "{denied}");
    } else if alone.is_err() {
        assert!(behind.is_err(), "more words allow what was forbidden: {alone:?}");
    }
}
