//! Failures of stores: takes what object_store says, returns an error that names the object, what was being done, and
//! what helps.

use crate::model::Error;
use std::sync::{Mutex, PoisonError};

/// Gives a store's error the name of the object and of what was being done, and sorts it by what helps.
pub(crate) fn store_error(doing: &'static str, object: &str, error: &object_store::Error) -> Error {
    use object_store::Error as Raw;
    if let Some(own) = own_error(error) {
        return own;
    }
    let text = one_line(error);
    let object = object.to_owned();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match error {
        Raw::NotFound { .. } => Error::NotFound(format!("{doing} {object}: not found")),
        error if is_refusal(error) => Error::Denied { doing, object, reason: text },
        Raw::AlreadyExists { .. } => Error::OutputExists { path: object },
        Raw::Precondition { .. } | Raw::NotModified { .. } => {
            Error::data(&object, "the object changed while it was read")
                .remedy("run again when the export is complete")
                .into()
        }
        _ if says(&["status code: 404", "NoSuchBucket", "NoSuchKey"]) => {
            Error::NotFound(format!("{doing} {object}: no such bucket or object"))
        }
        // S3 answers with a redirect that leads nowhere, or names the region that the signature should have been for.
        _ if says(&[
            "incorrectly configured region",
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
        ]) =>
        {
            let hint = "the bucket is in another region than was given: without one it is found";
            Error::Store { doing, object, reason: format!("{text}; {hint}") }
        }
        _ => Error::Store { doing, object, reason: text },
    }
}

/// Whether a store refuses the request, as opposed to failing at it.
pub(super) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error as Raw;
    const WORDS: [&str; 5] =
        ["status code: 401", "status code: 403", "AccessDenied", "InvalidAccessKeyId", "CredentialsError"];
    match error {
        Raw::PermissionDenied { .. } | Raw::Unauthenticated { .. } => true,
        // Errors of a list are always of this kind, whatever the status was, so the text has to be asked.
        Raw::Generic { .. } => {
            let text = one_line(error);
            WORDS.iter().any(|word| text.contains(word))
        }
        _ => false,
    }
}

/// An error of ours on its way through object_store.
#[cfg(feature = "aws")]
pub(super) fn carried(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(Carried(Mutex::new(Some(error)))) }
}

/// An error can be told once only, so that is how it is carried.
#[derive(Debug)]
struct Carried(Mutex<Option<Error>>);

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the store cannot be reached")
    }
}

impl std::error::Error for Carried {}

/// The error of ours that an error of object_store was made from.
fn own_error(error: &object_store::Error) -> Option<Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(Carried(own)) = inner.downcast_ref() {
            return own.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        cause = inner.source();
    }
    None
}

/// An error with its causes on one line, as bodies of XML come in several.
pub(crate) fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > 500 {
        let cut = (0..=500).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
        line.truncate(cut);
        line.push('…');
    }
    line
}
