//! TLS and who one is: authorities, names, tokens, client certificates, helpers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubectl_connect::{ApiErrorKind, ConnectionArgs, Connector};
use secrecy::SecretString;
use support::{Authority, Place, Received, Server, Signed, fetch, ok, unauthorized};

fn tls(
    authority: &Authority,
    handler: impl Fn(usize, &Received) -> Vec<u8> + Send + Sync + 'static,
) -> Server {
    Server::tls(authority.sign("127.0.0.1", |_| ()).config(None), handler)
}

fn url(server: &Server) -> String {
    format!("https://{}", server.address)
}

fn ca(authority: &Authority) -> String {
    format!(", certificate-authority-data: {}", STANDARD.encode(&authority.pem))
}

fn authorizations(server: &Server) -> Vec<String> {
    let of = |request: &Received| request.header("authorization").unwrap_or("none").to_owned();
    server.requests().iter().map(of).collect()
}

#[tokio::test]
async fn sends_tokens_over_tls() {
    let authority = Authority::new();
    let server = tls(&authority, |_, _| ok("{}"));
    let place = Place::new(&url(&server), &ca(&authority), "token: t");
    fetch(&place.connect().await.unwrap(), "/api").await.unwrap();
    let given = place.connect_with(|args| args.token = Some(SecretString::from("flag"))).await.unwrap();
    fetch(&given, "/api").await.unwrap();
    let basic = Place::new(&url(&server), &ca(&authority), "username: u, password: p");
    fetch(&basic.connect().await.unwrap(), "/api").await.unwrap();
    assert_eq!(authorizations(&server), ["Bearer t", "Bearer flag", "Basic dTpw"]);
}

#[tokio::test]
async fn reads_certificates_beside_the_kubeconfig() {
    let authority = Authority::new();
    let server = tls(&authority, |_, _| ok("{}"));
    let place = Place::new(&url(&server), ", certificate-authority: ca.pem", "tokenFile: token");
    place.file("ca.pem", &authority.pem);
    place.file("token", "from-file\n");
    fetch(&place.connect().await.unwrap(), "/api").await.unwrap();
    assert_eq!(authorizations(&server), ["Bearer from-file"]);
}

#[tokio::test]
async fn a_rotated_token_file_is_read_after_a_401() {
    let authority = Authority::new();
    let server = tls(&authority, |_, request| match request.header("authorization") {
        Some("Bearer new") => ok("{}"),
        _ => unauthorized(),
    });
    let place = Place::new(&url(&server), &ca(&authority), "tokenFile: token");
    place.file("token", "old");
    let connection = place.connect().await.unwrap();
    let error = fetch(&connection, "/api").await.unwrap_err();
    assert_eq!(error.to_string(), "error: You must be logged in to the server (Unauthorized)");
    assert_eq!(error.hint(), Some("the token of user \"me\" was refused; it may have expired"));
    place.file("token", "new");
    fetch(&connection, "/api").await.unwrap();
    assert_eq!(authorizations(&server), ["Bearer old", "Bearer old", "Bearer new"]);
}

#[tokio::test]
async fn says_what_is_wrong_with_a_certificate() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let said = |server: Server, cluster: String| async move {
        let place = Place::new(&url(&server), &cluster, "token: t");
        let connection = place.connect().await.unwrap();
        let error = fetch(&connection, "/api").await.unwrap_err();
        assert_eq!(error.kind(), ApiErrorKind::Certificate, "{error}");
        assert!(error.hint().unwrap().contains("the kubeconfig's certificate-authority"));
        assert!(server.requests().is_empty(), "no token may be sent");
        error.to_string().split("x509: ").last().unwrap().to_owned()
    };
    let unknown = tls(&authority, |_, _| ok("{}"));
    assert_eq!(said(unknown, ca(&stranger)).await, "certificate signed by unknown authority");
    let misnamed = Server::tls(authority.sign("other.example", |_| ()).config(None), |_, _| ok("{}"));
    assert_eq!(
        said(misnamed, ca(&authority)).await,
        "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"
    );
    let expired = authority.sign("127.0.0.1", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 2);
    });
    let expired = said(Server::tls(expired.config(None), |_, _| ok("{}")), ca(&authority)).await;
    assert!(expired.starts_with("certificate has expired or is not yet valid: current time "), "{expired}");
    assert!(expired.ends_with(" is after 2020-01-02T00:00:00Z"), "{expired}");
}

