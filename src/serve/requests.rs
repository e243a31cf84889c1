//! The requests of the API, from JSON to values that hold what the model demands.
//!
//! [`Request::decode`] reads JSON types, whose faults are reported even to a client that did not sign;
//! [`Request::check`] checks values.

use super::members::Members;
use super::problem::{Name, Problem};
use super::shapes::{Shape, camel};

use serde_json::Value;
use std::collections::HashSet;

/// The prefix of every operation in `X-Amz-Target`.
const PREFIX: &str = "AmazonForecast.";
/// The most tags in one call; a resource has fewer.
const MAX_TAGS_OF_CALL: usize = 200;

/// A request, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    CreateForecastExportJob(Create),
    DescribeForecastExportJob { arn: Option<String> },
    ListForecastExportJobs(List),
    DeleteForecastExportJob { arn: Option<String> },
    StopResource { arn: Option<String> },
    DeleteResourceTree { arn: Option<String> },
    TagResource { arn: Option<String>, tags: Option<Vec<Tag>> },
    UntagResource { arn: Option<String>, keys: Option<Vec<String>> },
    ListTagsForResource { arn: Option<String> },
    DescribeForecast { arn: Option<String> },
    ListForecasts(List),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Create {
    pub(super) name: Option<String>,
    pub(super) forecast_arn: Option<String>,
    pub(super) destination: Option<Destination>,
    pub(super) tags: Option<Vec<Tag>>,
    pub(super) format: Option<String>,
}

/// The structure `Destination`; the inner one may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Destination(pub(super) Option<S3Config>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct S3Config {
    pub(super) path: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) kms_key_arn: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct List {
    pub(super) next_token: Option<String>,
    pub(super) max_results: Option<i64>,
    pub(super) filters: Option<Vec<Filter>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Filter {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) condition: Option<String>,
}

impl Request {
    /// Reads a request's members and their JSON types.
    pub(super) fn decode(target: Option<&str>, body: &[u8]) -> Result<Self, Problem> {
        let operation = target.and_then(|target| target.strip_prefix(PREFIX));
        let unknown = || {
            let message = match target {
                Some(target) => {
                    format!("X-Amz-Target is \"{target}\", which names no operation of this server")
                }
                None => "The request has no X-Amz-Target, which names the operation".to_owned(),
            };
            Problem::new(Name::UnknownOperation, message)
        };
        let operation = operation.filter(|name| OPERATIONS.contains(name)).ok_or_else(unknown)?;
        let body: Value = match body.trim_ascii() {
            [] => Value::Object(serde_json::Map::new()),
            text => serde_json::from_slice(text).map_err(|error| {
                Problem::new(Name::Serialization, format!("The body is not JSON: {error}"))
            })?,
        };
        let members = Members::of(&body)?;
        let resource = || members.text("ResourceArn");
        Ok(match operation {
            "CreateForecastExportJob" => Request::CreateForecastExportJob(Create::decode(&members)?),
            "DescribeForecastExportJob" => {
                Request::DescribeForecastExportJob { arn: members.text("ForecastExportJobArn")? }
            }
            "ListForecastExportJobs" => Request::ListForecastExportJobs(List::decode(&members)?),
            "DeleteForecastExportJob" => {
                Request::DeleteForecastExportJob { arn: members.text("ForecastExportJobArn")? }
            }
            "StopResource" => Request::StopResource { arn: resource()? },
            "DeleteResourceTree" => Request::DeleteResourceTree { arn: resource()? },
            "TagResource" => {
                Request::TagResource { arn: resource()?, tags: members.structures("Tags", Tag::decode)? }
            }
            "UntagResource" => Request::UntagResource { arn: resource()?, keys: members.texts("TagKeys")? },
            "ListTagsForResource" => Request::ListTagsForResource { arn: resource()? },
            "DescribeForecast" => Request::DescribeForecast { arn: members.text("ForecastArn")? },
            "ListForecasts" => Request::ListForecasts(List::decode(&members)?),
            _ => return Err(unknown()),
        })
    }

