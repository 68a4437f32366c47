//! Unpacks answers: gzip, in as many members as the server likes (watches have one for each event).

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body::{Body, Frame};
use tower::BoxError;

/// How much is unpacked at a time: a small frame can hold a thousand times as much.
const CHUNK: usize = 1024;

/// A body that unpacks another one, if it is packed.
pub(crate) struct Unpacked<B> {
    inner: B,
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    /// What has come and is not unpacked yet.
    rest: Bytes,
    ended: bool,
}

impl<B> Unpacked<B> {
    /// Wraps a body by what its headers say, and takes out of them what is no longer true.
    pub(crate) fn new(inner: B, headers: &mut HeaderMap) -> Self {
        let packed = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
        if packed {
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
        }
        let decoder = packed.then(|| MultiGzDecoder::new(Vec::new()));
        Self { inner, decoder, rest: Bytes::new(), ended: false }
    }
}

impl<B> Body for Unpacked<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(decoder) = &mut this.decoder else {
            return Pin::new(&mut this.inner).poll_frame(cx).map_err(Into::into);
        };
        loop {
            while !this.rest.is_empty() {
                let part = this.rest.split_to(this.rest.len().min(CHUNK));
                decoder.write_all(&part)?;
                decoder.flush()?;
                let out = std::mem::take(decoder.get_mut());
                if !out.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(out.into()))));
                }
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => {
                    this.ended = true;
                    decoder.try_finish()?;
                    let out = std::mem::take(decoder.get_mut());
                    if !out.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(out.into()))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_none() && self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use http_body_util::{BodyExt, Full};

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(bytes: Vec<u8>) -> Result<Vec<u8>, BoxError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, "GZIP".parse().unwrap());
        let body = Unpacked::new(Full::new(Bytes::from(bytes)), &mut headers);
        assert!(headers.is_empty());
        Ok(body.collect().await?.to_bytes().to_vec())
    }

    #[tokio::test]
    async fn an_answer_in_two_members_is_whole() {
        assert_eq!(read([packed(b"one "), packed(b"two")].concat()).await.unwrap(), b"one two");
        let long = vec![b'x'; 300_000];
        assert_eq!(read(packed(&long)).await.unwrap(), long);
        assert!(read(packed(b"cut short")[..12].to_vec()).await.is_err());
        assert!(read(b"not packed".to_vec()).await.is_err());
    }
}