#[tokio::test]
async fn names_and_checks_can_be_changed_by_flag() {
    let authority = Authority::new();
    let server = Server::tls(authority.sign("other.example", |_| ()).config(None), |_, _| ok("{}"));
    let place = Place::new(&url(&server), &ca(&authority), "token: t");
    let named = place.connect_with(|args| args.tls_server_name = Some("other.example".into())).await.unwrap();
    fetch(&named, "/api").await.unwrap();
    let blind = place.connect_with(|args| args.insecure_skip_tls_verify = true).await.unwrap();
    fetch(&blind, "/api").await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn other_ways_for_tls_to_fail() {
    let authority = Authority::new();
    let plain = Server::plain(|_, _| ok("{}"));
    let place = Place::new(&url(&plain), &ca(&authority), "");
    // A server that does not speak TLS answers the handshake with HTTP.
    let talking = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = talking.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = talking.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let http = place.connect_with(|args| args.server = Some(format!("https://{address}"))).await.unwrap();
    let error = fetch(&http, "/api").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ApiErrorKind::Tls,
            "Unable to connect to the server: http: server gave HTTP response to HTTPS client"
        )
    );
    let bad = Place::new(&url(&plain), ", certificate-authority-data: aGVsbG8=", "");
    assert_eq!(
        bad.connect().await.err().unwrap().to_string(),
        "error: unable to load root certificates: unable to parse bytes as PEM block"
    );
}

#[tokio::test]
async fn shows_a_client_certificate() {
    let authority = Authority::new();
    let config = authority.sign("127.0.0.1", |_| ()).config(Some(&authority));
    let server = Server::tls(config, |_, _| ok("{}"));
    let Signed { certificate, key } = authority.sign("client", |_| ());
    let place = Place::new(&url(&server), &ca(&authority), "client-certificate: c.pem, client-key: k.pem");
    place.file("c.pem", &certificate);
    let problem = place.connect().await.err().unwrap().to_string();
    assert!(problem.starts_with("error: unable to read client-key "), "{problem}");
    place.file("k.pem", &key);
    fetch(&place.connect().await.unwrap(), "/api").await.unwrap();

    let data = format!(
        "client-certificate-data: {}, client-key-data: {}",
        STANDARD.encode(&certificate),
        STANDARD.encode(&key)
    );
    fetch(&Place::new(&url(&server), &ca(&authority), &data).connect().await.unwrap(), "/api").await.unwrap();

    let nobody = Place::new(&url(&server), &ca(&authority), "").connect().await.unwrap();
    let error = fetch(&nobody, "/api").await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Tls, "{error}");
    place.file("k.pem", "nonsense");
    assert!(place.connect().await.err().unwrap().to_string().starts_with("error: tls: "));
}

#[cfg(unix)]
mod helpers {
    use super::*;

