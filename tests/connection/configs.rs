//! Kubeconfigs, and the flags that change what they say.

use crate::lab::{cluster, encoded, lab};
use crate::{Expected, Row, row};

const TOKEN: &str = "token: good";
const ASKS: &str = "kubectl asks for a user name and a password";

/// A file in which only what is in use is right.
fn with_odd(list: &'static str, entry: &'static str) -> Row {
    row(format!("odd entry beside it in {list}: {entry}"), move |place| {
        place.single(&cluster(lab().closed), TOKEN);
        let marked = format!("{list}: [");
        place.config = place.config.replace(&marked, &format!("{marked}{entry}, "));
    })
}

fn user(name: &'static str, fields: &'static str) -> Row {
    row(format!("user: {name}"), move |place| place.single(&cluster(lab().closed), fields))
}

fn flags(name: &'static str, args: &'static [&'static str]) -> Row {
    row(format!("flags: {name}"), move |place| {
        place.single(&cluster(lab().closed), TOKEN);
        place.args(args);
    })
}

fn text(name: &'static str, change: impl Fn(&str) -> String + Send + Sync + 'static) -> Row {
    row(format!("file: {name}"), move |place| {
        place.single(&cluster(lab().closed), TOKEN);
        place.config = change(&place.config);
    })
}

pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        user("token", TOKEN),
        user("wrong token", "token: bad"),
        user("none", "").but(Expected::OtherWords(ASKS)),
        user("password", "username: u, password: pw"),
        user("wrong password", "username: u, password: wrong"),
        user("token and password", "username: u, password: pw, token: good"),
        user(
            "nulls",
            "token: good, client-certificate: null, exec: null, auth-provider: null, as-groups: null",
        ),
        user("empty strings", "token: good, client-certificate: '', as: '', as-uid: '', tokenFile: ''"),
        user("uid without a user", "token: good, as-uid: '1'"),
        user("groups without a user", "token: good, as-groups: [a]"),
        user("a number as token", "token: 12345")
            .but(Expected::OtherWords("the field is named, not Go's type")),
        user("a list as token", "token: [a]").but(Expected::OtherWords("the field is named, not Go's type")),
        user("certificate without a key", "client-certificate-data: YQ=="),
        user("certificate that is no base64", "client-certificate-data: '!', client-key-data: YQ==")
            .but(Expected::OtherWords("Go tells the place in the file's JSON")),
        user("certificate that is no PEM", "client-certificate-data: YQ==, client-key-data: YQ=="),
        user(
            "certificate file that is not there",
            "client-certificate: /nonexistent/c, client-key: /nonexistent/k",
        ),
        user("token file that is not there", "tokenFile: /nonexistent/token"),
        with_odd("users", "{name: old, user: {auth-provider: {config: null, name: gcp}}}"),
        with_odd("users", "{name: odd, user: {exec: {env: [{name: A, value: null}]}}}"),
        with_odd(
            "users",
            "{name: odd, user: {exec: {provideClusterInfo: null, interactiveMode: Sometimes}}}",
        ),
        with_odd("users", "{user: {token: nameless}}"),
        with_odd("users", "{name: number, user: {token: 5}}")
            .but(Expected::OnlyOurs("a user that is not in use need not be right")),
        with_odd("contexts", "{name: bare}"),
        with_odd("contexts", "{name: null-cluster, context: {cluster: null}}"),
        with_odd("clusters", "{name: extended, cluster: {server: a, extensions: [{name: x}]}}"),
        with_odd("clusters", "{name: empty}"),
        with_odd("clusters", "{name: twice, cluster: {server: a}}, {name: twice, cluster: {server: b}}")
            .but(Expected::OnlyOurs("what stands twice and is not in use need not be right")),
        with_odd("clusters", "{name: c, cluster: {server: a}}")
            .but(Expected::OtherWords("Go lists all of it, secrets included")),
        text("as it is", str::to_owned),
        text("a key twice", |text| text.replace("token: good", "token: bad, token: good")),
        text("carriage returns", |text| text.replace('\n', "\r\n")),
        text("a byte order mark", |text| format!("\u{feff}{text}")),
        text("a second document", |text| format!("{text}---\nkind: Other\n")),
        text("anchors", |text| text.replace("{token: good}", "&u {token: good}")),
        text("another kind", |text| text.replace("kind: Config", "kind: Foo"))
            .but(Expected::OtherWords("Go names a file of its own source")),
        text("another version", |text| text.replace("apiVersion: v1", "apiVersion: v2"))
            .but(Expected::OtherWords("Go names a file of its own source")),
        text("no kind", |text| text.replace("kind: Config", "")),
        text("unknown fields", |text| format!("{text}unknown: {{a: 1}}\n")),
        text("not YAML", |_| "users: [\n".into()).but(Expected::OtherWords("another parser's words")),
        text("a list", |_| "[]\n".into()).but(Expected::OtherWords("the field is named, not Go's type")),
        text("clusters as a map", |text| text.replace("clusters: [", "x: [") + "clusters: {}\n")
            .but(Expected::OtherWords("the field is named, not Go's type")),
        text("current context that is not there", |text| {
            text.replace("current-context: ctx", "current-context: x")
        }),
        text("no current context", |text| text.replace("current-context: ctx", "")),
        text("user that is not there", |text| text.replace("user: me, namespace", "user: gone, namespace"))
            .but(Expected::OtherWords(ASKS)),
        text("cluster that is not there", |text| text.replace("cluster: c, user", "cluster: gone, user")),
        text("insecure in YAML 1.1", |text| {
            let at = text.find(", certificate-authority-data").unwrap();
            let end = at + text[at..].find('}').unwrap();
            format!("{}, insecure-skip-tls-verify: yes{}", &text[..at], &text[end..])
        }),
        text("insecure and an authority", |text| {
            text.replace("server:", "insecure-skip-tls-verify: true, server:")
        }),
        flags("an empty token", &["--token="]),
        flags("an empty password", &["--password="]),
        flags("another token", &["--token=bad"]),
        flags("an empty server", &["--server="]),
        flags("a context that is not there", &["--context=x"]),
        flags("a cluster that is not there", &["--cluster=x"]),
        flags("a user that is not there", &["--user=x"]),
        flags("a namespace", &["--namespace=default"]),
        flags("a port that refuses", &["--server=https://127.0.0.1:1"]),
        flags("an address with a password", &["--server=https://u:s3cret@127.0.0.1:1"]),
        flags("plain http where nothing listens", &["--server=http://127.0.0.1:1"]),
        flags("a name that does not exist", &["--server=https://nope.invalid"])
            .but(Expected::OtherWords("Go names the resolver")),
        flags("no address at all", &["--server=ftp://x"]).but(Expected::OtherWords("Go tries to speak it")),
        flags("extra without a value", &["--as=u", "--as-user-extra=novalue"]),
        flags("a time limit below zero", &["--request-timeout=-5s"]),
        flags("a time limit", &["--request-timeout=20s"]),
        flags("a time limit that is none", &["--request-timeout=soon"]),
        flags("verbosity beyond a byte", &["-v=300"]),
        flags("verbosity below zero", &["-v=-1"]),
        flags("profiling and logging", &["--profile=none", "--log-flush-frequency=5s", "--vmodule=a=1"]),
        flags("an authority that is not there", &["--certificate-authority=/nonexistent/ca"]),
        flags("insecure beside the file's authority", &["--insecure-skip-tls-verify"]),
        flags("a kubeconfig that is not there", &["--kubeconfig=/nonexistent/config"]),
        flags("no compression", &["--disable-compression"]),
        flags("another server name", &["--tls-server-name=api.test"]),
        flags("a wrong server name", &["--tls-server-name=other.test"]),
        row("plain http with a token", |place| {
            place.single(&format!("server: 'http://{}'", lab().plain), TOKEN);
        }),
        row("an address without a scheme", |place| {
            place.single(&format!("server: '{}'", lab().plain), TOKEN);
        }),
        row("a path in front", |place| {
            place.single(&cluster(lab().open).replacen("',", "/k8s/clusters/c',", 1), TOKEN);
        }),
        row("plain http to a TLS server", |place| {
            place.single(&format!("server: 'http://{}'", lab().open), TOKEN);
        })
        .but(Expected::OtherWords(
            "rustls hangs up where Go's server would answer in clear text; the words depend on timing",
        )),
        row("TLS to a plain server", |place| place.single(&cluster(lab().plain), TOKEN)),
        row("a login in the address", |place| {
            place.single(&cluster(lab().closed).replacen("https://", "https://u:pw@", 1), "token: bad");
        }),
        row("base64 in lines", |place| {
            let data = encoded(&lab().authority.pem);
            let lines: Vec<&str> =
                data.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
            place.single("server: SERVER", TOKEN);
            let block = format!(
                "clusters:\n- name: c\n  cluster:\n    server: https://{}\n    certificate-authority-data: |\n      {}\n",
                lab().closed,
                lines.join("\n      ")
            );
            place.config = place.config.replace("clusters: [{name: c, cluster: {server: SERVER}}]\n", &block);
        }),
        row("a list of files", |place| {
            place.single(&cluster(lab().closed), TOKEN);
            let first = place.file("first", "current-context: ctx2\n");
            let second = place.file(
                "second",
                "users: [{name: me, user: {token: bad}}]\ncontexts: [{name: ctx2, context: {cluster: c, user: me}}]\n",
            );
            let config = place.path("config").display().to_string();
            place.env("KUBECONFIG", format!("{first}:/nonexistent/x:{second}::{config}"));
        }),
        row("a token file beside the kubeconfig", |place| {
            place.file("token", "good\n");
            place.single(&cluster(lab().closed), "tokenFile: token");
        }),
        row("an empty token file", |place| {
            place.file("token", "");
            place.single(&cluster(lab().closed), "tokenFile: token");
        })
        .but(Expected::OtherWords(ASKS)),
        row("a token file wins over a token", |place| {
            place.file("token", "good");
            place.single(&cluster(lab().closed), "tokenFile: token, token: bad");
        }),
        row("a token by flag and a token file", |place| {
            place.file("token", "good");
            place.single(&cluster(lab().closed), "tokenFile: token");
            place.args(&["--token=bad"]);
        })
        .but(Expected::OnlyKubectl("a flag wins over a file")),
        row("no kubeconfig at all", |place| place.env("KUBECONFIG", "/nonexistent/config")),
    ];
    for (name, certificate) in [("client certificate", true), ("no client certificate", false)] {
        rows.push(row(name, move |place| {
            let client = &lab().client;
            let data = format!(
                "client-certificate-data: {}, client-key-data: {}",
                encoded(&client.certificate),
                encoded(&client.key)
            );
            place.single(&cluster(lab().mutual), if certificate { &data } else { TOKEN });
        }));
    }
    rows.push(row("a key of somebody else", |place| {
        let data = format!(
            "client-certificate-data: {}, client-key-data: {}",
            encoded(&lab().client.certificate),
            encoded(&lab().server.key)
        );
        place.single(&cluster(lab().mutual), &data);
    }));
    rows
}
