//! Why a store cannot be reached as requested.

use super::escaped::Escaped;
use super::named::Named;
use super::setting::{Setting, SettingName};
use serde::Serialize;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// Why a store cannot be reached as requested, or would refuse what is written.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StoreProblem {
    /// There is no store for that scheme.
    Unknown {
        /// The scheme of a URL.
        scheme: String,
    },
    /// The store is known but left out of this build.
    LeftOut {
        /// The scheme of its URLs.
        scheme: &'static str,
        /// The feature it comes with.
        feature: &'static str,
    },
    /// A store cannot be set up with these options and this environment.
    Setup {
        /// Why, as `object_store` says.
        #[serde(skip)]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// A setting, variable or profile value is not one that a store can be reached with.
    BadValue {
        /// Where it comes from.
        origin: Origin,
        /// The value, unless it is secret.
        value: Option<String>,
        /// What is wrong with it.
        why: String,
    },
    /// No bucket can have that name.
    BadBucket {
        /// The name.
        bucket: String,
    },
    /// An ARN in place of a bucket's name is not one by which a bucket can be reached.
    BadArn {
        /// The ARN.
        arn: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A URL does not name a bucket.
    NoBucket {
        /// The URL.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// A store cannot have an object with that name.
    BadKey {
        /// The object's URL.
        url: String,
        /// Why, as `object_store` says.
        #[serde(skip)]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// An external ID is given without a role.
    ExternalIdWithoutRole,
    /// Credentials were given for a place that needs none, or those of another kind of store.
    CredentialsElsewhere {
        /// Where it is: `local files`, or the scheme of a URL.
        place: String,
    },
    /// Credentials were given, but a setting asks for others, or for none.
    CredentialsTwice {
        /// The setting.
        setting: Setting,
    },
    /// Encryption, tags or a storage class are requested, but the output is not on S3.
    ObjectOptionsElsewhere {
        /// Where it is: `local files`, or the scheme of a URL.
        place: String,
    },
    /// A KMS key is named, but the encryption uses keys that S3 manages.
    KmsKeyWithAes256,
    /// A bucket key is requested with an encryption that has none.
    BucketKeyWithoutKms,
    /// A tag has no key.
    TagWithoutKey {
        /// Its value.
        value: String,
    },
    /// S3 would refuse a tag.
    Tag {
        /// The tag's key.
        key: String,
        /// Why.
        problem: TagProblem,
    },
}

/// Where a value for reaching a store comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Origin {
    /// One of our settings.
    Setting(Setting),
    /// An environment variable.
    Variable(String),
    /// A profile of the AWS configuration files.
    Profile {
        /// Its name.
        profile: String,
        /// The value's name in it.
        key: String,
    },
}

impl Origin {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        match self {
            Origin::Setting(setting) => f.write_str(name(*setting)),
            Origin::Variable(variable) => write!(f, "the environment variable {variable}"),
            Origin::Profile { profile, key } => write!(f, "{key} of the profile {}", Escaped(profile)),
        }
    }
}

/// Why S3 would refuse a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TagProblem {
    /// Its key is too long.
    LongKey {
        /// Characters it has.
        length: usize,
        /// Characters it may have.
        most: usize,
    },
    /// Its value is too long.
    LongValue {
        /// Characters it has.
        length: usize,
        /// Characters it may have.
        most: usize,
    },
    /// Its key begins with `aws:`, which only AWS may use.
    Reserved,
    /// It holds a character that tags cannot hold.
    Character(char),
    /// Its key appears twice.
    Twice,
}

impl Named for StoreProblem {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        match self {
            StoreProblem::Unknown { scheme } => {
                write!(f, "{scheme}:// is not a supported store; use a local path, s3://, gs:// or az://")
            }
            StoreProblem::LeftOut { scheme, feature } => {
                write!(
                    f,
                    "this build does not support {scheme}:// stores; build with the feature \"{feature}\""
                )
            }
            StoreProblem::Setup { source } => {
                // What went wrong is in the causes.
                let causes = std::iter::successors(source.source(), |&cause| cause.source());
                write!(f, "the store cannot be set up: {source}")?;
                causes.into_iter().try_for_each(|cause| write!(f, ": {cause}"))
            }
            StoreProblem::BadValue { origin, value, why } => {
                origin.write(f, name)?;
                match value {
                    Some(value) => write!(f, " cannot be \"{}\": {why}", Escaped(value)),
                    None => write!(f, " cannot be used: {why}"),
                }
            }
            StoreProblem::BadBucket { bucket } => write!(
                f,
                "\"{}\" is not a bucket name, which has letters, digits, dots, hyphens and underscores",
                Escaped(bucket)
            ),
            StoreProblem::BadArn { arn, why } => write!(
                f,
                "{} cannot be used as a bucket: {why}; write arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME",
                Escaped(arn)
            ),
            StoreProblem::NoBucket { url, scheme } => {
                write!(f, "{url} does not name a bucket; write {scheme}://BUCKET/PREFIX")
            }
            StoreProblem::BadKey { url, source } => write!(f, "{url} cannot be an object's URL: {source}"),
            StoreProblem::ExternalIdWithoutRole => {
                write!(f, "an external ID needs a role; name one with {}", name(Setting::RoleArn))
            }
            StoreProblem::CredentialsElsewhere { place } => {
                write!(f, "the given credentials cannot be used for {place}")
            }
            StoreProblem::CredentialsTwice { setting } => {
                write!(f, "credentials were given, and so was {}; leave one of them out", name(*setting))
            }
            StoreProblem::ObjectOptionsElsewhere { place } => {
                write!(f, "encryption, tags and storage classes are for s3:// outputs, not for {place}")
            }
            StoreProblem::KmsKeyWithAes256 => {
                f.write_str("AES256 uses keys that S3 manages, not a KMS key; use aws:kms")
            }
            StoreProblem::BucketKeyWithoutKms => f.write_str("a bucket key requires the encryption aws:kms"),
            StoreProblem::TagWithoutKey { value } => {
                write!(f, "the tag \"={value}\" has no key; write KEY=VALUE")
            }
            StoreProblem::Tag { key, problem } => {
                write!(f, "the tag \"{key}\" ")?;
                problem.write(f)
            }
        }
    }
}

