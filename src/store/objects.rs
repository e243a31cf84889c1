//! Options for objects written to S3: encryption, tags, storage class. Takes the user's options, checks them against
//! S3's rules before anything is written, and passes them to the store and to every request that makes an object.

use crate::model::{
    Compression, Error, Format, Result, Setting, StoreProblem, TagProblem, UsageError, ValueKind,
};

use object_store::{Attribute, Attributes, TagSet};
use std::collections::HashSet;
use std::str::FromStr;

/// S3's limits on the tags of an object.
const MOST_TAGS: usize = 10;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// The storage classes that an object can be written to.
const STORAGE_CLASSES: [&str; 10] = [
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "REDUCED_REDUNDANCY",
    "EXPRESS_ONEZONE",
    "OUTPOSTS",
];

/// Options for objects written to S3. By default nothing is requested, and the bucket's own settings decide.
///
/// ```
/// use forecast_export::{Location, ObjectOptions, StoreOptions};
///
/// let mut objects = ObjectOptions::default();
/// objects.encryption = Some("aws:kms".parse()?);
/// objects.tags.push(("team".into(), "supply chain".into()));
/// let mut options = StoreOptions::default();
/// options.objects = objects;
/// # #[cfg(feature = "aws")]
/// let target = Location::parse_with("s3://bucket/merged/sales.parquet", &options)?;
/// # Ok::<(), forecast_export::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectOptions {
    /// How S3 encrypts the objects.
    pub encryption: Option<Encryption>,
    /// The KMS key, as an ID, alias or ARN; by default AWS's own key for S3. Implies [`Encryption::Kms`] unless another
    /// encryption is requested.
    pub kms_key_id: Option<String>,
    /// Whether to use an S3 Bucket Key, which saves requests to KMS; by default the bucket's setting.
    pub bucket_key: Option<bool>,
    /// Tags, as key and value: at most 10, keys of up to 128 characters, values of up to 256.
    pub tags: Vec<(String, String)>,
    /// The storage class, such as `STANDARD_IA`.
    pub storage_class: Option<String>,
    /// The checksum that S3 verifies and stores with each object. By default [`Checksum::Crc64Nvme`], or none if
    /// another kind of server refuses it.
    pub checksum: Option<Checksum>,
}

/// The checksum sent with everything that is uploaded to S3. A bucket with Object Lock requires one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checksum {
    /// `crc64nvme`: of the whole object, S3's default. What S3 stores is compared with what was sent.
    Crc64Nvme,
    /// `sha256`: of each piece of an upload.
    Sha256,
    /// `none`.
    None,
}

impl Checksum {
    /// Its name, as in the command line.
    pub fn name(self) -> &'static str {
        match self {
            Checksum::Crc64Nvme => "crc64nvme",
            Checksum::Sha256 => "sha256",
            Checksum::None => "none",
        }
    }

    const ALL: [(Checksum, &'static str); 3] =
        [(Checksum::Crc64Nvme, "crc64nvme"), (Checksum::Sha256, "sha256"), (Checksum::None, "none")];
}

impl FromStr for Checksum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = |(_, name): &&(Checksum, &str)| name.eq_ignore_ascii_case(text);
        Checksum::ALL.iter().find(named).map(|(checksum, _)| *checksum).ok_or_else(|| {
            let known = Checksum::ALL.map(|(_, name)| name.to_owned()).to_vec();
            UsageError::Unknown { what: ValueKind::Checksum, text: text.to_owned(), known }.into()
        })
    }
}

/// How S3 encrypts objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// `AES256`: keys that S3 manages.
    Aes256,
    /// `aws:kms`: a KMS key.
    Kms,
    /// `aws:kms:dsse`: a KMS key, in two layers.
    KmsDsse,
}

impl Encryption {
    /// S3's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Encryption::Aes256 => "AES256",
            Encryption::Kms => "aws:kms",
            Encryption::KmsDsse => "aws:kms:dsse",
        }
    }
}

