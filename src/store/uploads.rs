//! Adds to uploads what object_store does not offer: completion only if the name is free, the ID, which is needed to
//! abort the upload later, and the checksum that the store has for it. They travel in the [`UploadTicket`] of the
//! request that begins or puts it.

use super::upload_ticket::UploadTicket;
use super::xml::element;
use object_store::client::{HttpRequest, HttpResponse};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The uploads of one client that are under way.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<String, UploadTicket>>);

/// A request whose answer a ticket is waiting for.
pub(super) enum Ticketed {
    Puts(UploadTicket),
    Begins(UploadTicket),
    Completes(UploadTicket),
}

impl Uploads {
    /// What a ticket is waiting for.
    pub(super) fn ticketed(&self, request: &HttpRequest) -> Option<Ticketed> {
        let begins =
            request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "uploads="));
        let brought = || request.extensions().get().cloned();
        match request.method().as_str() {
            "PUT" => brought().map(Ticketed::Puts),
            "POST" if begins => brought().map(Ticketed::Begins),
            "POST" => Some(Ticketed::Completes(lock(&self.0).get(&upload_id(request)?)?.clone())),
            _ => None,
        }
    }

    /// An upload has begun: notes its ID from the answer's document.
    pub(super) fn begun(&self, ticket: UploadTicket, document: &str) {
        if let Some(id) = element(document, "UploadId") {
            ticket.set_id(&id);
            lock(&self.0).insert(id, ticket);
        }
    }

    /// Adds the requested condition to a request that completes an upload. The header need not be signed: S3 requires
    /// that only for `host` and `x-amz-*`, and object_store adds the same header in this way for copies.
    pub(super) fn add_condition(request: &mut HttpRequest) {
        if let Ok(any) = "*".parse() {
            request.headers_mut().insert("if-none-match", any);
        }
    }

    /// Removes an upload that was completed or aborted.
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
