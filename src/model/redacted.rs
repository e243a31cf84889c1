//! Removes secrets from text; the one place that knows what a secret looks like. Takes text from a server or a user,
//! returns it with `***` in place of passwords, tokens and signatures.
//!
//! Secrets are recognized in two ways. Those given to this process are known by their value ([`keep_secret`]), wherever
//! they appear. Others are known by their position: before the `@` of a URL, in a signed query, or in an element,
//! member or header with a name that servers use for secrets.

use regex::Regex;
use std::borrow::Cow;
use std::sync::{LazyLock, Mutex, PoisonError};

const HIDDEN: &str = "***";
/// A shorter text is not a secret, and would be found in every other word.
const SHORTEST: usize = 8;
/// Credentials are renewed, so the oldest of this many have expired.
const MOST: usize = 64;

static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The positions of secrets. A compiled pattern takes hundreds of kilobytes, so it is compiled only when a text
/// contains one of its words.
struct Place {
    /// In lower case; without any of these words the pattern cannot match.
    words: &'static [&'static str],
    /// The pattern, whose first group is kept.
    pattern: LazyLock<Option<Regex>>,
    with: &'static str,
}

static PLACES: [Place; 7] = [
    // http://user:password@host
    Place {
        words: &["@"],
        pattern: LazyLock::new(|| Regex::new(r#"(?i)(\b[a-z][a-z0-9+.-]*://)[^/\s?\#"'<>]+(?-i:@)"#).ok()),
        with: "${1}***@",
    },
    // ?X-Amz-Signature=...&sig=...
    Place {
        words: &[
            "signature=",
            "credential=",
            "token=",
            "sig=",
            "accesskeyid=",
            "googleaccessid=",
            "client_secret=",
            "code=",
        ],
        pattern: LazyLock::new(|| {
            Regex::new(
                r#"(?i)([?&;](?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|signature|sig|AWSAccessKeyId|GoogleAccessId|access_token|id_token|client_secret|code)=)[^&\s"'<>)]+"#,
            )
            .ok()
        }),
        with: "${1}***",
    },
    // <Token-0>...</Token-0>
    Place {
        words: &["<"],
        pattern: LazyLock::new(|| {
            Regex::new(
                r#"(?is)(<(?:\w+:)?(?:Token(?:-\d+)?|SessionToken|SecurityToken|SecretAccessKey|SecretKey|Password|Signature|SignatureProvided|StringToSign(?:Bytes)?|CanonicalRequest(?:Bytes)?|ClientSecret|AccessToken|RefreshToken|WebIdentityToken|AuthenticationErrorDetail)(?:\s[^>]*)?>)[^<]+"#,
            )
            .ok()
        }),
        with: "${1}***",
    },
    // "SecretAccessKey": "..."
    Place {
        words: &["token", "secret", "password", "private", "signature"],
        pattern: LazyLock::new(|| {
            Regex::new(
                r#"(?is)("\w*(?:token|secret|password|private_?key|secretaccesskey|signature)\w*"\s*:\s*")(?:[^"\\]|\\.)+"#,
            )
            .ok()
        }),
        with: "${1}***",
    },
    // authorization: Bearer ...
    Place {
        words: &["authorization"],
        pattern: LazyLock::new(|| {
            Regex::new(
                r#"(?i)(\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:Bearer|Basic|SharedKey|AWS4-HMAC-SHA256|AWS)\s+)?)[^\s"'<>]+"#,
            )
            .ok()
        }),
        with: "${1}***",
    },
    // x-amz-security-token: ...
    Place {
        words: &[
            "x-amz-security-token",
            "x-aws-ec2-metadata-token",
            "x-amz-sso_bearer_token",
            "customer-key",
            "cookie",
        ],
        pattern: LazyLock::new(|| {
            Regex::new(
                r#"(?i)(\b(?:x-amz-security-token|x-aws-ec2-metadata-token|x-amz-sso_bearer_token|x-amz-server-side-encryption-customer-key|set-cookie|cookie)["']?\s*[:=]\s*["']?)[^\s"'<>&]+"#,
            )
            .ok()
        }),
        with: "${1}***",
    },
    // Signature=... of a truncated header
    Place {
        words: &["signature="],
        pattern: LazyLock::new(|| Regex::new(r#"(?i)(\bsignature=)[^&\s"'<>,)]+"#).ok()),
        with: "${1}***",
    },
];

/// Registers a secret of this process, which is then hidden wherever it appears. Credentials found by the stores' usual
/// chains are registered automatically; a program may register others.
pub fn keep_secret(secret: &str) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.iter().any(|one| one == secret) {
        if known.len() == MOST {
            known.remove(0);
        }
        known.push(secret.to_owned());
        // A secret may contain another one.
        known.sort_by_key(|one| std::cmp::Reverse(one.len()));
    }
}

/// A text without the secrets given to this process, for file names and other text that should otherwise stay as it is.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    for secret in KNOWN.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        for form in [Cow::Borrowed(secret.as_str()), percent_encoded(secret)] {
            if shown.contains(&*form) {
                shown = Cow::Owned(shown.replace(&*form, HIDDEN));
            }
        }
    }
    shown
}

