//! Checks the settings that reach a store's client from outside: flags, environment variables, profile values,
//! credentials. The clients themselves check few of them and panic at some: an address without a scheme, an invalid
//! port, a line end in a key. An error names where the value comes from.

use crate::model::{Origin, Result, StoreProblem, keep_secret};

use object_store::client::{HttpRequest, HttpRequestBody};
use reqwest::Url;
use std::ffi::OsStr;

/// Variables with the address of a service.
const ADDRESSES: [&str; 16] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_FORECAST",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_METADATA_ENDPOINT",
    "GOOGLE_BASE_URL",
    "AZURE_AUTHORITY_HOST",
    "AZURE_ENDPOINT",
    "AZURE_IDENTITY_ENDPOINT",
    "AZURE_MSI_ENDPOINT",
    "AZURE_STORAGE_AUTHORITY_HOST",
    "AZURE_STORAGE_ENDPOINT",
];
/// Variables with a region.
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// Variables with the first label of a host name.
const ACCOUNTS: [&str; 2] = ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_ACCOUNT_NAME"];
/// Variables that every HTTP client reads, also in lower case.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
/// Longer than any host name.
const LONGEST_REGION: usize = 63;

const CONTROL: &str = "it contains a control character";

/// A non-empty environment variable.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Checks a region, which becomes part of host names and signatures.
pub(super) fn is_region(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= LONGEST_REGION && text.bytes().all(is_good)
}

pub(super) fn check_region(origin: Origin, text: &str) -> Result<()> {
    match region_problem(text) {
        Some(why) => bad(origin, Some(text), why),
        None => Ok(()),
    }
}

fn region_problem(text: &str) -> Option<&'static str> {
    (!is_region(text)).then_some("a region is a word such as eu-west-1")
}

/// Checks an address to which requests are sent.
pub(super) fn check_endpoint(origin: Origin, text: &str) -> Result<()> {
    match address_problem(text) {
        Some(why) => bad(origin, Some(&shown_address(text)), why),
        None => Ok(()),
    }
}

fn address_problem(text: &str) -> Option<&'static str> {
    const SCHEME: &str = "it does not begin with http:// or https://";
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Some(SCHEME);
    }
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Some("it contains a space or a control character");
    }
    let url = match Url::parse(text) {
        Ok(url) if is_request_address(text) => url,
        _ => return Some("it is not a URL; write https://HOST or http://HOST:PORT"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Some("it contains a user or a password, which no store expects there");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("it contains a query or a fragment");
    }
    None
}

/// Whether a request can have this address: the request type parses addresses in its own way.
fn is_request_address(text: &str) -> bool {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    text.parse().map(|address| *request.uri_mut() = address).is_ok()
}

/// An address without user and password.
fn shown_address(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}"),
        None => text.to_owned(),
    }
}

/// Checks a name or another text without a particular form.
pub(super) fn check_text(origin: Origin, text: &str) -> Result<()> {
    match text_problem(text) {
        Some(why) => bad(origin, Some(text), why),
        None => Ok(()),
    }
}

fn text_problem(text: &str) -> Option<&'static str> {
    if text.is_empty() { Some("it is empty") } else { text.contains(char::is_control).then_some(CONTROL) }
}

/// Checks the environment variables that a kind of store reads, and registers the secret ones.
pub(super) fn check_environment(prefix: &str) -> Result<()> {
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let is_proxy = PROXIES.contains(&name.to_ascii_uppercase().as_str());
        if (name.starts_with(prefix) || is_proxy) && !value.is_empty() {
            check_variable(name, &value, is_proxy)?;
        }
    }
    Ok(())
}

fn check_variable(name: &str, value: &OsStr, is_proxy: bool) -> Result<()> {
    let origin = || Origin::Variable(name.to_owned());
    let is_secret = is_secret(name);
    let Some(text) = value.to_str() else {
        return bad(origin(), None, "it is not UTF-8");
    };
    if is_secret {
        keep_secret(text);
    }
    // Keys and certificates may have several lines.
    let is_file = text.trim_start().starts_with('{') || text.contains("-----BEGIN ");
    let problem = if is_proxy || name.ends_with("_PROXY_URL") {
        proxy_problem(text)
    } else if ADDRESSES.contains(&name) {
        address_problem(text)
    } else if REGIONS.contains(&name) {
        region_problem(text)
    } else if ACCOUNTS.contains(&name) {
        (!is_region(text)).then_some("an account is a word of letters and digits")
    } else {
        text.contains(|c: char| c.is_control()).then_some(CONTROL).filter(|_| !is_file)
    };
    let address = shown_address(text);
    match problem {
        Some(why) => bad(origin(), (!is_secret).then_some(&address), why),
        None => Ok(()),
    }
}

/// Checks a proxy, which may have no scheme, and may have a password.
fn proxy_problem(text: &str) -> Option<&'static str> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    match Url::parse(&with_scheme) {
        Ok(url) if url.host().is_some() => {
            url.password().into_iter().for_each(keep_secret);
            None
        }
        _ => Some("it is not the URL of a proxy; write http://HOST:PORT"),
    }
}

fn is_secret(name: &str) -> bool {
    let says = |word: &str| name.contains(word);
    let is_place = name.ends_with("_FILE") || name.ends_with("_ID") || name.ends_with("_PATH");
    let is_word =
        says("SECRET") || says("TOKEN") || says("PASSWORD") || says("SAS_KEY") || says("ACCESS_KEY");
    (is_word || name.ends_with("_ACCOUNT_KEY") || name.ends_with("_MASTER_KEY")) && !is_place
}

