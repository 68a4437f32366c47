//! Users of an issuer (`auth-provider`): whose session survives, and what is never run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kubectl_connect::{ApiErrorKind, ConnectionArgs};
use secrecy::SecretString;
use support::{Authority, Place, Received, Server, answer, fetch, ok};

fn jwt(name: &str, expires: i64) -> String {
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{expires},"name":"{name}"}}"#)))
}

fn fresh(name: &str) -> String {
    jwt(name, 4_000_000_000)
}

fn stale(name: &str) -> String {
    jwt(name, 1_000_000_000)
}

/// An issuer that takes each refresh token once.
struct Issuer {
    server: Server,
}

impl Issuer {
    fn start(authority: Option<&Authority>) -> Self {
        let address = Arc::new(Mutex::new(String::new()));
        let spent = Arc::new(Mutex::new(0));
        let base = Arc::clone(&address);
        let handler = move |_: usize, request: &Received| {
            if request.line.contains("/.well-known/openid-configuration") {
                return ok(&format!(r#"{{"token_endpoint":"{}/token"}}"#, base.lock().unwrap()));
            }
            let mut spent = spent.lock().unwrap();
            if !request.body.contains(&format!("refresh_token=rt{}", *spent)) {
                let body = r#"{"error":"invalid_grant","error_description":"Token is not active"}"#;
                return answer("400 Bad Request", &[], body);
            }
            *spent += 1;
            ok(&format!(
                r#"{{"access_token":"a","id_token":"{}","refresh_token":"rt{spent}"}}"#,
                fresh("new")
            ))
        };
        let server = match authority {
            Some(authority) => Server::tls(authority.sign("127.0.0.1", |_| ()).config(None), handler),
            None => Server::plain(handler),
        };
        let scheme = if authority.is_some() { "https" } else { "http" };
        *address.lock().unwrap() = format!("{scheme}://{}", server.address);
        Self { server }
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.server.address)
    }
}

struct Api {
    authority: Authority,
    server: Server,
}

impl Api {
    fn start() -> Self {
        let authority = Authority::new();
        let server = Server::tls(authority.sign("127.0.0.1", |_| ()).config(None), |_, _| ok("{}"));
        Self { authority, server }
    }

    fn place(&self, user: &str) -> Place {
        let ca = format!(", certificate-authority-data: {}", STANDARD.encode(&self.authority.pem));
        Place::new(&format!("https://{}", self.server.address), &ca, user)
    }

