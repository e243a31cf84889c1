//! A plan as a document: everything that a piece or the commit needs, and nothing that a machine, a time or a secret is
//! in. Its id is the hash of the rest.

use crate::model::{
    BinaryText, ColumnSummary, Compression, Error, Format, HeaderMode, Kind, NotFound, OnServer, Options,
    Pattern, Preset, Result, RunChoice, SchemaMode, UsageError, column_summaries,
};
use crate::plan::{Output, RunPlan};
use crate::sink::Sink;
use crate::source::{Part, Share};
use crate::store::{Location, Object, StoreOptions};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Incremented when older plans cannot be carried out any more.
const FORMAT: u32 = 1;

/// More bytes than a plan has: 10,000 pieces, and the parts of the largest export.
const LONGEST: u64 = 256 << 20;

/// The plan of divided work: a JSON document.
///
/// Its `Display` is the document. It holds no credentials: whoever carries out a piece has its own.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterPlan {
    pub(super) document: Document,
}

/// Into how many pieces to divide the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// About this many; fewer if there is not so much to divide.
    Number(u64),
    /// Pieces that read about this many bytes.
    Bytes(u64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) format: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) id: String,
    tool: String,
    /// Where the parts are, as text.
    sources: Vec<String>,
    output: String,
    /// Whether the output is a folder of part files.
    pub(super) converts: bool,
    options: Asked,
    /// The format of the output.
    pub(super) to: Format,
    pub(super) columns: Vec<ColumnSummary>,
    pub(super) parts: Vec<FrozenPart>,
    pub(super) pieces: Vec<Piece>,
}

/// A part as it was when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FrozenPart {
    /// The local path, or the key in the bucket.
    key: String,
    bytes: u64,
    e_tag: Option<String>,
    modified: Option<DateTime<Utc>>,
}

/// A piece of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    /// Bytes that it reads.
    pub(super) bytes: u64,
    pub(super) shares: Vec<Share>,
}

/// The options as text, those with an effect on pieces or the output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// The format of the parts, as far as names tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    allow_gaps: bool,
    expect_parts: Option<u64>,
    expect_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<String>,
    row_group_rows: Option<u64>,
    bloom_filters: Vec<String>,
    /// The name of a part that part files are named like.
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<String>,
    schema: Option<SchemaMode>,
    types: Vec<(String, String)>,
    all_strings: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<BinaryText>,
    nulls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<HeaderMode>,
    columns: Vec<String>,
    source_columns: bool,
    overwrite: bool,
    verify: bool,
    no_receipt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_server: Option<String>,
}

impl Asked {
    fn new(options: &Options) -> Self {
        let select = &options.select;
        Asked {
            job: select.job.clone(),
            run: match &select.run {
                RunChoice::Only => None,
                RunChoice::Latest => Some("latest".into()),
                RunChoice::All => Some("all".into()),
                RunChoice::At(stamp) => Some(stamp.clone()),
            },
            kind: select.kind,
            from: select.format,
            preset: select.pattern.preset_name().map(str::to_owned),
            pattern: select.pattern.custom_text().map(str::to_owned),
            allow_gaps: select.allow_gaps,
            expect_parts: select.expect_parts,
            expect_rows: select.expect_rows,
            to: options.to,
            compression: options.compression.map(|compression| compression.to_string()),
            row_group_rows: options.row_group_rows,
            bloom_filters: options.bloom_filters.clone(),
            names: options.names.as_ref().map(|name| name.as_str().to_owned()),
            schema: Some(options.schema),
            types: options.types.iter().map(|(name, chosen)| (name.clone(), chosen.to_string())).collect(),
            all_strings: options.all_strings,
            binary: options.binary,
            nulls: options.nulls.clone(),
            header: options.header,
            columns: options.columns.clone(),
            source_columns: options.source_columns,
            overwrite: options.overwrite,
            verify: options.verify,
            no_receipt: options.no_receipt,
            written: options.written,
            on_server: match options.on_server {
                OnServer::Auto => None,
                OnServer::Always => Some("always".into()),
                OnServer::Never => Some("never".into()),
            },
        }
    }

    fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        let select = &mut options.select;
        select.job.clone_from(&self.job);
        select.run = self.run.as_deref().map(str::parse).transpose()?.unwrap_or_default();
        select.kind = self.kind;
        select.format = self.from;
        select.pattern = match (&self.pattern, &self.preset) {
            (Some(pattern), _) => Pattern::custom(pattern)?,
            (None, Some(preset)) => Pattern::preset(preset.parse::<Preset>()?),
            (None, None) => Pattern::default(),
        };
        select.allow_gaps = self.allow_gaps;
        select.expect_parts = self.expect_parts;
        select.expect_rows = self.expect_rows;
        options.to = self.to;
        options.compression = self.compression.as_deref().map(str::parse::<Compression>).transpose()?;
        options.row_group_rows = self.row_group_rows;
        options.bloom_filters.clone_from(&self.bloom_filters);
        options.names = self.names.as_ref().and_then(|name| Pattern::default().parse("", name));
        options.schema = self.schema.unwrap_or_default();
        for (name, chosen) in &self.types {
            options.types.push((name.clone(), chosen.parse()?));
        }
        options.all_strings = self.all_strings;
        options.binary = self.binary;
        options.nulls.clone_from(&self.nulls);
        options.header = self.header;
        options.columns.clone_from(&self.columns);
        options.source_columns = self.source_columns;
        options.overwrite = self.overwrite;
        options.verify = self.verify;
        options.no_receipt = self.no_receipt;
        options.written = self.written;
        options.on_server = self.on_server.as_deref().map(str::parse).transpose()?.unwrap_or_default();
        Ok(options)
    }
}

impl FrozenPart {
    fn new(object: &Object) -> Self {
        FrozenPart {
            key: object.key.clone(),
            bytes: object.size,
            e_tag: object.e_tag.clone(),
            modified: object.modified,
        }
    }

    /// The part as it was in a listing of its place.
    pub(super) fn object(&self, place: &Location) -> Object {
        Object {
            url: place.store.url(&self.key),
            key: self.key.clone(),
            size: self.bytes,
            modified: self.modified,
            e_tag: self.e_tag.clone(),
            no_file: None,
        }
    }
}

impl ClusterPlan {
    pub(super) fn new(
        source: &Location,
        output: &Output,
        options: &Options,
        whole: &RunPlan,
        pieces: Vec<Piece>,
    ) -> Result<Self> {
        let (place, converts) = match output {
            Output::File(file) => (file, false),
            Output::Folder(folder) => (folder, true),
            Output::Stdout => return Err(UsageError::StdoutOfPieces.into()),
        };
        let text = |place: &Location| place.to_string();
        let sources = match source.named() {
            [] => vec![text(source)],
            several => several.iter().map(text).collect(),
        };
        let parts = whole.input.parts.iter().map(|part| FrozenPart::new(&part.object)).collect();
        let mut document = Document {
            format: FORMAT,
            id: String::new(),
            tool: concat!("forecast-export ", env!("CARGO_PKG_VERSION")).to_owned(),
            sources,
            output: text(place),
            converts,
            options: Asked::new(options),
            to: whole.to,
            columns: column_summaries(&whole.input.schema),
            parts,
            pieces,
        };
        document.id = document.hash()?;
        Ok(ClusterPlan { document })
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// [`UsageError::NotAClusterPlan`] if it is none, was changed, or was made by another version of this tool.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let wrong = |problem: String| Error::from(UsageError::NotAClusterPlan { problem });
        let document: Document = serde_json::from_slice(json).map_err(|error| wrong(error.to_string()))?;
        if document.format != FORMAT {
            return Err(wrong(format!("its format is {}, and this tool knows {FORMAT}", document.format)));
        }
        if document.tool != concat!("forecast-export ", env!("CARGO_PKG_VERSION")) {
            return Err(wrong(format!("it was made by {}", document.tool)));
        }
        if document.id != document.hash()? {
            return Err(wrong("its id is not that of its contents".into()));
        }
        if document
            .pieces
            .iter()
            .flat_map(|piece| &piece.shares)
            .any(|share| share.part >= document.parts.len())
        {
            return Err(wrong("a piece names a part that there is not".into()));
        }
        Ok(ClusterPlan { document })
    }

    /// Reads a plan from a file or an object.
    ///
    /// # Errors
    /// As [`ClusterPlan::parse`]; [`Error::NotFound`] if there is none, and errors of the store.
    pub async fn read(place: &Location) -> Result<Self> {
        match read(place).await? {
            Some(json) => Self::parse(&json),
            None => Err(NotFound::Path { path: place.to_string() }.into()),
        }
    }

    /// Writes the plan to a file or an object, in place of what is there.
    ///
    /// # Errors
    /// Errors of the store or the disk.
    pub async fn write(&self, place: &Location) -> Result<()> {
        write(place, self.to_json()? + "\n").await
    }

