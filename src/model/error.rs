//! The one error type of the library.
//!
//! Variants are divided by what the user must do about them, which is also how the command line chooses its exit code.
//! What went wrong is data down to the last field. Each variant makes its sentence in one place, with the caller's
//! names for settings. Text from a file or a store is escaped before it is shown, so that a cell cannot control a
//! terminal.

use super::data_error::{DataError, DataErrorKind};
use super::difference::Difference;
use super::incomplete::Incomplete;
use super::limit::{Limit, panic_text};
use super::named::Named;
use super::not_found::{Missing, NotFound};
use super::output_exists::{ExistsWhy, OutputExists};
use super::redacted::redacted;
use super::remedy::Remedy;
use super::setting::{Setting, SettingName};
use super::store_problem::StoreProblem;
use super::usage::UsageError;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by what the user must do about it.
///
/// Its `Display` is a sentence that uses this library's names for settings; [`Error::named`] shows it with other names.
/// [`source`](StdError::source) is what a store or the system said.
///
/// ```
/// use forecast_export::{Error, ExistsWhy, Location, Options, Output, Setting, plan, run};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let folder = tempfile::tempdir().unwrap();
/// # let target = folder.path().join("sales.csv").display().to_string();
/// let (source, output) = (Location::parse("testdata/forecast")?, Output::file(&target)?);
/// run(plan(&source, &output, &Options::default()).await?, |_event| ()).await?;
///
/// let mut options = Options::default();
/// options.all_strings = true;
/// match plan(&source, &output, &options).await {
///     Err(Error::OutputExists(there)) => {
///         assert_eq!(there.path, target);
///         assert_eq!(there.why, ExistsWhy::OtherOptions(Setting::AllStrings));
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The request itself makes no sense: an unknown preset, a bad pattern, options that exclude each other.
    Usage(UsageError),

    /// There is nothing at the source: no such bucket, folder, job or run, or no part files in it.
    NotFound(NotFound),

    /// The parts found are not one complete, unambiguous run (gaps, duplicates, several runs or jobs), or the export
    /// job is not done.
    Incomplete(Incomplete),

    /// The contents of a part are wrong, or parts disagree.
    Data(Box<DataError>),

    /// The output does not hold exactly the source's rows.
    Different(Box<Difference>),

    /// The output already exists and must not be replaced.
    OutputExists(Box<OutputExists>),

    /// Access was refused, by a store or by the file system.
    Denied {
        /// What was being done, such as `reading`.
        doing: &'static str,
        /// The object or folder.
        object: String,
        /// What the store or system said.
        reason: String,
        /// What helps, if that is known.
        remedy: Option<Remedy>,
        /// The store's or the system's own error, if there is one.
        source: Option<Arc<dyn StdError + Send + Sync>>,
    },

    /// A store kept failing; a later try may help.
    Store {
        /// What was being done, such as `listing`.
        doing: &'static str,
        /// The object or folder.
        object: String,
        /// What the store said.
        reason: String,
        /// What helps, if that is known.
        remedy: Option<Remedy>,
        /// The store's own error, if there is one.
        source: Option<Arc<dyn StdError + Send + Sync>>,
    },

    /// A local file operation failed.
    Io {
        /// What was being done, such as `writing`.
        doing: &'static str,
        /// The file.
        object: String,
        /// The system's error.
        source: Arc<std::io::Error>,
    },

    /// The run was told to stop; everything it had begun was cleaned up.
    Stopped,

    /// A defect of this program: please report it.
    Internal(String),
}

impl Error {
    /// The error's sentence with a program's own names for settings, such as its flags.
    ///
    /// ```
    /// use forecast_export::{Pattern, Setting};
    ///
    /// let error = Pattern::custom("x.csv").unwrap_err();
    /// let flag = |setting| match setting {
    ///     Setting::Pattern => "-p",
    ///     other => other.name(),
    /// };
    /// assert!(error.to_string().starts_with("pattern \"x.csv\" has no group named part"));
    /// assert!(error.named(flag).to_string().starts_with("-p \"x.csv\" has no group named part"));
    /// ```
    pub fn named(&self, name: SettingName) -> impl fmt::Display {
        self.with_names(name)
    }

