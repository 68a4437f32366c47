//! A response's body on its way to the caller: bounded in time and size, shown at `-v 8`.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use memchr::memrchr;
use tokio::time::{Instant, Sleep};
use tower::BoxError;

use super::failure::Failure;
use super::trace::Trace;

/// How long an answer may be. All pods of the largest clusters that Kubernetes supports are some hundred megabytes.
const MOST: usize = 1024 * 1024 * 1024;
/// How long one event of a stream may be; an object is at most a few megabytes.
const MOST_LINE: usize = 64 * 1024 * 1024;

/// What a body may take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// When the answer has to be there; later is an error.
    pub(crate) deadline: Option<Instant>,
    /// Whether it is a stream, which may go on for as long as its lines end.
    pub(crate) stream: bool,
    /// When a stream counts as ended whatever its server does; the caller carries on with the next one.
    pub(crate) end: Option<Instant>,
}

/// A body that ends, one way or another, and tells the trace what passes.
pub(crate) struct WatchedBody<B> {
    inner: B,
    limit: Option<Pin<Box<Sleep>>>,
    end: Option<Pin<Box<Sleep>>>,
    stream: bool,
    read: usize,
    shown: Option<Shown>,
}

/// What is kept for the trace.
struct Shown {
    trace: Trace,
    kept: Vec<u8>,
    dropped: usize,
    each_frame: bool,
}

impl<B> WatchedBody<B> {
    /// Wraps a body; a stream's frames are shown as they come.
    pub(crate) fn new(inner: B, bounds: Bounds, trace: &Trace) -> Self {
        let Bounds { deadline, stream, end } = bounds;
        let shown = trace.bodies().then(|| Shown {
            trace: trace.clone(),
            kept: Vec::new(),
            dropped: 0,
            each_frame: stream,
        });
        let sleep = |at: Instant| Box::pin(tokio::time::sleep_until(at));
        Self { inner, limit: deadline.map(sleep), end: end.map(sleep), stream, read: 0, shown }
    }

    /// Counts what came: of a stream the line that has not ended, else everything.
    fn count(&mut self, data: &Bytes) -> Result<(), Failure> {
        let line = || memrchr(b'\n', data);
        self.read = match self.stream.then(line).flatten() {
            Some(end) => data.len() - end - 1,
            None => self.read + data.len(),
        };
        let (most, what) = if self.stream { (MOST_LINE, "an event") } else { (MOST, "the answer") };
        if self.read <= most {
            return Ok(());
        }
        let mib = most / (1024 * 1024);
        Err(Failure::answer(format!(
            "error: {what} of the server is longer than {mib} MiB, and was not read further"
        )))
    }
}

impl<B> Body for WatchedBody<B>
where
    B: Body<Data = Bytes, Error = BoxError> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    if let Err(failure) = this.count(data) {
                        return Poll::Ready(Some(Err(Box::new(failure))));
                    }
                    if let Some(shown) = &mut this.shown {
                        shown.add(data);
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(ended) => {
                if let Some(shown) = this.shown.take() {
                    shown.finish();
                }
                Poll::Ready(ended.map(|end| end.map_err(|error| Failure::body(error).into())))
            }
            Poll::Pending => {
                let passed = |sleep: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>| {
                    sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready())
                };
                if passed(&mut this.limit, cx) {
                    return Poll::Ready(Some(Err(Box::new(Failure::timeout("while reading body")))));
                }
                if passed(&mut this.end, cx) {
                    return Poll::Ready(None);
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for WatchedBody<B> {
    /// Shows what was read; a reader that knows the length stops without asking for the end.
    fn drop(&mut self) {
        if let Some(shown) = self.shown.take() {
            shown.finish();
        }
    }
}

impl Shown {
    fn add(&mut self, data: &[u8]) {
        if self.each_frame {
            self.trace.body("Response Body", data);
            return;
        }
        let room = self.trace.body_limit().saturating_sub(self.kept.len()).min(data.len());
        self.kept.extend_from_slice(&data[..room]);
        self.dropped += data.len() - room;
    }

    fn finish(self) {
        if !self.kept.is_empty() {
            self.trace.cut_body("Response Body", &self.kept, self.dropped);
        }
    }
}
