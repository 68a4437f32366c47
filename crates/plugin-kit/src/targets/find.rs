//! From what a command line points at to the objects that there are.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use kubectl_terminal::signals;
use rollout_core::objects::ReadAs;
use rollout_core::{Kind, Workload, WorkloadId};
use rollout_kube::{Held, Scope, Wanted};

use super::manifests::{self, ManifestObject};
use super::{Missing, TargetArgs, TargetName, TargetSpec, VerbMode, segment, together};
use crate::call::{CliError, Exit, Session};

/// The objects that a command line points at.
#[derive(Debug)]
pub struct Found<W = Workload> {
    /// Those that exist.
    pub workloads: Vec<W>,
    /// How those ended that could not be had; already reported.
    pub exits: Vec<Exit>,
    /// Whether exactly one object was named: its document is itself, any other form of request is a list.
    pub single: bool,
    /// Whether several namespaces may show.
    pub all_namespaces: bool,
    /// Where everything of some kinds was asked for, not names or labels: one list of what is there serves all of them.
    pub whole: Option<Scope>,
    /// How they are watched together, with those that come later where they were not named.
    pub(crate) together: Wanted,
}

impl<W: Held> Found<W> {
    /// Returns how they are watched together; nothing where none of what was asked for could be had.
    pub fn to_watch(&mut self) -> Option<Wanted> {
        if self.workloads.is_empty() && (!self.exits.is_empty() || self.together.scopes.is_empty()) {
            return None;
        }
        let mut wanted = std::mem::take(&mut self.together);
        if wanted.scopes.is_empty() {
            let ids = || self.workloads.iter().map(Held::id);
            let namespaces: BTreeSet<&String> = ids().map(|id| &id.namespace).collect();
            let kinds: BTreeSet<Kind> = ids().map(|id| id.kind).collect();
            wanted.scopes = namespaces.into_iter().cloned().map(Scope::Namespace).collect();
            wanted.kinds = kinds.into_iter().collect();
            wanted.named = Some(ids().map(|id| (id.kind, id.namespace.clone(), id.name.clone())).collect());
        }
        Some(wanted)
    }
}

impl Session {
    /// Finds what a command line points at; what cannot be had is reported here, and does not stop the rest.
    pub async fn find<W: ReadAs>(&mut self, args: &TargetArgs, mode: VerbMode) -> Result<Found<W>, CliError> {
        self.find_or(args, mode, Missing::IsAnError).await
    }

    /// Does the same where something that is missing need not be an error.
    pub async fn find_or<W: ReadAs>(
        &mut self,
        args: &TargetArgs,
        mode: VerbMode,
        missing: Missing,
    ) -> Result<Found<W>, CliError> {
        let spec = args.parse(mode, self.plugin.kind)?;
        self.stdin_taken = args.files.filename.iter().any(|path| path == "-");
        let single = spec.single().is_some();
        self.single = single;
        let mut found = Found {
            workloads: Vec::new(),
            exits: Vec::new(),
            single,
            all_namespaces: false,
            whole: None,
            together: Wanted::default(),
        };
        match spec {
            TargetSpec::Named(names) => {
                let namespace = self.namespace().await?;
                let named = |target: TargetName| (target.kind, namespace.clone(), target.name);
                self.get(&mut found, names.into_iter().map(named), missing).await?;
            }
            TargetSpec::Listed { kinds, selector, all_namespaces } => {
                found.all_namespaces = all_namespaces;
                self.spans |= all_namespaces;
                self.list(&mut found, &kinds, selector.as_deref(), mode, missing).await?;
            }
            TargetSpec::Manifests(source) => {
                let manifests = signals::at_once(|| manifests::read(&source, &mut self.ui))?;
                if manifests.skipped > 0 {
                    self.ui.note(&format!("{} object(s) that do not roll out skipped", manifests.skipped));
                }
                let default = self.namespace().await?;
                let namespace = |it: &ManifestObject| it.namespace.clone().unwrap_or_else(|| default.clone());
                let first = manifests.objects.first().map(namespace);
                self.spans |= manifests.objects.iter().any(|it| Some(namespace(it)) != first);
                let named = |it: ManifestObject| (it.kind, namespace(&it), it.name);
                self.get(&mut found, manifests.objects.into_iter().map(named), missing).await?;
                if missing == Missing::IsAnError {
                    self.none_found(&found, mode, Some(&default))?;
                }
            }
        }
        Ok(found)
    }

