//! Lists, page by page.

use std::io;
use std::pin::pin;

use futures_util::AsyncBufReadExt;
use kube::Error;
use kube::api::{ListParams, Request};
use serde::de::DeserializeOwned;

use crate::cluster::Cluster;
use crate::items::{Items, ListMetadata};

/// Items a page: twice as many as kubectl asks for, since none but the one that is decoded is held as text.
const PAGE: u32 = 1_000;

/// What a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    Objects,
    Metadata,
}

/// Which objects of a list are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Selection<'a> {
    pub(crate) labels: Option<&'a str>,
    pub(crate) fields: Option<&'a str>,
}

impl<'a> Selection<'a> {
    pub(crate) fn labelled(selector: &'a str) -> Selection<'a> {
        Selection { labels: Some(selector), fields: None }
    }
}

/// A whole list, and the version from which a watch carries on; empty where a new list has to come first.
#[derive(Clone, Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) version: String,
}

impl Cluster {
    /// Lists what is wanted; where it may not be read, that is no error.
    pub(crate) async fn readable<T: DeserializeOwned>(
        &self,
        wanted: bool,
        path: &str,
        selection: Selection<'_>,
    ) -> Result<Option<Listed<T>>, Error> {
        if !wanted {
            return Ok(None);
        }
        match self.list(path, selection).await {
            Ok(listed) => Ok(Some(listed)),
            Err(Error::Api(status)) if status.code == 403 => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        selection: Selection<'_>,
    ) -> Result<Listed<T>, Error> {
        let mut items = Vec::new();
        let mut each = |item| items.push(item);
        let version = self.pages(path, selection, Listing::Objects, &mut each).await?;
        Ok(Listed { items, version })
    }

    /// Reads a list page by page, and returns the version that it has.
    ///
    /// The server forgets the state of a list after minutes. It then answers with a token for the rest as it is by then
    /// (k8s.io/apiserver, `pkg/storage/etcd3/errors.go`), so that what was read is no state of any moment, and has no version.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        selection: Selection<'_>,
        listing: Listing,
        each: &mut impl FnMut(T),
    ) -> Result<String, Error> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = selection.labels.map(str::to_string);
        params.field_selector = selection.fields.map(str::to_string);
        let mut of_one_moment = true;
        loop {
            let request = Request::new(path);
            let request = match listing {
                Listing::Objects => request.list(&params),
                Listing::Metadata => request.list_metadata(&params),
            };
            let page = match self.page(request.map_err(Error::BuildRequest)?, each).await {
                Ok(page) => page,
                Err(Error::Api(status)) if status.code == 410 && params.continue_token.is_some() => {
                    let rest = status.metadata.as_ref().and_then(|it| it.continue_.clone());
                    // One that does not lead on would be asked for ever.
                    if rest.is_none() || rest == params.continue_token {
                        return Err(Error::Api(status));
                    }
                    of_one_moment = false;
                    params.continue_token = rest;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if page.more.is_empty() {
                return Ok(if of_one_moment { page.resource_version } else { String::new() });
            }
            params.continue_token = Some(page.more);
        }
    }

    /// Reads one page; what is done with each item is all that is kept, also where the rest of the page does not come.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        request: http::Request<Vec<u8>>,
        each: &mut impl FnMut(T),
    ) -> Result<ListMetadata, Error> {
        let mut answer = pin!(self.client.request_stream(request).await?);
        let mut items = Items::default();
        loop {
            let text = answer.fill_buf().await.map_err(as_it_was)?;
            if text.is_empty() {
                break;
            }
            let length = text.len();
            items.take(text, each).map_err(Error::SerdeError)?;
            answer.consume_unpin(length);
        }
        Ok(items.around().map_err(Error::SerdeError)?.metadata)
    }
}

/// kube wraps its own error into one of reading.
fn as_it_was(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(Error::ReadEvents)
}