    /// The exit code of the command line: 2 for a request that makes no sense, 3 if nothing was found, 4 for an
    /// incomplete run, 5 for bad data, 6 for a difference, 7 for an output that exists, 8 for a store; otherwise 1.
    pub fn code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::NotFound(_) => 3,
            Error::Incomplete(_) => 4,
            Error::Data(_) => 5,
            Error::Different(_) => 6,
            Error::OutputExists(_) => 7,
            Error::Denied { .. } | Error::Store { .. } => 8,
            Error::Io { .. } | Error::Stopped | Error::Internal(_) => 1,
        }
    }

    /// The word for the variant, such as `not-found`.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Usage(_) => "usage",
            Error::NotFound(_) => "not-found",
            Error::Incomplete(_) => "incomplete",
            Error::Data(_) => "data",
            Error::Different(_) => "different",
            Error::OutputExists(_) => "output-exists",
            Error::Denied { .. } => "denied",
            Error::Store { .. } => "store",
            Error::Io { .. } => "io",
            Error::Stopped => "stopped",
            Error::Internal(_) => "internal",
        }
    }

    /// The case within the variant, if it has several, and what is known about it.
    fn case_and_fields(&self) -> serde_json::Result<(Option<String>, Value)> {
        let found = match self {
            Error::Usage(error) => serde_json::to_value(error)?,
            Error::NotFound(error) => serde_json::to_value(error)?,
            Error::Incomplete(error) => serde_json::to_value(error)?,
            Error::Data(error) => return Ok((None, serde_json::to_value(error)?)),
            Error::Different(difference) => return Ok((None, serde_json::to_value(difference)?)),
            Error::OutputExists(error) => return Ok((None, serde_json::to_value(error)?)),
            Error::Denied { doing, object, reason, remedy, .. }
            | Error::Store { doing, object, reason, remedy, .. } => {
                let fields = json!({"doing": doing, "object": object, "reason": reason, "remedy": remedy});
                return Ok((None, fields));
            }
            Error::Io { doing, object, source } => {
                let fields = json!({"doing": doing, "object": object, "reason": source.to_string()});
                return Ok((None, fields));
            }
            Error::Stopped => return Ok((None, json!({}))),
            Error::Internal(defect) => return Ok((None, json!({"defect": defect}))),
        };
        Ok(match found {
            Value::String(case) => (Some(case), json!({})),
            Value::Object(cases) => match cases.into_iter().next() {
                Some((case, fields)) => (Some(case), fields),
                None => (None, json!({})),
            },
            other => (None, other),
        })
    }

    pub(crate) fn io(doing: &'static str, object: impl Into<String>, source: std::io::Error) -> Self {
        let object = object.into();
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => {
                let reason = source.to_string();
                Error::Denied { doing, object, reason, remedy: None, source: Some(Arc::new(source)) }
            }
            std::io::ErrorKind::NotFound => {
                let (missing, source) = (Missing::FileOrFolder, Some(Arc::new(source) as _));
                Error::NotFound(NotFound::Object { doing, object, missing, source })
            }
            _ => Error::Io { doing, object, source: Arc::new(source) },
        }
    }

    /// With what helps, if access was denied.
    pub(crate) fn or_remedy(mut self, helps: Remedy) -> Self {
        if let Error::Denied { remedy, .. } = &mut self {
            remedy.get_or_insert(helps);
        }
        self
    }

    /// Turns a panic into an error: either a system limit at which some library panics, or a defect.
    pub fn from_panic(doing: &'static str, panic: &(dyn Any + Send)) -> Self {
        match Limit::of_panic(panic) {
            Some(limit) => {
                let source = Arc::new(std::io::Error::other(limit));
                Error::Io { doing, object: "the work".to_owned(), source }
            }
            None => Error::Internal(format!("{doing} stopped unexpectedly: {}", panic_text(panic))),
        }
    }

    /// An error about a system limit, if one caused the given failure.
    pub(crate) fn of_limit(
        doing: &'static str,
        object: &str,
        error: &(dyn StdError + 'static),
    ) -> Option<Self> {
        let limit = Limit::behind(error)?;
        let source = Arc::new(std::io::Error::other(limit));
        Some(Error::Io { doing, object: object.to_owned(), source })
    }

    /// An error in the contents of `file`.
    pub(crate) fn data(
        kind: DataErrorKind,
        file: impl Into<String>,
        problem: impl Into<String>,
    ) -> DataError {
        DataError::new(kind, file, problem)
    }

    /// The error for an output that already exists.
    pub(crate) fn exists(path: impl Into<String>, why: ExistsWhy) -> Self {
        Error::OutputExists(Box::new(OutputExists::new(path, why)))
    }
}

impl Named for Error {
    /// Without secrets: much of the text comes from servers and users.
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        let sentence = Sentence(self).with_names(name).to_string();
        f.write_str(&redacted(&sentence))
    }
}

/// An error's sentence with any secrets still in it.
struct Sentence<'a>(&'a Error);

