//! A response's body on its way to the caller: bounded by the time limit, shown at `-v 8`.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tower::BoxError;

use super::failure::Failure;
use super::trace::Trace;

/// A body that ends with an error at a point in time and tells the trace what passes.
pub(crate) struct WatchedBody<B> {
    inner: B,
    limit: Option<Pin<Box<Sleep>>>,
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
    /// Wraps a body; `each_frame` shows the frames as they come, for streams that do not end.
    pub(crate) fn new(inner: B, deadline: Option<Instant>, trace: &Trace, each_frame: bool) -> Self {
        let shown =
            trace.bodies().then(|| Shown { trace: trace.clone(), kept: Vec::new(), dropped: 0, each_frame });
        Self { inner, limit: deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline))), shown }
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
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(shown), Some(data)) = (&mut this.shown, frame.data_ref()) {
                    shown.add(data);
                }
            }
            Poll::Ready(_) => {
                if let Some(shown) = this.shown.take() {
                    shown.finish();
                }
            }
            Poll::Pending => {
                let limit = this.limit.as_mut().map(|limit| limit.as_mut().poll(cx));
                if let Some(Poll::Ready(())) = limit {
                    return Poll::Ready(Some(Err(Box::new(Failure::timeout("while reading body")))));
                }
            }
        }
        polled
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
