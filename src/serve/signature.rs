//! Checks that a request was signed by someone who has a configured key: AWS Signature Version 4, as the server sees it.
//!
//! `aws-sigv4` only signs, and `scratchstack-aws-signature` 0.11 does not know `x-amz-content-sha256`. Canonicalization
//! is short, so it stands here, with hashes from `sha2` and `hmac` and comparisons from `subtle`. It is tested against
//! the signing test suite that AWS publishes.

use super::problem::{Name, Problem};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How far a client's clock may be off.
const WINDOW: TimeDelta = TimeDelta::minutes(15);
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What a client sends in place of a hash if it does not sign its body.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The characters that stay as they are in queries.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A pair of keys that may sign requests.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
    /// The token of temporary credentials, which each request must then carry.
    pub(super) token: Option<String>,
}

/// What signatures are checked for.
pub(super) struct Verifier {
    keys: Vec<Key>,
    regions: Vec<String>,
    service: &'static str,
}

/// The parts of an `Authorization` header.
struct Authorization<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl Verifier {
    pub(super) fn new(keys: Vec<Key>, regions: Vec<String>, service: &'static str) -> Self {
        Verifier { keys, regions, service }
    }

    /// Checks a request against its signature; returns the ID of the key that signed it.
    pub(super) fn verify(&self, request: &Parts, body: &[u8], now: DateTime<Utc>) -> Result<&str, Problem> {
        let headers = &request.headers;
        let given = Authorization::parse(headers)?;
        let (text, time) = time_of(headers)?;
        let key = self.key(given.key, headers)?;
        self.check_scope(&given, &text)?;
        if (now - time).abs() > WINDOW {
            let word = if time < now { "expired" } else { "not yet current" };
            return Err(invalid(format!(
                "Signature {word}: {text} is more than 15 minutes from the server's time, {}",
                now.format("%Y%m%dT%H%M%SZ")
            )));
        }
        for name in ["host", "x-amz-date", "x-amz-target"] {
            if headers.contains_key(name) && !given.signed.contains(&name) {
                return Err(invalid(format!("'{name}' must be a signed header")));
            }
        }
        let canonical = canonical_request(request, &given.signed, &payload_hash(headers, body)?)?;
        let scope = format!("{}/{}/{}/{}", given.date, given.region, given.service, given.terminator);
        let to_sign = string_to_sign(&text, &scope, &canonical);
        let expected = sign(&key.secret, &given, &to_sign);
        let sent = hex::decode(given.signature).unwrap_or_default();
        match bool::from(expected.as_slice().ct_eq(&sent)) {
            true => Ok(&key.id),
            false => Err(invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS \
                 Secret Access Key and signing method.",
            )),
        }
    }

    /// The key of this ID. All keys are compared in the same time.
    fn key(&self, id: &str, headers: &HeaderMap) -> Result<&Key, Problem> {
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.id.as_bytes().ct_eq(id.as_bytes())) {
                found = Some(key);
            }
        }
        let unknown = || {
            Problem::new(Name::UnrecognizedClient, "The security token included in the request is invalid.")
        };
        let key = found.ok_or_else(unknown)?;
        let token = headers.get("x-amz-security-token").map(|value| value.as_bytes()).unwrap_or_default();
        let expected = key.token.as_deref().unwrap_or_default().as_bytes();
        if bool::from(expected.ct_eq(token)) { Ok(key) } else { Err(unknown()) }
    }

    fn check_scope(&self, given: &Authorization<'_>, time: &str) -> Result<(), Problem> {
        if !self.regions.iter().any(|region| region == given.region) {
            return Err(invalid(format!(
                "Credential should be scoped to a valid region. This server is '{}', the request is signed for '{}'.",
                self.regions.join("', '"),
                given.region
            )));
        }
        if given.service != self.service {
            return Err(invalid(format!(
                "Credential should be scoped to correct service: '{}'.",
                self.service
            )));
        }
        if given.terminator != "aws4_request" {
            return Err(invalid("Credential should be scoped with a valid terminator: 'aws4_request'."));
        }
        if !time.starts_with(given.date) || given.date.len() != 8 {
            return Err(invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{}' is not the day of '{time}'.",
                given.date
            )));
        }
        Ok(())
    }
}

fn invalid(message: impl Into<String>) -> Problem {
    Problem::new(Name::InvalidSignature, message)
}

