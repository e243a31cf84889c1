//! What each part is, by its first and last bytes: header, line ends, magic bytes, Parquet footer. Takes objects,
//! gives a [`Probe`] each, with one request for a part of the usual kind. Never decodes rows.

use crate::codec::csv::{FieldEnd, Fields, lines, whole_records};
use crate::codec::guard;
use crate::codec::value::{Zone, parse_timestamp};
use crate::model::{DataErrorKind, Error, Format, Remedy, Result, cores};
use crate::store::{Object, Store, blocking, open_local, read_local};

use bytes::Bytes;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::DecodeResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use std::io::Read;
use std::sync::Arc;

/// A part of up to this size is read whole.
const HEAD_BYTES: u64 = 64 * 1024;
/// Bytes read of the start or the end of a longer one.
const NEAR_BYTES: u64 = 32 * 1024;
/// The longest header that is read.
const MAX_HEADER_BYTES: u64 = 1024 * 1024;
/// The longest Parquet footer that is read: some 100,000 row groups of 20 columns.
const MAX_FOOTER_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of whole small parts that are kept, so that they need no second request.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;
/// Heads that are read at once from a store. Far away nearly all of their time is waiting: twice as many at once take
/// half as long, and what they hold is 64 times 64 KiB at most.
const CONCURRENT_HEADS: usize = 64;
/// Heads of local files that are not worth a further thread.
const LOCAL_HEADS: usize = 64;

/// What a part's first and last bytes say.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    /// No bytes, or nothing but a byte order mark and line ends: no header, no rows.
    Empty,
    Csv(CsvHead),
    Parquet(Arc<ParquetMetaData>),
}

impl Probe {
    pub(crate) fn format(&self) -> Option<Format> {
        match self {
            Probe::Empty => None,
            Probe::Csv(_) => Some(Format::Csv),
            Probe::Parquet(_) => Some(Format::Parquet),
        }
    }
}

/// How a CSV part is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    Plain,
    Gzip,
    Zstd,
}

impl Wrapping {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Wrapping::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Wrapping::Zstd,
            _ => Wrapping::Plain,
        }
    }

    /// Reads the text inside.
    pub(crate) fn unwrap(self, raw: Box<dyn Read + Send>) -> std::io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Wrapping::Plain => raw,
            Wrapping::Gzip => Box::new(flate2::read::MultiGzDecoder::new(raw)),
            Wrapping::Zstd => Box::new(zstd::stream::read::Decoder::new(raw)?),
        })
    }
}

/// How the lines of a CSV part end, as its first line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    Lf,
    CrLf,
    Cr,
}

impl LineEnd {
    pub(crate) fn bytes(self) -> &'static [u8] {
        match self {
            LineEnd::Lf => b"\n",
            LineEnd::CrLf => b"\r\n",
            LineEnd::Cr => b"\r",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            LineEnd::Lf => "LF",
            LineEnd::CrLf => "CRLF",
            LineEnd::Cr => "CR",
        }
    }
}

/// The start of a CSV part.
#[derive(Debug, Clone)]
pub(crate) struct CsvHead {
    pub(crate) wrapping: Wrapping,
    pub(crate) header: Arc<[String]>,
    /// The header line as it stands, without mark and line end.
    pub(crate) header_line: Bytes,
    /// Where the first record starts in the text.
    pub(crate) body: u64,
    /// Line ends before that.
    pub(crate) header_lines: u64,
    /// `None` where the text is one line without an end.
    pub(crate) line_end: Option<LineEnd>,
    /// What the first values of each column look like.
    pub(crate) seen: Vec<Seen>,
    /// The fields of the first row, where it was read to its end.
    pub(crate) first_row: Option<usize>,
    /// The part is known to hold no rows.
    pub(crate) is_header_only: bool,
    /// The whole part, where it is small.
    pub(crate) whole: Option<Bytes>,
}

/// What the first values of a column are as points in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The zone of the first that is a timestamp.
    pub(crate) zone: Option<Zone>,
    /// `Aggregate` occurs, as in an explainability export.
    pub(crate) aggregate: bool,
}

/// Probes all parts; the answer is in their order.
pub(crate) async fn probe(store: &Store, objects: &[Object]) -> Result<Vec<Probe>> {
    probe_each(store, objects).await?.into_iter().collect()
}

