//! What tells states apart: two that differ in when they are, and in nothing that anybody could see, are one.

use crate::cluster::Cluster;

/// Seconds beyond which only the order of times counts: no patience that the machines have with such pods lasts longer.
const LONG: i64 = 100;

/// Writes the state of a cluster, but for what only counts up.
pub fn of_cluster(cluster: &Cluster) -> String {
    let Cluster { object, revisions, world, born, turned, joined, crashing, .. } = cluster;
    let alive = |uid: &u64| world.pods.iter().any(|pod| pod.uid == *uid);
    let born: Vec<_> = born.iter().filter(|it| alive(it.0)).collect();
    let turned: Vec<_> = turned.iter().filter(|it| alive(it.0)).collect();
    let (pods, nodes) = (&world.pods, &world.nodes);
    let seen = (world.observed, world.current_revision, world.update_revision, world.desired);
    format!("{object}{revisions:?}{pods:?}{nodes:?}{seen:?}{born:?}{turned:?}{joined:?}{crashing:?}")
}

/// Writes times as ages, and versions of the workload as how many there have been since.
pub fn relative(text: &str, now: i64, version: u64) -> String {
    let ages = times(text, now);
    let mut old: Vec<i64> = ages.iter().map(|it| it.2).filter(|age| *age > LONG).collect();
    old.sort_unstable();
    old.dedup();
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for (from, to, age) in ages {
        out.push_str(&text[last..from]);
        let rank = old.iter().position(|it| *it == age);
        out.push_str(&rank.map_or_else(|| format!("<{age}>"), |rank| format!("<old {rank}>")));
        last = to;
    }
    out.push_str(&text[last..]);
    versions(&out, version)
}

/// Returns where a text has times of the tests' clock, and how old they are: as seconds, or as `2027-01-15T08:00:00Z`.
fn times(text: &str, now: i64) -> Vec<(usize, usize, i64)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at + 10 <= bytes.len() {
        let first = at == 0 || !bytes[at - 1].is_ascii_digit();
        if first && bytes[at..].starts_with(b"18000") && bytes[at..at + 10].iter().all(u8::is_ascii_digit) {
            let second: i64 = text[at..at + 10].parse().unwrap();
            found.push((at, at + 10, now - second));
            at += 10;
        } else if first && bytes[at..].starts_with(b"2027-01-") && at + 20 <= bytes.len() {
            let time: k8s_openapi::jiff::Timestamp = text[at..at + 20].parse().unwrap();
            found.push((at, at + 20, now - time.as_second()));
            at += 20;
        } else {
            at += 1;
        }
    }
    found
}

fn versions(text: &str, version: u64) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // As JSON writes it, and as the machines do.
    let marks = ["\"resourceVersion\":\"", "version: \"", "version: Some(\""];
    while let Some((at, mark)) = marks.iter().filter_map(|it| rest.find(it).map(|at| (at, it))).min() {
        let (before, after) = rest.split_at(at + mark.len());
        let end = after.find('"').unwrap();
        out.push_str(before);
        let ago = after[..end].parse::<u64>().map(|it| version.wrapping_sub(it));
        out.push_str(&ago.map_or_else(|_| after[..end].to_string(), |ago| format!("<{ago}>")));
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}
