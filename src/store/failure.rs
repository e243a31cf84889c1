//! Turns failures of stores into errors: takes what object_store says, returns an error that names the object, what was
//! being done, and what helps.

use super::permission::missing_permission;
use crate::model::{DataErrorKind, Error, ExistsWhy, Missing, NotFound, Remedy, redacted};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

/// Adds to a store's error the object and what was being done, and classifies it by what helps. The error itself is
/// kept as the cause.
pub(crate) fn store_error(doing: &'static str, object: &str, error: object_store::Error) -> Error {
    use object_store::Error as Raw;
    if let Some(own) = own_error(&error) {
        return own;
    }
    if let Some(limit) = Error::of_limit(doing, object, &error) {
        return limit;
    }
    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    if let Some(untrusted) = super::trust::Untrusted::behind(&error) {
        let (object, reason, remedy) = (object.to_owned(), untrusted.to_string(), untrusted.remedy());
        return Error::Store { doing, object, reason, remedy, source: Some(Arc::new(error)) };
    }
    let text = one_line(&error);
    let object = object.to_owned();
    // An error of a list is a generic one, and the type with its status is not public, so only its text tells.
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let sorted = match &error {
        Raw::NotFound { .. } => Sorted::Missing(Missing::Object),
        _ if text.contains(ARCHIVED) => return super::object::archived(&object, None),
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
        // S3 answers with a redirect without a target, or names the region that the signature should be for.
        _ if says(&ELSEWHERE) => Sorted::Failed(Some(Remedy::LeaveRegionAway)),
        _ => Sorted::Failed(None),
    };
    let (reason, source) = (text, Some(Arc::new(error) as _));
    match sorted {
        Sorted::Missing(missing) => NotFound::Object { doing, object, missing, source }.into(),
        Sorted::Denied => {
            let remedy = missing_permission(doing, &object, &reason);
            Error::Denied { doing, object, reason, remedy, source }
        }
        Sorted::Failed(remedy) => Error::Store { doing, object, reason, remedy, source },
    }
}

/// S3's code for an object that must be restored first.
const ARCHIVED: &str = "InvalidObjectState";
/// S3's codes when the signature should be for another region.
const ELSEWHERE: [&str; 3] =
    ["incorrectly configured region", "PermanentRedirect", "AuthorizationHeaderMalformed"];

/// Turns an unsuccessful answer of S3 into an error, as [`store_error`] does.
#[cfg(feature = "aws")]
pub(super) fn answered(
    doing: &'static str,
    object: &str,
    status: u16,
    code: Option<&str>,
    reason: String,
) -> Error {
    let code = code.unwrap_or_default();
    let (source, remedy) = (None, None);
    if code == ARCHIVED {
        return super::object::archived(object, None);
    }
    let object = object.to_owned();
    match status {
        401 | 403 => {
            let remedy = missing_permission(doing, &object, &reason);
            Error::Denied { doing, object, reason, remedy, source }
        }
        404 => {
            let missing = if code == "NoSuchBucket" { Missing::BucketOrObject } else { Missing::Object };
            NotFound::Object { doing, object, missing, source }.into()
        }
        412 => Error::data(DataErrorKind::Changed, object, "the object changed while it was read")
            .remedy(Remedy::RunWhenComplete)
            .into(),
        // A redirect without a target, or the name of the region that the signature should be for.
        300..=400 if status != 400 || ELSEWHERE.contains(&code) => {
            Error::Store { doing, object, reason, remedy: Some(Remedy::LeaveRegionAway), source }
        }
        _ => Error::Store { doing, object, reason, remedy, source },
    }
}

/// The essence of a store's error, which is itself kept as the cause.
enum Sorted {
    Missing(Missing),
    Denied,
    Failed(Option<Remedy>),
}

/// The error for a refused request, with what the store says about it.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
struct Refused {
    said: String,
    source: object_store::Error,
}

/// A refusal with a different text.
#[cfg(feature = "aws")]
pub(super) fn refused(said: String, source: object_store::Error) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(Refused { said, source }) }
}

