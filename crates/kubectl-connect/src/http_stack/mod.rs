//! The way of a request: credentials, retries, time limit, logging, warnings, and the connection itself.

mod body;
mod clock;
mod dial;
mod failure;
mod foreign;
mod gunzip;
mod pipeline;
mod proxy_talk;
mod retry;
mod tls_words;
mod trace;
mod transport;
mod warnings;

pub use clock::ServerClock;
pub use trace::LogSink;
pub use warnings::Warnings;

pub(crate) use failure::{Failure, describe_alone as describe_failure};
pub(crate) use pipeline::{Parts, Pipeline};
pub(crate) use proxy_talk::userinfo;
pub(crate) use trace::Trace;
pub(crate) use transport::{Answered, Transport, send_once};