    /// Writes the numbers of the pieces as a JSON array, for engines that make a task of each item.
    ///
    /// # Errors
    /// As [`ClusterPlan::write`].
    pub async fn write_numbers(&self, place: &Location) -> Result<()> {
        let numbers: Vec<u64> = (0..self.pieces()).collect();
        let json = serde_json::to_string(&numbers).map_err(|error| Error::Internal(error.to_string()))?;
        write(place, json + "\n").await
    }

    /// The hash of the document, which names the folder of what is staged.
    pub fn id(&self) -> &str {
        &self.document.id
    }

    /// The number of pieces; they are numbered from 0.
    pub fn pieces(&self) -> u64 {
        self.document.pieces.len() as u64
    }

    /// The output, as text.
    pub fn output(&self) -> &str {
        &self.document.output
    }

    /// Bytes of all pieces.
    pub fn bytes(&self) -> u64 {
        self.document.pieces.iter().map(|piece| piece.bytes).sum()
    }

    /// The document on many lines.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be written.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(&self.document).map_err(|error| Error::Internal(error.to_string()))
    }

    pub(super) fn options(&self) -> Result<Options> {
        self.document.options.options()
    }

    pub(super) fn source(&self, store: &StoreOptions) -> Result<Location> {
        Location::parse_all(&self.document.sources, store)
    }

    pub(super) fn target(&self, store: &StoreOptions) -> Result<Output> {
        let place = Location::parse_with(&self.document.output, store)?;
        Ok(if self.document.converts { Output::Folder(place) } else { Output::File(place) })
    }

    pub(super) fn piece(&self, index: u64) -> Result<&Piece> {
        let pieces = self.pieces();
        let found = usize::try_from(index).ok().and_then(|index| self.document.pieces.get(index));
        found.ok_or_else(|| UsageError::NoSuchPiece { index, pieces }.into())
    }
}

/// Writes a small file in place of what is there.
/// Boxed here, or every program would compile it anew.
fn read(place: &Location) -> BoxFuture<'_, Result<Option<Bytes>>> {
    place.store.read_small(&place.path, LONGEST).boxed()
}

fn write(place: &Location, text: String) -> BoxFuture<'_, Result<()>> {
    async move {
        let mut sink = Sink::note(place, true, text.into_bytes()).await?;
        let written = sink.publish().await;
        if written.is_err() {
            sink.abort().await;
        }
        written.map(drop)
    }
    .boxed()
}

impl Document {
    fn hash(&self) -> Result<String> {
        let bare = Document { id: String::new(), ..self.clone() };
        let json = serde_json::to_vec(&bare).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(blake3::hash(&json).to_hex()[..32].to_owned())
    }
}

impl fmt::Display for ClusterPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json().map_err(|_| fmt::Error)?)
    }
}

impl Document {
    /// Whether these are the parts of the plan, unchanged and in order; otherwise the first that differs.
    pub(super) fn difference<'a>(
        &self,
        place: &Location,
        parts: impl Iterator<Item = &'a Part>,
    ) -> Option<Object> {
        let mut frozen = self.parts.iter().map(|part| part.object(place));
        let mut now = parts.map(|part| &*part.object);
        loop {
            match (frozen.next(), now.next()) {
                (None, None) => return None,
                (Some(was), Some(is)) if was.key == is.key && was.is_same_content(is) => {}
                (Some(was), _) => return Some(was),
                (None, Some(new)) => return Some(new.clone()),
            }
        }
    }
}

/// The same place under a name that other processes understand: local paths are made absolute.
///
/// # Errors
/// [`UsageError::NotInText`] for a place that has no such name.
pub(super) fn everywhere(place: &Location) -> Result<Location> {
    if !place.is_found_by_text() {
        return Err(UsageError::NotInText { place: place.to_string() }.into());
    }
    if !place.is_local() {
        return Ok(place.clone());
    }
    let absolute = |place: &Location| {
        let path = std::path::absolute(&place.path)
            .map_err(|error| Error::io("looking at", place.to_string(), error))?;
        let slash = if place.is_folder && !path.as_os_str().is_empty() { "/" } else { "" };
        let path = path.display().to_string();
        Ok::<_, Error>(format!("{}{slash}", path.trim_end_matches('/')))
    };
    let texts: Vec<String> = match place.named() {
        [] => vec![absolute(place)?],
        several => several.iter().map(absolute).collect::<Result<_>>()?,
    };
    Location::parse_all(&texts, &StoreOptions::default())
}

pub(super) fn output_everywhere(output: &Output) -> Result<Output> {
    match output {
        Output::File(file) => everywhere(file).map(Output::File),
        Output::Folder(folder) => everywhere(folder).map(Output::Folder),
        Output::Stdout => Err(UsageError::StdoutOfPieces.into()),
    }
}
