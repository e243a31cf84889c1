//! Why a request makes no sense.

use super::escaped::Escaped;
use super::format::Compression;
use super::job_problem::{ArnProblem, EventProblem};
use super::kind::Kind;
use super::named::Named;
use super::place_problem::PlaceProblem;
use super::setting::{Setting, SettingName};
use super::store_problem::StoreProblem;
use super::value_kind::ValueKind;
use super::why::WhyNotOnServer;
use serde::Serialize;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// Why a request makes no sense: texts that cannot be read, options that exclude each other, places that cannot be
/// written to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UsageError {
    /// A word is not one of those that are known.
    Unknown {
        /// What the word was read as.
        what: ValueKind,
        /// The word.
        text: String,
        /// The words that are known.
        known: Vec<String>,
    },
    /// A text is not of the form that was expected.
    Malformed {
        /// What the text was read as.
        what: ValueKind,
        /// The text.
        text: String,
    },
    /// A text is empty.
    Empty {
        /// What the text was read as.
        what: ValueKind,
    },
    /// A codec has no such level.
    CompressionLevel {
        /// The codec.
        codec: &'static str,
        /// The level that was asked for.
        level: String,
        /// The lowest level there is.
        lowest: i32,
        /// The highest level there is.
        highest: i32,
    },
    /// A regex for file names does not compile.
    PatternSyntax {
        /// Why, as the `regex` crate says.
        #[serde(skip)]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// A regex for file names has no group named `part`.
    PatternWithoutPart {
        /// The regex.
        pattern: String,
    },
    /// There are more or fewer of something than there can be.
    OutOfRange {
        /// What was asked for.
        setting: Setting,
        /// How many were asked for.
        number: u64,
        /// The least there can be.
        lowest: u64,
        /// The most there can be.
        highest: u64,
    },
    /// A setting names a column that the export does not have.
    NoSuchColumn {
        /// The setting.
        setting: Setting,
        /// The column.
        column: String,
        /// The columns of the export.
        known: Vec<String>,
    },
    /// A query names a column that the export does not have.
    UnknownColumn {
        /// The column.
        column: String,
        /// The columns of the export, with those that say where a row came from where they are asked for.
        known: Vec<String>,
    },
    /// A query names a column twice.
    ColumnQueriedTwice {
        /// The column.
        column: String,
    },
    /// A filter compares a column with a value of another type, or one of a type that cannot be compared.
    NotComparable {
        /// The column.
        column: String,
        /// Its type, in the words of [`ColumnSummary::data_type`](crate::ColumnSummary::data_type).
        column_type: String,
        /// What it was to be compared with, such as `a date`.
        value: &'static str,
    },
    /// The columns that say where a row came from are asked for, and the export has one of them.
    ColumnTaken {
        /// The column.
        column: String,
    },
    /// Columns were named, and the parts are said to have a header.
    ColumnsAndHeader,
    /// A column was named twice.
    ColumnTwice {
        /// The column.
        column: String,
    },
    /// Columns were named for parts without a header, and a part begins with just these names.
    ColumnsAreHeader {
        /// The part.
        file: String,
    },
    /// Nothing tells whether the first line of a part is a header.
    HeaderUnknown {
        /// The part.
        file: String,
        /// What stands in its first line and is no name of a column: nothing but blanks, a number, a date, a boolean, several
        /// lines, or a text that stands there twice. `None` where all may be names.
        no_name: Option<String>,
    },
    /// A file was to be written, and there is a folder.
    IsFolder {
        /// The place, as it was asked for.
        path: String,
    },
    /// Parts were to be converted into a folder, and there is a file.
    ConvertIntoFile {
        /// The place, as it was asked for.
        path: String,
    },
    /// A sample was to be written into a folder, and there is a file.
    SampleIntoFile {
        /// The place, as it was asked for.
        path: String,
    },
    /// A merge writes one file, and was to be split.
    SplitOfMerge,
    /// Neither the output's name nor an option says which format to write.
    UnknownExtension {
        /// The output, as it was asked for.
        path: String,
    },
    /// CSV is not compressed by that codec.
    CompressedCsv {
        /// What was asked for.
        compression: Compression,
    },
    /// The output's name says another compression than was asked for.
    CompressionOfName {
        /// What was asked for.
        compression: Compression,
    },
    /// New parts are named like the source's, and the source is not named like a part.
    UnnamedParts,
    /// A new part would have a name that no file can have, or that would mislead whoever sees it.
    BadFileName {
        /// The name.
        name: String,
    },
    /// A file that was chosen as a part is not named like one.
    NoPart {
        /// The file, as a path or URL.
        path: String,
    },
    /// A file that was chosen as a part lies in another store than the source, or in another bucket.
    OtherStore {
        /// The file, as a path or URL.
        path: String,
        /// The source.
        place: String,
    },
    /// The output is one of the parts that are read.
    OutputIsPart {
        /// The part, as a path or URL.
        path: String,
    },
    /// There is a link in place of the output.
    OutputIsLink {
        /// The output, as it was asked for.
        path: String,
        /// What the link names.
        to: String,
    },
    /// The next run over the source would read the output as one of the parts.
    OutputInSource {
        /// What would be written, as a path or URL.
        path: String,
        /// The source.
        place: String,
    },
    /// The output has a longer name than a file can have.
    NameTooLong {
        /// The name, or the key.
        name: String,
        /// The bytes that it can have at most.
        most: usize,
    },
    /// The receipt, whose name is made of the output's or of the run's, has a longer name than a file can have.
    ReceiptNameTooLong {
        /// The name, or the key.
        name: String,
        /// The bytes that it can have at most.
        most: usize,
    },
    /// The folder that is written to holds a part that is read.
    FolderHoldsPart {
        /// The part, as a path or URL.
        path: String,
    },
    /// What goes to a pipe or device cannot be verified before it is published.
    VerifyStream,
    /// A merge was to be left to the server, which cannot do it.
    NotOnServer {
        /// Why.
        reason: WhyNotOnServer,
    },
    /// A store cannot be reached as it was asked for, or would refuse what is written.
    Store(StoreProblem),
    /// A text names no place that can be read or written here.
    Place {
        /// The text; of a web address without its query, which may be a secret.
        place: String,
        /// Why.
        problem: PlaceProblem,
    },
    /// A text is not the ARN of an export job.
    Arn {
        /// The text.
        text: String,
        /// Why.
        problem: ArnProblem,
    },
    /// A text is not one of EventBridge's events.
    NotAnEvent {
        /// Why, as `serde_json` says.
        #[serde(skip)]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// An event is not about an export job.
    Event(EventProblem),
    /// Exports of a kind were asked for that only columns tell from a forecast's, and no file was to be opened.
    KindIsInColumns {
        /// The kind.
        kind: Kind,
    },
    /// A job was chosen by its name, and the source is an ARN, which names it.
    JobNamedTwice,
    /// A sample was to have a quantile that no export has.
    NoQuantile {
        /// As its column would be named.
        quantile: String,
    },
    /// A sample was to have a quantile twice.
    QuantileTwice {
        /// As its column is named.
        quantile: String,
    },
    /// A sample of CSV is not compressed.
    CompressedSample,
    /// A sample's points in time would go beyond the calendar.
    BeyondCalendar {
        /// How many steps after the first point in time.
        step: u64,
        /// The time from one step to the next.
        frequency: String,
        /// The first point in time.
        start: String,
    },
}

/// The start of a long name.
fn shortened(name: &str) -> String {
    let mut shown: String = name.chars().take(80).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    shown
}

impl Named for UsageError {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result {
        match self {
            UsageError::Unknown { what, text, known } => {
                write!(f, "unknown {} \"{text}\"; known are {}", what.noun(), known.join(", "))
            }
            UsageError::Malformed { what, text } => {
                write!(f, "\"{text}\" is no {}{}", what.noun(), what.form())
            }
            UsageError::Empty { what } => write!(f, "an empty {}{}", what.noun(), what.form()),
            UsageError::CompressionLevel { codec, level, lowest, highest } => {
                write!(f, "{codec} has levels {lowest} to {highest}, not \"{level}\"")
            }
            UsageError::PatternSyntax { source } => {
                write!(f, "{} does not compile: {source}", name(Setting::Pattern))
            }
            UsageError::PatternWithoutPart { pattern } => write!(
                f,
                "{} \"{pattern}\" has no group named part; write the part's number as (?P<part>[0-9]+)",
                name(Setting::Pattern)
            ),
            UsageError::OutOfRange { setting, number, lowest, highest } => match setting {
                Setting::Items => write!(f, "{number} items are more than the {highest} there can be"),
                Setting::Steps => write!(
                    f,
                    "{number} steps; a forecast has {lowest} to {highest}, and {} makes an export larger",
                    name(Setting::Items)
                ),
                Setting::Parts => write!(f, "{number} parts; there can be {lowest} to {highest}"),
                Setting::Dimensions => {
                    write!(f, "{number} dimensions; the service takes {highest} at most")
                }
                Setting::Quantiles => {
                    write!(f, "{number} quantiles; a forecast has {lowest} to {highest}")
                }
                Setting::Tags => write!(f, "{number} tags; an object of S3 has {highest} at most"),
                other => write!(f, "{} is {number}; it can be {lowest} to {highest}", name(*other)),
            },
            UsageError::NoSuchColumn { setting, column, known } => write!(
                f,
                "{} names column {column}, which the export has not; it has {}",
                name(*setting),
                known.join(", ")
            ),
            UsageError::UnknownColumn { column, known } => write!(
                f,
                "the query names column {}, which the export has not; it has {}",
                Escaped(column),
                Escaped(&known.join(", "))
            ),
            UsageError::ColumnQueriedTwice { column } => {
                write!(f, "the query names column {} twice", Escaped(column))
            }
            UsageError::NotComparable { column, column_type, value } => write!(
                f,
                "the filter compares column {}, which is of the type {column_type}, with {value}",
                Escaped(column)
            ),
            UsageError::ColumnTaken { column } => {
                write!(f, "{} adds {column}, which the export has already", name(Setting::SourceColumns))
            }
            UsageError::ColumnsAndHeader => write!(
                f,
                "{} names the columns of files without a header; leave it or {} away",
                name(Setting::Columns),
                name(Setting::Header)
            ),
            UsageError::ColumnTwice { column } => {
                write!(f, "{} names column {} twice", name(Setting::Columns), Escaped(column))
            }
            UsageError::ColumnsAreHeader { file } => write!(
                f,
                "the first line of {} is just what {} names, so it is a header; {} yes reads it",
                Escaped(file),
                name(Setting::Columns),
                name(Setting::Header)
            ),
            UsageError::HeaderUnknown { file, no_name } => {
                match no_name {
                    Some(text) => write!(
                        f,
                        "the first line of {} is no header, by the look of it: \"{}\" is no name, or stands there \
                         twice",
                        Escaped(file),
                        Escaped(text)
                    )?,
                    None => write!(
                        f,
                        "nothing tells whether the first line of {} is a header: no other part begins with it, and no \
                         column holds nothing but numbers, dates or booleans",
                        Escaped(file)
                    )?,
                }
                write!(
                    f,
                    "; {header} yes takes it for one, {header} no reads it as a row, {columns} NAMES does so and names \
                     the columns",
                    header = name(Setting::Header),
                    columns = name(Setting::Columns)
                )
            }
            UsageError::IsFolder { path } => {
                write!(f, "{path} is a folder; name a file, or use convert for part files")
            }
            UsageError::ConvertIntoFile { path } => {
                write!(f, "{path} is a file; convert writes into a folder")
            }
            UsageError::SampleIntoFile { path } => {
                write!(f, "{path} is a file; a sample is written into a folder")
            }
            UsageError::SplitOfMerge => write!(
                f,
                "a merge writes one file: {} and {} are for convert",
                name(Setting::SplitRows),
                name(Setting::SplitBytes)
            ),
            UsageError::UnknownExtension { path } => write!(
                f,
                "the extension of {path} says neither CSV nor Parquet; {to} csv or {to} parquet does",
                to = name(Setting::To)
            ),
            UsageError::CompressedCsv { .. } => {
                f.write_str("CSV is compressed by gzip or zstd, or not at all")
            }
            UsageError::CompressionOfName { compression } => write!(
                f,
                "{} {compression} does not go with the extension of the output; name it .csv.gz or .csv.zst",
                name(Setting::Compression)
            ),
            UsageError::UnnamedParts => write!(
                f,
                "the source is not named like a part, so new parts cannot be named; {} helps",
                name(Setting::Pattern)
            ),
            UsageError::BadFileName { name } => write!(
                f,
                "a part would be written as \"{}\", which is no name for a file; merge writes to a name of yours",
                Escaped(&shortened(name))
            ),
            UsageError::NoPart { path } => write!(
                f,
                "{} was chosen as a part, and is not named like one; {} or {} reads other names",
                Escaped(path),
                name(Setting::Preset),
                name(Setting::Pattern)
            ),
            UsageError::OtherStore { path, place } => {
                write!(f, "{} was chosen as a part of {place}, and lies in another store", Escaped(path))
            }
            UsageError::OutputIsPart { path } => {
                write!(f, "{path} is one of the parts that are read; name another output")
            }
            UsageError::OutputIsLink { path, to } => write!(
                f,
                "{} is a link to {}; name the file that it leads to, or remove the link",
                Escaped(path),
                Escaped(to)
            ),
            UsageError::OutputInSource { path, place } => write!(
                f,
                "{} lies in the source, and the next run over {} would read it as a part; write to another folder",
                Escaped(path),
                Escaped(place)
            ),
            UsageError::NameTooLong { name, most } => write!(
                f,
                "\"{}\" has {} bytes, more than the {most} that a name can have; give the output a shorter one",
                Escaped(&shortened(name)),
                name.len()
            ),
            UsageError::ReceiptNameTooLong { name: receipt, most } => write!(
                f,
                "the receipt \"{}\" would have a name of {} bytes, more than the {most} there can be; give the output a \
                 shorter name, or leave the receipt out with {}",
                Escaped(&shortened(receipt)),
                receipt.len(),
                name(Setting::NoReceipt)
            ),
            UsageError::FolderHoldsPart { path } => {
                write!(f, "{path} is one of the parts that are read; name another folder")
            }
            UsageError::VerifyStream => write!(
                f,
                "{} reads the output again before it is published; what goes to a pipe or device is out at once",
                name(Setting::Verify)
            ),
            UsageError::NotOnServer { reason } => write!(
                f,
                "{on_server} always: {}; {on_server} auto merges it here then",
                reason.with_names(name),
                on_server = name(Setting::OnServer)
            ),
            UsageError::KindIsInColumns { kind } => write!(
                f,
                "{} {kind} is told by columns, which {} does not look at; leave one of them away",
                name(Setting::Kind),
                name(Setting::NamesOnly)
            ),
            UsageError::JobNamedTwice => {
                write!(f, "the ARN names the job; leave {} away", name(Setting::Job))
            }
            UsageError::NotAnEvent { source } => {
                write!(f, "the event is not one of EventBridge: {source}")
            }
            UsageError::Event(problem) => {
                f.write_str("the event is not about an export job: ")?;
                problem.write(f)
            }
            UsageError::Arn { text, problem } => {
                write!(f, "\"{}\" ", Escaped(text))?;
                problem.write(f)
            }
            UsageError::NoQuantile { quantile } => {
                write!(f, "{quantile} is no quantile; they are p1 to p99 and mean")
            }
            UsageError::QuantileTwice { quantile } => write!(f, "the quantile {quantile} is named twice"),
            UsageError::CompressedSample => write!(
                f,
                "a CSV sample is not compressed; {} is for {} parquet",
                name(Setting::Compression),
                name(Setting::To)
            ),
            UsageError::BeyondCalendar { step, frequency, start } => {
                write!(f, "step {step} of {frequency} after {start} is not within the years 0 to 9999")
            }
            UsageError::Store(problem) => problem.write(f, name),
            UsageError::Place { place, problem } => problem.write(f, place),
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Setting::name)
    }
}

impl StdError for UsageError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            UsageError::PatternSyntax { source } | UsageError::NotAnEvent { source } => Some(&**source),
            UsageError::Store(problem) => problem.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_makes_a_whole_sentence() {
        let text = str::to_owned;
        let parse = "x".parse::<u8>().map_err(Box::new);
        let source = || Arc::new(parse.clone().expect_err("no number")) as Arc<dyn StdError + Send + Sync>;
        let out_of_range =
            |setting, number| UsageError::OutOfRange { setting, number, lowest: 1, highest: 5 };
        for (error, sentence) in [
            (
                UsageError::Unknown {
                    what: ValueKind::Kind,
                    text: text("weekly"),
                    known: vec![text("forecast"), text("what-if")],
                },
                "unknown kind \"weekly\"; known are forecast, what-if",
            ),
            (
                UsageError::Malformed { what: ValueKind::Size, text: text("7x") },
                "\"7x\" is no size; write 500KB, 64MB or 1GiB",
            ),
            (UsageError::Empty { what: ValueKind::Run }, "an empty run; use latest, all or a timestamp"),
            (
                UsageError::CompressionLevel { codec: "zstd", level: text("23"), lowest: 1, highest: 22 },
                "zstd has levels 1 to 22, not \"23\"",
            ),
            (
                UsageError::PatternSyntax { source: source() },
                "pattern does not compile: invalid digit found in string",
            ),
            (
                UsageError::PatternWithoutPart { pattern: text("x") },
                "pattern \"x\" has no group named part; write the part's number as (?P<part>[0-9]+)",
            ),
            (out_of_range(Setting::Items, 6), "6 items are more than the 5 there can be"),
            (
                out_of_range(Setting::Steps, 6),
                "6 steps; a forecast has 1 to 5, and items makes an export larger",
            ),
            (out_of_range(Setting::Parts, 0), "0 parts; there can be 1 to 5"),
            (out_of_range(Setting::Dimensions, 6), "6 dimensions; the service takes 5 at most"),
            (out_of_range(Setting::Quantiles, 0), "0 quantiles; a forecast has 1 to 5"),
            (out_of_range(Setting::Tags, 6), "6 tags; an object of S3 has 5 at most"),
            (
                UsageError::NoSuchColumn {
                    setting: Setting::Types,
                    column: text("p90"),
                    known: vec![text("item_id"), text("p50")],
                },
                "types names column p90, which the export has not; it has item_id, p50",
            ),
            (
                UsageError::UnknownColumn { column: text("p90"), known: vec![text("item_id"), text("p50")] },
                "the query names column p90, which the export has not; it has item_id, p50",
            ),
            (UsageError::ColumnQueriedTwice { column: text("p50") }, "the query names column p50 twice"),
            (
                UsageError::NotComparable {
                    column: text("p50"),
                    column_type: text("double"),
                    value: "a date",
                },
                "the filter compares column p50, which is of the type double, with a date",
            ),
            (
                UsageError::NoPart { path: text("x.txt") },
                "x.txt was chosen as a part, and is not named like one; preset or pattern reads other names",
            ),
            (
                UsageError::OtherStore { path: text("s3://b/x.csv"), place: text("s3://a") },
                "s3://b/x.csv was chosen as a part of s3://a, and lies in another store",
            ),
            (
                UsageError::ColumnTaken { column: text("_run") },
                "source_columns adds _run, which the export has already",
            ),
            (
                UsageError::ColumnsAndHeader,
                "columns names the columns of files without a header; leave it or header away",
            ),
            (UsageError::ColumnTwice { column: text("a") }, "columns names column a twice"),
            (
                UsageError::ColumnsAreHeader { file: text("x.csv") },
                "the first line of x.csv is just what columns names, so it is a header; header yes reads it",
            ),
            (
                UsageError::HeaderUnknown { file: text("x.csv"), no_name: Some(text("1")) },
                "the first line of x.csv is no header, by the look of it: \"1\" is no name, or stands there twice; header \
                 yes takes it for one, header no reads it as a row, columns NAMES does so and names the columns",
            ),
            (
                UsageError::HeaderUnknown { file: text("x.csv"), no_name: None },
                "nothing tells whether the first line of x.csv is a header: no other part begins with it, and no column \
                 holds nothing but numbers, dates or booleans; header yes takes it for one, header no reads it as a row, \
                 columns NAMES does so and names the columns",
            ),
            (
                UsageError::IsFolder { path: text("out") },
                "out is a folder; name a file, or use convert for part files",
            ),
            (
                UsageError::ConvertIntoFile { path: text("out") },
                "out is a file; convert writes into a folder",
            ),
            (
                UsageError::SampleIntoFile { path: text("out") },
                "out is a file; a sample is written into a folder",
            ),
            (UsageError::SplitOfMerge, "a merge writes one file: split_rows and split_bytes are for convert"),
            (
                UsageError::UnknownExtension { path: text("x.txt") },
                "the extension of x.txt says neither CSV nor Parquet; to csv or to parquet does",
            ),
            (
                UsageError::CompressedCsv { compression: Compression::Lz4 },
                "CSV is compressed by gzip or zstd, or not at all",
            ),
            (
                UsageError::CompressionOfName { compression: Compression::Gzip(Some(1)) },
                "compression gzip:1 does not go with the extension of the output; name it .csv.gz or .csv.zst",
            ),
            (
                UsageError::UnnamedParts,
                "the source is not named like a part, so new parts cannot be named; pattern helps",
            ),
            (
                UsageError::BadFileName { name: text("a\nb") },
                "a part would be written as \"a\\nb\", which is no name for a file; merge writes to a name of yours",
            ),
            (
                UsageError::OutputIsPart { path: text("x") },
                "x is one of the parts that are read; name another output",
            ),
            (
                UsageError::OutputIsLink { path: text("x.csv"), to: text("y.csv") },
                "x.csv is a link to y.csv; name the file that it leads to, or remove the link",
            ),
            (
                UsageError::OutputInSource { path: text("in/x"), place: text("in") },
                "in/x lies in the source, and the next run over in would read it as a part; write to another folder",
            ),
            (
                UsageError::ReceiptNameTooLong { name: text("x.csv.receipt.json"), most: 9 },
                "the receipt \"x.csv.receipt.json\" would have a name of 18 bytes, more than the 9 there can be; give the \
                 output a shorter name, or leave the receipt out with no_receipt",
            ),
            (
                UsageError::Place {
                    place: text("s3:/b"),
                    problem: PlaceProblem::HalfUrl { meant: text("s3://b") },
                },
                "s3:/b is no URL; write s3://b, or ./s3:/b for a path",
            ),
            (
                UsageError::Place {
                    place: text("b/y"),
                    problem: PlaceProblem::OtherFolder { first: text("a/x") },
                },
                "b/y and a/x do not lie in one folder, so they are no one source; name files of one folder, or a folder \
                 with both below it",
            ),
            (
                UsageError::NameTooLong { name: text("x.csv.receipt.json"), most: 9 },
                "\"x.csv.receipt.json\" has 18 bytes, more than the 9 that a name can have; give the output a \
                 shorter one",
            ),
            (
                UsageError::FolderHoldsPart { path: text("x") },
                "x is one of the parts that are read; name another folder",
            ),
            (
                UsageError::VerifyStream,
                "verify reads the output again before it is published; what goes to a pipe or device is out at once",
            ),
            (
                UsageError::NotOnServer { reason: WhyNotOnServer::CountsRows },
                "on_server always: expect_rows counts rows; on_server auto merges it here then",
            ),
            (
                UsageError::KindIsInColumns { kind: Kind::WhatIf },
                "kind what-if is told by columns, which names_only does not look at; leave one of them away",
            ),
            (UsageError::JobNamedTwice, "the ARN names the job; leave job away"),
            (
                UsageError::NotAnEvent { source: source() },
                "the event is not one of EventBridge: invalid digit found in string",
            ),
            (
                UsageError::Event(EventProblem::NoDetail),
                "the event is not about an export job: its detail has no Arn or no Status",
            ),
            (
                UsageError::Event(EventProblem::OtherSource { source: text("aws.s3") }),
                "the event is not about an export job: its source is \"aws.s3\", not aws.forecast",
            ),
            (
                UsageError::Arn { text: text("arn:"), problem: ArnProblem::TooLong { most: 256 } },
                "\"arn:\" is longer than the 256 characters of an ARN",
            ),
            (
                UsageError::NoQuantile { quantile: text("p100") },
                "p100 is no quantile; they are p1 to p99 and mean",
            ),
            (UsageError::QuantileTwice { quantile: text("mean") }, "the quantile mean is named twice"),
            (UsageError::CompressedSample, "a CSV sample is not compressed; compression is for to parquet"),
            (
                UsageError::BeyondCalendar { step: 9, frequency: text("1Y"), start: text("9999-01-01") },
                "step 9 of 1Y after 9999-01-01 is not within the years 0 to 9999",
            ),
            (
                UsageError::Store(StoreProblem::KmsKeyWithAes256),
                "AES256 encrypts with keys that S3 manages, not with one of KMS; use aws:kms",
            ),
        ] {
            assert_eq!(error.to_string(), sentence);
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        let said = UsageError::BadFileName { name: "é".repeat(300) }.to_string();
        assert!(said.contains(&format!("\"{}…\"", "é".repeat(80))), "{said}");
    }
}
