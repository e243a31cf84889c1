//! Receipts, which record with an output what it was made from: takes a plan and what was written, returns a
//! [`Receipt`]; and decides by a receipt whether an output is still what a run would write.
//!
//! A Parquet file carries its receipt in its key-value metadata; for a CSV file, or in a folder of converted parts, it
//! is a separate file. A receipt describes exactly one output: it records what distinguishes that file from any other
//! of its name. So a receipt next to another run's output is never mistaken for that output's.

use crate::model::{
    BinaryText, ColumnSummary, Error, ExistsWhy, Format, HeaderMode, Kind, Options, RECEIPT_ENDING, Result,
    SchemaMode, Setting, Split, Strategy,
};
use crate::source::{Export, Input, PlannedPart};
use crate::store::{Location, Object, Store, Version, is_unpublished};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use serde::{Deserialize, Serialize, Serializer};
use std::ops::Range;

/// The key of a receipt in the metadata of a Parquet file.
pub(crate) const KEY: &str = "forecast-export.receipt";
/// Incremented when older receipts can no longer be read or trusted. Since version 2 each has a checksum.
const VERSION: u32 = 2;
/// A receipt with the maximal number of parts is shorter than this.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What an output was made from, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The version of this format.
    pub version: u32,
    /// The tool that wrote the output, with its version.
    pub tool: String,
    /// When the output was complete. A local file has this as its modification time.
    #[serde(serialize_with = "time")]
    pub written: DateTime<Utc>,
    /// The job whose export was read.
    pub job: String,
    /// The runs, oldest first.
    pub runs: Vec<String>,
    /// The kind of export.
    pub kind: Kind,
    /// The format of the parts.
    pub from: Format,
    /// The strategy that was used.
    pub strategy: Strategy,
    /// Rows of the output; `None` if they were not counted.
    pub rows: Option<u64>,
    /// The parts, in order.
    pub sources: Vec<ReceiptSource>,
    /// The options that shape an output.
    pub options: ReceiptOptions,
    /// The columns of the output.
    pub columns: Vec<ColumnSummary>,
    /// The digest of the rows, if the output was verified.
    pub digest: Option<String>,
    /// The files, in order.
    pub outputs: Vec<ReceiptOutput>,
    /// The BLAKE3 hash, in hexadecimal digits, of this JSON on one line and without this field. A receipt with a wrong
    /// hash is not trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// One part that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReceiptSource {
    /// The URL; for a local file, its path within the source.
    pub file: String,
    /// Bytes.
    pub bytes: u64,
    /// The store's identifier of the content, if it has one; for a local file, its inode and when that changed.
    pub e_tag: Option<String>,
    /// When it was last written.
    #[serde(serialize_with = "some_time")]
    pub modified: Option<DateTime<Utc>>,
    /// The index of its first row among the rows of the output, from 0; `None` if the rows before it were not counted.
    pub first_row: Option<u64>,
    /// The number of its rows; `None` if they were not counted, because a server copied them.
    pub rows: Option<u64>,
}

/// The options that shape an output, with their effective values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReceiptOptions {
    /// The format of the output.
    pub to: Format,
    /// How it is compressed.
    pub compression: String,
    /// `--row-group-rows`.
    pub row_group_rows: Option<u64>,
    /// `--bloom-filter`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bloom_filters: Vec<String>,
    /// `--split-rows`.
    pub split_rows: Option<u64>,
    /// `--split-bytes`.
    pub split_bytes: Option<u64>,
    /// `--schema`.
    pub schema: SchemaMode,
    /// `--type`, as `NAME=TYPE`.
    pub types: Vec<String>,
    /// `--all-strings`.
    pub all_strings: bool,
    /// `--binary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<BinaryText>,
    /// `--null`.
    pub nulls: Vec<String>,
    /// `--header`, or the preset's value. If it is missing in JSON, the first line of each part is its header, as in
    /// older versions.
    #[serde(default = "first_line", skip_serializing_if = "is_first_line")]
    pub header: HeaderMode,
    /// `--columns`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// `--source-columns`.
    pub source_columns: bool,
}

