//! The gates of `guard` and `try`: somebody's own checks, and queries of a Prometheus in the cluster.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::{fs, thread};

use cluster::Namespace;
use e2e::scene::{for_each_kind, rollback, uids};
use e2e::{LONG, Web, assert_code, cluster, image, set_image};
use serde_json::json;

use crate::guard::guard;

#[test]
fn a_check_that_passes_lets_the_rollout_pass_and_knows_what_it_is_about() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("gate"), format!("{kind}/web"));
        let folder = tempfile::tempdir().unwrap();
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:2");
        let check = format!(
            "cd {}; env | grep ^ROLLOUT_ > environment; cp \"$ROLLOUT_PODS_FILE\" pods; cp \"$ROLLOUT_NODES_FILE\" nodes; \
             echo run >> runs",
            folder.path().display()
        );
        assert_code(&guard(&ns, &[&target, "--check", &check]), 0);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let text = read("environment");
        let environment: BTreeMap<&str, &str> =
            text.lines().filter_map(|line| line.split_once('=')).collect();
        assert_eq!(environment["ROLLOUT_WORKLOAD"], target);
        assert_eq!(environment["ROLLOUT_NAMESPACE"], ns.name());
        assert_eq!([environment["ROLLOUT_REVISION"], environment["ROLLOUT_STEP"]], ["2", "0"]);
        let pods = read("pods");
        let mut named: Vec<&str> = pods.lines().collect();
        assert_eq!(environment["ROLLOUT_PODS"], named.join(" "));
        assert_eq!(environment["ROLLOUT_NODES"], read("nodes").lines().collect::<Vec<_>>().join(" "));
        assert!(read("nodes").lines().count() == named.len() && read("nodes").contains("node-"));
        named.sort_unstable();
        let existing = uids(&ns);
        // Nothing but the new pods, and all of them.
        assert!(named.iter().all(|name| existing.contains_key(*name)), "{named:?}: {existing:?}");
        assert_eq!(named.len(), existing.len(), "{kind}");
        assert!(read("runs").lines().count() >= 2, "it runs at the beginning and at the end");
        for name in ["ROLLOUT_PODS_FILE", "ROLLOUT_NODES_FILE"] {
            assert!(!fs::exists(environment[name]).unwrap(), "{name} is left");
        }
    });
}

#[test]
fn a_check_that_does_not_pass_takes_the_rollout_back_with_its_words() {
    for_each_kind(|kind| {
        let (ns, target) = (cluster().namespace("gate-fails"), format!("{kind}/web"));
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:2");
        let failed = guard(&ns, &[&target, "--check=true", "--check=echo bad $((1 + 1)) >&2; exit 3"]);
        assert_code(&failed, 5);
        let says = "\n  check: check \"echo bad $((1 + 1)) >&2; exit 3\" ended with exit code 3 (bad 2)\n";
        assert!(failed.stderr.contains(says), "{failed}");
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
    });
}

#[test]
fn checks_are_run_again_when_the_pods_have_soaked() {
    let ns = cluster().namespace("gate-again");
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("marker");
    Web::new("deployment", "app:1").create(&ns);
    // Passes once.
    let check = format!("test ! -e {0} && touch {0}", marker.display());
    let words = ["try", "deployment/web", "app=app:2", "--soak=3s", "--check", &check, "-o", "json"];
    let failed = rollback(&ns, &words);
    assert_code(&failed, 5);
    assert_eq!(e2e::json(&failed)["causes"][0]["id"], "check", "{failed}");
    assert!(marker.exists(), "{failed}");
    assert_eq!(image(&ns, "deployment/web"), "app:1");
}

#[test]
fn a_check_that_cannot_be_run_says_nothing_about_the_rollout() {
    let ns = cluster().namespace("gate-broken");
    Web::new("deployment", "app:1").create(&ns);
    set_image(&ns, "deployment/web", "app:2");
    for check in ["no-such-program", "/etc/passwd"] {
        let broken = guard(&ns, &["deployment/web", "--check", check]);
        assert_code(&broken, 1);
        assert!(broken.stderr.contains("error: a check cannot be run: sh: "), "{broken}");
        assert!(!broken.stderr.contains("going back"), "{broken}");
        assert_eq!(image(&ns, "deployment/web"), "app:2");
    }
}

/// Something that answers queries as Prometheus does: `up` is 1 twice, `errors` 0.5, `nothing` has no data.
fn prometheus() -> Option<(IpAddr, u16)> {
    // No packet is sent; it only tells which address of this machine others would see.
    let probe = UdpSocket::bind("0.0.0.0:0").ok()?;
    probe.connect("192.0.2.1:9").ok()?;
    let address = probe.local_addr().ok()?.ip();
    let listener = TcpListener::bind((address, 0)).ok()?;
    let port = listener.local_addr().ok()?.port();
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(&stream)));
    Some((address, port))
}

