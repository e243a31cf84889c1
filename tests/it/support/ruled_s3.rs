//! An S3 server with rules: what may be asked for, what it does not know, how it stores. Holds text under any key, and checks
//! that each request is signed for the very path that came over the wire.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::fake_service::{Answer, Asked, FakeService};
use super::fixtures::{NO_HOME, binary};

/// How a server lists.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lists {
    /// By both versions.
    #[default]
    AsS3,
    /// The first version, whatever is asked for.
    FirstVersionOnly,
    /// The first version; the second is not implemented.
    RefusesSecond,
}

/// What a server makes of a condition.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Conditions {
    #[default]
    Hold,
    Refused(u16),
    Ignored,
}

/// The rules of a server; by default it does all that S3 does.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// The operations that are allowed; all where there is none.
    pub(crate) allowed: Vec<&'static str>,
    pub(crate) lists: Lists,
    pub(crate) conditions: Conditions,
    /// What is written has to come with a checksum, as in a bucket with Object Lock.
    pub(crate) needs_checksum: bool,
    pub(crate) knows_no_checksum: bool,
    /// The checksum that is told of whatever is stored, in place of the right one.
    pub(crate) tells_checksum: Option<&'static str>,
    pub(crate) does_not_copy: bool,
    /// Objects on a page of a listing.
    pub(crate) page: Option<usize>,
    /// A request with a word in its target is answered like this.
    pub(crate) refuses: Option<(&'static str, u16, &'static str)>,
}

#[derive(Clone, Default)]
struct Stored {
    text: String,
    class: Option<&'static str>,
    is_back: bool,
    metadata: Vec<(String, String)>,
}

/// The key, what the object says of itself, and the pieces by their numbers.
type Upload = (String, Vec<(String, String)>, BTreeMap<usize, String>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Stored>,
    uploads: HashMap<String, Upload>,
    restores: Vec<(String, String)>,
}

/// Runs until it is dropped. Its bucket is `b`.
pub(crate) struct RuledS3 {
    service: FakeService,
    state: Arc<Mutex<State>>,
}

pub(crate) const KEY_ID: &str = "testkey";
const SECRET: &str = "testsecret";

