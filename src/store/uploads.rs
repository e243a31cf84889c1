//! What a multipart upload needs that object_store does not offer: that it is completed only where the name is free, and
//! its id, without which nobody can abort it later. Both travel by the [`UploadTicket`] of the request that begins it.

use super::upload_ticket::UploadTicket;
use super::xml::element;
use object_store::client::{HttpRequest, HttpResponse};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The uploads of one client that are under way and must not replace an object.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashSet<String>>);

impl Uploads {
    /// The ticket of a request that begins an upload.
    pub(super) fn ticket(request: &HttpRequest) -> Option<UploadTicket> {
        let begins =
            request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "uploads="));
        if request.method() == "POST" && begins { request.extensions().get().cloned() } else { None }
    }

    /// An upload has begun: notes its id, which the answer's document gives.
    pub(super) fn begun(&self, ticket: &UploadTicket, document: &str) {
        if let Some(id) = element(document, "UploadId") {
            ticket.set_id(&id);
            if ticket.only_if_absent {
                lock(&self.0).insert(id);
            }
        }
    }

    /// Gives a request that completes an upload the condition that was asked for. The header needs no signature: S3
    /// wants that of `host` and `x-amz-*` only, and object_store adds it in this way for copies.
    pub(super) fn add_condition(&self, request: &mut HttpRequest) {
        if request.method() == "POST"
            && upload_id(request).is_some_and(|id| lock(&self.0).contains(&id))
            && let Ok(any) = "*".parse()
        {
            request.headers_mut().insert("if-none-match", any);
        }
    }

    /// Forgets an upload that was completed or aborted.
    pub(super) fn ended(&self, id: Option<String>, answer: &HttpResponse) {
        if let Some(id) = id
            && answer.status().is_success()
        {
            lock(&self.0).remove(&id);
        }
    }
}

/// The upload that a request ends.
pub(super) fn ended_by(request: &HttpRequest) -> Option<String> {
    let ends = request.method() == "POST" || request.method() == "DELETE";
    if ends { upload_id(request) } else { None }
}

fn upload_id(request: &HttpRequest) -> Option<String> {
    let query = request.uri().query()?.as_bytes();
    form_urlencoded::parse(query).find_map(|(name, value)| (name == "uploadId").then(|| value.into_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
