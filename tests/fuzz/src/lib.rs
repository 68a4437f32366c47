//! What comes from elsewhere, in every shape: a function for each kind of it, which takes any bytes through the door that they
//! come in by and panics where something is not as it must be.
//!
//! `corpus/TARGET` holds what is known to be awkward; `cargo test -p fuzz` goes through it, `cargo xtask fuzz` looks for more.
#![deny(missing_docs)]

mod connect;
mod kit;
mod scratch;
mod stored;

/// One thing that is read from elsewhere.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder of the corpus.
    pub name: &'static str,
    /// Reads it.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target { name: "stored", run: stored::annotation },
    Target { name: "kubeconfig", run: connect::kubeconfig },
    Target { name: "helper", run: connect::helper },
    Target { name: "kuberc", run: connect::kuberc },
    Target { name: "jsonpath", run: kit::jsonpath },
    Target { name: "manifests", run: kit::manifests },
];

/// Characters that an error may have: it stands on a screen.
const LONGEST_ERROR: usize = 1000;

/// Fails where an error fills the screen.
fn check_length(error: &str) {
    let length = error.chars().count();
    assert!(
        length <= LONGEST_ERROR,
        "an error of {length} characters: {}",
        error.chars().take(200).collect::<String>()
    );
}

/// Fails where an error has more than a line, or characters that a terminal obeys.
fn check_line(error: &str) {
    check_length(error);
    assert!(!error.chars().any(char::is_control), "{error:?}");
}