impl Named for Sentence<'_> {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        match self.0 {
            Error::Usage(error) => error.write(f, name),
            Error::NotFound(error) => error.write(f, name),
            Error::Incomplete(error) => error.write(f, name),
            Error::Data(error) => error.write(f, name),
            Error::Different(difference) => write!(f, "verification failed: {difference}"),
            Error::OutputExists(error) => error.write(f, name),
            Error::Denied { doing, object, reason, remedy, .. } => {
                write!(f, "{doing} {object}: access denied: {reason}")?;
                write_remedy(remedy.as_ref(), f, name)
            }
            Error::Store { doing, object, reason, remedy, .. } => {
                write!(f, "{doing} {object}: the service failed: {reason}")?;
                write_remedy(remedy.as_ref(), f, name)
            }
            Error::Io { doing, object, source } => {
                write!(f, "{doing} {object}: {source}")?;
                match Limit::behind(source.as_ref()) {
                    Some(limit) => write!(f, "; {}", limit.remedy()),
                    None => Ok(()),
                }
            }
            Error::Stopped => f.write_str("stopped"),
            Error::Internal(defect) => write!(f, "internal error: {defect}; please report it"),
        }
    }
}

fn write_remedy(remedy: Option<&Remedy>, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
    match remedy {
        Some(remedy) => write!(f, "; {}", remedy.with_names(name)),
        None => Ok(()),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            // Their sentences are already the error's own.
            Error::Usage(error) => error.source(),
            Error::NotFound(error) => error.source(),
            Error::Incomplete(error) => error.source(),
            Error::Denied { source: Some(source), .. } | Error::Store { source: Some(source), .. } => {
                Some(&**source)
            }
            Error::Io { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

/// `code`, `kind` and `message`, which are [`Error::code`], [`Error::kind`] and the `Display`; `case` within the kind
/// if it has several, as a word such as `no-such-column`; and `fields`, which are those of the case. It contains no
/// secrets.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (case, mut fields) = self.case_and_fields().map_err(serde::ser::Error::custom)?;
        without_secrets_within(&mut fields);
        let mut data = serializer.serialize_struct("Error", 5)?;
        data.serialize_field("code", &self.code())?;
        data.serialize_field("kind", self.kind())?;
        data.serialize_field("case", &case)?;
        data.serialize_field("fields", &fields)?;
        data.serialize_field("message", &self.to_string())?;
        data.end()
    }
}

fn without_secrets_within(value: &mut Value) {
    match value {
        Value::String(text) => *text = redacted(text).into_owned(),
        Value::Array(values) => values.iter_mut().for_each(without_secrets_within),
        Value::Object(fields) => fields.values_mut().for_each(without_secrets_within),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Error::Usage(error)
    }
}

impl From<StoreProblem> for Error {
    fn from(problem: StoreProblem) -> Self {
        Error::Usage(UsageError::Store(problem))
    }
}

impl From<NotFound> for Error {
    fn from(error: NotFound) -> Self {
        Error::NotFound(error)
    }
}

impl From<Incomplete> for Error {
    fn from(error: Incomplete) -> Self {
        Error::Incomplete(error)
    }
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        Error::Data(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Gap;

    #[test]
    fn what_helps_follows_what_a_store_said() {
        let error = |remedy| Error::Store {
            doing: "looking for the region of",
            object: "s3://b".into(),
            reason: "S3 answered with status 500".into(),
            remedy,
            source: None,
        };
        let said = "looking for the region of s3://b: the service failed: S3 answered with status 500";
        assert_eq!(error(None).to_string(), said);
        assert_eq!(error(Some(Remedy::NameRegion)).to_string(), format!("{said}; name it with region"));
        let denied = Error::Denied {
            doing: "looking for",
            object: "AWS credentials".into(),
            reason: "there are none".into(),
            remedy: Some(Remedy::NameProfile),
            source: None,
        };
        assert_eq!(
            denied.to_string(),
            "looking for AWS credentials: access denied: there are none; use profile to name a profile, or \
             no_sign_request for public buckets"
        );
    }

    #[test]
    fn an_error_of_the_system_is_sorted_and_kept() {
        use std::io::ErrorKind;
        let of = |kind: ErrorKind| Error::io("reading", "x.csv", kind.into());
        let (denied, missing, other) =
            (of(ErrorKind::PermissionDenied), of(ErrorKind::NotFound), of(ErrorKind::TimedOut));
        assert!(matches!(denied, Error::Denied { .. }));
        assert!(matches!(missing, Error::NotFound(NotFound::Object { missing: Missing::FileOrFolder, .. })));
        assert!(matches!(other, Error::Io { .. }));
        for error in [denied, missing, other] {
            assert!(error.source().is_some_and(|source| source.is::<std::io::Error>()), "{error}");
        }
    }

    #[test]
    fn a_limit_of_the_system_is_no_defect() {
        let panicked = |text: &str| Error::from_panic("running", &text.to_owned()).to_string();
        assert_eq!(
            panicked("OS can't spawn worker thread: x"),
            "running the work: no more threads can be started; raise the limit on processes (ulimit -u), or \
             stop other processes"
        );
        assert_eq!(
            panicked("index out of bounds"),
            "internal error: running stopped unexpectedly: index out of bounds; please report it"
        );
        let too_many_files = std::io::Error::from_raw_os_error(if cfg!(windows) { 4 } else { 24 });
        let full = Error::io("reading", "x.csv", too_many_files).to_string();
        assert!(
            full.ends_with("; raise the limit on open files (ulimit -n), or use fewer threads"),
            "{full}"
        );
    }

    #[test]
    fn an_error_is_data() {
        let json = |error: &Error| serde_json::to_value(error).expect("JSON");
        let gaps =
            vec![Gap { from: 3, to: 5, after: Some("x_part2.csv".into()), before: "x_part6.csv".into() }];
        let incomplete = Error::from(Incomplete::Gaps { run: "x".into(), gaps, parts: 7 });
        assert_eq!(
            json(&incomplete),
            json!({
                "code": 4,
                "kind": "incomplete",
                "case": "gaps",
                "fields": {
                    "run": "x",
                    "gaps": [{"from": 3, "to": 5, "after": "x_part2.csv", "before": "x_part6.csv"}],
                    "parts": 7,
                },
                "message": incomplete.to_string(),
            })
        );
        let data = Error::data(DataErrorKind::BadCell, "x.csv", "no number").column("p50").value(b"a");
        let data = Error::from(data.remedy(Remedy::ReadAsText { column: "p50".into() }));
        let found = json(&data);
        assert_eq!(
            (&found["code"], &found["kind"], &found["case"]),
            (&json!(5), &json!("data"), &json!(null))
        );
        assert_eq!(found["fields"]["kind"], "bad-cell");
        assert_eq!(found["fields"]["remedy"], json!({"read-as-text": {"column": "p50"}}));
        let usage = Error::from(UsageError::NoSuchColumn {
            setting: Setting::Types,
            column: "p10".into(),
            known: vec!["p50".into()],
        });
        assert_eq!(json(&usage)["fields"], json!({"setting": "types", "column": "p10", "known": ["p50"]}));
        assert_eq!(json(&UsageError::SplitOfMerge.into())["case"], "split-of-merge");
        assert_eq!(json(&UsageError::SplitOfMerge.into())["fields"], json!({}));
        let store = json(&StoreProblem::Unknown { scheme: "ftp".into() }.into());
        assert_eq!(
            (&store["case"], &store["fields"]),
            (&json!("store"), &json!({"unknown": {"scheme": "ftp"}}))
        );
        let exists = json(&Error::exists("x.csv", ExistsWhy::OtherOptions(Setting::AllStrings)));
        assert_eq!(exists["fields"], json!({"path": "x.csv", "why": {"other-options": "all_strings"}}));
        let io = json(&Error::io("reading", "x.csv", std::io::ErrorKind::TimedOut.into()));
        assert_eq!((&io["code"], &io["fields"]["object"]), (&json!(1), &json!("x.csv")));
        assert_eq!(json(&Error::Stopped)["kind"], "stopped");
    }

    #[test]
    fn an_error_as_data_holds_nothing_secret() {
        let error = Error::Denied {
            doing: "reading",
            object: "https://bucket/x?X-Amz-Signature=abcdef".into(),
            reason: "authorization: Bearer abcdef".into(),
            remedy: None,
            source: None,
        };
        let json = serde_json::to_string(&error).expect("JSON");
        assert!(json.contains("X-Amz-Signature=***") && !json.contains("abcdef"), "{json}");
    }

    #[test]
    fn an_error_can_be_kept_twice() {
        let error = Error::io("reading", "x.csv", std::io::ErrorKind::TimedOut.into());
        let copy = error.clone();
        assert_eq!(copy.to_string(), error.to_string());
        assert!(copy.source().is_some_and(|source| source.is::<std::io::Error>()));
    }

    #[test]
    fn an_error_is_not_too_large_to_return() {
        assert!(size_of::<Error>() < 128, "{}", size_of::<Error>());
    }
}
