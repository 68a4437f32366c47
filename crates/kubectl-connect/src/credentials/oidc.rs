//! The `oidc` auth-provider: an ID token that an issuer renews for a refresh token, by client-go's rules
//! (`plugin/pkg/client/auth/oidc/oidc.go`). What the issuer hands out is written back, for many take a refresh token only once.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::config::AuthProviderConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::Mutex;

use super::persist::{Lock, Place};
use super::{CredentialError, bearer};
use crate::http_stack::{Answered, send_once};
use crate::proxy::Rules;
use crate::tls::{Authorities, TlsPlan, parse_authorities};
use crate::words::one_line;
use crate::{ConnectError, Environment, Settings};

/// How much earlier than it says a token counts as expired, as in client-go.
const EARLY: SignedDuration = SignedDuration::from_secs(10);
/// What stays as it is in a form; a blank becomes `%20`, which every server reads.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const HINT: &str = "the user logs in with OpenID Connect (auth-provider oidc); log in again with whatever wrote the kubeconfig";

/// A user of an issuer.
pub(crate) struct Oidc {
    tls: TlsPlan,
    proxies: Rules,
    place: Option<Place>,
    /// The provider's settings as the kubeconfig has them, or newer; held while the issuer is asked.
    config: Mutex<BTreeMap<String, String>>,
}

impl Oidc {
    /// Reads the provider's settings; every other provider is refused in client-go's words and never run.
    pub(crate) fn new(
        provider: &AuthProviderConfig,
        settings: &Settings,
        env: &dyn Environment,
    ) -> Result<Self, ConnectError> {
        let refuse = |reason: &str| Err(ConnectError::Unusable(reason.to_owned()));
        match provider.name.as_str() {
            "oidc" => {}
            "gcp" => {
                return refuse(
                    "The gcp auth plugin has been removed.\n\
                     Please use the \"gke-gcloud-auth-plugin\" kubectl/client-go credential plugin instead.\n\
                     See https://cloud.google.com/blog/products/containers-kubernetes/kubectl-auth-changes-in-gke for further details",
                );
            }
            "azure" => {
                return refuse(
                    "The azure auth plugin has been removed.\n\
                     Please use the https://github.com/Azure/kubelogin kubectl/client-go credential plugin instead.\n\
                     See https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins for further details",
                );
            }
            other => return refuse(&format!("no Auth Provider found for name \"{}\"", one_line(other))),
        }
        let config: BTreeMap<String, String> = provider.config.clone().into_iter().collect();
        for key in ["idp-issuer-url", "client-id"] {
            if get(&config, key).is_none() {
                return refuse(&format!("Must provide {key}"));
            }
        }
        let place = settings.user_file.clone().zip(settings.user_name.clone());
        Ok(Self {
            tls: TlsPlan { authorities: authorities(&config)?, server_name: None, insecure: false },
            proxies: Rules::of(env),
            place: place.map(|(file, user)| Place { file, user }),
            config: Mutex::new(config),
        })
    }

    /// Returns the ID token, renewed first if it has run out.
    pub(crate) async fn header(&self) -> Result<HeaderValue, CredentialError> {
        let mut config = self.config.lock().await;
        let token = match valid(&config)? {
            Some(token) => token,
            None => self.renewed(&mut config).await?,
        };
        bearer(&token)
    }

    /// Has the token renewed under the kubeconfig's lock, unless somebody else just did.
    async fn renewed(&self, config: &mut BTreeMap<String, String>) -> Result<String, CredentialError> {
        let lock = match self.place.clone() {
            Some(place) => {
                let taken = tokio::task::spawn_blocking(move || Lock::take(&place.file)).await;
                let taken = taken.unwrap_or_else(|error| Err(error.to_string()));
                Some(taken.map_err(|reason| failed(format!("could not persist new tokens: {reason}")))?)
            }
            None => None,
        };
        if let Some(newer) = self.place.as_ref().and_then(Place::read) {
            *config = newer;
            if let Some(token) = valid(config)? {
                return Ok(token);
            }
        }
        let new = self.ask(config).await?;
        if let Some(place) = &self.place {
            place.write(&new).map_err(|reason| failed(format!("could not persist new tokens: {reason}")))?;
        }
        drop(lock);
        *config = new;
        Ok(config.get("id-token").cloned().unwrap_or_default())
    }

