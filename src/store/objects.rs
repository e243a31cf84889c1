//! How objects are written to S3: encryption, tags, storage class. Takes what the user asked for, checks it against
//! S3's rules before anything is written, gives it to the store and to every request that makes an object.

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

/// How objects are written to S3. By default nothing is asked for, and the bucket's own settings decide.
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
    /// The key of KMS, as id, alias or ARN; by default AWS's own key for S3. Asks for [`Encryption::Kms`] where
    /// nothing else is asked for.
    pub kms_key_id: Option<String>,
    /// Whether one key per bucket saves requests to KMS; by default as the bucket has it.
    pub bucket_key: Option<bool>,
    /// Tags, as key and value: at most 10, keys of up to 128 characters, values of up to 256.
    pub tags: Vec<(String, String)>,
    /// The storage class, such as `STANDARD_IA`.
    pub storage_class: Option<String>,
    /// The checksum that S3 is to check and to keep with each object. By default it is [`Checksum::Crc64Nvme`], and none
    /// where a server of another kind refuses that.
    pub checksum: Option<Checksum>,
}

/// The checksum that goes with everything that is sent to S3. A bucket with Object Lock asks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checksum {
    /// `crc64nvme`: of the whole object, which S3 has for every object by default. What S3 keeps is compared with what was
    /// sent.
    Crc64Nvme,
    /// `sha256`: of each piece of an upload.
    Sha256,
    /// `none`.
    None,
}

impl Checksum {
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
    /// `aws:kms`: a key of KMS.
    Kms,
    /// `aws:kms:dsse`: a key of KMS, in two layers.
    KmsDsse,
}

impl Encryption {
    /// The word that S3 has for it.
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
    /// Whether anything was asked for.
    pub fn is_default(&self) -> bool {
        *self == ObjectOptions::default()
    }

    /// The encryption that is asked for, by itself or by naming a key.
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
        // S3 counts UTF-16 units: a character beyond the first plane takes two.
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

    /// What an object of this content says about itself.
    pub(crate) fn attributes(&self, content: ContentType) -> Attributes {
        let mut attributes = Attributes::from_iter([(Attribute::ContentType, content.0)]);
        // A receipt is read by every later run: it does not go to an archive with the file that it speaks of.
        if let Some(class) = self.storage_class.as_ref().filter(|_| content != ContentType::JSON) {
            attributes.insert(Attribute::StorageClass, class.clone().into());
        }
        attributes
    }
}

fn is_tag_character(c: char) -> bool {
    // Letters, digits and blanks of every script.
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "+-=._:/@".contains(c)
}

/// The media type of a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentType(&'static str);

impl ContentType {
    /// Of the bytes as they lie there: no encoding is named beside it, or clients would unpack a `.csv.gz` unasked.
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
    /// Of an object without contents that only marks something.
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
            (&ten[..], "10 at most"),
            (&[("", "v")], "without a key"),
            (&["k".repeat(129).as_str()].map(|key| (key, "v")), "129 characters"),
            (&["v".repeat(257).as_str()].map(|value| ("k", value)), "257 characters"),
            (&["😀".repeat(129).as_str()].map(|value| ("k", value)), "258 characters"),
            (&[("aws:x", "v")], "only AWS"),
            (&[("AwS:", "v")], "only AWS"),
            (&[("k", "a&b")], "holds '&'"),
            (&[("k", "a\nb")], "holds '\\n'"),
            (&[("k?", "v")], "holds '?'"),
            (&[("k", "1"), ("k", "2")], "given twice"),
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