    /// The name of the operation.
    pub(super) fn operation(&self) -> &'static str {
        let place = match self {
            Request::CreateForecastExportJob(_) => 0,
            Request::DescribeForecastExportJob { .. } => 1,
            Request::ListForecastExportJobs(_) => 2,
            Request::DeleteForecastExportJob { .. } => 3,
            Request::StopResource { .. } => 4,
            Request::DeleteResourceTree { .. } => 5,
            Request::TagResource { .. } => 6,
            Request::UntagResource { .. } => 7,
            Request::ListTagsForResource { .. } => 8,
            Request::DescribeForecast { .. } => 9,
            Request::ListForecasts(_) => 10,
        };
        OPERATIONS[place]
    }

    /// Checks the values of all members.
    pub(super) fn check(&self) -> Result<(), Problem> {
        match self {
            Request::CreateForecastExportJob(create) => create.check(),
            Request::ListForecastExportJobs(list) => list.check(Shape::JobFilterKey),
            Request::ListForecasts(list) => list.check(Shape::ForecastFilterKey),
            Request::DescribeForecastExportJob { arn } | Request::DeleteForecastExportJob { arn } => {
                required("ForecastExportJobArn", Shape::Arn, arn.as_ref())
            }
            Request::DescribeForecast { arn } => required("ForecastArn", Shape::Arn, arn.as_ref()),
            Request::StopResource { arn }
            | Request::DeleteResourceTree { arn }
            | Request::ListTagsForResource { arn } => required("ResourceArn", Shape::Arn, arn.as_ref()),
            Request::TagResource { arn, tags } => {
                required("ResourceArn", Shape::Arn, arn.as_ref())?;
                check_tags(tags.as_ref().ok_or_else(|| missing("Tags"))?)
            }
            Request::UntagResource { arn, keys } => {
                required("ResourceArn", Shape::Arn, arn.as_ref())?;
                let keys = keys.as_ref().ok_or_else(|| missing("TagKeys"))?;
                check_keys("TagKeys", keys.iter())
            }
        }
    }
}

const OPERATIONS: [&str; 11] = [
    "CreateForecastExportJob",
    "DescribeForecastExportJob",
    "ListForecastExportJobs",
    "DeleteForecastExportJob",
    "StopResource",
    "DeleteResourceTree",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
    "DescribeForecast",
    "ListForecasts",
];

impl Create {
    fn decode(members: &Members<'_>) -> Result<Self, Problem> {
        let s3 = |config: Members<'_>| -> Result<S3Config, Problem> {
            Ok(S3Config {
                path: config.text("Path")?,
                role_arn: config.text("RoleArn")?,
                kms_key_arn: config.text("KMSKeyArn")?,
            })
        };
        let destination = match members.structure("Destination")? {
            None => None,
            Some(destination) => Some(Destination(destination.structure("S3Config")?.map(s3).transpose()?)),
        };
        Ok(Create {
            name: members.text("ForecastExportJobName")?,
            forecast_arn: members.text("ForecastArn")?,
            destination,
            tags: members.structures("Tags", Tag::decode)?,
            format: members.text("Format")?,
        })
    }

    fn check(&self) -> Result<(), Problem> {
        required("ForecastExportJobName", Shape::Name, self.name.as_ref())?;
        required("ForecastArn", Shape::Arn, self.forecast_arn.as_ref())?;
        let destination = self.destination.as_ref().ok_or_else(|| missing("Destination"))?;
        let config = destination.0.as_ref().ok_or_else(|| missing("Destination.S3Config"))?;
        required("Destination.S3Config.Path", Shape::S3Path, config.path.as_ref())?;
        required("Destination.S3Config.RoleArn", Shape::RoleArn, config.role_arn.as_ref())?;
        optional("Destination.S3Config.KMSKeyArn", Shape::KmsKeyArn, config.kms_key_arn.as_ref())?;
        optional("Format", Shape::Format, self.format.as_ref())?;
        self.tags.as_ref().map_or(Ok(()), |tags| check_tags(tags))
    }
}

impl Tag {
    fn decode(members: Members<'_>) -> Result<Self, Problem> {
        Ok(Tag { key: members.text("Key")?, value: members.text("Value")? })
    }
}

/// The tags as pairs, once they are checked.
pub(super) fn pairs(tags: &[Tag]) -> Vec<(String, String)> {
    tags.iter().filter_map(|tag| tag.key.clone().zip(tag.value.clone())).collect()
}

impl List {
    fn decode(members: &Members<'_>) -> Result<Self, Problem> {
        let filter = |filter: Members<'_>| -> Result<Filter, Problem> {
            Ok(Filter {
                key: filter.text("Key")?,
                value: filter.text("Value")?,
                condition: filter.text("Condition")?,
            })
        };
        Ok(List {
            next_token: members.text("NextToken")?,
            max_results: members.integer("MaxResults")?,
            filters: members.structures("Filters", filter)?,
        })
    }

    fn check(&self, key: Shape) -> Result<(), Problem> {
        optional("NextToken", Shape::NextToken, self.next_token.as_ref())?;
        if let Some(number) = self.max_results.filter(|number| !(1..=100).contains(number)) {
            return Err(Problem::invalid(format!(
                "1 validation error detected: Value '{number}' at 'maxResults' failed to satisfy constraint: Member \
                 must be between 1 and 100"
            )));
        }
        for filter in self.filters.iter().flatten() {
            required("Filters.Key", key, filter.key.as_ref())?;
            required("Filters.Value", Shape::FilterValue, filter.value.as_ref())?;
            required("Filters.Condition", Shape::FilterCondition, filter.condition.as_ref())?;
        }
        Ok(())
    }
}