fn first_line() -> HeaderMode {
    HeaderMode::Yes
}

fn is_first_line(header: &HeaderMode) -> bool {
    *header == first_line()
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReceiptOutput {
    /// Its name, without folder.
    pub file: String,
    /// Rows; `None` if they were not counted.
    pub rows: Option<u64>,
    /// Bytes; for a Parquet file that carries its own receipt, those before its page indexes and footer.
    pub bytes: u64,
    /// The store's identifier of the content, if it has one and the receipt is a separate file.
    pub e_tag: Option<String>,
    /// When it was last written, if that was known.
    #[serde(serialize_with = "some_time")]
    pub modified: Option<DateTime<Utc>>,
}

/// A time to the nanosecond, always of the same length, so that the same run produces files of the same size.
fn time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Nanos, true))
}

fn some_time<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(known) => self::time(known, serializer),
        None => serializer.serialize_none(),
    }
}

impl ReceiptOptions {
    pub(crate) fn new(to: Format, compression: &str, options: &Options) -> Self {
        let (split_rows, split_bytes) = match options.split {
            Some(Split::Rows(rows)) => (Some(rows), None),
            Some(Split::Bytes(bytes)) => (None, Some(bytes)),
            None => (None, None),
        };
        ReceiptOptions {
            to,
            compression: compression.to_owned(),
            row_group_rows: options.row_group_rows,
            bloom_filters: options.bloom_filters.clone(),
            split_rows,
            split_bytes,
            schema: options.schema,
            types: options.types.iter().map(|(name, chosen)| format!("{name}={chosen}")).collect(),
            all_strings: options.all_strings,
            binary: options.binary,
            nulls: options.nulls.clone(),
            header: options.header_mode(),
            columns: options.columns.clone(),
            source_columns: options.source_columns,
        }
    }

    /// The first differing option among those that affect parts of this format.
    fn difference(&self, asked: &ReceiptOptions, from: Format) -> Option<Setting> {
        let ReceiptOptions {
            to,
            compression,
            row_group_rows,
            bloom_filters,
            split_rows,
            split_bytes,
            schema,
            types,
            all_strings,
            binary,
            nulls,
            header,
            columns,
            source_columns,
        } = self;
        let is_parquet = from == Format::Parquet;
        let checks = [
            (*to == asked.to, Setting::To),
            (*compression == asked.compression, Setting::Compression),
            (*row_group_rows == asked.row_group_rows, Setting::RowGroupRows),
            (*bloom_filters == asked.bloom_filters, Setting::BloomFilters),
            (*split_rows == asked.split_rows, Setting::SplitRows),
            (*split_bytes == asked.split_bytes, Setting::SplitBytes),
            (*schema == asked.schema, Setting::Schema),
            (*types == asked.types, Setting::Types),
            (*all_strings == asked.all_strings, Setting::AllStrings),
            (*binary == asked.binary, Setting::Binary),
            (*nulls == asked.nulls, Setting::Nulls),
            (is_parquet || *columns == asked.columns, Setting::Columns),
            (is_parquet || *header == asked.header, Setting::Header),
            (*source_columns == asked.source_columns, Setting::SourceColumns),
        ];
        checks.into_iter().find(|(is_same, _)| !is_same).map(|(_, setting)| setting)
    }
}

impl ReceiptSource {
    fn is(&self, object: &Object) -> bool {
        let name = self.file.rsplit('/').next().unwrap_or_default();
        let same =
            Object { size: self.bytes, e_tag: self.e_tag.clone(), modified: self.modified, ..object.clone() };
        name == object.file_name() && same.is_same_content(object)
    }
}

/// The contents of a receipt, apart from the outputs.
pub(crate) struct ReceiptParts<'a> {
    pub(crate) input: &'a Input,
    pub(crate) source: &'a Location,
    pub(crate) parts: Range<usize>,
    pub(crate) strategy: Strategy,
    pub(crate) options: ReceiptOptions,
    pub(crate) columns: Vec<ColumnSummary>,
    pub(crate) digest: Option<String>,
    /// Whether the output must have the same bytes at any time and place.
    pub(crate) is_reproducible: bool,
    /// The rows of each part, if they are known.
    pub(crate) rows: Vec<Option<u64>>,
}