fn incomplete(message: impl Into<String>) -> Problem {
    Problem::new(Name::IncompleteSignature, message)
}

impl<'a> Authorization<'a> {
    fn parse(headers: &'a HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all("authorization").iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value,
            (None, _) => {
                return Err(Problem::new(Name::MissingAuthenticationToken, "Missing Authentication Token"));
            }
            (Some(_), Some(_)) => return Err(incomplete("There is more than one Authorization header.")),
        };
        let text = value.to_str().map_err(|_| incomplete("The Authorization header is not text."))?;
        let fields =
            text.trim().strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' ')).ok_or_else(|| {
                incomplete(format!("The Authorization header must begin with '{ALGORITHM} '."))
            })?;
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let (name, value) = field
                .trim()
                .split_once('=')
                .ok_or_else(|| incomplete("The Authorization header has a part that is not 'name=value'."))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(incomplete("The Authorization header has an unknown parameter.")),
            };
            if slot.replace(value).is_some() {
                return Err(incomplete(format!("The Authorization header names '{name}' twice.")));
            }
        }
        let required = |value: Option<&'a str>, name: &str| {
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
        };
        let credential = required(credential, "Credential")?;
        let signature = required(signature, "Signature")?;
        let signed: Vec<&str> = required(signed, "SignedHeaders")?.split(';').collect();
        if signed.iter().any(|name| name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase())) {
            return Err(incomplete("SignedHeaders must be names in lower case, separated by ';'."));
        }
        if !signed.contains(&"host") {
            return Err(invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
        }
        // From the right: an ID may hold slashes.
        let mut scope = credential.rsplitn(5, '/');
        let mut next = || scope.next().filter(|text| !text.is_empty());
        match (next(), next(), next(), next(), next()) {
            (Some(terminator), Some(service), Some(region), Some(date), Some(key)) => {
                Ok(Authorization { key, date, region, service, terminator, signed, signature })
            }
            _ => Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements: keyid/date/region/service/term.",
            )),
        }
    }
}

/// When the request was signed, as text and as an instant.
fn time_of(headers: &HeaderMap) -> Result<(String, DateTime<Utc>), Problem> {
    let header = headers.get("x-amz-date").or_else(|| headers.get("date"));
    let text = header
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| {
            incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        })?
        .trim();
    let time = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").map(|time| time.and_utc());
    let time = time.or_else(|_| DateTime::parse_from_rfc2822(text).map(|time| time.to_utc()));
    let time =
        time.map_err(|_| incomplete("The date must be in ISO-8601 basic format, such as 20260102T030405Z."))?;
    Ok((time.format("%Y%m%dT%H%M%SZ").to_string(), time))
}

/// The hash that the client signed. A client that says the hash of its body must have said the right one.
fn payload_hash(headers: &HeaderMap, body: &[u8]) -> Result<String, Problem> {
    let actual = hex::encode(Sha256::digest(body));
    match headers.get("x-amz-content-sha256").map(|value| value.as_bytes()) {
        None => Ok(actual),
        Some(said) if said == UNSIGNED.as_bytes() => Ok(UNSIGNED.to_owned()),
        Some(said) if bool::from(said.ct_eq(actual.as_bytes())) => Ok(actual),
        Some(_) => Err(invalid("The value of 'x-amz-content-sha256' is not the SHA-256 hash of the body.")),
    }
}

