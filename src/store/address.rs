//! Finds the address of an S3 bucket: takes a bucket's name or an access point's ARN, a region and the chosen ways to
//! reach S3, returns the address that keys are appended to. Sends no request.

use crate::model::{Result, StoreProblem};

/// How to reach S3, according to environment and profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ways {
    /// Whether the bucket's name goes in the host (`true`) or in the path (`false`); by default the name decides.
    pub(super) virtual_host: Option<bool>,
    pub(super) fips: bool,
    pub(super) dual_stack: bool,
    pub(super) accelerate: bool,
}

/// What a source or an output calls a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BucketName<'a> {
    Bucket(&'a str),
    /// A bucket in a single zone (S3 Express).
    Directory {
        name: &'a str,
        zone: &'a str,
    },
    AccessPoint {
        name: &'a str,
        account: &'a str,
        region: &'a str,
    },
}

impl<'a> BucketName<'a> {
    /// Reads a name or an ARN.
    ///
    /// # Errors
    /// [`StoreProblem::BadArn`] for an ARN that is not that of an access point in one region.
    pub(super) fn read(text: &'a str) -> Result<Self> {
        if !text.starts_with("arn:") {
            let zone = directory(text);
            return Ok(
                zone.map_or(BucketName::Bucket(text), |zone| BucketName::Directory { name: text, zone })
            );
        }
        let bad = |why: &'static str| StoreProblem::BadArn { arn: text.to_owned(), why }.into();
        let mut words = text.splitn(6, ':').skip(2);
        let [service, region, account, resource] = std::array::from_fn(|_| words.next().unwrap_or_default());
        let Some(name) =
            resource.strip_prefix("accesspoint/").or_else(|| resource.strip_prefix("accesspoint:"))
        else {
            return Err(bad("it is not the ARN of an access point"));
        };
        match service {
            "s3" if region.is_empty() => Err(bad(
                "a multi-Region access point needs signatures for several regions; name the access point of \
                 one region",
            )),
            "s3" if is_word(name) && is_word(account) && is_word(region) => {
                Ok(BucketName::AccessPoint { name, account, region })
            }
            "s3" => Err(bad("it has no name, account or region")),
            "s3-outposts" => {
                Err(bad("buckets on Outposts are not supported; copy the objects to a bucket in the region"))
            }
            _ => Err(bad("it is not the ARN of an S3 access point")),
        }
    }

    /// The region in the name itself.
    pub(super) fn region(&self) -> Option<&'a str> {
        match self {
            BucketName::AccessPoint { region, .. } => Some(region),
            _ => None,
        }
    }

    /// The address of the bucket, without a slash at its end.
    pub(super) fn address(&self, region: &str, endpoint: Option<&str>, ways: Ways) -> String {
        let fips = if ways.fips { "-fips" } else { "" };
        let dual = if ways.dual_stack { ".dualstack" } else { "" };
        let suffix = suffix_of(region);
        if let Some(endpoint) = endpoint {
            let endpoint = endpoint.trim_end_matches('/');
            return match self {
                BucketName::AccessPoint { name, account, .. } => {
                    in_host(endpoint, &format!("{name}-{account}"))
                }
                BucketName::Bucket(name) | BucketName::Directory { name, .. } => match ways.virtual_host {
                    Some(true) => in_host(endpoint, name),
                    _ => format!("{endpoint}/{name}"),
                },
            };
        }
        match self {
            BucketName::AccessPoint { name, account, region } => {
                format!("https://{name}-{account}.s3-accesspoint{fips}{dual}.{region}.{suffix}")
            }
            BucketName::Directory { name, zone } => {
                format!("https://{name}.s3express{fips}-{zone}{dual}.{region}.{suffix}")
            }
            // The certificate covers names without a dot, and host names have no capitals.
            BucketName::Bucket(name) if !fits_in_host(name) || ways.virtual_host == Some(false) => {
                format!("https://s3{fips}{dual}.{region}.{suffix}/{name}")
            }
            BucketName::Bucket(name) if ways.accelerate => {
                format!("https://{name}.s3-accelerate{dual}.{suffix}")
            }
            BucketName::Bucket(name) => format!("https://{name}.s3{fips}{dual}.{region}.{suffix}"),
        }
    }
}