fn answer(mut stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let _ = lines.find(String::is_empty);
    let vector = |samples: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{samples}]}}}}"#)
    };
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path.strip_prefix("/api/v1/query?query=") {
        Some("up") => {
            ("200 OK", vector(r#"{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{},"value":[1,"1"]}"#))
        }
        // Encoded as it has to be.
        Some("sum%28rate%28errors%5B1m%5D%29%29%20%2B%200" | "sum%28rate%28errors%5B1m%5D%29%29+%2B+0") => (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"0.5"]}}"#.to_string(),
        ),
        Some("nothing") => ("200 OK", vector("")),
        Some(_) => (
            "400 Bad Request",
            r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#.to_string(),
        ),
        None => ("404 Not Found", String::new()),
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// A service whose only endpoint is that server. The API server's proxy goes to addresses of pods only
/// (pkg/registry/core/service/storage/storage.go, `isValidAddress`), so a pod that nobody schedules says that it is there.
/// Servers before 1.37 look for Endpoints; for later ones a controller makes an EndpointSlice of them.
fn service(ns: &Namespace<'_>, address: IpAddr, port: u16) -> String {
    ns.apply(&format!(
        "apiVersion: v1
kind: Service
metadata: {{ name: prometheus }}
spec: {{ ports: [{{ name: web, port: 9090 }}] }}
---
apiVersion: v1
kind: Endpoints
metadata: {{ name: prometheus }}
subsets:
- addresses: [{{ ip: {address}, targetRef: {{ kind: Pod, name: prometheus, namespace: {namespace} }} }}]
  ports: [{{ name: web, port: {port}, protocol: TCP }}]
---
apiVersion: v1
kind: Pod
metadata: {{ name: prometheus }}
spec: {{ schedulerName: nobody, containers: [{{ name: prometheus, image: prometheus:1 }}] }}
",
        namespace = ns.name()
    ));
    let patch = json!({ "status": { "podIP": address, "podIPs": [{ "ip": address }] } }).to_string();
    ns.kubectl(&["patch", "pod", "prometheus", "--subresource=status", "-p", &patch]).expect_ok();
    let path =
        format!("/api/v1/namespaces/{}/services/prometheus:9090/proxy/api/v1/query?query=up", ns.name());
    ns.wait_until("the service answers", LONG, || cluster().kubectl(&["get", "--raw", &path]).ok());
    format!("{}/prometheus:9090", ns.name())
}

#[test]
fn a_query_of_prometheus_is_a_gate() {
    let ns = cluster().namespace("gate-query");
    let (address, port) = prometheus().expect("an address of this machine");
    let service = service(&ns, address, port);
    let target = "deployment/web";
    Web::new("deployment", "app:1").create(&ns);
    let attempt = |image: &str, queries: &[&str]| {
        let queries = queries.iter().flat_map(|query| ["--check-query", query]);
        let words = ["try", target, image, "--soak=1s", "--prometheus", &service];
        rollback(&ns, &words.into_iter().chain(queries).collect::<Vec<_>>())
    };
    let errors = "sum(rate(errors[1m])) + 0";
    let good = attempt("app=app:2", &["up == 1", &format!("{errors} < 0.75"), &format!("{errors}>=0.5")]);
    assert_code(&good, 0);
    for (query, says) in [
        (format!("{errors} < 0.05"), format!("check-query: query {errors:?} does not pass (0.5)")),
        ("nothing > 0".to_string(), "check-query: query \"nothing\" has no data".to_string()),
    ] {
        let failed = attempt("app=app:3", &["up == 1", &query]);
        assert_code(&failed, 5);
        assert!(failed.stderr.contains(&says), "{failed}");
        assert_eq!(image(&ns, target), "app:2");
    }
    let refused = attempt("app=app:3", &["rate(( > 0"]);
    assert_code(&refused, 1);
    let says = format!("error: a check cannot be run: query \"rate((\" at {service}: parse error");
    assert!(refused.stderr.contains(&says), "{refused}");
    assert_eq!(image(&ns, target), "app:3", "what nobody could check is not undone");
    let nowhere =
        guard(&ns, &[target, "--check-query=up > 0", "--prometheus", &format!("{}/none:1", ns.name())]);
    assert_code(&nowhere, 1);
    assert!(nowhere.stderr.contains("a check cannot be run: query \"up\" at "), "{nowhere}");
    assert!(nowhere.stderr.contains("services \"none\" not found"), "{nowhere}");
}
