//! Decides what a text names: a path, or a URL with its scheme. Reads local disk only if a text might be either.

use super::system::{HAS_DRIVES, with_slashes};
use crate::model::{PlaceProblem, Result, UsageError};

use std::borrow::Cow;

/// Schemes that may be mistyped with one slash or with backslashes.
const SCHEMES: [&str; 10] = ["s3", "s3a", "s3n", "gs", "az", "azure", "abfs", "abfss", "http", "https"];

/// What a text names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spelled<'a> {
    /// A path on local disk, with `/` between its names.
    Path(Cow<'a, str>),
    /// A URL: its scheme in lower case, and what follows `://`.
    Url { scheme: String, rest: &'a str },
}

/// # Errors
/// [`UsageError::Place`] for what looks like a place but is not one here.
pub(super) fn spelled(text: &str) -> Result<Spelled<'_>> {
    let refused = |problem| UsageError::Place { place: text.to_owned(), problem };
    if let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "file" {
            return Ok(Spelled::Url { scheme, rest });
        }
        let path = match rest.split_once('/') {
            Some((host, _)) if host.is_empty() || host.eq_ignore_ascii_case("localhost") => {
                &rest[host.len()..]
            }
            _ => {
                let host = rest.split('/').next().unwrap_or_default().to_owned();
                return Err(refused(PlaceProblem::FileOfHost { host }).into());
            }
        };
        return of_url(path).map(Spelled::Path).ok_or_else(|| refused(PlaceProblem::FileEscapes).into());
    }
    let is_there = || std::fs::symlink_metadata(text).is_ok();
    if let Some(meant) = url_of_arn(text).filter(|_| !is_there()) {
        return Err(refused(PlaceProblem::BucketArn { meant }).into());
    }
    if let Some((scheme, rest)) = text.split_once(':') {
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" && rest.starts_with('/') && !is_there() {
            return of_url(rest).map(Spelled::Path).ok_or_else(|| refused(PlaceProblem::FileEscapes).into());
        }
        if SCHEMES.contains(&scheme.as_str()) && rest.starts_with(['/', '\\']) && !is_there() {
            let rest = rest.replace('\\', "/");
            let meant = format!("{scheme}://{}", rest.trim_start_matches('/'));
            return Err(refused(PlaceProblem::HalfUrl { meant }).into());
        }
        let is_drive = matches!(scheme.as_bytes(), [letter] if letter.is_ascii_alphabetic());
        if is_drive && !HAS_DRIVES && rest.starts_with(['/', '\\']) && !is_there() {
            return Err(refused(PlaceProblem::OfWindows).into());
        }
    }
    if text.starts_with(r"\\") && !HAS_DRIVES && !is_there() {
        return Err(refused(PlaceProblem::OfWindows).into());
    }
    Ok(Spelled::Path(with_slashes(text)))
}

/// The URL for the ARN of a bucket, of an object in it or of an access point, whose ARN stands in place of a bucket.
fn url_of_arn(text: &str) -> Option<String> {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    match fields.as_slice() {
        ["arn", _, "s3", _, _, resource] if resource.starts_with("accesspoint/") => {
            Some(format!("s3://{text}"))
        }
        ["arn", _, "s3", _, _, resource] => Some(format!("s3://{resource}")),
        ["arn", _, "s3express", _, _, resource] => {
            Some(format!("s3://{}", resource.strip_prefix("bucket/")?))
        }
        _ => None,
    }
}

fn is_scheme(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(is_good)
}

/// The path of a `file://` URL: in `file:///C:/x` the last slash before the drive does not belong to it.
fn of_url(path: &str) -> Option<Cow<'_, str>> {
    let path = unescaped(path)?;
    let is_drive = matches!(path.as_bytes(), [b'/', letter, b':', ..] if letter.is_ascii_alphabetic());
    Some(if HAS_DRIVES && is_drive { Cow::Owned(path[1..].to_owned()) } else { path })
}

