//! Splits URLs into bucket and key.

/// Splits what follows a URL's scheme into bucket and key; the ARN of an access point contains a slash itself.
pub(super) fn split_bucket(rest: &str) -> (&str, &str) {
    let begin = match rest.find("accesspoint/") {
        Some(at) if rest.starts_with("arn:") => at + "accesspoint/".len(),
        _ => 0,
    };
    match rest[begin..].find('/') {
        Some(at) => (&rest[..begin + at], &rest[begin + at + 1..]),
        None => (rest, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_point_is_one_bucket() {
        let arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/exports";
        assert_eq!(split_bucket(&format!("{arn}/x/y")), (arn, "x/y"));
        assert_eq!(split_bucket(arn), (arn, ""));
        assert_eq!(split_bucket("b/accesspoint/x"), ("b", "accesspoint/x"));
    }
}
