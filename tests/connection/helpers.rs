//! Credential helpers, kuberc's say in them, and issuers.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::lab::{Place, cluster, lab};
use crate::server::{Handler, answer, ok, start};
use crate::{Expected, Row, row};

const V1: &str = "client.authentication.k8s.io/v1";

const BEFORE: &str = "kubectl applies its preferences before it knows the command, and says so";

fn says(status: &str) -> String {
    format!("echo '{{\"kind\":\"ExecCredential\",\"apiVersion\":\"{V1}\",\"status\":{status}}}'")
}

fn good() -> String {
    says("{\"token\":\"good\"}")
}

fn exec(command: &str, more: &str) -> String {
    format!("exec: {{apiVersion: {V1}, interactiveMode: Never, command: '{command}'{more}}}")
}

/// A helper `h` in PATH that runs a script.
fn helper(name: &'static str, script: String, more: &'static str) -> Row {
    row(format!("helper: {name}"), move |place| {
        place.script("bin/h", 0o755, &script);
        place.single(&cluster(lab().closed), &exec("h", more));
    })
}

const KNOWN: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";

/// A kuberc, with a helper at `good/h` that is found before the one at `other/h`.
fn kuberc(name: &'static str, text: &'static str, command: &'static str) -> Row {
    row(format!("kuberc: {name}"), move |place| {
        with_two(place);
        let text = text.replace("KNOWN\n", KNOWN).replace("DIR", &place.dir.path().display().to_string());
        place.file(".kube/kuberc", &text);
        let command = command.replace("DIR", &place.dir.path().display().to_string());
        place.single(&cluster(lab().closed), &exec(&command, ""));
    })
    .direct()
}

fn with_two(place: &mut Place) {
    place.script("good/h", 0o755, &good());
    place.script("other/h", 0o755, &says("{\"token\":\"bad\"}"));
    let folder = |name: &str| place.path(name).display().to_string();
    let search = format!("{}:{}:/usr/bin:/bin", folder("good"), folder("other"));
    place.env("PATH", search);
}

/// A user of an issuer that takes the refresh token `rt`.
fn issuer(name: &'static str, more: &'static str) -> Row {
    row(format!("oidc: {name}"), move |place| {
        let base = Arc::new(Mutex::new(String::new()));
        let own = Arc::clone(&base);
        let handler: Handler = Arc::new(move |_, request| {
            if request.path.ends_with("/.well-known/openid-configuration") {
                return ok(&json!({"token_endpoint": format!("{}/token", own.lock().unwrap())}));
            }
            let wrong = json!({"error": "invalid_grant", "error_description": "Token is not active"});
            if !request.body.contains("refresh_token=rt") {
                return answer("400 Bad Request", &[], &wrong.to_string());
            }
            // A token of the issuer is whatever the API server takes: here one that it does not.
            let token = "e30.eyJleHAiOjQwMDAwMDAwMDB9.sig";
            ok(
                &json!({"access_token": "a", "token_type": "Bearer", "id_token": token, "refresh_token": "next"}),
            )
        });
        *base.lock().unwrap() = format!("http://{}", start(None, handler));
        let config = more.replace("ISSUER", &base.lock().unwrap());
        place.single(&cluster(lab().closed), &format!("auth-provider: {{name: oidc, config: {{{config}}}}}"));
    })
}