    /// Asks the issuer and returns the settings with what it handed out.
    async fn ask(
        &self,
        config: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, CredentialError> {
        let Some(refresh) = get(config, "refresh-token") else {
            return Err(failed("No valid id-token, and cannot refresh without refresh-token"));
        };
        let endpoint = self.token_endpoint(get(config, "idp-issuer-url").unwrap_or_default()).await?;
        let (id, secret) =
            (get(config, "client-id").unwrap_or_default(), get(config, "client-secret").unwrap_or_default());
        let encode = |text: &str| utf8_percent_encode(text, FORM).to_string();
        let grant = format!("grant_type=refresh_token&refresh_token={}", encode(refresh));
        // Issuers differ in where they want the client to name itself, and tell by refusing (golang.org/x/oauth2).
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))));
        let mut answer = self.token(&endpoint, grant.clone(), Some(&basic)).await;
        if answer.is_err() {
            let mut form = format!("{grant}&client_id={}", encode(id));
            if !secret.is_empty() {
                form.push_str(&format!("&client_secret={}", encode(secret)));
            }
            answer = self.token(&endpoint, form, None).await;
        }
        let answer = answer.map_err(|reason| failed(format!("failed to refresh token: {reason}")))?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(token) = text("id_token") else {
            return Err(failed(
                "token response did not contain an id_token, either the scope \"openid\" wasn't requested upon login, \
                 or the provider doesn't support id_tokens as part of the refresh response",
            ));
        };
        let mut new = config.clone();
        new.insert("id-token".to_owned(), token.to_owned());
        if let Some(refresh) = text("refresh_token") {
            new.insert("refresh-token".to_owned(), refresh.to_owned());
        }
        Ok(new)
    }

    async fn token_endpoint(&self, issuer: &str) -> Result<String, CredentialError> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let answered = self.fetch(Method::GET, &url, None, String::new()).await.map_err(failed)?;
        if answered.status != 200 {
            return Err(failed(format!("oidc: failed to query metadata endpoint {}", answered.status)));
        }
        let document: Value = serde_json::from_slice(&answered.body)
            .map_err(|_| failed("oidc: failed to decode provider discovery object"))?;
        let endpoint = document.get("token_endpoint").and_then(Value::as_str).unwrap_or_default();
        if endpoint.is_empty() {
            return Err(failed("oidc: discovery object doesn't contain a token_endpoint"));
        }
        Ok(endpoint.to_owned())
    }

    async fn token(&self, endpoint: &str, form: String, basic: Option<&str>) -> Result<Value, String> {
        let answered = self.fetch(Method::POST, endpoint, basic, form).await?;
        let document: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
        let text = |key: &str| document.get(key).and_then(Value::as_str).map(one_line);
        match (answered.status.is_success(), text("error")) {
            (true, None) if document.is_object() => Ok(document),
            (_, Some(error)) => Err(match text("error_description") {
                Some(description) => format!("oauth2: \"{error}\" \"{description}\""),
                None => format!("oauth2: \"{error}\""),
            }),
            // The answer may hold tokens: it is not quoted.
            _ => Err(format!("oauth2: cannot fetch token: {}", answered.status)),
        }
    }

    async fn fetch(
        &self,
        method: Method,
        url: &str,
        basic: Option<&str>,
        form: String,
    ) -> Result<Answered, String> {
        let uri: Uri = url.parse().map_err(|_| format!("parse \"{}\": not a URL", one_line(url)))?;
        let proxy = self.proxies.choose(&uri)?;
        let mut request = Request::builder().method(method).uri(uri).header(ACCEPT, "application/json");
        if !form.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, basic);
        }
        let request = request.body(form.into_bytes().into()).map_err(|error| error.to_string())?;
        send_once(&self.tls, proxy, request).await
    }
}