/// The current time as in a receipt, unless the options set another; in microseconds, as file systems keep them.
pub(crate) fn now(options: &Options) -> DateTime<Utc> {
    options.written.unwrap_or_else(Utc::now).trunc_subsecs(6)
}

impl Receipt {
    pub(crate) fn new(made: ReceiptParts<'_>, written: DateTime<Utc>, outputs: Vec<ReceiptOutput>) -> Self {
        let mut first_row = Some(0);
        let sources = made.parts.zip(made.rows).map(|(index, rows)| {
            let PlannedPart { object, .. } = &made.input.parts[index];
            // Output that must be the same on every machine must not contain what only this machine knows.
            let is_known_here_only = made.is_reproducible && made.source.is_local();
            let source = ReceiptSource {
                file: made.source.within(object).to_owned(),
                bytes: object.size,
                e_tag: object.e_tag.clone().filter(|_| !is_known_here_only),
                modified: object.modified,
                first_row,
                rows,
            };
            first_row = first_row.zip(rows).map(|(first, rows)| first + rows);
            source
        });
        let receipt = Receipt {
            version: VERSION,
            tool: concat!("forecast-export ", env!("CARGO_PKG_VERSION")).to_owned(),
            written,
            job: made.input.exports.first().map(|export| export.job.clone()).unwrap_or_default(),
            runs: runs(&made.input.exports),
            kind: made.input.kind,
            from: made.input.format,
            strategy: made.strategy,
            sources: sources.collect(),
            options: made.options,
            columns: made.columns,
            digest: made.digest,
            rows: outputs.iter().map(|output| output.rows).sum(),
            outputs,
            checksum: None,
        };
        Receipt { checksum: receipt.hash(), ..receipt }
    }

    /// The hash of everything but the hash.
    fn hash(&self) -> Option<String> {
        let bare = Receipt { checksum: None, ..self.clone() };
        let json = serde_json::to_vec(&bare).ok()?;
        Some(blake3::hash(&json).to_hex().to_string())
    }

    /// As JSON: on one line for metadata, on many for a file.
    pub(crate) fn to_json(&self, is_file: bool) -> Result<String> {
        let json = if is_file { serde_json::to_string_pretty(self) } else { serde_json::to_string(self) };
        json.map_err(|error| Error::Internal(format!("a receipt cannot be written as JSON: {error}")))
    }

    /// Reads a receipt; `None` if it is not one, has another format, or was changed.
    pub(crate) fn parse(json: &[u8]) -> Option<Receipt> {
        let receipt: Receipt = serde_json::from_slice(json).ok()?;
        let is_whole = receipt.checksum.is_some() && receipt.checksum == receipt.hash();
        (receipt.version == VERSION && is_whole).then_some(receipt)
    }

    /// Whether a run began to publish these files and was stopped before the end, so that the existing ones are its
    /// own.
    pub(crate) fn is_of_unended_publication(&self) -> bool {
        self.outputs.iter().any(|output| output.e_tag.as_deref().is_some_and(is_unpublished))
    }

    /// How a run over these parts differs from the one that this receipt describes.
    pub(crate) fn difference(
        &self,
        exports: &[Export],
        asked: &ReceiptOptions,
        options: &Options,
    ) -> Option<ExistsWhy> {
        let parts: Vec<_> = exports.iter().flat_map(|export| &export.parts).collect();
        let job = exports.first().map_or("", |export| export.job.as_str());
        if self.job != job || self.runs != runs(exports) {
            return Some(ExistsWhy::OtherRun { job: self.job.clone(), runs: self.runs.clone() });
        }
        if self.sources.len() != parts.len() {
            return Some(ExistsWhy::OtherParts { was: self.sources.len(), now: parts.len() });
        }
        if let Some((_, part)) =
            self.sources.iter().zip(&parts).find(|(source, part)| !source.is(&part.object))
        {
            return Some(ExistsWhy::PartChanged { part: part.object.url.clone() });
        }
        if let Some(setting) = self.options.difference(asked, self.from) {
            return Some(ExistsWhy::OtherOptions(setting));
        }
        if options.verify && self.digest.is_none() {
            return Some(ExistsWhy::NotVerified);
        }
        None
    }
}

