//! A real Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler, kubectl, and kwok
//! for the kubelets. Built from source once (`tests/controlplane`), started in seconds, gone with its process.
//!
//! The end-to-end tests, the demo, the benchmark and `cargo xtask cluster` use it. How pods behave is written at the
//! top of `tests/controlplane/stages.yaml`: by the tag of their image.
//!
//! On Windows there is no control plane: what is left is what the project's own commands share.

#![expect(
    clippy::print_stderr,
    reason = "a build of minutes has to say how far it is; this crate is no plugin"
)]
#![warn(missing_docs)]

#[cfg(unix)]
mod certificates;
#[cfg(unix)]
mod cluster;
mod command;
#[cfg(unix)]
mod controlplane;
mod error;
#[cfg(unix)]
mod kubeconfig;
#[cfg(unix)]
mod namespace;
#[cfg(unix)]
mod objects;
#[cfg(unix)]
mod part;
mod paths;
mod plugins;
#[cfg(unix)]
mod since;
mod tools;
mod version;
#[cfg(unix)]
mod watchdog;

#[cfg(unix)]
pub use cluster::{Cluster, Options};
pub use command::{Output, code, holds_within, wait_until};
pub use error::{Error, Result};
#[cfg(unix)]
pub use kubeconfig::Login;
#[cfg(unix)]
pub use namespace::{Namespace, Rule};
#[cfg(unix)]
pub use objects::Node;
#[cfg(unix)]
pub use part::Part;
pub use paths::{Folders, cargo_home};
pub use plugins::{build_plugins, build_plugins_with, cargo, cargo_build};
pub use tools::{Programs, build as build_tools, go_build, go_tool, workspace};
pub use version::{LEFT_OUT, Version};
