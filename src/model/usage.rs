//! Why a request does not make sense.

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

/// Why a request does not make sense: texts that cannot be parsed, options that exclude each other, places that cannot
/// be written to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UsageError {
    /// A word is not one of the known ones.
    Unknown {
        /// What the word was read as.
        what: ValueKind,
        /// The word.
        text: String,
        /// The words that are known.
        known: Vec<String>,
    },
    /// A text does not have the expected form.
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
        /// The requested level.
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
    /// A number is out of its range.
    OutOfRange {
        /// What was requested.
        setting: Setting,
        /// The requested number.
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
        /// The columns of the export, with the source columns if they are requested.
        known: Vec<String>,
    },
    /// A query names a column twice.
    ColumnQueriedTwice {
        /// The column.
        column: String,
    },
    /// A filter compares a column with a value of another type, or the column's type cannot be compared.
    NotComparable {
        /// The column.
        column: String,
        /// Its type, in the words of [`ColumnSummary::data_type`](crate::ColumnSummary::data_type).
        column_type: String,
        /// What it was to be compared with, such as `a date`.
        value: &'static str,
    },
    /// The source columns are requested, but the export already has one of them.
    ColumnTaken {
        /// The column.
        column: String,
    },
    /// Columns were named, but the parts are said to have a header.
    ColumnsAndHeader,
    /// A column was named twice.
    ColumnTwice {
        /// The column.
        column: String,
    },
    /// Columns were named for parts without a header, but a part begins with exactly these names.
    ColumnsAreHeader {
        /// The part.
        file: String,
    },
    /// It is not clear whether the first line of a part is a header.
    HeaderUnknown {
        /// The part.
        file: String,
        /// The cell of its first line that cannot be a column's name: a blank, a number, a date, a boolean, several
        /// lines, or a repeated text. `None` if all may be names.
        no_name: Option<String>,
    },
    /// A file should be written, but there is a folder.
    IsFolder {
        /// The place, as the caller named it.
        path: String,
    },
    /// The output, or a folder above it, would be in a file.
    BelowFile {
        /// The place, as the caller named it.
        path: String,
        /// The file.
        file: String,
    },
    /// Parts should be converted into a folder, but there is a file.
    ConvertIntoFile {
        /// The place, as the caller named it.
        path: String,
    },
    /// A sample should be written into a folder, but there is a file.
    SampleIntoFile {
        /// The place, as the caller named it.
        path: String,
    },
    /// A merge writes one file, so it cannot be split.
    SplitOfMerge,
    /// Work that is divided into pieces cannot have this setting.
    NotInPieces {
        /// The setting.
        setting: Setting,
    },
    /// Standard output cannot be put together from pieces.
    StdoutOfPieces,
    /// Work is to be divided among machines, but other machines cannot find the place: it is in the calling program's own
    /// store, or some of its files were chosen.
    NotInText {
        /// The place, as it is shown.
        place: String,
    },
    /// A text is not the plan of divided work.
    NotAClusterPlan {
        /// What is wrong with it.
        problem: String,
    },
    /// A plan has no piece of this number.
    NoSuchPiece {
        /// The number that was asked for.
        index: u64,
        /// How many pieces there are.
        pieces: u64,
    },
    /// Neither the output's name nor an option says which format to write.
    UnknownExtension {
        /// The output, as the caller named it.
        path: String,
    },
    /// The output is named like CSV in a compression that is not written.
    UnknownCompression {
        /// The output, as the caller named it.
        path: String,
    },
    /// CSV cannot be compressed with that codec.
    CompressedCsv {
        /// What was requested.
        compression: Compression,
    },
    /// The output's name implies another compression than was requested.
    CompressionOfName {
        /// What was requested.
        compression: Compression,
    },
    /// New parts are named after the source's, but the source is not named like a part.
    UnnamedParts,
    /// A new part would have a name that no file can have, or that would mislead readers.
    BadFileName {
        /// The name.
        name: String,
    },
    /// A file that was chosen as a part is not named like one.
    NoPart {
        /// The file, as a path or URL.
        path: String,
    },
    /// A file that was chosen as a part is in another store or bucket than the source.
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
    /// There is a link in the output's place.
    OutputIsLink {
        /// The output, as the caller named it.
        path: String,
        /// The link's target.
        to: String,
    },
    /// The next run over the source would read the output as one of the parts.
    OutputInSource {
        /// What would be written, as a path or URL.
        path: String,
        /// The source.
        place: String,
    },
    /// The output's name is longer than a file's can be.
    NameTooLong {
        /// The name, or the key.
        name: String,
        /// The most bytes that it can have.
        most: usize,
    },
    /// The receipt's name, which is derived from the output's or the run's, is longer than a file's can be.
    ReceiptNameTooLong {
        /// The name, or the key.
        name: String,
        /// The most bytes that it can have.
        most: usize,
    },
    /// The folder to write to holds a part that is read.
    FolderHoldsPart {
        /// The part, as a path or URL.
        path: String,
    },
    /// Output to a pipe or device cannot be verified before it is published.
    VerifyStream,
    /// The server should do the merge, but it cannot.
    NotOnServer {
        /// Why.
        reason: WhyNotOnServer,
    },
    /// A store cannot be reached as requested, or would refuse what is written.
    Store(StoreProblem),
    /// A text does not name a place that can be read or written here.
    Place {
        /// The text; for a web address, without its query, which may be secret.
        place: String,
        /// Why.
        problem: PlaceProblem,
    },
    /// A server's configuration cannot be used.
    Config {
        /// The file, or what else was configured.
        file: String,
        /// Why.
        problem: String,
    },
    /// A server has no keys to check signatures with.
    ServeWithoutKeys,
    /// A text is not the ARN of an export job.
    Arn {
        /// The text.
        text: String,
        /// Why.
        problem: ArnProblem,
    },
    /// A text is not an EventBridge event.
    NotAnEvent {
        /// Why, as `serde_json` says.
        #[serde(skip)]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// An event is not about an export job.
    Event(EventProblem),
    /// The requested kind of export differs from a forecast only in its columns, but no file may be opened.
    KindIsInColumns {
        /// The kind.
        kind: Kind,
    },
    /// A job was chosen by its name, but the source is an ARN, which already names one.
    JobNamedTwice,
    /// A sample should have a quantile that no export has.
    NoQuantile {
        /// The name that its column would have.
        quantile: String,
    },
    /// A sample should have a quantile twice.
    QuantileTwice {
        /// The name of its column.
        quantile: String,
    },
    /// A CSV sample cannot be compressed.
    CompressedSample,
    /// A sample's points in time would exceed the calendar.
    BeyondCalendar {
        /// The number of steps after the first point in time.
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
                write!(f, "unknown {} \"{text}\"; use one of {}", what.noun(), known.join(", "))
            }
            UsageError::Malformed { what, text } => {
                write!(f, "\"{text}\" is not a valid {}{}", what.noun(), what.form())
            }
            UsageError::Empty { what } => write!(f, "the {} is empty{}", what.noun(), what.form()),
            UsageError::CompressionLevel { codec, level, lowest, highest } => {
                write!(f, "{codec} has levels {lowest} to {highest}, not \"{level}\"")
            }
            UsageError::PatternSyntax { source } => {
                write!(f, "{} is not a valid regex: {source}", name(Setting::Pattern))
            }
            UsageError::PatternWithoutPart { pattern } => write!(
                f,
                "{} \"{pattern}\" has no group named part; write the part's number as (?P<part>[0-9]+)",
                name(Setting::Pattern)
            ),
            UsageError::OutOfRange { setting, number, lowest, highest } => match setting {
                Setting::Items => write!(f, "{number} items are too many; the limit is {highest}"),
                Setting::Steps => write!(
                    f,
                    "{number} steps are out of range; a forecast has {lowest} to {highest}, and {} makes an \
                     export larger",
                    name(Setting::Items)
                ),
                Setting::Parts => {
                    write!(f, "{number} parts are out of range; there can be {lowest} to {highest}")
                }
                Setting::Dimensions => {
                    write!(f, "{number} dimensions are too many; the service allows at most {highest}")
                }
                Setting::Quantiles => {
                    write!(f, "{number} quantiles are out of range; a forecast has {lowest} to {highest}")
                }
                Setting::Tags => {
                    write!(f, "{number} tags are too many; an S3 object can have at most {highest}")
                }
                other => write!(f, "{} is {number}; it must be {lowest} to {highest}", name(*other)),
            },
            UsageError::NoSuchColumn { setting, column, known } => write!(
                f,
                "{} names column {column}, which the export does not have; it has {}",
                name(*setting),
                known.join(", ")
            ),
            UsageError::UnknownColumn { column, known } => write!(
                f,
                "the query names column {}, which the export does not have; it has {}",
                Escaped(column),
                Escaped(&known.join(", "))
            ),
            UsageError::ColumnQueriedTwice { column } => {
                write!(f, "the query names column {} twice", Escaped(column))
            }
            UsageError::NotComparable { column, column_type, value } => write!(
                f,
                "the filter compares column {}, which has the type {column_type}, with {value}",
                Escaped(column)
            ),
            UsageError::ColumnTaken { column } => {
                write!(f, "{} adds {column}, which the export already has", name(Setting::SourceColumns))
            }
            UsageError::ColumnsAndHeader => write!(
                f,
                "{} names the columns of files without a header; leave out either it or {}",
                name(Setting::Columns),
                name(Setting::Header)
            ),
            UsageError::ColumnTwice { column } => {
                write!(f, "{} names column {} twice", name(Setting::Columns), Escaped(column))
            }
            UsageError::ColumnsAreHeader { file } => write!(
                f,
                "the first line of {} is exactly what {} names, so it is a header; use {} yes to read it as \
                 one",
                Escaped(file),
                name(Setting::Columns),
                name(Setting::Header)
            ),
            UsageError::HeaderUnknown { file, no_name } => {
                match no_name {
                    Some(text) => write!(
                        f,
                        "the first line of {} does not look like a header: \"{}\" is not a name, or appears \
                         twice",
                        Escaped(file),
                        Escaped(text)
                    )?,
                    None => write!(
                        f,
                        "it is not clear whether the first line of {} is a header: no other part begins \
                         with it, and no column below it holds only numbers, dates or booleans",
                        Escaped(file)
                    )?,
                }
                write!(
                    f,
                    "; use {header} yes if it is a header, {header} no if it is a row, or {columns} NAMES \
                     to also name the columns",
                    header = name(Setting::Header),
                    columns = name(Setting::Columns)
                )
            }
            UsageError::IsFolder { path } => {
                write!(f, "{path} is a folder; name a file, or use convert for part files")
            }
            UsageError::BelowFile { path, file } => {
                write!(f, "{path} cannot be written, because {file} is not a folder; name another output")
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
            UsageError::NotInPieces { setting } => write!(
                f,
                "{} does not apply to work that is divided into pieces; leave it out",
                name(*setting)
            ),
            UsageError::StdoutOfPieces => {
                f.write_str("pieces are put together in a file or a folder, not on standard output")
            }
            UsageError::NotInText { place } => write!(
                f,
                "{} cannot be found by other machines: name folders, files or URLs, not chosen parts or a store of this \
                 program",
                Escaped(place)
            ),
            UsageError::NotAClusterPlan { problem } => write!(
                f,
                "this is not a plan that forecast-export cluster plan has printed: {}; plan again",
                Escaped(problem)
            ),
            UsageError::NoSuchPiece { index, pieces } => {
                write!(f, "there is no piece {index}; the plan has pieces 0 to {}", pieces.saturating_sub(1))
            }
            UsageError::UnknownExtension { path } => write!(
                f,
                "{path} has neither a CSV nor a Parquet extension; use {to} csv or {to} parquet",
                to = name(Setting::To)
            ),
            UsageError::UnknownCompression { path } => write!(
                f,
                "{path} is named like compressed CSV, but only gzip and zstd are supported; name it .csv, \
                 .csv.gz or .csv.zst"
            ),
            UsageError::CompressedCsv { .. } => f.write_str("CSV can only be compressed with gzip or zstd"),
            UsageError::CompressionOfName { compression } => write!(
                f,
                "{} {compression} does not match the extension of the output; name it {}",
                name(Setting::Compression),
                match compression {
                    Compression::Gzip(_) => ".csv.gz",
                    Compression::Zstd(_) => ".csv.zst",
                    _ => ".csv",
                }
            ),
            UsageError::UnnamedParts => write!(
                f,
                "the source is not named like a part, so new parts cannot be named; describe its name with \
                 {}",
                name(Setting::Pattern)
            ),
            UsageError::BadFileName { name } => write!(
                f,
                "a part would be written as \"{}\", which is not a valid file name; use merge, which writes \
                 to a name you choose",
                Escaped(&shortened(name))
            ),
            UsageError::NoPart { path } => write!(
                f,
                "{} was chosen as a part but is not named like one; use {} or {} for other names",
                Escaped(path),
                name(Setting::Preset),
                name(Setting::Pattern)
            ),
            UsageError::OtherStore { path, place } => {
                write!(f, "{} was chosen as a part of {place} but is in another store", Escaped(path))
            }
            UsageError::OutputIsPart { path } => {
                write!(f, "{path} is one of the parts that are read; name another output")
            }
            UsageError::OutputIsLink { path, to } => write!(
                f,
                "{} is a link to {}; name the file it points to, or remove the link",
                Escaped(path),
                Escaped(to)
            ),
            UsageError::OutputInSource { path, place } => write!(
                f,
                "{} is inside the source, and the next run over {} would read it as a part; write to \
                 another folder",
                Escaped(path),
                Escaped(place)
            ),
            UsageError::NameTooLong { name, most } => write!(
                f,
                "the name \"{}\" has {} bytes, and the limit is {most}; give the output a shorter name",
                Escaped(&shortened(name)),
                name.len()
            ),
            UsageError::ReceiptNameTooLong { name: receipt, most } => write!(
                f,
                "the receipt's name \"{}\" would have {} bytes, and the limit is {most}; give the output a \
                 shorter name, or leave out the receipt with {}",
                Escaped(&shortened(receipt)),
                receipt.len(),
                name(Setting::NoReceipt)
            ),
            UsageError::FolderHoldsPart { path } => {
                write!(f, "{path} is one of the parts that are read; name another folder")
            }
            UsageError::VerifyStream => write!(
                f,
                "{} reads the output back before publishing it, which cannot be done for a pipe or device",
                name(Setting::Verify)
            ),
            UsageError::NotOnServer { reason } => write!(
                f,
                "{on_server} always is not possible: {}; use {on_server} auto to merge here instead",
                reason.with_names(name),
                on_server = name(Setting::OnServer)
            ),
            UsageError::KindIsInColumns { kind } => write!(
                f,
                "{} {kind} is recognized by its columns, which {} does not read; leave one of them out",
                name(Setting::Kind),
                name(Setting::NamesOnly)
            ),
            UsageError::JobNamedTwice => {
                write!(f, "the ARN already names the job; leave out {}", name(Setting::Job))
            }
            UsageError::NotAnEvent { source } => {
                write!(f, "the event is not an EventBridge event: {source}")
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
                write!(f, "{quantile} is not a quantile; use p1 to p99 or mean")
            }
            UsageError::QuantileTwice { quantile } => write!(f, "the quantile {quantile} is named twice"),
            UsageError::CompressedSample => write!(
                f,
                "a CSV sample cannot be compressed; use {} with {} parquet",
                name(Setting::Compression),
                name(Setting::To)
            ),
            UsageError::BeyondCalendar { step, frequency, start } => {
                write!(f, "step {step} of {frequency} after {start} is outside the years 0 to 9999")
            }
            UsageError::Store(problem) => problem.write(f, name),
            UsageError::Place { place, problem } => problem.write(f, place),
            UsageError::Config { file, problem } => write!(f, "{file}: {problem}"),
            UsageError::ServeWithoutKeys => write!(
                f,
                "no access key is configured, so no request could be signed; set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, write keys into the configuration file, or choose {}",
                name(Setting::InsecureNoAuth)
            ),
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
                "unknown kind \"weekly\"; use one of forecast, what-if",
            ),
            (
                UsageError::Malformed { what: ValueKind::Size, text: text("7x") },
                "\"7x\" is not a valid size; write 500KB, 64MB or 1GiB",
            ),
            (UsageError::Empty { what: ValueKind::Run }, "the run is empty; use latest, all or a timestamp"),
            (
                UsageError::CompressionLevel { codec: "zstd", level: text("23"), lowest: 1, highest: 22 },
                "zstd has levels 1 to 22, not \"23\"",
            ),
            (
                UsageError::PatternSyntax { source: source() },
                "pattern is not a valid regex: invalid digit found in string",
            ),
            (
                UsageError::PatternWithoutPart { pattern: text("x") },
                "pattern \"x\" has no group named part; write the part's number as (?P<part>[0-9]+)",
            ),
            (out_of_range(Setting::Items, 6), "6 items are too many; the limit is 5"),
            (
                out_of_range(Setting::Steps, 6),
                "6 steps are out of range; a forecast has 1 to 5, and items makes an export larger",
            ),
            (out_of_range(Setting::Parts, 0), "0 parts are out of range; there can be 1 to 5"),
            (out_of_range(Setting::Dimensions, 6), "6 dimensions are too many; the service allows at most 5"),
            (out_of_range(Setting::Quantiles, 0), "0 quantiles are out of range; a forecast has 1 to 5"),
            (out_of_range(Setting::Tags, 6), "6 tags are too many; an S3 object can have at most 5"),
            (
                UsageError::NoSuchColumn {
                    setting: Setting::Types,
                    column: text("p90"),
                    known: vec![text("item_id"), text("p50")],
                },
                "types names column p90, which the export does not have; it has item_id, p50",
            ),
            (
                UsageError::UnknownColumn { column: text("p90"), known: vec![text("item_id"), text("p50")] },
                "the query names column p90, which the export does not have; it has item_id, p50",
            ),
            (UsageError::ColumnQueriedTwice { column: text("p50") }, "the query names column p50 twice"),
            (
                UsageError::NotComparable {
                    column: text("p50"),
                    column_type: text("double"),
                    value: "a date",
                },
                "the filter compares column p50, which has the type double, with a date",
            ),
            (
                UsageError::NoPart { path: text("x.txt") },
                "x.txt was chosen as a part but is not named like one; use preset or pattern for other names",
            ),
            (
                UsageError::OtherStore { path: text("s3://b/x.csv"), place: text("s3://a") },
                "s3://b/x.csv was chosen as a part of s3://a but is in another store",
            ),
            (
                UsageError::ColumnTaken { column: text("_run") },
                "source_columns adds _run, which the export already has",
            ),
            (
                UsageError::ColumnsAndHeader,
                "columns names the columns of files without a header; leave out either it or header",
            ),
            (UsageError::ColumnTwice { column: text("a") }, "columns names column a twice"),
            (
                UsageError::ColumnsAreHeader { file: text("x.csv") },
                "the first line of x.csv is exactly what columns names, so it is a header; use header yes \
                 to read it as one",
            ),
            (
                UsageError::HeaderUnknown { file: text("x.csv"), no_name: Some(text("1")) },
                "the first line of x.csv does not look like a header: \"1\" is not a name, or appears \
                 twice; use header yes if it is a header, header no if it is a row, or columns NAMES to also \
                 name the columns",
            ),
            (
                UsageError::HeaderUnknown { file: text("x.csv"), no_name: None },
                "it is not clear whether the first line of x.csv is a header: no other part begins with it, \
                 and no column below it holds only numbers, dates or booleans; use header yes if it is a \
                 header, header no if it is a row, or columns NAMES to also name the columns",
            ),
            (
                UsageError::IsFolder { path: text("out") },
                "out is a folder; name a file, or use convert for part files",
            ),
            (
                UsageError::BelowFile { path: text("a/b/x.csv"), file: text("a") },
                "a/b/x.csv cannot be written, because a is not a folder; name another output",
            ),
            (
                UsageError::ConvertIntoFile { path: text("out") },
                "out is a file; convert writes into a folder",
            ),
            (
                UsageError::SampleIntoFile { path: text("out") },
                "out is a file; a sample is written into a folder",
            ),
            (
                UsageError::NotInPieces { setting: Setting::SplitRows },
                "split_rows does not apply to work that is divided into pieces; leave it out",
            ),
            (
                UsageError::StdoutOfPieces,
                "pieces are put together in a file or a folder, not on standard output",
            ),
            (
                UsageError::NotInText { place: text("memory://a/in/") },
                "memory://a/in/ cannot be found by other machines: name folders, files or URLs, not chosen parts or a \
                 store of this program",
            ),
            (
                UsageError::NotAClusterPlan { problem: text("it is no JSON") },
                "this is not a plan that forecast-export cluster plan has printed: it is no JSON; plan again",
            ),
            (
                UsageError::NoSuchPiece { index: 4, pieces: 4 },
                "there is no piece 4; the plan has pieces 0 to 3",
            ),
            (UsageError::SplitOfMerge, "a merge writes one file: split_rows and split_bytes are for convert"),
            (
                UsageError::UnknownExtension { path: text("x.txt") },
                "x.txt has neither a CSV nor a Parquet extension; use to csv or to parquet",
            ),
            (
                UsageError::CompressedCsv { compression: Compression::Lz4 },
                "CSV can only be compressed with gzip or zstd",
            ),
            (
                UsageError::CompressionOfName { compression: Compression::Gzip(Some(1)) },
                "compression gzip:1 does not match the extension of the output; name it .csv.gz",
            ),
            (
                UsageError::CompressionOfName { compression: Compression::Zstd(Some(3)) },
                "compression zstd:3 does not match the extension of the output; name it .csv.zst",
            ),
            (
                UsageError::CompressionOfName { compression: Compression::None },
                "compression none does not match the extension of the output; name it .csv",
            ),
            (
                UsageError::UnknownCompression { path: text("x.csv.lz4") },
                "x.csv.lz4 is named like compressed CSV, but only gzip and zstd are supported; name it \
                 .csv, .csv.gz or .csv.zst",
            ),
            (
                UsageError::UnnamedParts,
                "the source is not named like a part, so new parts cannot be named; describe its name with \
                 pattern",
            ),
            (
                UsageError::BadFileName { name: text("a\nb") },
                "a part would be written as \"a\\nb\", which is not a valid file name; use merge, which \
                 writes to a name you choose",
            ),
            (
                UsageError::OutputIsPart { path: text("x") },
                "x is one of the parts that are read; name another output",
            ),
            (
                UsageError::OutputIsLink { path: text("x.csv"), to: text("y.csv") },
                "x.csv is a link to y.csv; name the file it points to, or remove the link",
            ),
            (
                UsageError::OutputInSource { path: text("in/x"), place: text("in") },
                "in/x is inside the source, and the next run over in would read it as a part; write to \
                 another folder",
            ),
            (
                UsageError::ReceiptNameTooLong { name: text("x.csv.receipt.json"), most: 9 },
                "the receipt's name \"x.csv.receipt.json\" would have 18 bytes, and the limit is 9; give \
                 the output a shorter name, or leave out the receipt with no_receipt",
            ),
            (
                UsageError::Config { file: text("serve.toml"), problem: text("line 3: unknown field `x`") },
                "serve.toml: line 3: unknown field `x`",
            ),
            (
                UsageError::ServeWithoutKeys,
                "no access key is configured, so no request could be signed; set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, write keys into the configuration file, or choose insecure_no_auth",
            ),
            (
                UsageError::Place {
                    place: text("s3:/b"),
                    problem: PlaceProblem::HalfUrl { meant: text("s3://b") },
                },
                "s3:/b is not a URL; write s3://b, or ./s3:/b for a path",
            ),
            (
                UsageError::Place {
                    place: text("b/y"),
                    problem: PlaceProblem::OtherFolder { first: text("a/x") },
                },
                "b/y and a/x are not in the same folder; name files of one folder, or a folder that \
                 contains both",
            ),
            (
                UsageError::NameTooLong { name: text("x.csv.receipt.json"), most: 9 },
                "the name \"x.csv.receipt.json\" has 18 bytes, and the limit is 9; give the output a \
                 shorter name",
            ),
            (
                UsageError::FolderHoldsPart { path: text("x") },
                "x is one of the parts that are read; name another folder",
            ),
            (
                UsageError::VerifyStream,
                "verify reads the output back before publishing it, which cannot be done for a pipe or \
                 device",
            ),
            (
                UsageError::NotOnServer { reason: WhyNotOnServer::CountsRows },
                "on_server always is not possible: expect_rows counts rows; use on_server auto to merge \
                 here instead",
            ),
            (
                UsageError::KindIsInColumns { kind: Kind::WhatIf },
                "kind what-if is recognized by its columns, which names_only does not read; leave one of \
                 them out",
            ),
            (UsageError::JobNamedTwice, "the ARN already names the job; leave out job"),
            (
                UsageError::NotAnEvent { source: source() },
                "the event is not an EventBridge event: invalid digit found in string",
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
                "p100 is not a quantile; use p1 to p99 or mean",
            ),
            (UsageError::QuantileTwice { quantile: text("mean") }, "the quantile mean is named twice"),
            (
                UsageError::CompressedSample,
                "a CSV sample cannot be compressed; use compression with to parquet",
            ),
            (
                UsageError::BeyondCalendar { step: 9, frequency: text("1Y"), start: text("9999-01-01") },
                "step 9 of 1Y after 9999-01-01 is outside the years 0 to 9999",
            ),
            (
                UsageError::Store(StoreProblem::KmsKeyWithAes256),
                "AES256 uses keys that S3 manages, not a KMS key; use aws:kms",
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
