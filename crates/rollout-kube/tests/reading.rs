//! Reading and watching, with a server that answers what real ones answer seldom.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

use std::convert::Infallible;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use rollout_core::{Kind, Workload};
use rollout_kube::{Cluster, Depth, Feed, Reading, Scope, Sight};
use serde_json::{Value, json};

const MOMENT: Duration = Duration::from_secs(5);

/// A cluster whose server gives this answer to each request, and the requests that it got.
fn cluster(
    answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static,
) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (answer, log) = (Arc::new(answer), asked.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let uri = request.uri().to_string();
        log.lock().unwrap().push(uri.clone());
        let (code, body) = answer(&uri);
        let answer = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
        async move { Ok::<_, Infallible>(answer.unwrap()) }
    });
    (Cluster::new(Client::new(service, "default"), Timestamp::now), asked)
}

fn daemon_set(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default", "uid": "u", "resourceVersion": "7"},
        "spec": {"selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{"name": "app", "image": "app:1"}]}}},
    })
}

fn page(items: Vec<Value>, more: &str) -> (u16, Value) {
    (200, json!({"metadata": {"resourceVersion": "9", "continue": more}, "items": items}))
}

fn refused(code: u16, message: &str, metadata: Value) -> (u16, Value) {
    (code, json!({"kind": "Status", "code": code, "message": message, "reason": "X", "metadata": metadata}))
}

/// A watch that ends at once.
fn bookmark() -> (u16, Value) {
    let object = json!({"apiVersion": "v1", "kind": "X", "metadata": {"resourceVersion": "9"}});
    (200, json!({"type": "BOOKMARK", "object": object}))
}

async fn names(cluster: &Cluster) -> Result<Vec<String>, Reading> {
    let all: Vec<Workload> =
        cluster.workloads(Kind::DaemonSet, &Scope::Namespace("default".into()), None).await?;
    Ok(all.into_iter().map(|it| it.id.name).collect())
}

#[tokio::test]
async fn a_list_whose_state_the_server_forgot_is_read_to_its_end() {
    let (cluster, asked) = cluster(|uri| match uri {
        uri if uri.contains("continue=late") => page(vec![daemon_set("c")], ""),
        uri if uri.contains("continue=") => {
            refused(410, "The provided continue parameter is too old", json!({"continue": "late"}))
        }
        _ => page(vec![daemon_set("a"), daemon_set("b")], "early"),
    });
    assert_eq!(names(&cluster).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(asked.lock().unwrap().len(), 3);
}

fn owned(name: &str, owner: &str) -> Value {
    let owner = json!([{"controller": true, "uid": owner, "kind": "X", "name": "x", "apiVersion": "v1"}]);
    let metadata = json!({"name": name, "namespace": "default", "uid": name, "ownerReferences": owner});
    json!({"metadata": metadata, "spec": {}, "status": {}})
}

#[tokio::test]
async fn many_workloads_are_read_with_one_list_of_each_sort_that_is_shared_out() {
    let (cluster, asked) = cluster(|uri| match uri.split('?').next().unwrap() {
        "/apis/apps/v1/replicasets" => page(vec![owned("rs", "web"), owned("foreign", "another")], ""),
        "/apis/apps/v1/controllerrevisions" => page(vec![owned("cr", "agent")], ""),
        "/api/v1/pods" => {
            page(vec![owned("a", "rs"), owned("b", "agent"), owned("job", "job"), owned("c", "foreign")], "")
        }
        "/api/v1/nodes" => page(vec![json!({"metadata": {"name": "n"}})], ""),
        _ => refused(404, "no such path", json!({})),
    });
    let workload = |kind, uid: &str, depth| {
        let mut object = daemon_set(uid);
        object["metadata"]["uid"] = json!(uid);
        (Workload::from_object(kind, object).unwrap(), depth)
    };
    let wanted = vec![
        workload(Kind::Deployment, "web", Depth::Pods),
        workload(Kind::StatefulSet, "empty", Depth::Nodes),
        workload(Kind::DaemonSet, "agent", Depth::Nodes),
        workload(Kind::DaemonSet, "plain", Depth::Revisions),
    ];
    let mut belongings = cluster.belongings(&Scope::All, &wanted).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 4);
    let shown = wanted.into_iter().map(|(workload, depth)| {
        let snapshot = belongings.of(workload, depth).into_snapshot(Timestamp::UNIX_EPOCH);
        let pods = snapshot.pods.map(|pods| pods.iter().map(|it| it.name.clone()).collect::<Vec<_>>());
        let nodes = snapshot.nodes.map(|nodes| nodes.len());
        (snapshot.workload.id.name, snapshot.history.iter().map(|it| it.name.clone()).collect(), pods, nodes)
    });
    let text = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
    assert_eq!(
        shown.collect::<Vec<(String, Vec<String>, Option<Vec<String>>, Option<usize>)>>(),
        [
            ("web".to_string(), text(&["rs"]), Some(text(&["a"])), None),
            ("empty".to_string(), text(&[]), Some(text(&[])), None),
            ("agent".to_string(), text(&["cr"]), Some(text(&["b"])), Some(1)),
            ("plain".to_string(), text(&[]), None, None),
        ]
    );
}

