//! What one container of a pod shows: images, configuration, ends, hooks.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::judge::cause::{Cause, Sort};
use crate::judge::causes::words;
use crate::judge::times::{self, ATTEMPTS, BACK_OFF, CRASHES};
use crate::objects::event::EventRecord;
use crate::objects::pod::{Container, End, Pod};
use crate::snapshot::symptom::CauseId;
use crate::snapshot::{Side, Snapshot};

/// Returns what a container shows, by its ends first: what it waits for is often only the back-off after them.
pub(super) fn shown(pod: &Pod, container: &Container, snapshot: &Snapshot) -> Option<Cause> {
    if container.ready || container.is_done() {
        return None;
    }
    let it = Seen { pod, container, snapshot };
    let mut cause = it.hook().or_else(|| it.ends()).or_else(|| it.waits())?;
    cause.message = format!("pod {}, container {}: {}", pod.name, container.name, cause.message);
    cause.container = Some(container.name.to_string());
    cause.log =
        snapshot.evidence.log(&pod.name, &container.name).map(|log| log.lines.clone()).unwrap_or_default();
    Some(cause.of_pod(pod))
}

struct Seen<'a> {
    pod: &'a Pod,
    container: &'a Container,
    snapshot: &'a Snapshot,
}

impl<'a> Seen<'a> {
    /// The kubelet names a hook that fails between two restarts, and in an event (pkg/kubelet/kuberuntime/kuberuntime_container.go,
    /// `startContainer`); the container itself ends as it likes when it is killed for it.
    fn hook(&self) -> Option<Cause> {
        let event = self.events().find(|it| it.reason == "FailedPostStartHook");
        let waiting = self.container.waiting.as_ref().filter(|(reason, _)| reason == "PostStartHookError");
        if event.is_none() && waiting.is_none() || self.container.started {
            return None;
        }
        let said = waiting.map(|(_, said)| said.as_str()).or(event.map(|it| it.message.as_str()));
        let ends = self.container.ends();
        let message =
            format!("its postStart hook fails ({})", words::times(self.container.restarts, "restart"));
        let since = event.and_then(|it| it.first).or(self.container.last_end().and_then(|end| end.at));
        let sort = if ends >= CRASHES { Sort::Fails } else { lasting(since, self.snapshot.now) };
        Some(Cause::new(CauseId::PostStart, message).evidence(said.unwrap_or_default()).sort(sort))
    }

    /// What its ends say. A container in back-off is `terminated` most of the time, and `CrashLoopBackOff` for a moment
    /// (pkg/kubelet/pod_workers.go requeues it for the very end of the back-off), so that the ends count and not the words.
    fn ends(&self) -> Option<Cause> {
        let Seen { container, snapshot, .. } = *self;
        let ends = container.ends();
        let end = &container.last_end().cloned().unwrap_or_default();
        if container.init && !container.sidecar && end.code == 0 || ends == 0 || !self.is_recent(end.at) {
            return None;
        }
        if end.reason == "OOMKilled" {
            let message = format!(
                "was killed for using too much memory (exit code {}, {})",
                end.code,
                words::times(container.restarts, "restart")
            );
            let fix = Some("raise its memory limit".to_string());
            return Some(Cause::new(CauseId::OomKilled, message).evidence(self.said()).fix(fix));
        }
        if container.once && container.ended.is_some() {
            let message = format!("has ended (exit code {}), and is never restarted", end.code);
            return Some(Cause::new(CauseId::CrashLoop, message).evidence(&end.message));
        }
        if let Some(cause) = self.not_started(end) {
            return Some(cause);
        }
        let kills = self.kills(ends);
        if let Some((event, kills)) = kills
            && ends - kills.min(ends) < CRASHES
        {
            return Some(self.killed(event, kills, end));
        }
        let what = if end.code == 0 { "ends again and again" } else { "crashes" };
        let restarts = words::times(container.restarts, "restart");
        let crashes = Cause::new(CauseId::CrashLoop, format!("{what} (exit code {}, {restarts})", end.code));
        let crashes = crashes.evidence(self.said());
        Some(match ends >= CRASHES && self.is_short(end) {
            true => crashes,
            // Once may be a dependency that comes up a moment later.
            false => Cause { message: format!("has ended once (exit code {})", end.code), ..crashes }
                .sort(lasting(end.at, snapshot.now)),
        })
    }

    /// A run that ended long ago says nothing of now: a pod may be unready for a moment after a month.
    fn is_recent(&self, at: Option<Timestamp>) -> bool {
        self.snapshot.seconds_since(at) < BACK_OFF
    }