/// A text without known secrets and without anything in a secret's position, for text from servers and users.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut shown = without_secrets(text);
    let lower = text.to_ascii_lowercase();
    for place in PLACES.iter().filter(|place| place.words.iter().any(|word| lower.contains(word))) {
        if let Some(pattern) = &*place.pattern
            && let Cow::Owned(hidden) = pattern.replace_all(&shown, place.with)
        {
            shown = Cow::Owned(hidden);
        }
    }
    shown
}

/// As in a URL's query.
fn percent_encoded(text: &str) -> Cow<'_, str> {
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if text.bytes().all(is_kept) {
        return Cow::Borrowed(text);
    }
    let encode = |byte: u8| match is_kept(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    Cow::Owned(text.bytes().map(encode).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_a_good_pattern() {
        assert!(PLACES.iter().all(|place| place.pattern.is_some()));
    }

    #[test]
    fn what_stands_where_secrets_stand_is_hidden() {
        for (text, shown) in [
            ("at http://alice:pw@host:1/x", "at http://***@host:1/x"),
            ("at https://a:p@w@host", "at https://***@host"),
            ("(http://h/b/k?a=1&X-Amz-Signature=f00&b=2)", "(http://h/b/k?a=1&X-Amz-Signature=***&b=2)"),
            (
                "http://h/?X-Amz-Security-Token=x%2B&amp;X-Amz-Credential=AK",
                "http://h/?X-Amz-Security-Token=***&amp;X-Amz-Credential=***",
            ),
            ("https://a.blob/x?sv=1&sig=abc%3D", "https://a.blob/x?sv=1&sig=***"),
            (
                "<Code>ExpiredToken</Code><Token-0>FwoG</Token-0>",
                "<Code>ExpiredToken</Code><Token-0>***</Token-0>",
            ),
            (
                "<ns:SecretAccessKey a='b'>x y</ns:SecretAccessKey>",
                "<ns:SecretAccessKey a='b'>***</ns:SecretAccessKey>",
            ),
            ("<StringToSign>AWS4\nx</StringToSign>", "<StringToSign>***</StringToSign>"),
            ("{\"SessionToken\" : \"a\\\"b\", \"x\": \"y\"}", "{\"SessionToken\" : \"***\", \"x\": \"y\"}"),
            ("{\"accessToken\":\"cut o", "{\"accessToken\":\"***"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("x-amz-security-token:abc", "x-amz-security-token:***"),
            ("Credential=AK/x, Signature=00ff", "Credential=AK/x, Signature=***"),
        ] {
            assert_eq!(redacted(text), shown);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "s3://bucket/a@b/sales_1.csv",
            "s3://bucket/a?b=c",
            "reading a:b@c: denied",
            "<Code>AccessDenied</Code><Message>no token</Message>",
            "status 403, SignatureDoesNotMatch: check your key and signing method",
            "{\"NextMarker\": \"x\", \"Code\": \"InvalidToken\"}",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn a_known_secret_is_hidden_wherever_it_turns_up() {
        keep_secret("of-this/test+only==");
        keep_secret("short");
        assert_eq!(
            without_secrets("a of-this/test+only==. b?x=of-this%2Ftest%2Bonly%3D%3D short"),
            "a ***. b?x=*** short"
        );
        for number in 0..2 * MOST {
            keep_secret(&format!("renewed-{number}"));
        }
        assert!(KNOWN.lock().expect("no panic").len() <= MOST);
    }
}
