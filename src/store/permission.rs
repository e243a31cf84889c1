//! Finds the missing permission behind a refusal by S3: takes what was being done to which object and what S3 said,
//! returns the policy statement that would grant it.

use super::bucket_url::split_bucket;
use crate::model::{Permission, Remedy};

/// Refusals that no policy can fix, because the credentials themselves are not accepted.
const NO_POLICY_HELPS: [&str; 9] = [
    "AccountProblem",
    "AllAccessDisabled",
    "CredentialsError",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "with no credentials",
];

/// The permission to grant, if it can be determined.
pub(super) fn missing_permission(doing: &str, object: &str, said: &str) -> Option<Remedy> {
    let (scheme, rest) = object.split_once("://")?;
    if !matches!(scheme, "s3" | "s3a" | "s3n") || NO_POLICY_HELPS.iter().any(|word| said.contains(word)) {
        return None;
    }
    if let Some((action, resource)) = named(said) {
        return Some(grant(&[action], resource.to_owned()));
    }
    let (bucket, key) = split_bucket(rest);
    let (bucket, of_objects) = match bucket.starts_with("arn:") {
        true => (bucket.to_owned(), "/object/"),
        false => (format!("arn:aws:s3:::{bucket}"), "/"),
    };
    let actions: &[&str] = match doing {
        "listing" => &["s3:ListBucket"],
        "writing" => &["s3:PutObject", "s3:AbortMultipartUpload"],
        "reading" | "looking at" => &["s3:GetObject"],
        "restoring" => &["s3:RestoreObject"],
        _ => return None,
    };
    let resource = if doing == "listing" { bucket } else { format!("{bucket}{of_objects}{key}") };
    Some(grant(actions, resource))
}

fn grant(actions: &[&str], resource: String) -> Remedy {
    let actions = actions.iter().map(|&action| action.to_owned()).collect();
    Remedy::Grant(Box::new(Permission { actions, resource }))
}

/// The action and the resource, if S3 itself names them: `... is not authorized to perform: s3:GetObject on resource:
/// "arn:..."`.
fn named(said: &str) -> Option<(&str, &str)> {
    let (_, rest) = said.split_once("not authorized to perform: ")?;
    let (action, rest) = rest.split_once(" on resource: ")?;
    let resource = rest.trim_start_matches(['"', '\\']).split(['"', '\\', ' ', '<']).next()?;
    (!resource.is_empty() && action.contains(':')).then_some((action, resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(doing: &str, object: &str, said: &str) -> Option<String> {
        missing_permission(doing, object, said).map(|remedy| remedy.to_string())
    }

    #[test]
    fn a_refusal_names_the_statement_that_grants_what_was_asked_for() {
        for (doing, object, statement) in [
            (
                "listing",
                "s3://b/e/",
                r#"{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::b"}"#,
            ),
            (
                "writing",
                "s3://b/o/x.csv",
                r#"{"Effect":"Allow","Action":["s3:PutObject","s3:AbortMultipartUpload"],"Resource":"arn:aws:s3:::b/o/x.csv"}"#,
            ),
            (
                "reading",
                "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/exports/e/x",
                r#"{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"arn:aws:s3:us-west-2:123456789012:accesspoint/exports/object/e/x"}"#,
            ),
        ] {
            let told = told(doing, object, "status 403, AccessDenied: Access Denied").expect("a remedy");
            assert!(told.contains(statement), "{told}");
        }
    }

    #[test]
    fn what_s3_names_itself_goes_first() {
        let said = "AccessDenied: User: arn:aws:iam::1:user/x is not authorized to perform: \
                    kms:GenerateDataKey on resource: \"arn:aws:kms:eu-west-1:1:key/2\" because no policy \
                    allows it";
        let told = told("writing", "s3://b/x", said).expect("a remedy");
        assert!(
            told.contains(r#""Action":["kms:GenerateDataKey"],"Resource":"arn:aws:kms:eu-west-1:1:key/2""#),
            "{told}"
        );
    }

    #[test]
    fn no_policy_helps_against_wrong_credentials_or_in_other_stores() {
        assert_eq!(told("reading", "s3://b/x", "status 403, SignatureDoesNotMatch: no"), None);
        assert_eq!(told("reading", "s3://b/x", "with no credentials: status 403"), None);
        assert_eq!(told("reading", "gs://b/x", "status 403"), None);
        assert_eq!(told("reading", "in/x.csv", "permission denied"), None);
    }
}
