//! Proxies, by kubeconfig and by environment. The server's name is one that only a proxy can find.

use std::net::SocketAddr;

use crate::lab::{Place, encoded, lab};
use crate::server::{answer, http_proxy, socks_proxy, start};
use crate::{Expected, Row, row};

/// Names no machine, but the certificate has it.
const SERVER: &str = "https://api.test";

fn through(place: &mut Place, server: &str, proxy: &str) {
    let authority = encoded(&lab().authority.pem);
    place.single(
        &format!("server: '{server}', certificate-authority-data: {authority}, proxy-url: '{proxy}'"),
        "token: good",
    );
}

fn by_url(
    name: &'static str,
    server: &'static str,
    proxy: impl Fn() -> String + Send + Sync + 'static,
) -> Row {
    row(format!("proxy-url: {name}"), move |place| through(place, server, &proxy()))
}

/// The same by variable; a request without a proxy finds no server.
fn by_variable(
    name: &'static str,
    variable: &'static str,
    proxy: impl Fn() -> String + Send + Sync + 'static,
) -> Row {
    row(format!("variable: {name}"), move |place| {
        place.single(
            &format!("server: '{SERVER}', certificate-authority-data: {}", encoded(&lab().authority.pem)),
            "token: good",
        );
        place.env(variable, proxy());
    })
}

/// A proxy that answers everything with this.
fn refusing(status: &'static str) -> SocketAddr {
    start(None, std::sync::Arc::new(move |_, _| answer(status, &["connection: close"], "")))
}

const RESOLVER: Expected = Expected::OtherWords("Go names the resolver");

/// What `NO_PROXY` says of the server of the lab, which is reached without a proxy, too.
fn exception(no_proxy: &'static str) -> Row {
    row(format!("NO_PROXY={no_proxy}"), move |place| {
        place.single(
            &format!("server: '{SERVER}', certificate-authority-data: {}", encoded(&lab().authority.pem)),
            "token: good",
        );
        place.env("HTTPS_PROXY", format!("http://{}", http_proxy("", lab().open)));
        place.env("NO_PROXY", no_proxy);
    })
}

pub fn rows() -> Vec<Row> {
    let http = || format!("http://{}", http_proxy("", lab().open));
    let login = "Basic dTpwdw==";
    vec![
        by_url("http", SERVER, http),
        by_url("http with a login", SERVER, move || http().replace("http://", "http://u:pw@")),
        by_url("http that wants a login and gets it", SERVER, move || {
            format!("http://u:pw@{}", http_proxy(login, lab().open))
        }),
        by_url("http that wants a login", SERVER, move || {
            format!("http://{}", http_proxy(login, lab().open))
        }),
        by_url("http that wants another login", SERVER, move || {
            format!("http://u:no@{}", http_proxy(login, lab().open))
        }),
        by_url("plain http through http", "http://api.test", || {
            format!("http://{}", http_proxy("", lab().plain))
        }),
        by_url("plain http through http with a login", "http://api.test", move || {
            format!("http://u:pw@{}", http_proxy(login, lab().plain))
        }),
        by_url("403", SERVER, || format!("http://{}", refusing("403 Forbidden"))),
        by_url("503", SERVER, || format!("http://{}", refusing("503 Service Unavailable"))),
        by_url("502 with words of its own", SERVER, || format!("http://{}", refusing("502 no such backend"))),
        by_url("nobody there", SERVER, || "http://127.0.0.1:1".into()),
        by_url("a name that does not exist", SERVER, || "http://nope.invalid:3128".into()).but(RESOLVER),
        by_url("socks5", SERVER, || format!("socks5://{}", socks_proxy(false, 0, lab().open))),
        by_url("socks5 with a login", SERVER, || {
            format!("socks5://u:pw@{}", socks_proxy(true, 0, lab().open))
        }),
        by_url("socks5 with a login that nobody asks for", SERVER, || {
            format!("socks5://u:pw@{}", socks_proxy(false, 0, lab().open))
        }),
        by_url("socks5 with a wrong login", SERVER, || {
            format!("socks5://u:no@{}", socks_proxy(true, 0, lab().open))
        }),
        by_url("socks5 that wants a login", SERVER, || {
            format!("socks5://{}", socks_proxy(true, 0, lab().open))
        }),
        by_url("socks5 that fails", SERVER, || format!("socks5://{}", socks_proxy(false, 1, lab().open))),
        by_url("socks5 that forbids", SERVER, || format!("socks5://{}", socks_proxy(false, 2, lab().open))),
        by_url("socks5 that cannot reach it", SERVER, || {
            format!("socks5://{}", socks_proxy(false, 4, lab().open))
        }),
        by_url("plain http through socks5", "http://api.test", || {
            format!("socks5://{}", socks_proxy(false, 0, lab().plain))
        }),
        by_url("socks5, nobody there", SERVER, || "socks5://127.0.0.1:1".into()),
        by_url("socks5 without a port", SERVER, || "socks5://127.0.0.1".into()),
        by_url("a scheme that is none", SERVER, || "ftp://127.0.0.1:1".into()),
        by_url("no scheme", SERVER, || "127.0.0.1:1".into())
            .but(Expected::OtherWords("Go's parser of addresses has its own words")),
        by_variable("HTTPS_PROXY", "HTTPS_PROXY", http),
        by_variable("https_proxy", "https_proxy", http),
        by_variable("HTTPS_PROXY without a scheme", "HTTPS_PROXY", move || http().replace("http://", "")),
        by_variable("HTTP_PROXY is not for TLS", "HTTP_PROXY", http).but(RESOLVER),
        by_variable("socks5 by variable", "HTTPS_PROXY", || {
            format!("socks5://{}", socks_proxy(false, 0, lab().open))
        }),
        exception("").but(Expected::Same),
        exception("*").but(RESOLVER),
        exception("api.test").but(RESOLVER),
        exception("test").but(RESOLVER),
        exception(".test").but(RESOLVER),
        exception("*.test").but(RESOLVER),
        exception("other.test"),
        exception("api.test:6443"),
        exception("api.test:443").but(RESOLVER),
        exception("10.0.0.0/8"),
        row("variable: not for this machine", |place| {
            let authority = encoded(&lab().authority.pem);
            place.single(
                &format!("server: 'https://{}', certificate-authority-data: {authority}", lab().open),
                "token: good",
            );
            place.env("HTTPS_PROXY", "http://127.0.0.1:1");
        }),
        row("proxy-url: wins over the variable", move |place| {
            through(place, SERVER, &http());
            place.env("HTTPS_PROXY", "http://127.0.0.1:1");
            place.env("NO_PROXY", "*");
        }),
    ]
}