/// The text with its escapes read. Such URLs come from programs, which escape everything except letters and digits.
/// Anything that is not an escape stays.
fn unescaped(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|digits| {
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            u8::try_from(digit(0)? * 16 + digit(1)?).ok()
        });
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0')).map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Error;

    fn path(text: &str) -> Spelled<'_> {
        Spelled::Path(text.into())
    }

    fn problem(text: &str) -> PlaceProblem {
        match spelled(text) {
            Err(Error::Usage(UsageError::Place { place, problem })) if place == text => problem,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[cfg(unix)]
    #[test]
    fn paths_are_taken_literally() {
        for text in
            ["a/b", "a%20b", "~/x", "./s3:/b", "x:y", "a:/b:c", "/a//b", "..", r"a\b", "1://x", "a b://c"]
        {
            let is_drive = text == "a:/b:c";
            assert_eq!(spelled(text).ok(), (!is_drive).then(|| path(text)), "{text}");
        }
    }

    #[cfg(windows)]
    #[test]
    fn a_path_may_have_a_drive_or_a_server_and_either_slash() {
        for (text, expected) in [
            (r"C:\x\y.csv", "C:/x/y.csv"),
            ("c:/x/y.csv", "c:/x/y.csv"),
            (r"\\server\share\x", "//server/share/x"),
            (r".\in\s_*", "./in/s_*"),
            ("file:///C:/a%20b", "C:/a b"),
        ] {
            assert_eq!(spelled(text).expect("a path"), path(expected), "{text}");
        }
    }

    #[test]
    fn a_scheme_may_be_in_capitals() {
        for (text, scheme, rest) in
            [("S3://B/x", "s3", "B/x"), ("gs://b", "gs", "b"), ("HTTPS://h/x?Y=Z", "https", "h/x?Y=Z")]
        {
            let expected = Spelled::Url { scheme: scheme.into(), rest };
            assert_eq!(spelled(text).expect("a URL"), expected);
        }
    }

    #[test]
    fn a_file_url_is_an_absolute_path_with_its_escapes_read() {
        for (text, expected) in [
            ("file:///a/b", "/a/b"),
            ("FILE://localhost/a", "/a"),
            ("file://LOCALHOST/", "/"),
            ("file:/a/b", "/a/b"),
            ("file:///a%20b/100%/%zz%C3%A9", "/a b/100%/%zzé"),
            ("file:///a+b?c#d", "/a+b?c#d"),
        ] {
            assert_eq!(spelled(text).expect("a path"), path(expected), "{text}");
        }
        for (text, host) in
            [("file://rel/x", "rel"), ("file://rel", "rel"), ("file://", ""), ("file://./x", ".")]
        {
            assert_eq!(problem(text), PlaceProblem::FileOfHost { host: host.into() });
        }
        for text in ["file:///%ff", "file:///a%00b"] {
            assert_eq!(problem(text), PlaceProblem::FileEscapes);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_half_a_url_or_a_path_of_windows_is_no_name_of_a_file() {
        for (text, meant) in [
            ("s3:/b/x", "s3://b/x"),
            (r"S3:\\b\x", "s3://b/x"),
            ("https:/h/x", "https://h/x"),
            ("gs:/b", "gs://b"),
        ] {
            assert_eq!(problem(text), PlaceProblem::HalfUrl { meant: meant.into() });
        }
        let point = "arn:aws:s3:us-west-2:123456789012:accesspoint/exports";
        for (text, meant) in [
            ("arn:aws:s3:::b", "s3://b"),
            ("arn:aws-cn:s3:::b/x/y.csv", "s3://b/x/y.csv"),
            ("arn:aws:s3express:us-east-1:123456789012:bucket/b--x-s3", "s3://b--x-s3"),
            (point, &format!("s3://{point}")),
        ] {
            assert_eq!(problem(text), PlaceProblem::BucketArn { meant: meant.into() });
        }
        for text in [r"C:\x\y.csv", "c:/x/y.csv", r"\\server\share\x"] {
            assert_eq!(problem(text), PlaceProblem::OfWindows);
        }
    }
}
