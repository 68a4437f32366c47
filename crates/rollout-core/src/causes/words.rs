//! What the components of a cluster say, taken apart: their sentences are the only place in which they tell it.

use std::fmt;

/// A ConfigMap or a Secret that is missing, or a key in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    kind: &'static str,
    name: String,
    key: Option<String>,
}

impl Missing {
    /// Says what is missing.
    pub(super) fn sentence(&self) -> String {
        let Missing { kind, name, key } = self;
        match (key, name.is_empty()) {
            (None, _) => format!("{kind} {name} does not exist"),
            (Some(key), false) => format!("{kind} {name} has no key {key}"),
            (Some(key), true) => format!("a {kind} has no key {key}"),
        }
    }

    /// Says what would help.
    pub(super) fn fix(&self) -> String {
        let Missing { kind, name, key } = self;
        match key {
            None => format!("create {kind} {name}, or name another one"),
            Some(key) => format!("add the key {key}, or name another one"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

/// Finds a missing ConfigMap, Secret or key in a sentence of the kubelet's: `configmap "x" not found`,
/// `couldn't find key k in ConfigMap ns/x` (pkg/kubelet/kubelet_pods.go), `configmap references non-existent config key: k`,
/// `references non-existent secret key: k` (pkg/volume/configmap, pkg/volume/secret).
pub(super) fn missing_config(said: &str) -> Option<Missing> {
    for (kind, word) in [("ConfigMap", "configmap"), ("Secret", "secret")] {
        if let Some(name) = quoted_after(said, &format!("{word} "))
            && said.contains(&format!("{word} \"{name}\" not found"))
        {
            return Some(Missing { kind, name, key: None });
        }
        if let Some((_, rest)) = said.split_once("couldn't find key ")
            && let Some((key, place)) = rest.split_once(&format!(" in {kind} "))
        {
            let place = place.split_whitespace().next().unwrap_or_default();
            let name = place.rsplit('/').next().unwrap_or_default().to_string();
            return Some(Missing { kind, name, key: Some(key.to_string()) });
        }
        let word = if kind == "ConfigMap" { "config" } else { "secret" };
        if let Some((_, key)) = said.split_once(&format!("references non-existent {word} key: ")) {
            let key = key.split_whitespace().next().unwrap_or_default().to_string();
            return Some(Missing { kind, name: String::new(), key: Some(key) });
        }
    }
    None
}

/// Returns what stands in quotes behind a word.
pub(super) fn quoted_after(said: &str, word: &str) -> Option<String> {
    let (_, rest) = said.split_once(&format!("{word}\""))?;
    Some(rest.split_once('"')?.0.to_string())
}

/// The scheduler speaks of a claim for a volume (pkg/scheduler/framework/plugins/volumebinding/volume_binding.go).
pub(super) fn is_claim(said: &str) -> bool {
    said.contains("persistentvolumeclaim \"") || is_unbound_claim(said)
}

/// The claim is there, or is about to be, and has no volume yet.
pub(super) fn is_unbound_claim(said: &str) -> bool {
    said.contains("unbound immediate PersistentVolumeClaims")
        || said.contains("waiting for ephemeral volume controller")
}

/// The volume is still attached to the node of a pod that ends (pkg/controller/volume/attachdetach/reconciler).
pub(super) fn is_held_elsewhere(said: &str) -> bool {
    said.contains("Multi-Attach")
        || said.contains("exclusively attached")
        || said.contains("Waiting for detach")
}

/// Cuts off what a controller says before the server's own words.
pub(super) fn refusal(said: &str) -> &str {
    let own = ["Error creating: ", " failed error: "];
    own.into_iter().find_map(|words| said.split_once(words)).map_or(said, |(_, rest)| rest)
}

/// The server's words are a quota's (staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota).
pub(super) fn is_quota(said: &str) -> bool {
    said.contains("exceeded quota") || said.contains("failed quota")
}

/// Says what would give a pod a node, by the reasons that the scheduler counts.
pub(super) fn room(said: &str) -> Option<String> {
    let mut help: Vec<String> = Vec::new();
    for (words, what) in [
        ("node affinity/selector", "label a node as its node selector or affinity asks, or ask for less"),
        ("untolerated taint", "give it a toleration, or remove the taint"),
        ("were unschedulable", "uncordon a node"),
        ("Too many pods", "add a node: the others hold as many pods as they may"),
        ("free ports", "free its host port, or add a node"),
        ("anti-affinity", "add a node, or loosen its anti-affinity"),
        ("pod affinity", "loosen its pod affinity"),
        ("topology spread", "add a node, or loosen its topology spread constraints"),
    ] {
        if said.contains(words) {
            help.push(what.to_string());
        }
    }
    // `4 Insufficient cpu, 2 Insufficient nvidia.com/gpu.`, and once more behind `preemption: `.
    let mut short: Vec<&str> = said
        .split("Insufficient ")
        .skip(1)
        .filter_map(|rest| rest.split([',', ' ']).next())
        .map(|resource| resource.trim_end_matches('.'))
        .collect();
    short.sort_unstable();
    short.dedup();
    if !short.is_empty() {
        let short = short.join(" and ");
        help.insert(0, format!("free {short} on a node, add one, or lower its request of {short}"));
    }
    (!help.is_empty()).then(|| help.join("; "))
}
