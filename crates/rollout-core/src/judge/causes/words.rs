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

    /// Returns the name of the object, empty where it is not told.
    pub(super) fn name(&self) -> &str {
        &self.name
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

/// Returns the ResourceClaim that the scheduler misses (pkg/scheduler/framework/plugins/dynamicresources).
pub(super) fn resource_claim(said: &str) -> Option<String> {
    quoted_after(said, "resourceclaim ")
        .or_else(|| quoted_after(said, "resourceclaim.resource.k8s.io "))
        .or_else(|| quoted_after(said, "ResourceClaim "))
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

/// What a refusal to create a pod is about, by the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// A resource quota (staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota).
    Quota,
    /// A webhook does not answer, and nothing passes without it
    /// (staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go).
    Webhook,
    /// Something that the pod names is not there: its kind and name.
    Missing(&'static str, String),
    /// The server has trouble of its own.
    Server,
    /// A rule: an admission plugin, a policy or a webhook that was asked.
    Rule,
}

impl Refused {
    pub(super) fn of(said: &str) -> Refused {
        let any = |words: &[&str]| words.iter().any(|it| said.contains(it));
        // plugin/pkg/admission: serviceaccount, priority, runtimeclass.
        for (kind, before) in [
            ("ServiceAccount", "serviceaccount \""),
            ("RuntimeClass", "RuntimeClass \""),
            ("RuntimeClass", "runtimeclasses.node.k8s.io \""),
            ("RuntimeClass", "runtimeclass.node.k8s.io \""),
        ] {
            if let Some(name) = between(said, before, "\"").filter(|_| said.contains("not found")) {
                return Refused::Missing(kind, name.to_string());
            }
        }
        if let Some(name) = between(said, "no PriorityClass with name ", " was found") {
            return Refused::Missing("PriorityClass", name.to_string());
        }
        if any(&["exceeded quota", "failed quota"]) {
            Refused::Quota
        } else if any(&["failed calling webhook"]) {
            Refused::Webhook
        } else if any(&[
            "etcdserver:",
            "Internal error occurred",
            "context deadline exceeded",
            "connection refused",
            "unable to handle the request",
            "not yet ready to handle request",
            "Timeout: ",
            "Too many requests",
        ]) {
            Refused::Server
        } else {
            Refused::Rule
        }
    }
}

fn between<'a>(said: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = said.split_once(before)?;
    rest.split_once(after).map(|(name, _)| name)
}

/// Returns the pod that a StatefulSet's controller could not create (pkg/controller/statefulset/stateful_pod_control.go,
/// `recordPodEvent`: `Create Pod db-0 in StatefulSet db failed error: …`, and `create` before 1.35).
pub(super) fn refused_pod(said: &str) -> Option<&str> {
    between(said, "reate Pod ", " in StatefulSet ")
}

/// Tells whether an image that cannot be pulled may be had later: what a registry does not have or does not give is final,
/// what it cannot do now, or what the way to it cannot, is not. `said` is the runtime's word, with the registry's in it.
pub(super) fn may_be_pulled_later(image: &str, said: &str) -> bool {
    // The name may contain anything.
    let said = said.replace(image, "").to_lowercase();
    let any = |words: &[&str]| words.iter().any(|it| said.contains(it));
    let passes = any(&[
        "429",
        "toomanyrequests",
        "too many requests",
        "500 internal server error",
        "502 bad gateway",
        "503 service unavailable",
        "504 gateway",
        "timeout",
        "timed out",
        "deadline exceeded",
        "no such host",
        "server misbehaving",
        "eof",
        "connection refused",
        "connection reset",
        "no route to host",
        "network is unreachable",
        "code = unavailable",
    ]);
    let is_final = any(&[
        "not found",
        "notfound",
        "manifest unknown",
        "name unknown",
        "does not exist",
        "unauthorized",
        "forbidden",
        "denied",
        "authentication required",
        "no basic auth credentials",
        "insufficient_scope",
        "invalid reference",
        "no match for platform",
    ]);
    passes || !is_final
}

/// The kubelet forbids the container's user, and will do so again (pkg/kubelet/kuberuntime/security_context_others.go,
/// `verifyRunAsNonRoot`).
pub(super) fn is_user_forbidden(said: &str) -> bool {
    said.contains("runAsNonRoot") || said.contains("non-root policy") || said.contains("non-root")
}

/// A command that is not there or cannot be executed, in the words of the runtimes: another attempt meets the same image.
pub(super) fn is_bad_command(said: &str) -> bool {
    [
        "no such file or directory",
        "executable file not found",
        "permission denied",
        "exec format error",
        "not a directory",
        "is a directory",
        "no command specified",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// Returns so many of something: `1 restart`, `2 restarts`.
pub(super) fn times(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
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