/// The request as both sides write it down before they hash it.
fn canonical_request(request: &Parts, signed: &[&str], hash: &str) -> Result<String, Problem> {
    let mut text = format!(
        "{}\n{}\n{}\n",
        request.method,
        canonical_path(request.uri.path()),
        canonical_query(request.uri.query().unwrap_or_default())
    );
    for name in signed {
        let mut values = Vec::new();
        for value in request.headers.get_all(*name) {
            let value = std::str::from_utf8(value.as_bytes())
                .map_err(|_| invalid(format!("The header '{name}' is not UTF-8.")))?;
            values.push(folded(value));
        }
        let authority = request.uri.authority().map(|authority| authority.as_str().to_owned());
        if values.is_empty() && *name == "host" {
            values.extend(authority);
        }
        if values.is_empty() {
            return Err(invalid(format!(
                "The header '{name}' is named as signed, but the request does not have it."
            )));
        }
        text.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    text.push_str(&format!("\n{}\n{hash}", signed.join(";")));
    Ok(text)
}

/// Without spaces around it, and with one space for a run of them.
fn folded(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The path with `.` and `..` resolved and encoded once more, as for every service but S3.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let encoded: Vec<String> =
        segments.iter().map(|segment| utf8_percent_encode(segment, KEPT).to_string()).collect();
    let slash = if path.len() > 1 && path.ends_with('/') && !encoded.is_empty() { "/" } else { "" };
    format!("/{}{slash}", encoded.join("/"))
}

fn canonical_query(query: &str) -> String {
    let encode = |text: &str| {
        let bytes: Vec<u8> = percent_decode_str(text).collect();
        percent_encoding::percent_encode(&bytes, KEPT).to_string()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn string_to_sign(time: &str, scope: &str, canonical: &str) -> String {
    format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical.as_bytes())))
}