impl fmt::Display for StoreProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

impl StdError for StoreProblem {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            StoreProblem::Setup { source } | StoreProblem::BadKey { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl TagProblem {
    /// Writes the end of a sentence about the tag.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TagProblem::LongKey { length, most } => {
                write!(f, "has {length} characters; a key can have at most {most}")
            }
            TagProblem::LongValue { length, most } => {
                write!(f, "has a value of {length} characters; a value can have at most {most}")
            }
            TagProblem::Reserved => f.write_str("begins with aws:, which only AWS may use"),
            TagProblem::Character(c) => write!(
                f,
                "contains '{}'; only letters, digits, spaces and + - = . _ : / @ are allowed",
                c.escape_default()
            ),
            TagProblem::Twice => f.write_str("is given twice"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_makes_a_whole_sentence() {
        let text = str::to_owned;
        let source = || Arc::new(fmt::Error) as Arc<dyn StdError + Send + Sync>;
        let tag = |problem| StoreProblem::Tag { key: text("team"), problem };
        for (problem, sentence) in [
            (
                StoreProblem::Unknown { scheme: text("ftp") },
                "ftp:// is not a supported store; use a local path, s3://, gs:// or az://",
            ),
            (
                StoreProblem::LeftOut { scheme: "gs", feature: "gcp" },
                "this build does not support gs:// stores; build with the feature \"gcp\"",
            ),
            (
                StoreProblem::NoBucket { url: text("s3:///x"), scheme: text("s3") },
                "s3:///x does not name a bucket; write s3://BUCKET/PREFIX",
            ),
            (
                StoreProblem::BadValue {
                    origin: Origin::Setting(Setting::Region),
                    value: Some(text("eu\twest")),
                    why: text("it is no word"),
                },
                "region cannot be \"eu\\twest\": it is no word",
            ),
            (
                StoreProblem::BadValue {
                    origin: Origin::Variable(text("AWS_SESSION_TOKEN")),
                    value: None,
                    why: text("it contains a control character"),
                },
                "the environment variable AWS_SESSION_TOKEN cannot be used: it contains a control character",
            ),
            (
                StoreProblem::BadValue {
                    origin: Origin::Profile { profile: text("p"), key: text("endpoint_url") },
                    value: Some(text("x")),
                    why: text("it has no scheme"),
                },
                "endpoint_url of the profile p cannot be \"x\": it has no scheme",
            ),
            (
                StoreProblem::BadBucket { bucket: text("a b") },
                "\"a b\" is not a bucket name, which has letters, digits, dots, hyphens and underscores",
            ),
            (
                StoreProblem::BadArn {
                    arn: text("arn:aws:s3:::b"),
                    why: "it is not the ARN of an access point",
                },
                "arn:aws:s3:::b cannot be used as a bucket: it is not the ARN of an access point; write \
                 arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME",
            ),
            (StoreProblem::ExternalIdWithoutRole, "an external ID needs a role; name one with role_arn"),
            (
                StoreProblem::CredentialsElsewhere { place: text("gs://") },
                "the given credentials cannot be used for gs://",
            ),
            (
                StoreProblem::CredentialsTwice { setting: Setting::Profile },
                "credentials were given, and so was profile; leave one of them out",
            ),
            (
                StoreProblem::ObjectOptionsElsewhere { place: text("gs://") },
                "encryption, tags and storage classes are for s3:// outputs, not for gs://",
            ),
            (StoreProblem::KmsKeyWithAes256, "AES256 uses keys that S3 manages, not a KMS key; use aws:kms"),
            (StoreProblem::BucketKeyWithoutKms, "a bucket key requires the encryption aws:kms"),
            (StoreProblem::TagWithoutKey { value: text("a") }, "the tag \"=a\" has no key; write KEY=VALUE"),
            (
                tag(TagProblem::LongKey { length: 129, most: 128 }),
                "the tag \"team\" has 129 characters; a key can have at most 128",
            ),
            (
                tag(TagProblem::LongValue { length: 257, most: 256 }),
                "the tag \"team\" has a value of 257 characters; a value can have at most 256",
            ),
            (tag(TagProblem::Reserved), "the tag \"team\" begins with aws:, which only AWS may use"),
            (
                tag(TagProblem::Character('\n')),
                "the tag \"team\" contains '\\n'; only letters, digits, spaces and + - = . _ : / @ are \
                 allowed",
            ),
            (tag(TagProblem::Twice), "the tag \"team\" is given twice"),
        ] {
            assert_eq!(problem.to_string(), sentence);
        }
        for (problem, start) in [
            (StoreProblem::Setup { source: source() }, "the store cannot be set up: an error"),
            (
                StoreProblem::BadKey { url: text("s3://b/x"), source: source() },
                "s3://b/x cannot be an object's URL: an error",
            ),
        ] {
            assert!(problem.to_string().starts_with(start), "{problem}");
            assert!(problem.source().is_some_and(|cause| cause.is::<fmt::Error>()));
        }
    }
}