#[tokio::test]
async fn what_may_not_be_listed_everywhere_is_an_error_of_the_whole() {
    let (cluster, _) = cluster(|uri| match uri.split('?').next().unwrap() {
        "/api/v1/pods" => refused(403, "pods is forbidden", json!({})),
        _ => page(Vec::new(), ""),
    });
    let workload = Workload::from_object(Kind::DaemonSet, daemon_set("web")).unwrap();
    assert!(cluster.belongings(&Scope::All, &[(workload, Depth::Pods)]).await.is_err());
}

#[tokio::test]
async fn a_server_that_offers_no_way_on_is_not_asked_for_ever() {
    for offered in [json!({}), json!({"continue": "early"})] {
        let (cluster, asked) = cluster(move |uri| match uri.contains("continue=") {
            true => refused(410, "too old", offered.clone()),
            false => page(vec![daemon_set("a")], "early"),
        });
        assert!(names(&cluster).await.is_err());
        assert_eq!(asked.lock().unwrap().len(), 2);
    }
}

async fn feed(cluster: &Cluster) -> Feed {
    let workload = Workload::from_object(Kind::DaemonSet, daemon_set("web")).unwrap();
    Feed::start(cluster, cluster.seen(workload, Depth::Nodes).await.unwrap())
}

/// Watches a DaemonSet called `web` on a server where one sort of object may be listed and not watched.
async fn watched(hidden: &'static str) -> (Sight, Vec<String>) {
    let (cluster, asked) = cluster(move |uri| {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        match query.contains("watch=true") {
            true if path.ends_with(hidden) => {
                refused(403, &format!("{hidden} is forbidden: User \"u\" cannot watch it"), json!({}))
            }
            true => bookmark(),
            false if path.ends_with("/daemonsets") => page(vec![daemon_set("web")], ""),
            false => page(Vec::new(), ""),
        }
    });
    let mut feed = feed(&cluster).await;
    let sight = tokio::time::timeout(MOMENT, async {
        loop {
            match feed.next(Duration::from_millis(100)).await {
                Sight::Snapshot(_) | Sight::Back => {}
                other => break other,
            }
        }
    });
    let sight = sight.await.expect("the feed says something");
    let asked = asked.lock().unwrap().clone();
    (sight, asked)
}

#[tokio::test]
async fn a_watch_that_is_forbidden_ends_with_the_servers_sentence() {
    for hidden in ["daemonsets", "controllerrevisions", "pods", "nodes"] {
        let (sight, _) = watched(hidden).await;
        let Sight::Forbidden(words) = sight else { panic!("{hidden}: {sight:?}") };
        assert_eq!(words, format!("{hidden} is forbidden: User \"u\" cannot watch it"));
    }
}

#[tokio::test]
async fn a_workload_is_watched_on_from_a_list_of_it_alone() {
    let (_, asked) = watched("pods").await;
    let of_workload: Vec<&String> = asked.iter().filter(|uri| uri.contains("/daemonsets")).collect();
    assert!(!of_workload[0].contains("watch=true"), "{asked:?}");
    assert!(of_workload.iter().all(|uri| uri.contains("fieldSelector=metadata.name%3Dweb")), "{asked:?}");
    assert!(of_workload[1].contains("resourceVersion=9"), "{asked:?}");
}

/// A server that fills its cache of the pods anew answers for everything else.
#[tokio::test]
async fn the_server_is_back_only_when_it_answers_for_everything() {
    let pods_are_there = Arc::new(AtomicBool::new(false));
    let there = pods_are_there.clone();
    let (cluster, asked) = cluster(move |uri| match uri.split_once('?').unwrap_or((uri, "")) {
        (path, query) if query.contains("watch=true") => {
            match path.ends_with("/pods") && !there.load(Relaxed) {
                true => refused(429, "storage is (re)initializing", json!({})),
                false => bookmark(),
            }
        }
        (path, _) if path.ends_with("/daemonsets") => page(vec![daemon_set("web")], ""),
        _ => page(Vec::new(), ""),
    });
    let mut feed = feed(&cluster).await;
    let watches = |of: &str| {
        let asked = asked.lock().unwrap();
        asked.iter().filter(|uri| uri.contains(of) && uri.contains("watch=true")).count()
    };
    let mut said = Vec::new();
    tokio::time::timeout(MOMENT, async {
        while !said.contains(&"back") {
            match feed.next(Duration::from_millis(50)).await {
                Sight::Lost(error) => said.push(if error.contains("initializing") { "lost" } else { "?" }),
                Sight::Back => said.push("back"),
                Sight::Snapshot(_) => {}
                other => panic!("{other:?}"),
            }
            // Twice each, so that the second answer of the others is heard after the pods are lost.
            if watches("/pods") > 1 && watches("/nodes") > 2 {
                pods_are_there.store(true, Relaxed);
            }
            assert!(!said.contains(&"back") || pods_are_there.load(Relaxed), "back while the pods are not");
        }
    })
    .await
    .expect("the server is back");
    assert_eq!(said, ["lost", "back"]);
}