fn sign(secret: &str, given: &Authorization<'_>, to_sign: &str) -> Vec<u8> {
    let mut key = format!("AWS4{secret}").into_bytes();
    for text in [given.date, given.region, given.service, given.terminator, to_sign] {
        key = hmac(&key, text.as_bytes());
    }
    key
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key of HMAC may have any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    use http::Request;
    use serde_json::Value;
    use std::fs;
    use std::path::PathBuf;

    /// A request of the signing test suite that AWS publishes, as a server gets it.
    struct Vector {
        name: String,
        request: Parts,
        body: Vec<u8>,
        key: Key,
        region: String,
        now: DateTime<Utc>,
    }

    impl Vector {
        fn read(name: &str) -> Self {
            let folder = suite().join(name);
            let text = |file: &str| fs::read_to_string(folder.join(file)).expect(name);
            let context: Value = serde_json::from_str(&text("context.json")).expect(name);
            let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (request, body) = parse(&text("header-signed-request.txt"));
            let keys = &context["credentials"];
            let token = keys["token"].as_str().map(str::to_owned);
            Vector {
                name: name.to_owned(),
                request,
                body,
                key: Key { id: of(&keys["access_key_id"]), secret: of(&keys["secret_access_key"]), token },
                region: of(&context["region"]),
                now: of(&context["timestamp"]).parse().expect("a time"),
            }
        }

        fn verify(&self) -> Result<String, Name> {
            let regions = vec!["eu-west-1".to_owned(), self.region.clone()];
            let verifier = Verifier::new(vec![self.key.clone()], regions, "service");
            let verified = verifier.verify(&self.request, &self.body, self.now);
            verified.map(str::to_owned).map_err(|problem| problem.name)
        }
    }

    fn suite() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join("sigv4")
    }

    fn vectors() -> Vec<Vector> {
        let entries = fs::read_dir(suite()).expect("the suite");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries.map(|entry| Vector::read(&name(entry).to_string_lossy())).collect()
    }

    /// Reads a request as it goes over the wire.
    fn parse(text: &str) -> (Parts, Vec<u8>) {
        let (head, body) = text.split_once("\n\n").expect("an empty line");
        // A value may go on in the next line, for which a server sees spaces.
        let head = head.replace("\n ", " ");
        let mut lines = head.lines();
        let line = lines.next().and_then(|line| line.strip_suffix(" HTTP/1.1")).expect("a request");
        let (method, target) = line.split_once(' ').expect("a target");
        let mut request = Request::builder().method(method).uri(target);
        for line in lines {
            let (name, value) = line.split_once(':').expect("a header");
            request = request.header(name, value.trim());
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        (parts, body.trim_end_matches('\n').as_bytes().to_vec())
    }

    #[test]
    fn requests_of_the_published_suite_are_accepted() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 23);
        for vector in vectors {
            assert_eq!(vector.verify().as_deref(), Ok("AKIDEXAMPLE"), "{}", vector.name);
        }
    }

    #[test]
    fn an_altered_request_of_the_suite_is_refused() {
        let refused = Err(Name::InvalidSignature);
        for mut vector in vectors() {
            vector.body.push(b' ');
            assert_eq!(vector.verify(), refused, "{}: a longer body", vector.name);
            vector.body.pop();
            vector.key.secret.push('x');
            assert_eq!(vector.verify(), refused, "{}: another secret", vector.name);
            vector.key.secret.pop();
            vector.request.method = http::Method::PUT;
            assert_eq!(vector.verify(), refused, "{}: another method", vector.name);
        }
        for (name, header) in [
            ("get-vanilla", "host"),
            ("get-vanilla", "x-amz-date"),
            ("get-header-value-order", "my-header1"),
            ("post-x-www-form-urlencoded", "content-type"),
            ("post-x-www-form-urlencoded", "x-amz-content-sha256"),
        ] {
            let mut vector = Vector::read(name);
            let value = vector.request.headers.get_mut(header).expect("a header");
            let text = value.to_str().expect("text").replace("30T123600Z", "30T123601Z");
            *value = format!("{}{}", text, if header == "x-amz-date" { "" } else { "x" })
                .parse()
                .expect("a value");
            assert_eq!(vector.verify(), refused, "{name}: another {header}");
        }
    }

    #[test]
    fn a_clock_may_be_off_by_fifteen_minutes_either_way() {
        for (minutes, seconds, is_fine) in [(15, 0, true), (15, 1, false), (-15, 0, true), (-15, -1, false)] {
            let mut vector = Vector::read("get-vanilla");
            vector.now += TimeDelta::minutes(minutes) + TimeDelta::seconds(seconds);
            let expected = if is_fine { Ok("AKIDEXAMPLE".to_owned()) } else { Err(Name::InvalidSignature) };
            assert_eq!(vector.verify(), expected, "{minutes} min {seconds} s");
        }
    }

    #[test]
    fn temporary_keys_need_their_token_and_lasting_keys_have_none() {
        let unknown = Err(Name::UnrecognizedClient);
        let mut vector = Vector::read("get-vanilla-with-session-token");
        vector.key.token = Some("another".into());
        assert_eq!(vector.verify(), unknown);
        vector.key.token = None;
        assert_eq!(vector.verify(), unknown);
        let mut vector = Vector::read("get-vanilla");
        vector.key.token = Some("a token".into());
        assert_eq!(vector.verify(), unknown);
    }

    #[test]
    fn each_part_of_the_scope_is_checked() {
        for (from, to) in [
            ("us-east-1", "us-east-2"),
            ("/service/", "/forecast/"),
            ("aws4_request", "aws4_answer"),
            ("20150830/", "20150831/"),
            ("20150830/", "2015083/"),
        ] {
            let mut vector = Vector::read("get-vanilla");
            let value = vector.request.headers.get_mut("authorization").expect("signed");
            *value = value.to_str().expect("text").replace(from, to).parse().expect("a value");
            assert_eq!(vector.verify(), Err(Name::InvalidSignature), "{to}");
        }
    }

    #[test]
    fn a_header_that_is_no_signature_is_told_from_a_wrong_one() {
        let whole = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature=00";
        let (incomplete, wrong) = (Err(Name::IncompleteSignature), Err(Name::InvalidSignature));
        for (header, expected) in [
            (whole.to_owned(), wrong.clone()),
            (whole.replace("Signature=00", "Signature=xyz"), wrong.clone()),
            (whole.replace("host;", ""), wrong.clone()),
            (whole.replace(";x-amz-date", ""), wrong.clone()),
            (whole.replace("host;", "absent;host;"), wrong),
            (whole.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), incomplete.clone()),
            (whole.replace(", Signature=00", ""), incomplete.clone()),
            (whole.replace("Signature=00", "Signature="), incomplete.clone()),
            (whole.replace("Credential=", "Credentials="), incomplete.clone()),
            (whole.replace("/aws4_request", ""), incomplete.clone()),
            (whole.replace("host;", "Host;"), incomplete.clone()),
            (format!("{whole}, Signature=00"), incomplete.clone()),
            ("Bearer token".to_owned(), incomplete),
            (whole.replace("AKIDEXAMPLE", "AKIDOTHER"), Err(Name::UnrecognizedClient)),
        ] {
            let mut vector = Vector::read("get-vanilla");
            vector.request.headers.insert("authorization", header.parse().expect("a value"));
            assert_eq!(vector.verify(), expected, "{header}");
        }
        let mut vector = Vector::read("get-vanilla");
        vector.request.headers.remove("authorization");
        assert_eq!(vector.verify(), Err(Name::MissingAuthenticationToken));
    }
}
