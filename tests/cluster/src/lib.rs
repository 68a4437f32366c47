//! A real Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler, kubectl, and kwok
//! for the kubelets. Built from source once (`tests/controlplane`), started in seconds, gone with its process.
//!
//! The end-to-end tests, the demo, the benchmark and `cargo xtask cluster` use it. How pods behave is written at the
//! top of `tests/controlplane/stages.yaml`: by the tag of their image.

#![expect(
    clippy::print_stderr,
    reason = "a build of minutes has to say how far it is; this crate is no plugin"
)]
#![warn(missing_docs)]

mod certificates;
mod cluster;
mod command;
mod controlplane;
mod error;
mod kubeconfig;
mod namespace;
mod objects;
mod part;
mod plugins;
mod tools;
mod watchdog;

pub use cluster::{Cluster, Options};
pub use command::{Output, code, wait_until};
pub use error::{Error, Result};
pub use kubeconfig::Login;
pub use namespace::{Namespace, Rule};
pub use objects::Node;
pub use part::Part;
pub use plugins::{build_plugins, build_plugins_with, cargo};
pub use tools::{build as build_tools, workspace};
