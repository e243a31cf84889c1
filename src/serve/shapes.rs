//! The shapes of the service's model: lengths and patterns that a text must have.
//!
//! Lengths count Unicode scalar values, and patterns are for the whole text. The source is the model that botocore
//! carries, `data/forecast/2018-06-26/service-2.json`. Two members have a shape there that no valid value fits: a
//! role's ARN does not have the form of Forecast's ARNs, and a filter's value may be a status. They have shapes of
//! their own here.

use super::problem::Problem;

use regex::Regex;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

/// What a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The name of a job or a forecast.
    Name,
    /// An ARN of Forecast.
    Arn,
    /// The ARN of an IAM role.
    RoleArn,
    S3Path,
    KmsKeyArn,
    Format,
    TagKey,
    TagValue,
    NextToken,
    /// The key of a filter for export jobs.
    JobFilterKey,
    /// The key of a filter for forecasts.
    ForecastFilterKey,
    FilterValue,
    FilterCondition,
}

impl Shape {
    fn length(self) -> RangeInclusive<usize> {
        match self {
            Shape::Name => 1..=63,
            Shape::Arn | Shape::RoleArn | Shape::KmsKeyArn | Shape::FilterValue => 0..=256,
            Shape::S3Path => 7..=4096,
            Shape::TagKey => 1..=128,
            Shape::TagValue => 0..=256,
            Shape::NextToken => 1..=3000,
            Shape::Format | Shape::JobFilterKey | Shape::ForecastFilterKey | Shape::FilterCondition => {
                0..=usize::MAX
            }
        }
    }

    /// The pattern for the whole text, if it has one. In the model `\d` is a digit of ASCII.
    fn pattern(self) -> Option<&'static str> {
        Some(match self {
            Shape::Name => "[a-zA-Z][a-zA-Z0-9_]*",
            Shape::Arn => r"arn:([a-z0-9-]+):forecast:.*:.*:.+",
            Shape::RoleArn => r"arn:([a-z0-9-]+):iam::[0-9]{12}:role/.+",
            Shape::S3Path => "s3://[a-z0-9].+",
            Shape::KmsKeyArn => "arn:aws:kms:.*:key/.*",
            Shape::TagKey | Shape::TagValue => r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*",
            Shape::Format => "CSV|PARQUET",
            Shape::NextToken => ".+",
            Shape::JobFilterKey => "ForecastArn|Status",
            Shape::ForecastFilterKey => "DatasetGroupArn|PredictorArn|Status",
            Shape::FilterCondition => "IS|IS_NOT",
            Shape::FilterValue => return None,
        })
    }

    fn regex(self) -> Option<&'static Regex> {
        static COMPILED: [OnceLock<Option<Regex>>; 13] = [const { OnceLock::new() }; 13];
        let pattern = self.pattern()?;
        // `\z`, because `$` would allow a line end behind the text.
        let compile = || Regex::new(&format!(r"\A(?:{pattern})\z")).ok();
        COMPILED[self as usize].get_or_init(compile).as_ref()
    }

    /// Checks a member's text. Empty texts without a pattern pass, if their shape has no minimum.
    pub(super) fn check(self, member: &str, text: &str) -> Result<(), Problem> {
        let length = self.length();
        let count = text.chars().count();
        let failed = |constraint: String| {
            let start: String = text.chars().take(300).collect();
            Problem::invalid(format!(
                "1 validation error detected: Value '{start}' at '{}' failed to satisfy constraint: {constraint}",
                camel(member)
            ))
        };
        if count < *length.start() {
            return Err(failed(format!(
                "Member must have length greater than or equal to {}",
                length.start()
            )));
        }
        if count > *length.end() {
            return Err(failed(format!("Member must have length less than or equal to {}", length.end())));
        }
        let matches = self.regex().is_none_or(|regex| regex.is_match(text));
        match (matches, self) {
            (true, _) => Ok(()),
            (
                false,
                Shape::Format | Shape::JobFilterKey | Shape::ForecastFilterKey | Shape::FilterCondition,
            ) => {
                let known: Vec<&str> = self.pattern().unwrap_or_default().split('|').collect();
                Err(failed(format!("Member must satisfy enum value set: [{}]", known.join(", "))))
            }
            (false, _) => Err(failed(format!(
                "Member must satisfy regular expression pattern: {}",
                self.pattern().unwrap_or_default()
            ))),
        }
    }
}

/// A member's name as AWS writes it in messages: the first letter of each part is small.
pub(super) fn camel(member: &str) -> String {
    let small = |part: &str| -> String {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
    };
    member.split('.').map(small).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fits(shape: Shape, text: &str) {
        assert_eq!(shape.check("Member", text), Ok(()), "{text:?}");
    }

    #[track_caller]
    fn differs(shape: Shape, text: &str) {
        assert!(shape.check("Member", text).is_err(), "{text:?}");
    }

    #[test]
    fn names_begin_with_a_letter_and_have_at_most_63_characters() {
        fits(Shape::Name, "a");
        fits(Shape::Name, &"a".repeat(63));
        for text in ["", "1a", "_a", "a-b", "a b", "ä", "a\n", &"a".repeat(64)] {
            differs(Shape::Name, text);
        }
    }

    #[test]
    fn a_pattern_is_for_the_whole_text() {
        fits(Shape::Format, "CSV");
        for text in ["CSVX", "XCSV", "CSV\n", "csv", ""] {
            differs(Shape::Format, text);
        }
        differs(Shape::Arn, "arn:aws:forecast:a:b:c\n");
        differs(Shape::S3Path, "s3://bucket\n");
    }

    #[test]
    fn digits_are_those_of_ascii() {
        fits(Shape::Arn, "arn:aws-cn2:forecast:r:a:forecast/x");
        differs(Shape::Arn, "arn:aws\u{665}:forecast:r:a:forecast/x");
    }

    #[test]
    fn a_role_has_the_arn_of_a_role() {
        fits(Shape::RoleArn, "arn:aws:iam::123456789012:role/service-role/X");
        for text in ["arn:aws:iam::1234:role/X", "arn:aws:forecast:r:123456789012:role/X", "role/X"] {
            differs(Shape::RoleArn, text);
        }
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        fits(Shape::TagKey, &"\u{10400}".repeat(128));
        differs(Shape::TagKey, &"a".repeat(129));
        differs(Shape::TagKey, "");
        fits(Shape::TagValue, "");
        differs(Shape::TagValue, "a;b");
    }

    #[test]
    fn a_message_names_member_and_constraint() {
        let problem = Shape::Format.check("Format", "XML").expect_err("not a format");
        assert_eq!(
            problem.message,
            "1 validation error detected: Value 'XML' at 'format' failed to satisfy constraint: \
             Member must satisfy enum value set: [CSV, PARQUET]"
        );
        assert_eq!(camel("Destination.S3Config.KMSKeyArn"), "destination.s3Config.kMSKeyArn");
    }
}
