//! Real nodes on this machine, in namespaces of their own: kubelets, containerd, runc and containers, under a control plane of
//! the test cluster. What is built from Go is built once, images are written by hand, and a registry that can be as bad as real
//! ones serves them. When the first process of the namespaces ends, all that is in them ends too.
//!
//! It needs Linux, root, and the programs of util-linux and iproute2; [`obstacle`] tells what is missing.

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::print_stderr,
        reason = "a build of minutes has to say how far it is; this crate is no plugin"
    )
)]
#![warn(missing_docs)]

#[cfg(target_os = "linux")]
mod cgroups;
#[cfg(target_os = "linux")]
mod kubelet;
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod registry;

#[cfg(target_os = "linux")]
pub use kubelet::Node;
#[cfg(target_os = "linux")]
pub use lab::Lab;
#[cfg(target_os = "linux")]
pub use namespaces::{enter, inside};
#[cfg(target_os = "linux")]
pub use programs::build;

/// Tells why this machine cannot have such nodes, if it cannot.
#[must_use]
pub fn obstacle() -> Option<String> {
    #[cfg(target_os = "linux")]
    return namespaces::obstacle();
    #[cfg(not(target_os = "linux"))]
    Some("real nodes need Linux".into())
}
