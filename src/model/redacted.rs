//! Text without what is secret: the one place that says what a secret looks like. Takes what a server answered or a user
//! handed over, gives the same text with `***` in place of passwords, tokens and signatures.
//!
//! Two things tell a secret. Those that this process was given are known by their value ([`keep_secret`]), wherever they
//! turn up. Others are known by where they stand: before the `@` of a URL, in a signed query, in an element, member or
//! header of a name that servers have for secrets.

use regex::Regex;
use std::borrow::Cow;
use std::sync::{LazyLock, Mutex, PoisonError};

const HIDDEN: &str = "***";
/// A shorter text is no secret, and would be found in every other word.
const SHORTEST: usize = 8;
/// Credentials are renewed: the oldest of so many are expired.
const MOST: usize = 64;

static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Where secrets stand. A pattern takes hundreds of kilobytes once it is compiled, so that waits for a text that has one of
/// its words.
struct Place {
    /// In lower case; without any of them the pattern finds nothing.
    words: &'static [&'static str],
    /// Its first group is kept.
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
    // Signature=... of a header that is not whole any more
    Place {
        words: &["signature="],
        pattern: LazyLock::new(|| Regex::new(r#"(?i)(\bsignature=)[^&\s"'<>,)]+"#).ok()),
        with: "${1}***",
    },
];

/// Notes a secret of this process, to be hidden wherever it turns up. Credentials that are found by the stores' usual chains
/// are noted already; a program that has others may note them.
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
        // A secret may hold another one.
        known.sort_by_key(|one| std::cmp::Reverse(one.len()));
    }
}

/// A text without the secrets that this process was given: for names of files and other text that is to be shown as it
/// is.
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

/// A text without anything that is secret, or stands where secrets stand: for what servers and users hand over.
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

/// As a URL's query has it.
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