    async fn get<W: ReadAs>(
        &mut self,
        found: &mut Found<W>,
        named: impl Iterator<Item = (Kind, String, String)>,
        missing: Missing,
    ) -> Result<(), CliError> {
        let mut wanted = Vec::new();
        for (kind, namespace, name) in named {
            match segment::check_object(&namespace, &name) {
                Ok(()) => wanted.push((kind, namespace, name)),
                Err(error) => {
                    let error = error.about(&WorkloadId { kind, namespace, name, uid: String::new() });
                    self.report(&error);
                    found.exits.push(error.exit);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let cluster = self.cluster().await?;
        let cluster = &cluster;
        let one = |(kind, namespace, name): (Kind, String, String)| async move {
            let read = cluster.workload(kind, &namespace, &name).await;
            (WorkloadId { kind, namespace, name, uid: String::new() }, read)
        };
        let answers = together::all(&mut self.ui, wanted.into_iter().map(one).collect()).await;
        for (id, answer) in answers {
            match answer {
                Ok(workload) => found.workloads.push(workload),
                Err(error) if missing == Missing::IsFine && error.is_not_found() => {}
                Err(error) => {
                    let mut error = CliError::from(error).about(&id);
                    error.message += &self.place(&id.namespace);
                    self.report(&error);
                    found.exits.push(error.exit);
                }
            }
        }
        Ok(())
    }

    async fn list<W: ReadAs>(
        &mut self,
        found: &mut Found<W>,
        kinds: &[Kind],
        selector: Option<&str>,
        mode: VerbMode,
        missing: Missing,
    ) -> Result<(), CliError> {
        let namespace = self.namespace().await?;
        if !found.all_namespaces {
            segment::check_namespace(&namespace)?;
        }
        let scope = if found.all_namespaces { Scope::All } else { Scope::Namespace(namespace.clone()) };
        let cluster = self.cluster().await?;
        let lists = join_all(kinds.iter().map(|kind| cluster.workloads(*kind, &scope, selector)));
        for answer in together::patiently(&mut self.ui, "looking for workloads", lists).await {
            match answer {
                Ok(workloads) => found.workloads.extend(workloads),
                Err(error) => {
                    let error = CliError::from(error);
                    self.report(&error);
                    found.exits.push(error.exit);
                }
            }
        }
        if missing == Missing::IsAnError {
            self.none_found(found, mode, (!found.all_namespaces).then_some(&*namespace))?;
        }
        found.together = Wanted {
            scopes: vec![scope.clone()],
            kinds: kinds.to_vec(),
            selector: selector.map(str::to_string),
            named: None,
        };
        found.whole = selector.is_none().then_some(scope);
        Ok(())
    }

    /// A reading verb that matches nothing is done; one that changes something is not: nothing guarded is not green.
    fn none_found<W>(
        &mut self,
        found: &Found<W>,
        mode: VerbMode,
        namespace: Option<&str>,
    ) -> Result<(), CliError> {
        if !found.workloads.is_empty() || !found.exits.is_empty() {
            return Ok(());
        }
        match (mode, namespace) {
            (VerbMode::Writing, _) => {
                Err(CliError::failed("no matching resources found").because("NotFound"))
            }
            (VerbMode::Reading, Some(namespace)) => {
                self.ui.note(&format!("No resources found in {namespace} namespace."));
                Ok(())
            }
            (VerbMode::Reading, None) => {
                self.ui.note("No resources found");
                Ok(())
            }
        }
    }
}