/// As [`probe`], with an answer for each part even where one cannot be read.
pub(crate) async fn probe_each(store: &Store, objects: &[Object]) -> Result<Vec<Result<Probe>>> {
    let runtime = tokio::runtime::Handle::current();
    let mut probes: Vec<Result<Probe>> = if store.is_local() {
        let share = objects.len().div_ceil(cores()).max(LOCAL_HEADS);
        let shares = objects.chunks(share).map(|objects| {
            let objects = objects.to_vec();
            let reader = Reader { store: store.clone(), runtime: runtime.clone() };
            let probe =
                move |object: &Object| reader.probe(object, reader.read(object, first_range(object))?);
            blocking(move || Ok(objects.iter().map(probe).collect::<Vec<_>>()))
        });
        try_join_all(shares).await?.into_iter().flatten().collect()
    } else {
        // In whatever order they come, so that a slow one keeps no other from being asked for.
        let mut probes: Vec<(usize, Result<Probe>)> = stream::iter(0..objects.len())
            .map(|index| {
                let reader = Reader { store: store.clone(), runtime: runtime.clone() };
                let object = objects[index].clone();
                async move {
                    match store.read(&object, first_range(&object)).await {
                        // All of a small part is there: that is no work to wake a thread for.
                        Ok(first) if first.len() as u64 == object.size => {
                            Ok((index, reader.probe(&object, first)))
                        }
                        Ok(first) => blocking(move || Ok((index, reader.probe(&object, first)))).await,
                        Err(error) => Ok((index, Err(error))),
                    }
                }
            })
            .buffer_unordered(CONCURRENT_HEADS)
            .try_collect()
            .await?;
        probes.sort_by_key(|(index, _)| *index);
        probes.into_iter().map(|(_, probe)| probe).collect()
    };
    let mut kept = 0;
    for probe in &mut probes {
        if let Ok(Probe::Csv(CsvHead { whole: whole @ Some(_), .. })) = probe {
            kept += whole.as_ref().map_or(0, |bytes| bytes.len() as u64);
            if kept > KEPT_BYTES {
                *whole = None;
            }
        }
    }
    Ok(probes)
}

/// Whether a part is looked at from its end, where the footer of a Parquet file is.
fn starts_at_end(object: &Object) -> bool {
    object.size > HEAD_BYTES && matches!(Format::of_name(&object.url), Some((Format::Parquet, _)))
}

/// What is read of a part before anything is known of it.
fn first_range(object: &Object) -> std::ops::Range<u64> {
    match object.size {
        size if starts_at_end(object) => size - NEAR_BYTES..size,
        size if size > HEAD_BYTES => 0..NEAR_BYTES,
        size => 0..size,
    }
}

/// Reads ranges of objects from a thread that may block.
pub(crate) struct Reader {
    pub(crate) store: Store,
    pub(crate) runtime: tokio::runtime::Handle,
}

impl Reader {
    pub(crate) fn read(&self, object: &Object, range: std::ops::Range<u64>) -> Result<Bytes> {
        if !self.store.is_local() {
            return self.runtime.block_on(self.store.read(object, range));
        }
        let mut buffer = vec![0; (range.end - range.start) as usize];
        read_local(&open_local(object)?, object, range.start, &mut buffer)?;
        Ok(buffer.into())
    }

    /// Looks at a part of which the first range was read.
    fn probe(&self, object: &Object, first: Bytes) -> Result<Probe> {
        let mut head = first;
        if starts_at_end(object) {
            if is_parquet(&head[head.len() - 4..]) {
                return self.parquet(object, head);
            }
            head = self.read(object, 0..NEAR_BYTES)?;
        }
        if is_parquet(&head) {
            let size = object.size;
            let tail = if size > HEAD_BYTES { self.read(object, size - NEAR_BYTES..size)? } else { head };
            return self.parquet(object, tail);
        }
        self.csv(object, head)
    }