    /// A run that was short came soon after another one's end.
    fn is_short(&self, end: &End) -> bool {
        let run = end.started.zip(end.at).map(|(started, at)| at.as_second() - started.as_second());
        run.is_none_or(|seconds| seconds < BACK_OFF)
    }

    /// A run that never began: the runtime could not start its command.
    fn not_started(&self, end: &End) -> Option<Cause> {
        let began = !matches!(end.reason.as_str(), "StartError" | "ContainerCannotRun");
        if began {
            return None;
        }
        let cause = Cause::new(CauseId::CrashLoop, format!("cannot be started: {}", end.message))
            .evidence(&end.message);
        let certain = words::is_bad_command(&end.message) || self.container.ends() >= CRASHES;
        Some(if certain { cause } else { cause.sort(lasting(end.at, self.snapshot.now)) })
    }

    /// Returns how often a probe has had the container killed, with the newest event that says so. Only that event is a kill:
    /// a probe fails beside every plain crash too, and while something starts (pkg/kubelet/kuberuntime/kuberuntime_manager.go,
    /// `computePodActions`: `Container app failed liveness probe, will be restarted`). Events are read of a few pods; what
    /// another one of the revision shows in the same container holds for this one.
    fn kills(&self, ends: u32) -> Option<(&'a EventRecord, u32)> {
        let own: Vec<&EventRecord> = self.events().collect();
        let killed = own.iter().copied().filter(|it| is_kill(it));
        let count = killed.clone().map(|it| it.count).sum();
        if let Some(newest) = killed.clone().next() {
            return Some((newest, count));
        }
        if !own.is_empty() {
            return None;
        }
        let other = self.snapshot.evidence.events.iter().find(|it| {
            is_kill(it)
                && it.container.as_deref() == Some(self.container.name.as_str())
                && self.snapshot.pods.iter().flatten().any(|pod| pod.uid == it.uid && self.is_alike(pod))
        });
        other.map(|event| (event, ends))
    }

    fn is_alike(&self, pod: &Pod) -> bool {
        pod.revision == self.pod.revision && self.snapshot.side(pod) == Side::New
    }

    fn killed(&self, event: &EventRecord, kills: u32, end: &End) -> Cause {
        let probe = if event.message.contains("startup") { "startup" } else { "liveness" };
        let message = format!(
            "is killed because its {probe} probe fails ({}, exit code {})",
            words::times(self.container.restarts, "restart"),
            end.code
        );
        let words = format!("{probe} probe");
        let failed = self.events().find(|it| {
            it.reason == "Unhealthy"
                && it.message.to_lowercase().starts_with(&words)
                && !it.message.contains("errored and resulted in unknown state")
        });
        let sort = match kills >= ATTEMPTS {
            true => times::probation(event.first, self.snapshot, self.snapshot.patience.usual()),
            false => lasting(event.first, self.snapshot.now),
        };
        Cause::new(CauseId::Liveness, message)
            .evidence(failed.map_or(event.message.as_str(), |it| it.message.as_str()))
            .sort(sort)
    }

    fn waits(&self) -> Option<Cause> {
        let (reason, said) = self.container.waiting.as_ref()?;
        let said = said.as_str();
        let cause = match reason.as_str() {
            "" | "ContainerCreating" | "PodInitializing" | "CrashLoopBackOff" => return None,
            "InvalidImageName" | "ErrImageNeverPull" => self.unpulled(said),
            "ErrImagePull"
            | "ImagePullBackOff"
            | "RegistryUnavailable"
            | "ImageInspectError"
            | "SignatureValidationFailed" => self.pulling(said),
            "CreateContainerConfigError" => return Some(self.misconfigured(said)),
            "CreateContainerError" | "RunContainerError" => {
                let cause = Cause::new(CauseId::CrashLoop, format!("cannot be started: {said}"));
                if words::is_bad_command(said) { cause } else { cause.sort(self.since_warned()) }
            }
            other => Cause::new(CauseId::NotStarting, format!("waits: {other}")).sort(self.since_warned()),
        };
        Some(cause.evidence(if said.is_empty() { reason } else { said }))
    }

    fn unpulled(&self, said: &str) -> Cause {
        let (image, volume) = self.image(said);
        let of = volume.map(|name| format!(" of volume {name}")).unwrap_or_default();
        let message = format!("image {image}{of} cannot be pulled");
        Cause::new(CauseId::ImagePull, message).about(Some(image.to_string()))
    }