impl FromStr for Encryption {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Encryption::Aes256, Encryption::Kms, Encryption::KmsDsse]
            .into_iter()
            .find(|encryption| encryption.name() == text)
            .ok_or_else(|| {
                let known = ["aws:kms", "aws:kms:dsse", "AES256"].map(str::to_owned).to_vec();
                UsageError::Unknown { what: ValueKind::Encryption, text: text.to_owned(), known }.into()
            })
    }
}

impl ObjectOptions {
    /// Whether nothing was requested.
    pub fn is_default(&self) -> bool {
        *self == ObjectOptions::default()
    }

    /// The requested encryption, explicitly or by naming a key.
    #[cfg_attr(not(feature = "aws"), allow(dead_code))]
    pub(crate) fn encryption(&self) -> Option<Encryption> {
        self.encryption.or(self.kms_key_id.as_ref().map(|_| Encryption::Kms))
    }

    /// Refuses what S3 would refuse, before anything is written.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_encryption()?;
        if let Some(class) = &self.storage_class
            && !STORAGE_CLASSES.contains(&class.as_str())
        {
            let known = STORAGE_CLASSES.iter().map(|&class| class.to_owned()).collect();
            let (what, text) = (ValueKind::StorageClass, class.clone());
            return Err(UsageError::Unknown { what, text, known }.into());
        }
        self.check_tags()
    }

    fn check_encryption(&self) -> Result<()> {
        if let Some(key) = &self.kms_key_id {
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(UsageError::Malformed { what: ValueKind::KmsKey, text: key.clone() }.into());
            }
            if self.encryption == Some(Encryption::Aes256) {
                return Err(StoreProblem::KmsKeyWithAes256.into());
            }
        }
        match (self.bucket_key, self.encryption()) {
            (Some(true), Some(Encryption::Aes256 | Encryption::KmsDsse)) => {
                Err(StoreProblem::BucketKeyWithoutKms.into())
            }
            _ => Ok(()),
        }
    }

    fn check_tags(&self) -> Result<()> {
        let refused = |key: &str, problem| Err(StoreProblem::Tag { key: key.to_owned(), problem }.into());
        if self.tags.len() > MOST_TAGS {
            let (setting, number, highest) = (Setting::Tags, self.tags.len() as u64, MOST_TAGS as u64);
            return Err(UsageError::OutOfRange { setting, number, lowest: 0, highest }.into());
        }
        // S3 counts UTF-16 units: a character outside the first plane takes two.
        let length = |text: &str| text.encode_utf16().count();
        let mut keys = HashSet::new();
        for (key, value) in &self.tags {
            if key.is_empty() {
                return Err(StoreProblem::TagWithoutKey { value: value.clone() }.into());
            }
            if length(key) > LONGEST_KEY {
                return refused(key, TagProblem::LongKey { length: length(key), most: LONGEST_KEY });
            }
            if length(value) > LONGEST_VALUE {
                return refused(key, TagProblem::LongValue { length: length(value), most: LONGEST_VALUE });
            }
            if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
                return refused(key, TagProblem::Reserved);
            }
            if let Some(c) = key.chars().chain(value.chars()).find(|&c| !is_tag_character(c)) {
                return refused(key, TagProblem::Character(c));
            }
            if !keys.insert(key) {
                return refused(key, TagProblem::Twice);
            }
        }
        Ok(())
    }

    pub(crate) fn tag_set(&self) -> TagSet {
        let mut set = TagSet::default();
        for (key, value) in &self.tags {
            set.push(key, value);
        }
        set
    }

    /// The attributes of an object with this content.
    pub(crate) fn attributes(&self, content: ContentType) -> Attributes {
        let mut attributes = Attributes::from_iter([(Attribute::ContentType, content.0)]);
        // Every later run reads the receipt, so it does not go to an archive with its file.
        if let Some(class) = self.storage_class.as_ref().filter(|_| content != ContentType::JSON) {
            attributes.insert(Attribute::StorageClass, class.clone().into());
        }
        attributes
    }
}

fn is_tag_character(c: char) -> bool {
    // Letters, digits and spaces of every script.
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "+-=._:/@".contains(c)
}

/// The media type of a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentType(&'static str);

