//! What an upload needs that object_store does not offer: that it is completed only where the name is free, its id, without
//! which nobody can abort it later, and the checksum that the store keeps of it. They travel by the [`UploadTicket`] of the
//! request that begins or puts it.

use super::upload_ticket::UploadTicket;
use super::xml::element;
use object_store::client::{HttpRequest, HttpResponse};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The uploads of one client that are under way.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<String, UploadTicket>>);

/// A request whose answer a ticket waits for.
pub(super) enum Ticketed {
    Puts(UploadTicket),
    Begins(UploadTicket),
    Completes(UploadTicket),
}

impl Uploads {
    /// What of a request is waited for.
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

    /// An upload has begun: notes its id, which the answer's document gives.
    pub(super) fn begun(&self, ticket: UploadTicket, document: &str) {
        if let Some(id) = element(document, "UploadId") {
            ticket.set_id(&id);
            lock(&self.0).insert(id, ticket);
        }
    }

    /// Gives a request that completes an upload the condition that was asked for. The header needs no signature: S3
    /// wants that of `host` and `x-amz-*` only, and object_store adds it in this way for copies.
    pub(super) fn add_condition(request: &mut HttpRequest) {
        if let Ok(any) = "*".parse() {
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
