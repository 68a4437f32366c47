//! Be kubectl to the API server.
//!
//! A kubectl plugin gets nothing from kubectl but its own arguments: every connection flag, every rule of the
//! kubeconfig and every credential helper is the plugin's to honour. This crate owns all of that, so that
//! `kubectl get` and a plugin reach the same cluster as the same user and fail in the same words.
//!
//! ```no_run
//! use clap::Parser;
//! use kubectl_connect::{Agent, ConnectionArgs, connect};
//!
//! #[derive(Parser)]
//! struct Cli {
//!     #[command(flatten)]
//!     connection: ConnectionArgs,
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let cli = Cli::parse();
//! let connection = connect(&cli.connection, &Agent { plugin: "kubectl-example", version: "1.0.0" }).await?;
//! println!("{} in {}", connection.client.apiserver_version().await?.git_version, connection.namespace);
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! - RSA keys below 2048 bits and TLS 1.2 with CBC suites, which kubectl accepts, are refused.
//! - A redirect is not followed, for the credentials would be sent along; kubectl sends them.
//! - `--token` wins over the kubeconfig's `tokenFile`, which wins in kubectl.
//! - Nobody is asked for a user name and a password; they are flags or they are not.
//! - `--match-server-version`, `--profile`, `--profile-output`, `--vmodule` and `--log-flush-frequency` are accepted and do
//!   nothing.
#![deny(missing_docs, unreachable_pub)]

mod agent;
mod api_error;
mod args;
mod connection;
mod credentials;
mod environment;
mod error;
mod hints;
mod http_stack;
mod in_cluster;
mod kubeconfig;
mod options;
mod proxy;
mod request_timeout;
mod settings;
mod tls;
mod validate;
mod words;
mod yaml;

pub use agent::Agent;
pub use api_error::{ApiError, ApiErrorKind};
pub use args::{ConnectionArgs, Section};
pub use connection::{Connection, Connector, connect};
pub use credentials::{check_helper_allowed, check_helper_output};
pub use environment::{Environment, FixedEnvironment, ProcessEnvironment};
pub use error::ConnectError;
pub use http_stack::{LogSink, ServerClock, Warnings};
pub use options::options_help;
pub use proxy::{Proxy, ProxySource};
pub use request_timeout::parse_request_timeout;
pub use settings::{Settings, Source};

/// What the README shows compiles, and runs where it can.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