/// Whether a store refused the request, as opposed to failing.
pub(super) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error as Raw;
    const WORDS: [&str; 5] =
        ["status code: 401", "status code: 403", "AccessDenied", "InvalidAccessKeyId", "CredentialsError"];
    match error {
        Raw::PermissionDenied { .. } | Raw::Unauthenticated { .. } => true,
        Raw::Generic { source, .. } if source.is::<Refused>() => true,
        // Errors of a list always have this kind, whatever their status, so only the text tells.
        Raw::Generic { .. } => {
            let text = one_line(error);
            WORDS.iter().any(|word| text.contains(word))
        }
        _ => false,
    }
}

/// Carries one of our errors through object_store.
#[cfg(feature = "aws")]
pub(super) fn carried(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(Carried(Mutex::new(Some(error)))) }
}

/// The error can be taken out only once.
#[derive(Debug)]
struct Carried(Mutex<Option<Error>>);

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the store cannot be reached")
    }
}

impl std::error::Error for Carried {}

/// The error of ours inside an error of object_store.
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

/// An error and its causes on one line, because XML bodies have several, and without secrets.
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
    // Before cutting, because a truncated secret no longer looks like one.
    let mut line = redacted(&line).into_owned();
    if line.len() > 500 {
        let cut = (0..=500).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    fn sorted(error: object_store::Error) -> Error {
        store_error("reading", "s3://b/x", error)
    }

    #[test]
    fn a_stores_error_is_sorted_and_kept_as_the_cause() {
        let path = || "x".to_owned();
        let denied = sorted(object_store::Error::PermissionDenied { path: path(), source: "no".into() });
        assert!(matches!(denied, Error::Denied { remedy: Some(Remedy::Grant(_)), .. }), "{denied:?}");
        let listed = sorted(generic("Server returned non-2xx status code: 403 Forbidden"));
        assert!(matches!(listed, Error::Denied { .. }), "{listed:?}");
        let missing = sorted(object_store::Error::NotFound { path: path(), source: "gone".into() });
        assert!(
            matches!(missing, Error::NotFound(NotFound::Object { missing: Missing::Object, .. })),
            "{missing:?}"
        );
        let bucket = sorted(generic("<Code>NoSuchBucket</Code>"));
        assert!(
            matches!(bucket, Error::NotFound(NotFound::Object { missing: Missing::BucketOrObject, .. })),
            "{bucket:?}"
        );
        let elsewhere = sorted(generic("<Code>PermanentRedirect</Code>"));
        assert!(
            matches!(elsewhere, Error::Store { remedy: Some(Remedy::LeaveRegionAway), .. }),
            "{elsewhere:?}"
        );
        let failed = sorted(generic("<Code>SlowDown</Code>"));
        assert!(matches!(failed, Error::Store { remedy: None, .. }), "{failed:?}");
        for error in [denied, listed, missing, bucket, elsewhere, failed] {
            assert!(error.source().is_some_and(|cause| cause.is::<object_store::Error>()), "{error:?}");
        }
    }

    #[test]
    fn an_object_that_is_there_or_was_changed_is_no_failure_of_the_store() {
        let exists = object_store::Error::AlreadyExists { path: "x".into(), source: "there".into() };
        assert!(matches!(sorted(exists), Error::OutputExists(there) if there.why == ExistsWhy::Exists));
        let changed = object_store::Error::Precondition { path: "x".into(), source: "other".into() };
        assert!(matches!(sorted(changed), Error::Data(data) if data.kind == DataErrorKind::Changed));
    }

    #[cfg(feature = "aws")]
    #[test]
    fn an_error_of_ours_comes_back_as_it_was() {
        let own = Error::NotFound(NotFound::Path { path: "x".into() });
        assert!(matches!(sorted(carried(own)), Error::NotFound(NotFound::Path { .. })));
    }

    #[cfg(feature = "aws")]
    #[test]
    fn a_refusal_in_other_words_says_everything_once_and_keeps_the_first_ones() {
        let body = "<Error>\n  <Code>AccessDenied</Code>\n</Error>";
        let said = format!("with credentials from SSO: {}", one_line(&generic(body)));
        let refusal = refused(said, generic(body));
        assert!(is_refusal(&refusal));
        assert_eq!(
            one_line(&refusal),
            "Generic S3 error: with credentials from SSO: Generic S3 error: <Error> \
             <Code>AccessDenied</Code> </Error>"
        );
        let error = sorted(refusal);
        assert!(matches!(error, Error::Denied { .. }), "{error:?}");
        let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
        assert_eq!(causes.by_ref().filter(|cause| cause.is::<object_store::Error>()).count(), 2);
    }
}
