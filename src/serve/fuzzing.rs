//! A request on its way to its operation, for the fuzz target `serve_request` and for the property below: whatever a client
//! sends is refused or understood, without a panic.

use super::requests::Request;
use super::signature::{Key, Verifier};

use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue};

/// The key that a good request is signed with.
const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Whether a request would be carried out. Headers that HTTP does not allow are left out.
pub fn is_accepted(uri: &str, headers: &[(&str, &[u8])], body: &[u8], now: DateTime<Utc>) -> bool {
    let mut request = http::Request::post(uri);
    for (name, value) in headers {
        let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = pair {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(()) else { return false };
    let (parts, ()) = request.into_parts();
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let decoded = Request::decode(target, body);
    let is_valid = decoded.is_ok_and(|request| request.check().is_ok() && !request.operation().is_empty());
    let key = Key { id: ID.to_owned(), secret: SECRET.to_owned(), token: None };
    let verifier = Verifier::new(vec![key], vec!["us-east-1".to_owned()], "forecast");
    let is_signed = verifier.verify(&parts, body, now).is_ok();
    is_valid && is_signed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Values that are nearly good: those at random would not get past the first check.
    fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
        let authorization = "(AWS4-HMAC-SHA256|AWS4)? ?(Credential=(AKIDEXAMPLE)?(/[a-z0-9]{0,8}|/20260102){0,5},? ?)?\
                             (SignedHeaders=(host;?|x-amz-date;?|x-amz-target|[a-z;-]{0,9}){0,4},? ?)?\
                             (Signature=[0-9a-fz]{0,70})?";
        let near = prop_oneof![
            authorization.prop_map(|value| ("authorization", value)),
            "(AmazonForecast\\.)?(ListForecasts|TagResource|CreateForecastExportJob|\\PC{0,9})"
                .prop_map(|value| ("x-amz-target", value)),
            "(20260102T030405Z|[0-9TZ]{0,17}|\\PC{0,20})".prop_map(|value| ("x-amz-date", value)),
            "(UNSIGNED-PAYLOAD|[0-9a-f]{0,64})".prop_map(|value| ("x-amz-content-sha256", value)),
            "[ a-z]{0,9}".prop_map(|value| ("host", value)),
        ];
        prop_oneof![
            4 => near.prop_map(|(name, value)| (name.to_owned(), value.into_bytes())),
            1 => ("[a-zA-Z-]{0,9}", vec(any::<u8>(), 0..40)),
        ]
    }

    fn body() -> impl Strategy<Value = Vec<u8>> {
        let text = r#"\{("(ForecastArn|ResourceArn|Tags|Filters|MaxResults|Destination)": ?("\PC{0,9}"|-?[0-9]{0,25}|\[?\{?\}?\]?|null),?){0,3}\}?"#;
        prop_oneof![text.prop_map(String::into_bytes), vec(any::<u8>(), 0..60)]
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_is_refused_or_understood(
            uri in "(/\\PC{0,20}(\\?\\PC{0,20})?|\\PC{0,20})",
            headers in vec(header(), 0..8),
            body in body(),
        ) {
            let headers: Vec<(&str, &[u8])> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            // Nobody guesses a signature.
            prop_assert!(!is_accepted(&uri, &headers, &body, DateTime::UNIX_EPOCH));
            let now = DateTime::from_timestamp(1_767_323_045, 0).expect("a time");
            prop_assert!(!is_accepted(&uri, &headers, &body, now));
        }
    }

    #[test]
    fn a_request_that_is_signed_is_accepted() {
        let headers: [(&str, &[u8]); 4] = [
            ("host", b"127.0.0.1:9400"),
            ("x-amz-date", b"20260102T030405Z"),
            ("x-amz-target", b"AmazonForecast.ListForecasts"),
            ("authorization", b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/forecast/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=492cf534fd1ca1e3605160643caeff7d0eff025aec49d8636a486c68746062ce"),
        ];
        let now = DateTime::from_timestamp(1_767_323_045, 0).expect("a time");
        assert!(is_accepted("/", &headers, b"{}", now));
        assert!(!is_accepted("/", &headers, b"{} ", now));
    }
}