impl RuledS3 {
    pub(crate) fn start(rules: Rules) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let service = FakeService::start(move |asked, _| answer(&rules, &mut lock(&shared), asked));
        RuledS3 { service, state }
    }

    pub(crate) fn put(&self, key: &str, text: &str) {
        let stored = Stored { text: text.to_owned(), ..Stored::default() };
        lock(&self.state).objects.insert(key.to_owned(), stored);
    }

    /// Puts an object into an archive.
    pub(crate) fn archive(&self, key: &str, text: &str, class: &'static str) {
        let stored = Stored { text: text.to_owned(), class: Some(class), ..Stored::default() };
        lock(&self.state).objects.insert(key.to_owned(), stored);
    }

    /// What is asked for is back.
    pub(crate) fn bring_back(&self) {
        lock(&self.state).objects.values_mut().for_each(|stored| stored.is_back = true);
    }

    /// The objects that were asked for back, with what the request said.
    pub(crate) fn restores(&self) -> Vec<(String, String)> {
        lock(&self.state).restores.clone()
    }

    pub(crate) fn get(&self, key: &str) -> Option<String> {
        lock(&self.state).objects.get(key).map(|stored| stored.text.clone())
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        lock(&self.state).objects.keys().cloned().collect()
    }

    pub(crate) fn open_uploads(&self) -> usize {
        lock(&self.state).uploads.len()
    }

    /// S3's names of what was asked for so far.
    pub(crate) fn operations(&self) -> Vec<&'static str> {
        self.service.asked().iter().map(operation).collect()
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.service.endpoint
    }

    /// The binary's exit code, standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = binary()
            .args(arguments)
            .args(["--endpoint-url", &self.service.endpoint, "--retry-timeout", "2s"])
            .env("HOME", NO_HOME)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("NO_PROXY", "*")
            .output()
            .expect("the binary starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// As [`Self::run`], where it has to go well.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> (String, String) {
        let (code, out, said) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        (out, said)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn operation(asked: &Asked) -> &'static str {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let is_bucket = path.trim_start_matches('/').split_once('/').is_none_or(|(_, key)| key.is_empty());
    match asked.method.as_str() {
        "GET" if is_bucket => "ListBucket",
        "GET" => "GetObject",
        "HEAD" if is_bucket => "HeadBucket",
        "HEAD" => "HeadObject",
        "PUT" if has("partNumber") && asked.headers.contains_key("x-amz-copy-source") => "UploadPartCopy",
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "POST" if has("restore") => "RestoreObject",
        "POST" if has("delete") => "DeleteObjects",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        "DELETE" => "DeleteObject",
        _ => "unknown",
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::status(status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

fn e_tag(text: &str) -> String {
    let sum = text.bytes().fold(17_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("\"{sum:016x}\"")
}

fn checksum(rules: &Rules, text: &str) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, text.as_bytes());
    rules.tells_checksum.map_or_else(|| BASE64_STANDARD.encode(sum.to_be_bytes()), str::to_owned)
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What the permission for an operation is called: a look is a read, and so on.
fn permission(operation: &'static str) -> &'static str {
    match operation {
        "HeadObject" => "GetObject",
        "UploadPart" | "CreateMultipartUpload" | "CompleteMultipartUpload" | "UploadPartCopy" => "PutObject",
        "DeleteObjects" => "DeleteObject",
        other => other,
    }
}

fn answer(rules: &Rules, state: &mut State, asked: &Asked) -> Answer {
    let operation = operation(asked);
    if let Err(why) = check_signature(asked) {
        return error(403, "SignatureDoesNotMatch", &why);
    }
    if let Some((word, status, code)) = rules.refuses
        && asked.target.contains(word)
    {
        return error(status, code, "as the rules say");
    }
    if !rules.allowed.is_empty() && !rules.allowed.contains(&permission(operation)) {
        return match asked.method.as_str() {
            "HEAD" => Answer::status(403, ""),
            _ => error(403, "AccessDenied", "Access Denied"),
        };
    }
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let query: HashMap<String, String> =
        form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into(), value.into())).collect();
    let key = path.strip_prefix("/b/").map(decoded).unwrap_or_default();
    let is_sent = matches!(operation, "PutObject" | "UploadPart");
    let has_checksum = asked.headers.keys().any(|name| {
        name == "content-md5"
            || (name.as_str().starts_with("x-amz-checksum-") && name != "x-amz-checksum-algorithm")
    });
    let sends_checksum = has_checksum || asked.headers.contains_key("x-amz-checksum-algorithm");
    if rules.knows_no_checksum && sends_checksum {
        return error(400, "InvalidArgument", "unknown checksum");
    }
    if rules.needs_checksum && is_sent && !has_checksum {
        return error(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required");
    }
    if is_sent && has_checksum && !asked.header("x-amz-checksum-crc64nvme").is_empty() {
        let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &asked.body);
        if asked.header("x-amz-checksum-crc64nvme") != BASE64_STANDARD.encode(sum.to_be_bytes()) {
            return error(400, "BadDigest", "the checksum is wrong");
        }
    }
    let is_free = asked.header("if-none-match") == "*";
    if is_free || asked.headers.contains_key("if-match") && asked.method != "GET" {
        match rules.conditions {
            Conditions::Refused(status) => {
                return error(status, "NotImplemented", "a header is not implemented");
            }
            Conditions::Hold if is_free && state.objects.contains_key(&key) => {
                return error(412, "PreconditionFailed", "it is there");
            }
            _ => {}
        }
    }
    match operation {
        "ListBucket" => list(rules, state, &query),
        "GetObject" | "HeadObject" => read(state, asked, &key),
        "PutObject" => {
            let text = String::from_utf8_lossy(&asked.body).into_owned();
            let answer = Answer::ok("").with("etag", &e_tag(&text));
            let answer = answer.with("x-amz-checksum-crc64nvme", &checksum(rules, &text));
            let metadata = metadata(asked);
            state.objects.insert(key, Stored { text, metadata, ..Stored::default() });
            answer
        }
        "CreateMultipartUpload" => {
            let id = format!("upload-{}", state.uploads.len());
            state.uploads.insert(id.clone(), (key, metadata(asked), BTreeMap::new()));
            Answer::ok(format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        "UploadPart" | "UploadPartCopy" => {
            let text = match operation {
                "UploadPart" => String::from_utf8_lossy(&asked.body).into_owned(),
                _ if rules.does_not_copy => return error(501, "NotImplemented", "no copies"),
                _ => match copied(state, asked) {
                    Some(text) => text,
                    None => return error(404, "NoSuchKey", "nothing to copy"),
                },
            };
            let (e_tag, sum) = (e_tag(&text), checksum(rules, &text));
            let number = query.get("partNumber").and_then(|number| number.parse().ok()).unwrap_or_default();
            let Some((.., pieces)) = query.get("uploadId").and_then(|id| state.uploads.get_mut(id)) else {
                return error(404, "NoSuchUpload", "no such upload");
            };
            pieces.insert(number, text);
            match operation {
                "UploadPart" => Answer::ok("").with("etag", &e_tag).with("x-amz-checksum-crc64nvme", &sum),
                _ => Answer::ok(format!(
                    "<CopyPartResult><ETag>{e_tag}</ETag><ChecksumCRC64NVME>{sum}</ChecksumCRC64NVME></CopyPartResult>"
                )),
            }
        }
        "CompleteMultipartUpload" => {
            let Some((key, metadata, pieces)) = query.get("uploadId").and_then(|id| state.uploads.remove(id))
            else {
                return error(404, "NoSuchUpload", "no such upload");
            };
            let text: String = pieces.into_values().collect();
            let (e_tag, sum) = (e_tag(&text), checksum(rules, &text));
            state.objects.insert(key, Stored { text, metadata, ..Stored::default() });
            Answer::ok(format!(
                "<CompleteMultipartUploadResult><ETag>{e_tag}</ETag><ChecksumCRC64NVME>{sum}</ChecksumCRC64NVME>\
                 </CompleteMultipartUploadResult>"
            ))
        }
        "AbortMultipartUpload" => {
            query.get("uploadId").and_then(|id| state.uploads.remove(id));
            Answer::status(204, "")
        }
        "RestoreObject" => {
            state.restores.push((key, asked.text().to_owned()));
            Answer::status(202, "")
        }
        "DeleteObject" => {
            state.objects.remove(&key);
            Answer::status(204, "")
        }
        "DeleteObjects" => {
            let text = asked.text().to_owned();
            let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
            keys.for_each(|key| drop(state.objects.remove(key)));
            Answer::ok("<DeleteResult/>")
        }
        _ => error(501, "NotImplemented", "this request is not known here"),
    }
}

fn metadata(asked: &Asked) -> Vec<(String, String)> {
    let of_user = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        let name = name.as_str();
        name.starts_with("x-amz-meta-")
            .then(|| (name.to_owned(), value.to_str().unwrap_or_default().to_owned()))
    };
    asked.headers.iter().filter_map(of_user).collect()
}

fn copied(state: &State, asked: &Asked) -> Option<String> {
    let source = decoded(asked.header("x-amz-copy-source"));
    let text = &state.objects.get(source.strip_prefix("/b/")?)?.text;
    let (first, last) = asked.header("x-amz-copy-source-range").strip_prefix("bytes=")?.split_once('-')?;
    Some(text.get(first.parse().ok()?..=last.parse().ok()?)?.to_owned())
}

fn read(state: &State, asked: &Asked, key: &str) -> Answer {
    let Some(stored) = state.objects.get(key) else { return error(404, "NoSuchKey", "no such key") };
    let Stored { text, class, is_back, metadata } = stored;
    let described = |answer: Answer| {
        let answer = answer.with("etag", &e_tag(text)).with("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT");
        let answer = class.iter().fold(answer, |answer, class| answer.with("x-amz-storage-class", class));
        metadata.iter().fold(answer, |answer, (name, value)| {
            // The one that outputs have.
            if name == "x-amz-meta-uploadid" { answer.with("x-amz-meta-uploadid", value) } else { answer }
        })
    };
    if asked.method == "HEAD" {
        return described(Answer::ok("").with("content-length", &text.len().to_string()));
    }
    if class.is_some() && !is_back {
        return error(403, "InvalidObjectState", "The operation is not valid for the object's storage class");
    }
    let range = asked.header("range").strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        Some(first.parse::<usize>().ok()?..last.parse::<usize>().ok()?.min(text.len() - 1) + 1)
    });
    match range {
        Some(range) => {
            let place = format!("bytes {}-{}/{}", range.start, range.end - 1, text.len());
            described(Answer::status(206, &text[range]).with("content-range", &place))
        }
        None => described(Answer::ok(text.clone())),
    }
}

fn list(rules: &Rules, state: &State, query: &HashMap<String, String>) -> Answer {
    let asks = |name: &str| query.get(name).cloned().unwrap_or_default();
    let is_second = asks("list-type") == "2" && rules.lists == Lists::AsS3;
    if asks("list-type") == "2" && rules.lists == Lists::RefusesSecond {
        return error(501, "NotImplemented", "no such version");
    }
    let after = match is_second {
        true if query.contains_key("continuation-token") => asks("continuation-token"),
        true => asks("start-after"),
        false => asks("marker"),
    };
    let prefix = asks("prefix");
    let mut found = state.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let page = found.by_ref().take(rules.page.unwrap_or(1000));
    let page: Vec<(&String, &Stored)> = page.collect();
    let last = found.next().and(page.last()).map(|(key, _)| (*key).clone());
    let mut document =
        format!("<ListBucketResult><Name>b</Name><IsTruncated>{}</IsTruncated>", last.is_some());
    if let Some(last) = last.filter(|_| is_second) {
        let token = escaped(&last);
        document += &format!("<NextContinuationToken>{token}</NextContinuationToken>");
    }
    for (key, stored) in page {
        let key = escaped(key);
        let class = stored.class.unwrap_or("STANDARD");
        let restored = match stored.is_back {
            true => {
                "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>\
                     <RestoreExpiryDate>2030-01-01T00:00:00Z</RestoreExpiryDate></RestoreStatus>"
            }
            false => "",
        };
        document += &format!(
            "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>{}</ETag>\
             <Size>{}</Size><StorageClass>{class}</StorageClass>{restored}</Contents>",
            escaped(&e_tag(&stored.text)),
            stored.text.len()
        );
    }
    Answer::ok(document + "</ListBucketResult>").with("content-type", "application/xml")
}

fn escaped(text: &str) -> String {
    let one = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        c if c.is_control() => format!("&#{};", c as u32),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}

/// Signs what arrived once more, by the headers that it says are signed.
fn check_signature(asked: &Asked) -> Result<(), String> {
    let authorization = asked.header("authorization");
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(name)?;
        rest.split(',').next().map(str::trim)
    };
    let (Some(signed), Some(signature), Some(scope)) =
        (part("SignedHeaders="), part("Signature="), part("Credential="))
    else {
        return Err("it is not signed".into());
    };
    let signed: Vec<&str> = signed.split(';').collect();
    if let Some(name) = asked
        .headers
        .keys()
        .find(|name| name.as_str().starts_with("x-amz-") && !signed.contains(&name.as_str()))
    {
        return Err(format!("{name} is not signed"));
    }
    let date = asked.header("x-amz-date");
    let time =
        chrono::NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").map_err(|error| error.to_string())?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time.and_utc().timestamp() as u64);
    let region = scope.split('/').nth(2).ok_or("the scope has no region")?;
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let identity = Credentials::new(KEY_ID, SECRET, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(time)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let made_anew = ["x-amz-date", "x-amz-content-sha256"];
    let headers = asked
        .headers
        .iter()
        .filter(|(name, _)| signed.contains(&name.as_str()) && !made_anew.contains(&name.as_str()));
    let headers: Vec<(&str, &str)> =
        headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default())).collect();
    let address = format!("http://{}{}", asked.header("host"), asked.target);
    let body = SignableBody::Bytes(&asked.body);
    let signable = SignableRequest::new(&asked.method, &address, headers.into_iter(), body)
        .map_err(|error| error.to_string())?;
    let (_, expected) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
    if expected == signature { Ok(()) } else { Err(format!("{address} is signed otherwise")) }
}