    fn authorizations(&self) -> Vec<String> {
        let of = |request: &Received| request.header("authorization").unwrap_or("none").to_owned();
        self.server.requests().iter().map(of).collect()
    }
}

fn oidc(issuer: &str, more: &str) -> String {
    format!("auth-provider: {{name: oidc, config: {{idp-issuer-url: '{issuer}', client-id: me{more}}}}}")
}

#[tokio::test]
async fn nobody_is_logged_out_by_a_token_that_is_taken_only_once() {
    let (api, issuer) = (Api::start(), Issuer::start(None));
    let more = format!(", client-secret: s, id-token: {}, refresh-token: rt0", stale("old"));
    let place = api.place(&oidc(&issuer.url("http"), &more));
    for _ in 0..3 {
        fetch(&place.connect().await.unwrap(), "/api").await.unwrap();
    }
    let bearer = format!("Bearer {}", fresh("new"));
    assert_eq!(api.authorizations(), [bearer.clone(), bearer.clone(), bearer]);
    // The metadata and the token, once: the next command finds them in the kubeconfig.
    assert_eq!(issuer.server.requests().len(), 2);
    let token = &issuer.server.requests()[1];
    assert_eq!(token.header("authorization"), Some("Basic bWU6cw=="));
    assert_eq!(token.body, "grant_type=refresh_token&refresh_token=rt0");
    let text = std::fs::read_to_string(place.path().join("config")).unwrap();
    assert!(text.contains("refresh-token: rt1") && text.contains("current-context: ctx"), "{text}");
    assert!(!place.path().join("config.lock").exists());
}

#[tokio::test]
async fn the_file_that_holds_the_user_is_the_one_that_is_written() {
    let (api, issuer) = (Api::start(), Issuer::start(None));
    let mut place = api.place("token: unused");
    let first = place.file("first", "current-context: ctx2\n");
    let user = oidc(&issuer.url("http"), ", refresh-token: rt0");
    let text = format!(
        "users: [{{name: of-file, user: {{{user}}}}}]\ncontexts: [{{name: ctx2, context: {{cluster: c, user: of-file}}}}]\n"
    );
    let second = place.file("second", &text);
    let list = [first.clone(), second.clone(), place.path().join("config")];
    place.env = place.env.with("KUBECONFIG", std::env::join_paths(list).unwrap());
    fetch(&place.connect().await.unwrap(), "/api").await.unwrap();
    assert!(std::fs::read_to_string(second).unwrap().contains("refresh-token: rt1"));
    assert_eq!(std::fs::read_to_string(first).unwrap(), "current-context: ctx2\n");
}

#[tokio::test]
async fn an_issuer_of_ones_own_is_reached_with_its_own_authority_and_proxy() {
    let (api, authority) = (Api::start(), Authority::new());
    let issuer = Issuer::start(Some(&authority));
    let data =
        format!(", refresh-token: rt0, idp-certificate-authority-data: {}", STANDARD.encode(&authority.pem));
    fetch(&api.place(&oidc(&issuer.url("https"), &data)).connect().await.unwrap(), "/api").await.unwrap();

    let stranger = api.place(&oidc(&issuer.url("https"), ", refresh-token: rt1"));
    let error = fetch(&stranger.connect().await.unwrap(), "/api").await.unwrap_err();
    assert!(error.to_string().ends_with("x509: certificate signed by unknown authority"), "{error}");

    let proxy = Server::plain(|_, _| answer("403 Forbidden", &[], ""));
    let mut place = api.place(&oidc("https://issuer.invalid", ", refresh-token: rt0"));
    place.env = place.env.with("HTTPS_PROXY", format!("http://{}", proxy.address));
    let error = fetch(&place.connect().await.unwrap(), "/api").await.unwrap_err();
    assert_eq!(proxy.requests()[0].line, "CONNECT issuer.invalid:443 HTTP/1.1");
    assert!(error.to_string().ends_with("/.well-known/openid-configuration\": Forbidden"), "{error}");
}

#[tokio::test]
async fn a_failure_says_that_it_is_about_the_login() {
    let (api, issuer) = (Api::start(), Issuer::start(None));
    let said = |more: String| {
        let place = api.place(&oidc(&issuer.url("http"), &more));
        async move { fetch(&place.connect().await.unwrap(), "/api").await.unwrap_err() }
    };
    let spent = said(", refresh-token: spent".into()).await;
    assert_eq!(spent.kind(), ApiErrorKind::Credentials);
    assert_eq!(
        spent.to_string(),
        "Unable to connect to the server: failed to refresh token: oauth2: \"invalid_grant\" \"Token is not active\""
    );
    assert!(spent.hint().unwrap().contains("OpenID Connect"), "{:?}", spent.hint());
    // A client without a secret names itself in the form, after the header was refused.
    let tokens: Vec<Received> =
        issuer.server.requests().into_iter().filter(|request| request.line.starts_with("POST")).collect();
    assert_eq!(tokens[1].body, "grant_type=refresh_token&refresh_token=spent&client_id=me");
    let none = said(format!(", id-token: {}", stale("old"))).await.to_string();
    assert_eq!(
        none,
        "Unable to connect to the server: No valid id-token, and cannot refresh without refresh-token"
    );
    assert!(api.server.requests().is_empty());
}

#[tokio::test]
async fn a_lock_that_somebody_left_spends_no_token() {
    let (api, issuer) = (Api::start(), Issuer::start(None));
    let place = api.place(&oidc(&issuer.url("http"), ", refresh-token: rt0"));
    let lock = place.file("config.lock", "");
    let error = fetch(&place.connect().await.unwrap(), "/api").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Unable to connect to the server: could not persist new tokens: open {}: file exists",
            lock.display()
        )
    );
    assert!(issuer.server.requests().is_empty());
}

#[tokio::test]
async fn a_token_by_flag_runs_the_command_as_nobody_else() {
    let api = Api::start();
    let place = api.place(&oidc("http://127.0.0.1:1", &format!(", id-token: {}", fresh("other"))));
    let token = |args: &mut ConnectionArgs| args.token = Some(SecretString::from("mine"));
    fetch(&place.connect_with(token).await.unwrap(), "/api").await.unwrap();
    let password = |args: &mut ConnectionArgs| {
        args.username = Some("u".into());
        args.password = Some(SecretString::from("p"));
    };
    fetch(&place.connect_with(password).await.unwrap(), "/api").await.unwrap();
    fetch(&place.connect().await.unwrap(), "/api").await.unwrap();
    assert_eq!(
        api.authorizations(),
        ["Bearer mine".to_owned(), "Basic dTpw".to_owned(), format!("Bearer {}", fresh("other"))]
    );
}

#[tokio::test]
async fn old_providers_never_run_a_program() {
    let api = Api::start();
    let dir = tempfile::tempdir().unwrap();
    let ran = dir.path().join("ran");
    let config = format!(
        "{{cmd-path: /bin/sh, cmd-args: '-c \"touch {}\"', token-key: '{{.t}}', expiry-key: '{{.e}}'}}",
        ran.display()
    );
    for (name, said) in [
        ("gcp", "error: The gcp auth plugin has been removed.\nPlease use the \"gke-gcloud-auth-plugin\""),
        (
            "azure",
            "error: The azure auth plugin has been removed.\nPlease use the https://github.com/Azure/kubelogin",
        ),
        ("other", "error: no Auth Provider found for name \"other\""),
        ("''", "error: no Auth Provider found for name \"\""),
        ("oidc", "error: Must provide idp-issuer-url"),
    ] {
        let place = api.place(&format!("auth-provider: {{name: {name}, config: {config}}}"));
        let token = |args: &mut ConnectionArgs| args.token = Some(SecretString::from("mine"));
        for refused in [place.connect().await, place.connect_with(token).await] {
            let refused = refused.err().unwrap().to_string();
            assert!(refused.starts_with(said), "{refused}");
        }
    }
    assert!(!ran.exists());
}