pub(crate) fn runs(exports: &[Export]) -> Vec<String> {
    exports.iter().filter_map(|export| export.run.as_ref().map(ToString::to_string)).collect()
}

/// The receipt's place next to a CSV file.
pub(crate) fn beside(file: &Location) -> Location {
    file.sibling(&format!("{}{RECEIPT_ENDING}", file.split().1))
}

/// As [`beside`], for a key.
pub(crate) fn key_beside(key: &str) -> String {
    format!("{key}{RECEIPT_ENDING}")
}

/// The receipt's name in a folder of converted parts.
pub(crate) fn name_in_folder(exports: &[Export]) -> String {
    let prefix =
        exports.first().and_then(|export| export.kind.backtest_folder()).map_or("", |(_, prefix)| prefix);
    let job = exports.first().map_or("", |export| export.job.as_str());
    match runs(exports).as_slice() {
        [] => format!("{prefix}{job}{RECEIPT_ENDING}"),
        [run] => format!("{prefix}{job}_{run}{RECEIPT_ENDING}"),
        _ => format!("{prefix}{job}_all{RECEIPT_ENDING}"),
    }
}

/// The receipt that a Parquet file carries.
pub(crate) fn in_metadata(metadata: &ParquetMetaData) -> Option<Receipt> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let json = pairs.iter().find(|pair| pair.key == KEY)?.value.as_ref()?;
    Receipt::parse(json.as_bytes())
}

/// Whether a Parquet file is unchanged, as far as its footer tells. A tool that rewrites the file may keep the receipt,
/// but not the positions of its bytes.
pub(crate) fn is_as_written(receipt: &Receipt, object: &Object, metadata: &ParquetMetaData) -> bool {
    let [output] = receipt.outputs.as_slice() else { return false };
    let file = metadata.file_metadata();
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    u64::try_from(file.num_rows()).ok() == output.rows
        && columns.map(end_of).max().unwrap_or(crate::codec::parquet::MAGIC.len() as u64) == output.bytes
        && file.created_by() == Some(crate::codec::parquet::CREATED_BY)
        // A store sets its own time; a local file was given the receipt's.
        && output.modified.is_none_or(|modified| object.modified == Some(modified))
}

/// Where the pages of a column chunk end, or its Bloom filter, which follows the row group.
fn end_of(column: &ColumnChunkMetaData) -> u64 {
    let (start, length) = column.byte_range();
    let filter = column.bloom_filter_offset().zip(column.bloom_filter_length());
    let filter_end = filter.map_or(0, |(start, length)| start.saturating_add(i64::from(length)));
    u64::try_from(filter_end).unwrap_or_default().max(start.saturating_add(length))
}

/// Reads a receipt's file; `None` if the file is not a receipt.
pub(crate) async fn read(store: &Store, key: &str) -> Result<Option<Receipt>> {
    let json = store.read_small(key, MAX_BYTES).await?;
    Ok(json.and_then(|json| Receipt::parse(&json)))
}

/// What is in a receipt's place.
pub(crate) enum Taken {
    Free,
    /// A receipt of any version, or one that was changed.
    Receipt(Bytes),
    Other,
}

/// Examines what is in a receipt's place.
pub(crate) async fn look(place: &Location) -> Result<Taken> {
    if place.is_local() {
        match std::fs::symlink_metadata(&place.path) {
            Ok(meta) if meta.is_file() => {}
            Ok(_) => return Ok(Taken::Other),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Taken::Free),
            Err(error) => return Err(Error::io("looking at", place.to_string(), error)),
        }
    }
    let found = match place.is_local() {
        true => place.store.read_small(&place.path, MAX_BYTES).await?.unwrap_or_default(),
        false => match place.store.version(&place.path, MAX_BYTES).await? {
            Version::Known(_, json) => json,
            // A caller that may only write finds out when writing.
            Version::Nothing | Version::Unknown => return Ok(Taken::Free),
        },
    };
    Ok(if is_receipt(&found) { Taken::Receipt(found) } else { Taken::Other })
}