fn check_tags(tags: &[Tag]) -> Result<(), Problem> {
    for tag in tags {
        required("Tags.Key", Shape::TagKey, tag.key.as_ref())?;
        required("Tags.Value", Shape::TagValue, tag.value.as_ref())?;
    }
    let keys: Vec<&String> = tags.iter().filter_map(|tag| tag.key.as_ref()).collect();
    check_keys("Tags", keys.iter().copied())?;
    let mut seen = HashSet::new();
    match keys.into_iter().find(|key| !seen.insert(*key)) {
        Some(twice) => Err(Problem::invalid(format!("The tag key '{twice}' is there twice"))),
        None => Ok(()),
    }
}

/// Keys of tags: how many, their shape, and that none is AWS's own.
fn check_keys<'a>(member: &str, keys: impl ExactSizeIterator<Item = &'a String>) -> Result<(), Problem> {
    if keys.len() > MAX_TAGS_OF_CALL {
        return Err(Problem::invalid(format!(
            "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must have length less \
             than or equal to {MAX_TAGS_OF_CALL}",
            camel(member)
        )));
    }
    for key in keys {
        Shape::TagKey.check(member, key)?;
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(Problem::invalid(format!(
                "The tag key '{key}' begins with 'aws:', which is reserved"
            )));
        }
    }
    Ok(())
}

fn required(member: &str, shape: Shape, value: Option<&String>) -> Result<(), Problem> {
    shape.check(member, value.ok_or_else(|| missing(member))?)
}

fn optional(member: &str, shape: Shape, value: Option<&String>) -> Result<(), Problem> {
    value.map_or(Ok(()), |text| shape.check(member, text))
}

fn missing(member: &str) -> Problem {
    Problem::invalid(format!(
        "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
        camel(member)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(operation: &str, body: &str) -> Result<Request, Problem> {
        Request::decode(Some(&format!("AmazonForecast.{operation}")), body.as_bytes())
    }

    #[test]
    fn a_wrong_json_type_is_a_serialization_error() {
        for (operation, body) in [
            ("DescribeForecast", "{"),
            ("DescribeForecast", "[]"),
            ("DescribeForecast", "\"x\""),
            ("DescribeForecast", r#"{"ForecastArn": 1}"#),
            ("ListForecasts", r#"{"MaxResults": "1"}"#),
            ("ListForecasts", r#"{"MaxResults": 1.5}"#),
            ("ListForecasts", r#"{"Filters": [["Status"]]}"#),
            ("CreateForecastExportJob", r#"{"Destination": ["x"]}"#),
            ("CreateForecastExportJob", r#"{"Destination": {"S3Config": "s3://b/x"}}"#),
            ("TagResource", r#"{"Tags": {"Key": "a"}}"#),
            ("UntagResource", r#"{"TagKeys": [1]}"#),
        ] {
            let problem = decode(operation, body).expect_err(body);
            assert_eq!(problem.name, Name::Serialization, "{body}");
        }
    }

    #[test]
    fn an_empty_body_is_an_empty_object_and_null_is_absent() {
        let empty = Request::ListForecasts(List::default());
        for body in ["", " \n", "{}", r#"{"NextToken": null, "Unknown": [1]}"#] {
            assert_eq!(decode("ListForecasts", body), Ok(empty.clone()), "{body:?}");
        }
    }

    #[test]
    fn what_is_not_an_operation_is_refused_by_name() {
        for target in
            [None, Some("ListForecasts"), Some("AmazonForecast.Nothing"), Some("Other.ListForecasts")]
        {
            let problem = Request::decode(target, b"{").expect_err("unknown");
            assert_eq!(problem.name, Name::UnknownOperation, "{target:?}");
        }
    }

    #[test]
    fn tag_keys_are_unique_and_not_those_of_aws() {
        let arn = "arn:aws:forecast:r:a:forecast/x";
        let of = |keys: &[&str]| {
            let tag = |key: &&str| Tag { key: Some((*key).to_owned()), value: Some("aws:v".into()) };
            let tags = Some(keys.iter().map(tag).collect());
            Request::TagResource { arn: Some(arn.into()), tags }.check()
        };
        assert_eq!(of(&["a", "A", "awsome", "aws"]), Ok(()));
        for keys in [["a", "a"], ["aws:x", "b"], ["AwS:x", "b"]] {
            assert_eq!(of(&keys).expect_err("refused").name, Name::InvalidInput, "{keys:?}");
        }
        let removed = Request::UntagResource { arn: Some(arn.into()), keys: Some(vec!["aws:x".into()]) };
        assert!(removed.check().is_err());
    }
}