pub fn rows() -> Vec<Row> {
    let many = "-".repeat(100_000);
    let allow = "KNOWN\ncredentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: ";
    let allowed = |list: &str| -> &'static str { Box::leak(format!("{allow}{list}\n").into_boxed_str()) };
    vec![
        helper("token", good(), ""),
        helper("wrong token", says("{\"token\":\"bad\"}"), ""),
        helper("no status", says("null"), ""),
        helper("empty status", says("{}"), ""),
        helper("key without certificate", says("{\"clientKeyData\":\"k\"}"), ""),
        helper("fails", "exit 3".into(), ""),
        helper("talks and fails", "echo no >&2; exit 1".into(), "")
            .but(Expected::OtherWords("kubectl runs it five times")),
        helper("another version", good().replace("k8s.io/v1", "k8s.io/v1beta1"), ""),
        helper("another kind", good().replace("ExecCredential", "TokenReview"), "")
            .but(Expected::OtherWords("Go names a file of its own source")),
        helper("no kind", good().replace("\"kind\":\"ExecCredential\",", ""), ""),
        helper("garbage", "echo hello".into(), "").but(Expected::OtherWords("Go quotes the output")),
        helper(
            "YAML",
            format!("echo 'kind: ExecCredential'; echo 'apiVersion: {V1}'; echo 'status: {{token: good}}'"),
            "",
        ),
        helper(
            "an expired token",
            says("{\"token\":\"good\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"}"),
            "",
        ),
        helper("much beside it", good().replace("\"token\"", &format!("\"x\":\"{many}\",\"token\"")), ""),
        helper(
            "arguments and variables",
            "echo \"$1\" | grep -q a && eval \"$SAY\"".into(),
            ", args: [a], env: [{name: SAY, value: 'echo ''{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"good\"}}'''}]",
        ),
        helper("null in the variables", good(), ", env: [{name: A, value: null}], args: null"),
        helper("a variable without a name", good(), ", env: [{name: '', value: a}]"),
        row("helper: not installed", |place| {
            place.single(&cluster(lab().closed), &exec("no-such-helper", ""));
        })
        .but(Expected::OtherWords("kubectl's long advice is our hint")),
        row("helper: a path that is not there", |place| {
            place.single(&cluster(lab().closed), &exec("/nonexistent/h", ""));
        }),
        row("helper: a file that cannot be run", |place| {
            let path = place.script("h", 0o644, "exit 0");
            place.single(&cluster(lab().closed), &exec(&path, ""));
        }),
        row("helper: beside the kubeconfig", |place| {
            place.script("login/h", 0o755, &good());
            place.single(&cluster(lab().closed), &exec("login/h", ""));
        }),
        row("helper: in the current folder, which is in PATH", |place| {
            place.script("h", 0o755, &good());
            place.env("PATH", ".:/usr/bin:/bin");
            place.single(&cluster(lab().closed), &exec("h", ""));
        })
        .direct()
        .but(Expected::OtherWords("kubectl's long advice is our hint")),
        row("helper: in the current folder, which an empty entry of PATH means", |place| {
            place.script("h", 0o755, &good());
            place.env("PATH", "/usr/bin::/bin");
            place.single(&cluster(lab().closed), &exec("h", ""));
        })
        .direct()
        .but(Expected::OtherWords("kubectl's long advice is our hint")),
        row("helper: PATH of the kubeconfig does not choose it", |place| {
            with_two(place);
            let other =
                format!(", env: [{{name: PATH, value: '{}:/usr/bin:/bin'}}]", place.path("other").display());
            place.single(&cluster(lab().closed), &exec("h", &other));
        })
        .direct(),
        row("helper: a file that cannot be run shadows nothing", |place| {
            with_two(place);
            place.script("good/h", 0o644, "exit 0");
            place.script("other/h", 0o755, &good());
            place.single(&cluster(lab().closed), &exec("h", ""));
        })
        .direct(),
        row("helper: unknown version asked for", |place| {
            place.script("bin/h", 0o755, &good());
            place
                .single(&cluster(lab().closed), "exec: {apiVersion: v9, interactiveMode: Never, command: h}");
        }),
        row("helper: no mode", |place| {
            place.single(&cluster(lab().closed), &format!("exec: {{apiVersion: {V1}, command: h}}"));
        }),
        row("helper: unknown mode", |place| {
            place.single(
                &cluster(lab().closed),
                &format!("exec: {{apiVersion: {V1}, command: h, interactiveMode: Sometimes}}"),
            );
        })
        .but(Expected::OtherWords("the file is named, too")),
        row("helper: always asks", |place| {
            place.script("bin/h", 0o755, &good());
            place.single(&cluster(lab().closed), &exec("h", "").replace("Never", "Always"));
        }),
        row("helper: not run for plain http", |place| {
            place.single(&format!("server: 'http://{}'", lab().plain), &exec("no-such-helper", ""));
        }),
        row("helper: not run beside a token by flag", |place| {
            place.single(&cluster(lab().closed), &exec("no-such-helper", ""));
            place.args(&["--token=good"]);
        }),
        kuberc("none known", "kind: Other\n", "h"),
        kuberc("allows all", "KNOWN\ncredentialPluginPolicy: AllowAll\n", "h"),
        kuberc("denies all", "KNOWN\ncredentialPluginPolicy: DenyAll\n", "h"),
        kuberc(
            "an old version says nothing",
            "apiVersion: kubectl.config.k8s.io/v1alpha1\nkind: Preference\ncredentialPluginPolicy: DenyAll\n",
            "h",
        ),
        kuberc(
            "the second document is the known one",
            "apiVersion: kubectl.config.k8s.io/v9\nkind: Preference\n---\nKNOWN\ncredentialPluginPolicy: DenyAll\n",
            "h",
        ),
        kuberc("a broken document before it", "a: [\n---\nKNOWN\ncredentialPluginPolicy: DenyAll\n", "h"),
        kuberc("listed by name", allowed("[{name: h}]"), "h"),
        kuberc("listed by command", allowed("[{command: h}]"), "h"),
        kuberc("listed by both", allowed("[{name: h, command: h}]"), "h"),
        kuberc("listed by path", allowed("[{command: DIR/good/h}]"), "h"),
        kuberc("listed by name, run by path", allowed("[{command: h}]"), "DIR/good/h"),
        kuberc("another program of the name", allowed("[{command: h}]"), "DIR/other/h"),
        kuberc("another path", allowed("[{command: DIR/other/h}]"), "h"),
        kuberc("a path with detours", allowed("[{command: DIR/good/h}]"), "DIR/good/../good/h"),
        kuberc("an entry with detours", allowed("[{command: DIR/good/../good/h}]"), "h")
            .but(Expected::OtherWords(BEFORE)),
        kuberc("an empty list", allowed("[]"), "h").but(Expected::OtherWords(BEFORE)),
        kuberc("no list", "KNOWN\ncredentialPluginPolicy: Allowlist\n", "h")
            .but(Expected::OtherWords(BEFORE)),
        kuberc("an empty entry", allowed("[{command: ''}]"), "h").but(Expected::OtherWords(BEFORE)),
        kuberc("a list without a policy", "KNOWN\ncredentialPluginAllowlist: [{command: h}]\n", "h")
            .but(Expected::OtherWords(BEFORE)),
        kuberc("an unknown policy", "KNOWN\ncredentialPluginPolicy: Nonsense\n", "h")
            .but(Expected::OtherWords(BEFORE)),
        kuberc("name and command differ", allowed("[{name: a, command: b}]"), "h")
            .but(Expected::OnlyKubectl("a mistake about helpers must not allow them all")),
        kuberc("a policy that is no text", "KNOWN\ncredentialPluginPolicy: [\n", "h")
            .but(Expected::OnlyKubectl("a mistake about helpers must not allow them all")),
        row("kuberc: turned off", |place| {
            with_two(place);
            place.file(".kube/kuberc", &format!("{KNOWN}credentialPluginPolicy: DenyAll\n"));
            place.env("KUBECTL_KUBERC", "False");
            place.single(&cluster(lab().closed), &exec("h", ""));
        })
        .direct(),
        row("auth-provider: gcp", |place| {
            let config = "{cmd-path: /bin/sh, cmd-args: '-c \"exit 0\"', token-key: '{.t}'}";
            place.single(&cluster(lab().closed), &format!("auth-provider: {{name: gcp, config: {config}}}"));
        }),
        row("auth-provider: gcp beside a token", |place| {
            place.single(&cluster(lab().closed), "auth-provider: {name: gcp}, token: good");
        }),
        row("auth-provider: azure", |place| {
            place.single(&cluster(lab().closed), "auth-provider: {name: azure}");
        }),
        row("auth-provider: unknown", |place| {
            place.single(&cluster(lab().closed), "auth-provider: {name: x}");
        }),
        row("auth-provider: and a helper", |place| {
            place.single(&cluster(lab().closed), &format!("auth-provider: {{name: x}}, {}", exec("h", "")));
        }),
        issuer("no issuer", "client-id: me"),
        issuer("no client", "idp-issuer-url: ISSUER"),
        issuer("nothing to renew with", "idp-issuer-url: ISSUER, client-id: me"),
        issuer("renewed", "idp-issuer-url: ISSUER, client-id: me, client-secret: s, refresh-token: rt"),
        issuer("renewed without a secret", "idp-issuer-url: ISSUER, client-id: me, refresh-token: rt"),
        issuer("spent", "idp-issuer-url: ISSUER, client-id: me, refresh-token: spent"),
        issuer("a token that is none", "idp-issuer-url: ISSUER, client-id: me, id-token: opaque"),
        issuer("nobody there", "idp-issuer-url: 'http://127.0.0.1:1', client-id: me, refresh-token: rt")
            .but(Expected::OtherWords("kubectl takes the issuer's refusal for the server's")),
    ]
}