    fn parquet(&self, object: &Object, tail: Bytes) -> Result<Probe> {
        let damaged = |reason: String| {
            let problem = format!("the Parquet footer is damaged or cut off: {reason}");
            damaged_part(object, problem)
        };
        if tail.ends_with(b"PARE") {
            let kind = DataErrorKind::Encrypted;
            return Err(Error::data(kind, &object.url, "the Parquet footer is encrypted").into());
        }
        let tail_start = object.size - tail.len() as u64;
        let mut decoder = guard(|| {
            let mut decoder = ParquetMetaDataPushDecoder::try_new(object.size)?
                .with_page_index_policy(PageIndexPolicy::Skip);
            decoder.push_range(tail_start..object.size, tail)?;
            Ok::<_, parquet::errors::ParquetError>(decoder)
        })
        .map_err(damaged)?;
        loop {
            match guard(|| decoder.try_decode()).map_err(damaged)? {
                DecodeResult::Data(metadata) => {
                    check_metadata(object, &metadata)?;
                    return Ok(Probe::Parquet(Arc::new(metadata)));
                }
                DecodeResult::NeedsData(ranges) => {
                    for range in ranges {
                        if range.end > object.size || range.start >= tail_start {
                            return Err(damaged("it points outside the file".into()));
                        }
                        if range.end - range.start > MAX_FOOTER_BYTES {
                            let length = range.end - range.start;
                            return Err(damaged(format!("it claims {length} bytes, of 256 MiB at most")));
                        }
                        let bytes = self.read(object, range.clone())?;
                        guard(|| decoder.push_range(range, bytes)).map_err(damaged)?;
                    }
                }
                DecodeResult::Finished => return Err(damaged("it holds nothing".into())),
            }
        }
    }

    fn csv(&self, object: &Object, raw: Bytes) -> Result<Probe> {
        let wrapping = Wrapping::of(&raw);
        let mut raw = raw;
        loop {
            let raw_is_whole = raw.len() as u64 == object.size;
            let (text, text_is_whole) = match wrapping {
                Wrapping::Plain => (raw.clone(), raw_is_whole),
                _ => unwrapped_head(object, wrapping, &raw, raw_is_whole)?,
            };
            let is_whole = text_is_whole && raw_is_whole;
            match parse_head(object, wrapping, &text, is_whole)? {
                Some(probe) => return Ok(probe),
                // The header goes on beyond what was read.
                None if is_whole => return Ok(Probe::Empty),
                // Nothing is left to read, or enough was.
                None if raw_is_whole || raw.len() as u64 >= MAX_HEADER_BYTES => {
                    return Err(Error::data(
                        DataErrorKind::NotTheFormat,
                        &object.url,
                        "no line end within the first mebibyte: no CSV header",
                    )
                    .remedy(Remedy::NamePartFiles)
                    .into());
                }
                None => raw = self.read(object, 0..object.size.min(MAX_HEADER_BYTES))?,
            }
        }
    }
}

fn damaged_part(object: &Object, problem: String) -> Error {
    Error::data(DataErrorKind::Damaged, &object.url, problem).remedy(Remedy::FetchAgain).into()
}

fn is_parquet(head: &[u8]) -> bool {
    head.starts_with(b"PAR1") || head.starts_with(b"PARE")
}

/// Every number in a footer that is used as a position or a count must make sense before it is used.
fn check_metadata(object: &Object, metadata: &ParquetMetaData) -> Result<()> {
    let damaged = |problem: String| damaged_part(object, format!("the Parquet footer is damaged: {problem}"));
    let mut rows: i64 = 0;
    for (i, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            return Err(damaged(format!("row group {i} has {} rows", group.num_rows())));
        }
        rows = rows.checked_add(group.num_rows()).ok_or_else(|| damaged("too many rows".into()))?;
        for column in group.columns() {
            if column.file_path().is_some_and(|path| !path.is_empty()) {
                return Err(damaged(format!(
                    "column {} lies in another file",
                    column.column_path().string()
                )));
            }
            let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
            let end = u64::try_from(start)
                .ok()
                .zip(u64::try_from(column.compressed_size()).ok())
                .and_then(|(start, size)| start.checked_add(size));
            if end.is_none_or(|end| end > object.size) {
                return Err(damaged(format!(
                    "column {} of row group {i} lies outside the file",
                    column.column_path().string()
                )));
            }
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return Err(damaged(format!(
            "its row groups hold {rows} rows, the file says {}",
            metadata.file_metadata().num_rows()
        )));
    }
    Ok(())
}

/// The first text of a wrapped part, and whether it is all of it.
fn unwrapped_head(
    object: &Object,
    wrapping: Wrapping,
    raw: &Bytes,
    raw_is_whole: bool,
) -> Result<(Bytes, bool)> {
    let failed =
        |error: std::io::Error| damaged_part(object, format!("the compressed part cannot be read: {error}"));
    let raw: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(raw.clone()));
    let mut reader = wrapping.unwrap(raw).map_err(failed)?;
    let mut text = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((text.into(), true)),
            Ok(length) => text.extend_from_slice(&buffer[..length]),
            // Only the head of the part was given: its end comes too early, of course.
            Err(_) if !raw_is_whole && !text.is_empty() => return Ok((text.into(), false)),
            Err(error) => return Err(failed(error)),
        }
        if text.len() as u64 >= MAX_HEADER_BYTES {
            return Ok((text.into(), false));
        }
    }
}