/// Returns a setting that is there and not empty.
fn get<'a>(config: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    config.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

/// Says that it is about OIDC, which kubectl's words do not.
fn failed(message: impl Into<String>) -> CredentialError {
    CredentialError { message: message.into(), hint: Some(HINT.to_owned()) }
}

/// Returns the authorities that vouch for the issuer, which has nothing to do with the cluster's.
fn authorities(config: &BTreeMap<String, String>) -> Result<Authorities, ConnectError> {
    let unreadable = |reason: String| ConnectError::Unusable(format!("oidc: {reason}"));
    let pem = match (get(config, "idp-certificate-authority-data"), get(config, "idp-certificate-authority"))
    {
        (Some(data), _) => STANDARD
            .decode(data.replace(['\r', '\n'], ""))
            .map_err(|error| unreadable(format!("idp-certificate-authority-data: {error}")))?,
        (None, Some(path)) => std::fs::read(path)
            .map_err(|error| unreadable(format!("open {path}: {}", crate::words::io_words(&error))))?,
        (None, None) => return Ok(Authorities::System),
    };
    parse_authorities(&pem).map(Authorities::Given).map_err(unreadable)
}

/// Returns the ID token if there is one that has not run out.
fn valid(config: &BTreeMap<String, String>) -> Result<Option<String>, CredentialError> {
    let Some(token) = get(config, "id-token") else { return Ok(None) };
    let expires = expiry(token)?;
    Ok((Timestamp::now() + EARLY < expires).then(|| token.to_owned()))
}

/// Reads the time at which a token runs out; nothing else of it is looked at, that is the server's.
fn expiry(token: &str) -> Result<Timestamp, CredentialError> {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, payload, _] = parts.as_slice() else { return Err(failed("ID Token is not a valid JWT")) };
    let claims = URL_SAFE_NO_PAD
        .decode(payload)
        .ok()
        .and_then(|json| serde_json::from_slice::<Value>(&json).ok())
        .ok_or_else(|| failed("parsing claims: the payload of the ID token is not JSON"))?;
    let seconds = match claims.get("exp") {
        None | Some(Value::Null) => 0,
        Some(value) => value
            .as_i64()
            .or_else(|| value.as_f64().and_then(|seconds| format!("{seconds:.0}").parse().ok()))
            .ok_or_else(|| failed("parsing claims: exp is not a number"))?,
    };
    Timestamp::from_second(seconds).map_err(|_| failed("parsing claims: exp is not a time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn reads_when_a_token_runs_out() {
        let at = |claims: &str| {
            expiry(&jwt(claims)).map(k8s_openapi::jiff::Timestamp::as_second).map_err(|error| error.message)
        };
        assert_eq!(at(r#"{"exp":1700000000}"#), Ok(1_700_000_000));
        assert_eq!(at(r#"{"exp":1.7e9}"#), Ok(1_700_000_000));
        assert_eq!(at("{}"), Ok(0));
        assert_eq!(at(r#"{"exp":"soon"}"#), Err("parsing claims: exp is not a number".to_owned()));
        assert_eq!(expiry("opaque").unwrap_err().message, "ID Token is not a valid JWT");
    }

    #[test]
    fn a_token_that_runs_out_in_a_moment_is_not_used() {
        let of = |seconds: i64| {
            let exp = Timestamp::now().as_second() + seconds;
            let config = BTreeMap::from([("id-token".to_owned(), jwt(&format!("{{\"exp\":{exp}}}")))]);
            valid(&config).unwrap().is_some()
        };
        assert!(of(60));
        assert!(!of(5));
        assert!(!of(-60));
        assert_eq!(valid(&BTreeMap::new()).unwrap(), None);
    }
}
