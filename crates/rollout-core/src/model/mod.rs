//! Models of the three controllers: they foretell a rollout, and drivers are tested against them.
//!
//! A [`World`] holds one workload's specification and pods as plain values. A [`World::tick`] is one synchronisation of
//! its controller followed by one step of the kubelets. What reality leaves to chance comes from [`World::seed`].
//! Sources are files of Kubernetes 1.37 below `pkg/controller`.

mod build;
mod daemonset;
mod deployment;
mod events;
mod forecast;
mod statefulset;
mod window;
mod world;

pub use build::{CurrentPod, Place};
pub use forecast::{Forecast, Frame, forecast};
pub use world::{Behaviour, ModelPod, Node, ReplicaSet, RevisionId, World};