/// Takes the header from the first text; `None` where the text holds no whole header.
fn parse_head(object: &Object, wrapping: Wrapping, text: &Bytes, is_whole: bool) -> Result<Option<Probe>> {
    let bom = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let unmarked = &text[bom..];
    let mut fields = Fields::new(unmarked);
    let mut header: Vec<String> = Vec::new();
    let mut start = None;
    let end = loop {
        let Some(field) = fields.next() else { return Ok(None) };
        start.get_or_insert(field.start);
        let name = String::from_utf8(field.text().into_owned()).map_err(|error| {
            Error::data(DataErrorKind::NotUtf8, &object.url, "the header is no text: invalid UTF-8")
                .line(1)
                .value(error.as_bytes())
                .remedy(Remedy::NamePartFiles)
        })?;
        if name.contains('\0') {
            let (kind, problem) = (DataErrorKind::NotTheFormat, "the header holds NUL bytes: this is no CSV");
            return Err(Error::data(kind, &object.url, problem).line(1).remedy(Remedy::NamePartFiles).into());
        }
        header.push(name);
        match field.end {
            FieldEnd::Delimiter => {}
            FieldEnd::Record => break fields.position(),
            FieldEnd::Input | FieldEnd::OpenQuote if !is_whole => return Ok(None),
            FieldEnd::Input => break fields.position(),
            FieldEnd::OpenQuote => {
                let (kind, problem) = (DataErrorKind::OpenQuote, "a quote in the header is never closed");
                return Err(Error::data(kind, &object.url, problem)
                    .line(1)
                    .remedy(Remedy::FetchCutShort)
                    .into());
            }
        }
    };
    // A carriage return as the last byte read may be the first half of a line end.
    if !is_whole && end == unmarked.len() {
        return Ok(None);
    }
    let start = start.unwrap_or(0);
    let line = &unmarked[start..end];
    let line_end = match line {
        [.., b'\r', b'\n'] => Some(LineEnd::CrLf),
        [.., b'\n'] => Some(LineEnd::Lf),
        [.., b'\r'] => Some(LineEnd::Cr),
        _ => None,
    };
    let ended = line_end.map_or(0, |end| end.bytes().len());
    let body = bom + end;
    let rest = &text[body..];
    let sample = if is_whole { rest } else { &rest[..whole_records(rest)] };
    let is_small = is_whole && wrapping == Wrapping::Plain && text.len() as u64 <= HEAD_BYTES;
    Ok(Some(Probe::Csv(CsvHead {
        wrapping,
        // A copy: a slice would keep the whole head of every part for as long as the plan lives.
        header_line: Bytes::copy_from_slice(&text[bom + start..bom + end - ended]),
        body: body as u64,
        header_lines: lines(&unmarked[..end]),
        line_end,
        seen: look_at_times(sample, &header),
        first_row: fields_of_first_row(rest, is_whole),
        is_header_only: is_whole && Fields::new(rest).next().is_none(),
        whole: is_small.then(|| text.clone()),
        header: header.into(),
    })))
}

/// The number of fields of the first row, where the text holds its end.
fn fields_of_first_row(text: &[u8], is_whole: bool) -> Option<usize> {
    let mut count = 0;
    for field in Fields::new(text) {
        count += 1;
        match field.end {
            FieldEnd::Delimiter => {}
            FieldEnd::Record => return Some(count),
            FieldEnd::Input if is_whole => return Some(count),
            FieldEnd::Input | FieldEnd::OpenQuote => return None,
        }
    }
    None
}

/// Looks at the first values of every column whose name says that it holds points in time.
fn look_at_times(sample: &[u8], header: &[String]) -> Vec<Seen> {
    let mut seen = vec![Seen::default(); header.len()];
    let asked: Vec<bool> = header.iter().map(|name| crate::model::is_time_column(name)).collect();
    if !asked.contains(&true) {
        return seen;
    }
    let mut position = 0;
    for field in Fields::new(sample) {
        if let Some(true) = asked.get(position) {
            let text = field.text();
            let seen = &mut seen[position];
            seen.aggregate |= *text == *b"Aggregate";
            if seen.zone.is_none() {
                seen.zone = parse_timestamp(&text).map(|(_, zone)| zone);
            }
        }
        position = if field.end == FieldEnd::Delimiter { position + 1 } else { 0 };
    }
    seen
}