    fn exec(script: &str) -> String {
        format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable, command: sh, \
             args: ['-c', {script:?}]}}"
        )
    }

    /// Prints what `field` holds after counting the call in the file `calls`.
    fn counted(place: &std::path::Path, status: &str) -> String {
        let calls = place.join("calls");
        let calls = calls.display();
        format!(
            "echo >> {calls}; N=$(wc -l < {calls} | tr -d ' '); \
             printf '{{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{status}}}' "
        )
    }

    fn calls(dir: &std::path::Path) -> usize {
        std::fs::read_to_string(dir.join("calls")).unwrap_or_default().lines().count()
    }

    #[tokio::test]
    async fn run_once_for_many_requests_and_again_after_a_401() {
        let authority = Authority::new();
        let server = tls(&authority, |number, request| match (number, request.header("authorization")) {
            (..=3, Some("Bearer t1")) | (_, Some("Bearer t2")) => ok("{}"),
            _ => unauthorized(),
        });
        let calls_dir = tempfile::tempdir().unwrap();
        let script = counted(calls_dir.path(), "{\"token\":\"t%s\"}") + "$N";
        let place = Place::new(&url(&server), &ca(&authority), &exec(&script));
        let connection = place.connect().await.unwrap();
        for _ in 0..3 {
            fetch(&connection, "/api").await.unwrap();
        }
        assert_eq!(calls(calls_dir.path()), 1);
        // A watch that starts with a token gone stale is carried on with the next one.
        fetch(&connection, "/api/v1/pods?watch=true").await.unwrap();
        assert_eq!(calls(calls_dir.path()), 2);
        let expected = ["Bearer t1", "Bearer t1", "Bearer t1", "Bearer t1", "Bearer t2"];
        assert_eq!(authorizations(&server), expected);
    }

    #[tokio::test]
    async fn give_up_when_the_new_token_is_the_old_one() {
        let authority = Authority::new();
        let server = tls(&authority, |_, _| unauthorized());
        let calls_dir = tempfile::tempdir().unwrap();
        let place = Place::new(
            &url(&server),
            &ca(&authority),
            &exec(&counted(calls_dir.path(), "{\"token\":\"t\"}")),
        );
        let connection = place.connect().await.unwrap();
        let error = fetch(&connection, "/api").await.unwrap_err();
        assert_eq!(error.kind(), ApiErrorKind::Unauthorized);
        assert_eq!(
            error.hint(),
            Some("the credentials that sh gave for user \"me\" were refused; log in again")
        );
        assert_eq!((server.requests().len(), calls(calls_dir.path())), (1, 2));
    }

    #[tokio::test]
    async fn hand_out_certificates_and_renew_them_with_the_connection() {
        let authority = Authority::new();
        let config = authority.sign("127.0.0.1", |_| ()).config(Some(&authority));
        let server = Server::tls(config, |number, _| if number == 1 { unauthorized() } else { ok("{}") });
        let dir = tempfile::tempdir().unwrap();
        for number in 1..=2 {
            let Signed { certificate, key } = authority.sign("client", |_| ());
            let status = format!(
                r#"{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{{"clientCertificateData":{certificate:?},"clientKeyData":{key:?}}}}}"#
            );
            std::fs::write(dir.path().join(format!("answer{number}")), status).unwrap();
        }
        let path = dir.path().display();
        let script = format!("echo >> {path}/calls; cat {path}/answer$(wc -l < {path}/calls | tr -d ' ')");
        let place = Place::new(&url(&server), &ca(&authority), &exec(&script));
        let connection = place.connect().await.unwrap();
        fetch(&connection, "/api").await.unwrap();
        let requests = server.requests();
        assert_eq!(calls(dir.path()), 2);
        assert_eq!(requests.iter().map(|request| request.connection).collect::<Vec<_>>(), [0, 1]);
    }

    #[tokio::test]
    async fn a_certificate_that_expires_during_the_command_is_replaced() {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let config = authority.sign("127.0.0.1", |_| ()).config(Some(&authority));
        let server = Server::tls(config, |_, _| ok("{}"));
        let dir = tempfile::tempdir().unwrap();
        // The first one is of no use by the time of the first request, and its helper says so.
        for (number, signer, expires) in [(1, &stranger, "2020-01-01"), (2, &authority, "2090-01-01")] {
            let Signed { certificate, key } = signer.sign("client", |_| ());
            let status = format!(
                r#"{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{{"clientCertificateData":{certificate:?},"clientKeyData":{key:?},"expirationTimestamp":"{expires}T00:00:00Z"}}}}"#
            );
            std::fs::write(dir.path().join(format!("answer{number}")), status).unwrap();
        }
        let path = dir.path().display();
        let script = format!("echo >> {path}/calls; cat {path}/answer$(wc -l < {path}/calls | tr -d ' ')");
        let place = Place::new(&url(&server), &ca(&authority), &exec(&script));
        let connection = place.connect().await.unwrap();
        for _ in 0..2 {
            fetch(&connection, "/api").await.unwrap();
        }
        assert_eq!(calls(dir.path()), 2);
    }

    #[tokio::test]
    async fn are_not_run_where_they_are_not_needed() {
        let authority = Authority::new();
        let server = tls(&authority, |_, _| ok("{}"));
        let place = Place::new(&url(&server), &ca(&authority), &exec("exit 1"));
        let failed = place.connect().await.err().unwrap();
        assert_eq!(
            failed.to_string(),
            "Unable to connect to the server: getting credentials: exec: executable sh failed with exit code 1"
        );
        assert!(failed.hint().is_some());
        place.connect_with(|args| args.token = Some(SecretString::from("t"))).await.unwrap();
        place.connect_with(|args| args.server = Some("http://127.0.0.1:1".into())).await.unwrap();
    }

    #[tokio::test]
    async fn are_refused_as_kuberc_says() {
        let authority = Authority::new();
        let server = tls(&authority, |_, _| ok("{}"));
        let place = Place::new(&url(&server), &ca(&authority), &exec("exit 1"));
        let kuberc = place.file(
            "kuberc",
            "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: DenyAll\n",
        );
        let denied = place.connect_with(|args| args.kuberc = Some(kuberc)).await.err().unwrap();
        assert_eq!(
            denied.to_string(),
            "Unable to connect to the server: getting credentials: plugin \"sh\" not allowed: policy set to \"DenyAll\""
        );
    }

    #[tokio::test]
    async fn may_not_ask_when_stdin_is_taken() {
        let authority = Authority::new();
        let server = tls(&authority, |_, _| ok("{}"));
        let always = exec("exit 1").replace("IfAvailable", "Always");
        let mut place = Place::new(&url(&server), &ca(&authority), &always);
        place.env.stdin_is_terminal = true;
        let args = ConnectionArgs::default();
        let connector = Connector::new(&args, &support::agent()).environment(&place.env).stdin_taken(true);
        let error = connector.connect().await.err().unwrap().to_string();
        assert!(
            error.contains("exec plugin cannot support interactive mode: standard input is unavailable"),
            "{error}"
        );
    }
}
