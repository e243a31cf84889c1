//! Failures of stores: takes what object_store says, returns an error that names the object, what was being done, and
//! what helps.

use crate::model::{DataErrorKind, Error, ExistsWhy, Missing, NotFound, Remedy};
use std::sync::{Mutex, PoisonError};

/// Gives a store's error the name of the object and of what was being done, and sorts it by what helps. The error itself
/// is kept as the cause.
pub(crate) fn store_error(doing: &'static str, object: &str, error: object_store::Error) -> Error {
    use object_store::Error as Raw;
    if let Some(own) = own_error(&error) {
        return own;
    }
    let text = one_line(&error);
    let object = object.to_owned();
    // An error of a list is a generic one, and the type that has its status is not public: only its text tells.
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let sorted = match &error {
        Raw::NotFound { .. } => Sorted::Missing(Missing::Object),
        error if is_refusal(error) => Sorted::Denied,
        Raw::AlreadyExists { .. } => return Error::exists(object, ExistsWhy::Exists),
        Raw::Precondition { .. } | Raw::NotModified { .. } => {
            return Error::data(DataErrorKind::Changed, object, "the object changed while it was read")
                .remedy(Remedy::RunWhenComplete)
                .into();
        }
        _ if says(&["status code: 404", "NoSuchBucket", "NoSuchKey"]) => {
            Sorted::Missing(Missing::BucketOrObject)
        }
        // S3 answers with a redirect that leads nowhere, or names the region that the signature should have been for.
        _ if says(&[
            "incorrectly configured region",
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
        ]) =>
        {
            Sorted::Failed(Some(Remedy::LeaveRegionAway))
        }
        _ => Sorted::Failed(None),
    };
    let (reason, source) = (text, Some(Box::new(error) as _));
    match sorted {
        Sorted::Missing(missing) => NotFound::Object { doing, object, missing, source }.into(),
        Sorted::Denied => Error::Denied { doing, object, reason, remedy: None, source },
        Sorted::Failed(remedy) => Error::Store { doing, object, reason, remedy, source },
    }
}

/// What a store's error comes down to, where the error is kept as the cause.
enum Sorted {
    Missing(Missing),
    Denied,
    Failed(Option<Remedy>),
}

/// A request that was refused, with what is said of it.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
struct Refused {
    said: String,
    source: object_store::Error,
}

/// A refusal, told in other words.
#[cfg(feature = "aws")]
pub(super) fn refused(said: String, source: object_store::Error) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(Refused { said, source }) }
}

/// Whether a store refuses the request, as opposed to failing at it.
pub(super) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error as Raw;
    const WORDS: [&str; 5] =
        ["status code: 401", "status code: 403", "AccessDenied", "InvalidAccessKeyId", "CredentialsError"];
    match error {
        Raw::PermissionDenied { .. } | Raw::Unauthenticated { .. } => true,
        Raw::Generic { source, .. } if source.is::<Refused>() => true,
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
    let flat =
        |error: &dyn std::error::Error| error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = flat(error);
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = flat(inner);
        if !line.contains(&more) {
            line.push_str(": ");
            line.push_str(&more);
        }
        cause = inner.source();
    }
    if line.len() > 500 {
        let cut = (0..=500).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
        line.truncate(cut);
        line.push('…');
    }
    line
}
