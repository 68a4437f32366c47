//! Which proxy a request goes through, as client-go decides it.
//!
//! The kubeconfig's `proxy-url` wins and knows no exceptions. Otherwise Go's rules for the environment apply:
//! <https://pkg.go.dev/golang.org/x/net/http/httpproxy>. kube's own rules differ (it sends loopback clusters
//! through the proxy and matches `NO_PROXY` against the proxy), so they are not used.

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

use crate::Environment;

/// A proxy and the reason why it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The proxy's address; it may hold a password.
    pub url: Uri,
    /// Who asked for it.
    pub source: ProxySource,
}

/// Who asked for a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySource {
    /// The cluster's `proxy-url` in the kubeconfig.
    Kubeconfig,
    /// This environment variable.
    Variable(&'static str),
}

impl std::fmt::Display for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.url.authority().map_or("", |authority| authority.as_str());
        let host = host.rsplit('@').next().unwrap_or(host);
        write!(f, "{}://{host}", self.url.scheme_str().unwrap_or("http"))?;
        match self.source {
            ProxySource::Kubeconfig => write!(f, " (proxy-url in the kubeconfig)"),
            ProxySource::Variable(name) => write!(f, " ({name})"),
        }
    }
}

impl std::fmt::Debug for Proxy {
    /// Leaves out the user and the password of its address.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// What the environment says about proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    secure: Option<(&'static str, String)>,
    plain: Option<(&'static str, String)>,
    no_proxy: String,
}

impl Rules {
    /// Reads the variables.
    pub(crate) fn of(env: &dyn Environment) -> Self {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| env.text(name).map(|text| (name, text)))
        };
        Self {
            secure: first(["HTTPS_PROXY", "https_proxy"]),
            plain: first(["HTTP_PROXY", "http_proxy"]),
            no_proxy: env.text("NO_PROXY").or_else(|| env.text("no_proxy")).unwrap_or_default(),
        }
    }

    /// Decides on the proxy for a server.
    pub(crate) fn choose(&self, server: &Uri) -> Result<Option<Proxy>, String> {
        let variable = if server.scheme_str() == Some("https") { &self.secure } else { &self.plain };
        let Some((name, text)) = variable else { return Ok(None) };
        if !applies(server, &self.no_proxy) {
            return Ok(None);
        }
        let url = parse_lenient(text).ok_or_else(|| format!("invalid proxy address in {name}"))?;
        Ok(Some(Proxy { url, source: ProxySource::Variable(name) }))
    }
}

/// Decides on the proxy for the API server.
pub(crate) fn choose(
    configured: Option<&str>,
    server: &Uri,
    env: &dyn Environment,
) -> Result<Option<Proxy>, String> {
    match configured {
        Some(text) => Ok(Some(Proxy { url: parse_configured(text)?, source: ProxySource::Kubeconfig })),
        None => Rules::of(env).choose(server),
    }
}

/// Reads a `proxy-url`, which must name its scheme.
pub(crate) fn parse_configured(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("could not parse: {error}"))?;
    match url.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(url),
        scheme => Err(format!(
            "unsupported scheme \"{}\", must be http, https, or socks5",
            scheme.unwrap_or_default()
        )),
    }
}

/// Reads a variable's value, in which `http://` may be left out.
fn parse_lenient(text: &str) -> Option<Uri> {
    let known = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https" | "socks5" | "socks5h"));
    if let Some(url) = text.parse::<Uri>().ok().filter(|url| url.host().is_some() && known(url)) {
        return Some(url);
    }
    if text.contains("://") {
        return None;
    }
    format!("http://{text}").parse().ok()
}

/// Says whether a server is reached through the proxy, given `NO_PROXY`.
fn applies(server: &Uri, no_proxy: &str) -> bool {
    let Some(host) = server.host() else { return true };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("https") { 443 } else { 80 });
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return false;
    }
    !no_proxy.split(',').any(|entry| excludes(&entry.trim().to_lowercase(), &host, address, port))
}

