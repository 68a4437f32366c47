//! What stands between a client and an API server: requests and answers as they are on the wire, and a proxy that loses,
//! delays, refuses and mutes what passes.

#![warn(missing_docs)]

pub mod http;
mod proxy;
mod relay;

pub use proxy::{Passed, Proxy, Trouble, Weather};