    /// Returns the image that is waited for, and the volume that it is of, if it is of one. A container waits for the images
    /// of its volumes too, with the reasons that its own image has (pkg/kubelet/kuberuntime/kuberuntime_manager.go,
    /// `toKubeContainerImageVolumes`): only the sentence tells which it is.
    fn image(&self, said: &str) -> (&str, Option<&str>) {
        let own = self.container.image.as_str();
        let template = self.snapshot.workload.template();
        let volumes = template.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
        let of_image =
            volumes.filter_map(|it| Some((it["name"].as_str()?, it["image"]["reference"].as_str()?)));
        let mut named = of_image.filter(|_| !said.contains(own));
        named.find(|it| said.contains(it.1)).map_or((own, None), |(name, image)| (image, Some(name)))
    }

    /// What the registry does not have, or does not give, is final; whatever else may pass. Servers before 1.31 say in the
    /// waiting message only that they back off, and why in an event.
    fn pulling(&self, said: &str) -> Cause {
        let image = self.image(said).0;
        let failed = || self.events().filter(|it| it.message.starts_with("Failed to pull image"));
        let explained = said.contains("rpc error") || said.contains("ErrImagePull: ");
        let words = match failed().next() {
            Some(event) if !explained => event.message.as_str(),
            Some(_) | None => said,
        };
        let known = explained || failed().next().is_some() || !said.starts_with("Back-off pulling image");
        if known && !words::may_be_pulled_later(image, words) {
            return self.unpulled(said);
        }
        let attempts: u32 = failed().map(|event| event.count).sum();
        // Where nothing can be counted, time is all there is.
        let once = attempts > 0 && attempts < ATTEMPTS;
        let sort = match self.since_warned() {
            Sort::Fails if once => lasting(failed().find_map(|event| event.first), self.snapshot.now),
            other => other,
        };
        self.unpulled(said).sort(sort)
    }

    fn misconfigured(&self, said: &str) -> Cause {
        if let Some(missing) = words::missing_config(said) {
            return Cause::new(CauseId::ConfigMissing, missing.sentence())
                .evidence(said)
                .fix(Some(missing.fix()))
                .about(Some(missing.to_string()))
                .sort(self.since_warned());
        }
        if said.contains("failed to sync") {
            // The kubelet's own caches have not seen the objects yet.
            let message = format!("waits for its configuration: {said}");
            return Cause::new(CauseId::ConfigMissing, message).evidence(said).sort(self.since_warned());
        }
        let cause =
            Cause::new(CauseId::ContainerConfig, format!("cannot be configured: {said}")).evidence(said);
        if words::is_user_forbidden(said) {
            let fix =
                "set runAsUser to a number other than 0, or allow root (runAsNonRoot: false)".to_string();
            return cause.fix(Some(fix));
        }
        cause.sort(self.since_warned())
    }

    /// A state that a container waits in has no time of its own; the warnings that came with it do.
    fn since_warned(&self) -> Sort {
        // What was said before the pod was ready for its containers is not about them.
        let began = self.pod.sandbox_since.max(self.pod.placed_since).or(self.pod.unready_since);
        let said = self.events().filter(|it| it.warns && it.last >= began);
        let since = said.filter_map(|it| it.first).min().max(began);
        times::probation(since, self.snapshot, self.snapshot.patience.usual())
    }

    /// Iterates over the events about the container, the newest first.
    fn events(&self) -> impl Iterator<Item = &'a EventRecord> + use<'a> {
        let (pod, container) = (self.pod, self.container);
        self.snapshot.evidence.events_of(&pod.uid).filter(move |event| is_about(event, pod, container))
    }

    /// The kubelet's words about the container as it is now.
    fn said(&self) -> &str {
        self.container.waiting.as_ref().map_or("", |(_, said)| said)
    }
}

/// What has to show itself once more, or to last, before it fails anything.
fn lasting(since: Option<Timestamp>, now: Timestamp) -> Sort {
    Sort::OnProbation { since: since.unwrap_or(now).min(now), until: None }
}

fn is_kill(event: &EventRecord) -> bool {
    event.reason == "Killing"
        && (event.message.contains("failed liveness probe") || event.message.contains("failed startup probe"))
}

/// Events name their container by a field path, or in their sentence; that of a pod with one container needs to do neither.
pub(super) fn is_about(event: &EventRecord, pod: &Pod, container: &Container) -> bool {
    match &event.container {
        Some(name) => container.name == *name,
        None => pod.containers.len() == 1 || event.message.contains(&format!("ontainer {} ", container.name)),
    }
}