/// Says whether one entry of `NO_PROXY` covers a host.
fn excludes(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| network.contains(&address));
    }
    let (name, wanted) = split_port(entry);
    if name.is_empty() || wanted.is_some_and(|wanted| wanted != port.to_string()) {
        return false;
    }
    if let Ok(named) = name.parse::<IpAddr>() {
        return address == Some(named);
    }
    match name.strip_prefix("*.").or_else(|| name.strip_prefix('.')) {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

/// Splits `host:port` and `[v6]:port`; a bare IPv6 address has no port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some(rest) = entry.strip_prefix('[')
        && let Some((host, port)) = rest.split_once(']')
    {
        return (host, port.strip_prefix(':'));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FixedEnvironment;

    fn chosen(server: &str, vars: &[(&str, &str)]) -> Option<String> {
        let env = vars.iter().fold(FixedEnvironment::default(), |env, (name, value)| env.with(name, value));
        choose(None, &server.parse().unwrap(), &env).unwrap().map(|proxy| proxy.url.to_string())
    }

    fn proxied(server: &str, no_proxy: &str) -> bool {
        chosen(server, &[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", no_proxy)]).is_some()
    }

    #[test]
    fn the_scheme_of_the_server_picks_the_variable() {
        let both = [("HTTPS_PROXY", "http://secure:1"), ("http_proxy", "plain:2")];
        assert_eq!(chosen("https://k.example.com", &both).as_deref(), Some("http://secure:1/"));
        assert_eq!(chosen("http://k.example.com", &both).as_deref(), Some("http://plain:2/"));
        assert_eq!(chosen("https://k", &[("HTTP_PROXY", "http://p")]), None);
        assert_eq!(
            chosen("https://k", &[("HTTPS_PROXY", ""), ("https_proxy", "p:1")]).as_deref(),
            Some("http://p:1/")
        );
        assert_eq!(chosen("https://k", &[("HTTPS_PROXY", "socks5://p:1")]).as_deref(), Some("socks5://p:1/"));
    }

    #[test]
    fn loopback_is_never_proxied() {
        for server in
            ["https://localhost:6443", "https://127.0.0.1:6443", "https://127.8.9.1", "https://[::1]:6443"]
        {
            assert!(!proxied(server, ""), "{server}");
        }
        assert!(proxied("https://10.0.0.1:6443", ""));
    }

    #[test]
    fn no_proxy_follows_go() {
        for (server, no_proxy, expected) in [
            ("https://a.example.com", "*", false),
            ("https://a.example.com", "other, *", false),
            ("https://a.example.com", "example.com", false),
            ("https://example.com", "example.com", false),
            ("https://badexample.com", "example.com", true),
            ("https://a.example.com", ".example.com", false),
            ("https://example.com", ".example.com", true),
            ("https://a.example.com", "*.example.com", false),
            ("https://A.EXAMPLE.com", "Example.com", false),
            ("https://a.example.com:6443", "example.com:6443", false),
            ("https://a.example.com:6443", "example.com:443", true),
            ("https://a.example.com", "example.com:443", false),
            ("https://10.1.2.3", "10.0.0.0/8", false),
            ("https://11.1.2.3", "10.0.0.0/8", true),
            ("https://10.1.2.3", "10.1.2.3", false),
            ("https://10.1.2.3:6443", "10.1.2.3:443", true),
            ("https://[fd00::1]:6443", "fd00::/8", false),
            ("https://[fd00::1]:6443", "[fd00::1]:6443", false),
            ("https://[fd00::1]:6443", "fd00::1", false),
            ("https://a.example.com", ",, ,example.com,", false),
            ("https://a.example.com", ",", true),
            ("https://proxy", "proxy:3128", true),
        ] {
            assert_eq!(proxied(server, no_proxy), expected, "{server} with NO_PROXY={no_proxy}");
        }
    }

    #[test]
    fn proxy_url_wins_and_ignores_no_proxy() {
        let env = FixedEnvironment::default().with("HTTPS_PROXY", "http://other").with("NO_PROXY", "*");
        let server = "https://127.0.0.1".parse().unwrap();
        let proxy = choose(Some("http://user:pw@mine:1"), &server, &env).unwrap().unwrap();
        assert_eq!(proxy.source, ProxySource::Kubeconfig);
        assert_eq!(proxy.to_string(), "http://mine:1 (proxy-url in the kubeconfig)");
        assert!(!format!("{proxy:?}").contains('@'), "{proxy:?}");
        assert!(choose(Some("ftp://x"), &server, &env).is_err());
    }

    #[test]
    fn a_bad_variable_is_an_error_only_when_needed() {
        let env = FixedEnvironment::default().with("HTTPS_PROXY", "ftp://x");
        assert!(choose(None, &"https://k".parse().unwrap(), &env).is_err());
        assert_eq!(choose(None, &"https://127.0.0.1".parse().unwrap(), &env), Ok(None));
    }
}