/// The zone that a directory bucket's name ends in.
fn directory(bucket: &str) -> Option<&str> {
    let name = bucket.strip_suffix("--x-s3")?;
    name.rsplit_once("--").map(|(_, zone)| zone).filter(|zone| is_word(zone))
}

pub(super) fn is_directory(bucket: &str) -> bool {
    directory(bucket).is_some()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn fits_in_host(bucket: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&bucket.len()) && bucket.bytes().all(is_good)
}

/// `http://HOST:PORT` with a name before the host.
fn in_host(endpoint: &str, name: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) => format!("{scheme}://{name}.{host}"),
        None => format!("{name}.{endpoint}"),
    }
}

/// The end of host names in a region.
fn suffix_of(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "amazonaws.com.cn"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("us-iso-", "c2s.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("eusc-", "amazonaws.eu"),
    ];
    let found = partitions.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("amazonaws.com", |(_, suffix)| suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(bucket: &str, region: &str, ways: Ways) -> String {
        BucketName::read(bucket).expect("a bucket").address(region, None, ways)
    }

    #[test]
    fn a_bucket_is_reached_as_the_aws_cli_reaches_it() {
        let usual = Ways::default();
        let express = ["reports", "usw2-az1", "x-s3"].join("--");
        let at_express = format!("https://{express}.s3express-usw2-az1.us-west-2.amazonaws.com");
        for (bucket, region, ways, expected) in [
            ("reports", "eu-west-1", usual, "https://reports.s3.eu-west-1.amazonaws.com"),
            ("my.reports", "eu-west-1", usual, "https://s3.eu-west-1.amazonaws.com/my.reports"),
            ("Reports_1", "us-east-1", usual, "https://s3.us-east-1.amazonaws.com/Reports_1"),
            ("reports", "cn-north-1", usual, "https://reports.s3.cn-north-1.amazonaws.com.cn"),
            ("reports", "us-isob-east-1", usual, "https://reports.s3.us-isob-east-1.sc2s.sgov.gov"),
            (
                "reports",
                "us-gov-west-1",
                Ways { fips: true, dual_stack: true, ..usual },
                "https://reports.s3-fips.dualstack.us-gov-west-1.amazonaws.com",
            ),
            (
                "reports",
                "eu-west-1",
                Ways { virtual_host: Some(false), dual_stack: true, ..usual },
                "https://s3.dualstack.eu-west-1.amazonaws.com/reports",
            ),
            (
                "reports",
                "eu-west-1",
                Ways { accelerate: true, ..usual },
                "https://reports.s3-accelerate.amazonaws.com",
            ),
            (express.as_str(), "us-west-2", usual, at_express.as_str()),
            (
                "arn:aws:s3:us-west-2:123456789012:accesspoint/exports",
                "us-west-2",
                usual,
                "https://exports-123456789012.s3-accesspoint.us-west-2.amazonaws.com",
            ),
            (
                "arn:aws:s3:us-west-2:123456789012:accesspoint:exports",
                "us-west-2",
                Ways { fips: true, dual_stack: true, ..usual },
                "https://exports-123456789012.s3-accesspoint-fips.dualstack.us-west-2.amazonaws.com",
            ),
        ] {
            assert_eq!(address(bucket, region, ways), expected);
        }
    }

    #[test]
    fn an_endpoint_of_ones_own_has_the_bucket_in_its_path_unless_told_otherwise() {
        let at = |bucket, virtual_host| {
            let ways = Ways { virtual_host, ..Ways::default() };
            BucketName::read(bucket).expect("a bucket").address("us-east-1", Some("http://minio:9000/"), ways)
        };
        assert_eq!(at("reports", None), "http://minio:9000/reports");
        assert_eq!(at("reports", Some(true)), "http://reports.minio:9000");
        assert_eq!(
            at("arn:aws:s3:us-west-2:123456789012:accesspoint/exports", None),
            "http://exports-123456789012.minio:9000"
        );
    }

    #[test]
    fn an_arn_that_is_no_access_point_of_a_region_is_refused() {
        let arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/exports";
        assert_eq!(BucketName::read(arn).expect("an access point").region(), Some("us-west-2"));
        for bad in [
            "arn:aws:s3:::bucket",
            "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
            "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/x",
            "arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/x",
            "arn:aws:s3:us west:123456789012:accesspoint/x",
            "arn:",
        ] {
            assert!(BucketName::read(bad).is_err(), "{bad}");
        }
    }
}