impl ContentType {
    /// Of the stored bytes. No content encoding is set, or clients would unpack a `.csv.gz` unasked.
    pub(crate) fn of(format: Format, compression: Compression) -> Self {
        ContentType(match (format, compression) {
            (Format::Parquet, _) => "application/vnd.apache.parquet",
            (Format::Csv, Compression::Gzip(_)) => "application/gzip",
            (Format::Csv, Compression::Zstd(_)) => "application/zstd",
            (Format::Csv, _) => "text/csv",
        })
    }

    /// Of a receipt.
    pub(crate) const JSON: ContentType = ContentType("application/json");
    /// Of an empty marker object.
    pub(crate) const MARKER: ContentType = ContentType("application/octet-stream");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tags: &[(&str, &str)]) -> Result<()> {
        let tags = tags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        ObjectOptions { tags, ..ObjectOptions::default() }.check()
    }

    #[test]
    fn tags_are_held_to_the_rules_of_s3() {
        let (key, value) = ("k".repeat(128), "é".repeat(256));
        assert!(
            tagged(&[(&key, &value), ("größe+-=._:/@ 9", ""), ("awsome", "aws:x"), ("K", "v"), ("k", "v")])
                .is_ok()
        );
        let ten: Vec<String> = (0..11).map(|n| format!("k{n}")).collect();
        let ten: Vec<(&str, &str)> = ten.iter().map(|key| (key.as_str(), "v")).collect();
        assert!(tagged(&ten[..10]).is_ok());
        for (tags, says) in [
            (&ten[..], "at most 10"),
            (&[("", "v")], "has no key"),
            (&["k".repeat(129).as_str()].map(|key| (key, "v")), "129 characters"),
            (&["v".repeat(257).as_str()].map(|value| ("k", value)), "257 characters"),
            (&["😀".repeat(129).as_str()].map(|value| ("k", value)), "258 characters"),
            (&[("aws:x", "v")], "only AWS"),
            (&[("AwS:", "v")], "only AWS"),
            (&[("k", "a&b")], "contains '&'"),
            (&[("k", "a\nb")], "contains '\\n'"),
            (&[("k?", "v")], "contains '?'"),
            (&[("k", "1"), ("k", "2")], "is given twice"),
        ] {
            let error = tagged(tags).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_key_of_kms_asks_for_kms_and_excludes_keys_of_s3() {
        let mut options = ObjectOptions { kms_key_id: Some("alias/x".into()), ..ObjectOptions::default() };
        assert_eq!(options.encryption(), Some(Encryption::Kms));
        assert!(options.check().is_ok());
        options.encryption = Some(Encryption::Aes256);
        assert!(options.check().is_err());
        options.encryption = Some(Encryption::KmsDsse);
        assert!(options.check().is_ok());
        options.bucket_key = Some(true);
        assert!(options.check().is_err());
        for key in ["", "a b", "schlüssel", "a\r\nx-amz-acl: public-read"] {
            let options = ObjectOptions { kms_key_id: Some(key.into()), ..ObjectOptions::default() };
            assert!(options.check().is_err(), "{key}");
        }
    }

    #[test]
    fn receipts_stay_where_they_can_be_read() {
        let options = ObjectOptions { storage_class: Some("GLACIER".into()), ..Default::default() };
        let class = |content| {
            options.attributes(content).get(&Attribute::StorageClass).map(|class| class.to_string())
        };
        let file = ContentType::of(Format::Csv, Compression::None);
        assert_eq!((class(file), class(ContentType::JSON)), (Some("GLACIER".to_owned()), None));
    }

    #[test]
    fn storage_classes_are_those_of_s3() {
        let class = |class: &str| ObjectOptions { storage_class: Some(class.into()), ..Default::default() };
        assert!(class("STANDARD_IA").check().is_ok());
        assert!(class("standard_ia").check().is_err());
        assert_eq!(
            class("GLACIER_IR")
                .attributes(ContentType::of(Format::Csv, Compression::None))
                .get(&Attribute::StorageClass)
                .map(AsRef::as_ref),
            Some("GLACIER_IR")
        );
    }
}