/// Checks the name of a bucket or container, which becomes part of addresses.
pub(super) fn check_bucket(bucket: &str) -> Result<()> {
    #[cfg(feature = "aws")]
    if bucket.starts_with("arn:") {
        return super::address::BucketName::read(bucket).map(drop);
    }
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._$".contains(&byte);
    // Two dots mean a parent folder.
    if !bucket.bytes().all(is_good) || bucket.bytes().all(|byte| byte == b'.') {
        return Err(StoreProblem::BadBucket { bucket: shown_address(bucket) }.into());
    }
    Ok(())
}

/// What is wrong with credentials that become headers: the value's name in profiles, and why.
#[cfg(feature = "aws")]
pub(super) fn credentials_problem(
    key_id: &str,
    secret: &str,
    token: Option<&str>,
) -> Option<(&'static str, &'static str)> {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    const WHY: &str = "it is empty, or contains a space, a control character or a character beyond ASCII";
    [
        ("aws_access_key_id", is_word(key_id)),
        ("aws_secret_access_key", is_word(secret)),
        ("aws_session_token", token.is_none_or(is_word)),
    ]
    .into_iter()
    .find_map(|(name, is_good)| (!is_good).then_some((name, WHY)))
}

pub(super) fn bad<T>(origin: Origin, value: Option<&str>, why: &str) -> Result<T> {
    let value = value.map(str::to_owned);
    Err(StoreProblem::BadValue { origin, value, why: why.to_owned() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_a_client_would_panic_at_or_send_elsewhere_are_refused() {
        for good in [
            "http://localhost:9000",
            "https://s3.example.com/",
            "HTTPS://x",
            "http://[::1]:9000",
            "http://a/b",
        ] {
            assert_eq!(address_problem(good), None, "{good}");
        }
        for bad in [
            "localhost:9000",
            "minio",
            "",
            "http://",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:-1",
            "http://127.0.0.1:port",
            "http://a b",
            "http://a\r\nhost: b",
            "http://alice:pw@host",
            "http://alice@host",
            "http://host/?x",
            "http://host/#x",
            "http://[::1",
            "file:///etc/passwd",
            "ftp://host",
            "http:host",
        ] {
            assert!(address_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_refused_address_is_shown_without_its_password() {
        assert_eq!(shown_address("http://alice:p/w@h:1"), "***@h:1");
        assert_eq!(shown_address("localhost:9000"), "localhost:9000");
    }

    #[test]
    fn variables_are_checked_by_what_they_hold() {
        let check = |name: &str, value: &str| check_variable(name, OsStr::new(value), name == "HTTPS_PROXY");
        for (name, value) in [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL_S3", "http://h:1"),
            ("AWS_SESSION_TOKEN", "a/b+c="),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", "{\n}"),
            ("AWS_PROXY_CA_CERTIFICATE", "-----BEGIN CERTIFICATE-----\n"),
            ("HTTPS_PROXY", "proxy:3128"),
            ("HTTPS_PROXY", "http://user:password@proxy:3128"),
        ] {
            assert!(check(name, value).is_ok(), "{name}");
        }
        for (name, value) in [
            ("AWS_REGION", "eu west"),
            ("AWS_DEFAULT_REGION", "x/y"),
            ("AWS_ENDPOINT_URL", "h:1"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://h:99999"),
            ("AWS_ACCESS_KEY_ID", "AK\rIA"),
            ("AWS_PROFILE", "a\nb"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "a\0b"),
            ("GOOGLE_BASE_URL", "localhost"),
            ("HTTPS_PROXY", "http://proxy:99999"),
            ("HTTPS_PROXY", "http://"),
        ] {
            let error = check(name, value).expect_err(name).to_string();
            assert!(error.starts_with(&format!("the environment variable {name} cannot be")), "{error}");
        }
        let error = check("AWS_SECRET_ACCESS_KEY", "hush\nhush").expect_err("a line end").to_string();
        assert!(!error.contains("hush"), "{error}");
    }

    #[test]
    fn secrets_are_told_by_the_names_of_their_variables() {
        for secret in [
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_SAS_KEY",
            "AZURE_CLIENT_SECRET",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for open in ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SSE_KMS_KEY_ID", "AWS_REGION"] {
            assert!(!is_secret(open), "{open}");
        }
    }

    #[test]
    fn a_bucket_has_a_name() {
        for good in ["b", "my.bucket-1", "Reports_2019", "x-az4--x-s3", "$web"] {
            assert!(check_bucket(good).is_ok(), "{good}");
        }
        for bad in ["a b", "..", ".", "a?b", "b#", "b@evil.example", "b:99999", "a\\b", "b%2f", "é"] {
            assert!(check_bucket(bad).is_err(), "{bad}");
        }
    }

    #[cfg(feature = "aws")]
    #[test]
    fn credentials_are_words() {
        assert_eq!(credentials_problem("AK", "s/+=", Some("t==")), None);
        let name = |key_id, secret, token| credentials_problem(key_id, secret, token).map(|(name, _)| name);
        assert_eq!(name("AK\r", "s", None), Some("aws_access_key_id"));
        assert_eq!(name("AK", "", None), Some("aws_secret_access_key"));
        assert_eq!(name("AK", "s", Some("é")), Some("aws_session_token"));
    }
}