/// Whether this is a receipt of any version, or one that was changed.
pub(crate) fn is_receipt(json: &[u8]) -> bool {
    let tool = serde_json::from_slice::<AnyReceipt>(json).map(|receipt| receipt.tool);
    tool.is_ok_and(|tool| tool.starts_with("forecast-export "))
}

/// The fields that every version of a receipt has.
#[derive(Deserialize)]
struct AnyReceipt {
    tool: String,
}

impl ReceiptOutput {
    /// Whether a file is unchanged since it was written.
    pub(crate) fn is(&self, object: &Object) -> bool {
        let written =
            Object { size: self.bytes, e_tag: self.e_tag.clone(), modified: self.modified, ..object.clone() };
        self.file == object.file_name() && written.is_same_content(object)
    }
}

/// A summary of a receipt.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ReceiptSummary {
    /// The file that is or carries the receipt.
    pub file: String,
    /// When the output was complete.
    pub written: DateTime<Utc>,
    /// The tool that wrote the output.
    pub tool: String,
    /// The job whose export was read.
    pub job: String,
    /// The runs, oldest first.
    pub runs: Vec<String>,
    /// Parts that were read.
    pub parts: u64,
    /// Rows of the output; `None` if they were not counted.
    pub rows: Option<u64>,
    /// The names of the files that were written.
    pub outputs: Vec<String>,
    /// The digest of the rows, if the output was verified.
    pub digest: Option<String>,
}

impl ReceiptSummary {
    pub(crate) fn new(file: &str, receipt: Receipt) -> Self {
        ReceiptSummary {
            file: file.to_owned(),
            written: receipt.written,
            tool: receipt.tool,
            job: receipt.job,
            runs: receipt.runs,
            parts: receipt.sources.len() as u64,
            rows: receipt.rows,
            outputs: receipt.outputs.into_iter().map(|output| output.file).collect(),
            digest: receipt.digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        let options = ReceiptOptions::new(Format::Csv, "none", &Options::default());
        let output = ReceiptOutput {
            file: "o.csv".into(),
            rows: Some(3),
            bytes: 30,
            e_tag: None,
            modified: Some(now(&Options::default())),
        };
        let bare = Receipt {
            version: VERSION,
            tool: "forecast-export 0".into(),
            written: now(&Options::default()),
            job: "sales".into(),
            runs: Vec::new(),
            kind: Kind::Forecast,
            from: Format::Csv,
            strategy: Strategy::CopyBytes,
            rows: Some(3),
            sources: Vec::new(),
            options,
            columns: Vec::new(),
            digest: None,
            outputs: vec![output],
            checksum: None,
        };
        Receipt { checksum: bare.hash(), ..bare }
    }

    #[test]
    fn a_receipt_that_was_changed_is_not_believed() {
        let json = receipt().to_json(true).expect("JSON");
        assert_eq!(Receipt::parse(json.as_bytes()).map(|receipt| receipt.rows), Some(Some(3)));
        let whole: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        for (key, value) in [
            ("rows", serde_json::json!(4)),
            ("outputs", serde_json::json!([])),
            ("checksum", serde_json::Value::Null),
            ("version", serde_json::json!(1)),
        ] {
            let mut changed = whole.clone();
            changed[key] = value;
            assert_eq!(Receipt::parse(changed.to_string().as_bytes()), None, "{key}");
        }
    }

    #[test]
    fn what_is_no_receipt_is_none_and_never_a_panic() {
        for text in ["", "{}", "null", "[1]", "{\"version\": 2}", "\u{0}", "{\"version\": 1, \"rows\": -1}"] {
            assert_eq!(Receipt::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Receipt::parse(&[0xff; 64]), None);
        assert_eq!(Receipt::parse(&b"[".repeat(100_000)), None);
    }
}
