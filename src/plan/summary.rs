//! A plan's summary: plain data, and the text of the dry run.

use super::decided::{Plan, RunPlan, UpToDate};
use super::output::Outputs;
use super::receipt::runs;
use crate::model::{
    ColumnSummary, Escaped, Format, Kind, Named, PlannedRequests, Setting, SettingName, Split, Strategy,
    Warning, Why, column_summaries,
};
use crate::source::{Export, Footer};
use crate::store::Object;

use serde::Serialize;
use std::fmt;

/// A plan as data: what `--dry-run --json` prints. Field names are stable.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PlanSummary {
    /// The source.
    pub source: String,
    /// The job's name.
    pub job: String,
    /// The runs, oldest first.
    pub runs: Vec<String>,
    /// What the export holds.
    pub kind: Kind,
    /// The format of the parts.
    pub from: Format,
    /// The format of the output.
    pub to: Format,
    /// How output is compressed.
    pub compression: String,
    /// The strategy.
    pub strategy: Strategy,
    /// Why this strategy was chosen.
    pub why: String,
    /// Whether the output is up to date, so that there is nothing to do.
    pub up_to_date: bool,
    /// The parts in the order they are read.
    pub parts: Vec<PlannedPartSummary>,
    /// Bytes of all parts.
    pub bytes: u64,
    /// Rows of all parts, if footers tell.
    pub rows: Option<u64>,
    /// The columns of the output.
    pub columns: Vec<ColumnSummary>,
    /// The files to write; for a resplit output, the first one.
    pub outputs: Vec<String>,
    /// For a resplit output, the rows per file.
    pub split_rows: Option<u64>,
    /// For a resplit output, the most bytes per file.
    pub split_bytes: Option<u64>,
    /// Bytes of the output that pass through this machine, if the server copies the others.
    pub bytes_sent: Option<u64>,
    /// What is not checked, because the server copies it unread.
    pub not_checked: Option<String>,
    /// Requests to the stores: those made for this plan and those that its run will make.
    pub requests: PlannedRequests,
    /// Unusual findings that are not errors.
    pub warnings: Vec<String>,
}

/// A part in a [`PlanSummary`].
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PlannedPartSummary {
    /// Its path or URL.
    pub file: String,
    /// Bytes.
    pub bytes: u64,
    /// Rows, if they are known.
    pub rows: Option<u64>,
}

impl Plan {
    /// The plan as data; sentences use the library's names for settings.
    pub fn summary(&self) -> PlanSummary {
        self.summary_named(Setting::name)
    }

    /// The plan as data, with a program's own names for settings, such as its flags.
    pub fn summary_named(&self, name: SettingName) -> PlanSummary {
        match self {
            Plan::Run(plan) => plan.summary(name),
            Plan::UpToDate(done) => done.summary(name),
        }
    }

    /// The dry run with a program's own names for settings, such as its flags.
    pub fn named(&self, name: SettingName) -> impl fmt::Display {
        self.summary_named(name)
    }
}

impl UpToDate {
    /// What was done before, as data.
    pub(crate) fn summary(&self, name: SettingName) -> PlanSummary {
        let receipt = &self.receipt;
        let parts: Vec<PlannedPartSummary> = self
            .exports
            .iter()
            .flat_map(|export| &export.parts)
            .map(|part| summary_of(&part.object, None))
            .collect();
        PlanSummary {
            source: self.source.to_string(),
            job: job_of(&self.exports),
            runs: runs(&self.exports),
            kind: receipt.kind,
            from: receipt.from,
            to: receipt.options.to,
            compression: compression_shown(
                receipt.strategy,
                receipt.options.to,
                &receipt.options.compression,
            ),
            strategy: receipt.strategy,
            why: Why::UpToDate.with_names(name).to_string(),
            up_to_date: true,
            bytes: parts.iter().map(|part| part.bytes).sum(),
            parts,
            rows: receipt.rows,
            columns: receipt.columns.clone(),
            outputs: self.files.iter().map(|file| file.file.clone()).collect(),
            split_rows: None,
            split_bytes: None,
            bytes_sent: None,
            not_checked: None,
            requests: self.requests.clone(),
            warnings: shown(&self.warnings, name),
        }
    }
}

impl RunPlan {
    /// The plan as data.
    pub(crate) fn summary(&self, name: SettingName) -> PlanSummary {
        let parts =
            self.input.parts.iter().map(|part| summary_of(&part.object, part.footer().map(Footer::rows)));
        let (outputs, split) = match &self.outputs {
            Outputs::Files(files) => (files.iter().map(|file| file.target.to_string()).collect(), None),
            Outputs::Resplit(resplit) => (vec![resplit.file(0).to_string()], Some(resplit.split)),
        };
        let (split_rows, split_bytes) = match split {
            Some(Split::Rows(rows)) => (Some(rows), None),
            Some(Split::Bytes(bytes)) => (None, Some(bytes)),
            None => (None, None),
        };
        let strategy = self.way.strategy();
        PlanSummary {
            source: self.source.to_string(),
            job: job_of(&self.input.exports),
            runs: runs(&self.input.exports),
            kind: self.input.kind,
            from: self.input.format,
            to: self.to,
            compression: compression_shown(strategy, self.to, &self.compression.to_string()),
            strategy,
            why: self.why.with_names(name).to_string(),
            up_to_date: false,
            parts: parts.collect(),
            bytes: self.input.bytes(),
            rows: self.input.rows(),
            columns: column_summaries(&self.input.schema),
            outputs,
            split_rows,
            split_bytes,
            bytes_sent: self.on_server().map(|merge| merge.totals.sent_bytes),
            not_checked: self.on_server().map(|merge| merge.not_checked(self.to).to_owned()),
            requests: self.requests.clone(),
            warnings: shown(&self.input.warnings, name),
        }
    }
}

fn shown(warnings: &[Warning], name: SettingName) -> Vec<String> {
    warnings.iter().map(|warning| warning.named(name).to_string()).collect()
}

fn summary_of(object: &Object, rows: Option<u64>) -> PlannedPartSummary {
    PlannedPartSummary { file: object.url.clone(), bytes: object.size, rows }
}

fn job_of(exports: &[Export]) -> String {
    exports.first().map(|export| export.job.clone()).unwrap_or_default()
}

fn compression_shown(strategy: Strategy, to: Format, compression: &str) -> String {
    let copies_row_groups =
        strategy == Strategy::CopyRowGroups || (strategy == Strategy::CopyOnServer && to == Format::Parquet);
    if copies_row_groups { "as it is".into() } else { compression.to_owned() }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plan").field(&self.summary()).finish()
    }
}

/// The most parts and outputs that a dry run shows, half at either end, unless all are requested.
const SHOWN: usize = 20;
/// The same for runs, which share one line.
const SHOWN_RUNS: usize = 6;

/// As its [`PlanSummary`].
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary().fmt(f)
    }
}

/// The dry run. Long lists show only the first and last items; `{:#}` shows all.
impl fmt::Display for PlanSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self;
        let title = if plan.job.is_empty() { plan.source.as_str() } else { plan.job.as_str() };
        write!(f, "{}", Escaped(title))?;
        match plan.runs.len() {
            0 => {}
            1 => write!(f, ", run ")?,
            runs => write!(f, ", {runs} runs: ")?,
        }
        let mut comma = "";
        for shown in shortened(&plan.runs, SHOWN_RUNS, f.alternate()) {
            match shown {
                Shown::Item(run) => write!(f, "{comma}{}", Escaped(run))?,
                Shown::More(more) => write!(f, "{comma}… {more} more …")?,
            }
            comma = ", ";
        }
        writeln!(f, " ({})", plan.kind)?;
        write!(f, "  {} -> {}, compression {}", plan.from, plan.to, plan.compression)?;
        writeln!(f, "; {}: {}", plan.strategy, plan.why)?;
        let counted =
            |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let rows = plan.rows.map(|rows| format!(", {}", counted(rows, "row"))).unwrap_or_default();
        let (parts, bytes) = (counted(plan.parts.len() as u64, "part"), counted(plan.bytes, "byte"));
        writeln!(f, "  {parts}, {bytes}{rows}")?;
        write!(f, "{}", plan.requests)?;
        if let (Some(sent), Some(not_checked)) = (plan.bytes_sent, &plan.not_checked) {
            writeln!(f, "  {} pass through this machine; not checked: {not_checked}", counted(sent, "byte"))?;
        }
        writeln!(f, "parts")?;
        for shown in shortened(&plan.parts, SHOWN, f.alternate()) {
            match shown {
                Shown::Item(part) => {
                    let rows =
                        part.rows.map(|rows| format!("  {}", counted(rows, "row"))).unwrap_or_default();
                    writeln!(f, "  {:>14}  {}{rows}", part.bytes, Escaped(&part.file))?;
                }
                Shown::More(more) => writeln!(f, "  … {more} more …")?,
            }
        }
        writeln!(f, "columns")?;
        for column in &plan.columns {
            writeln!(f, "  {}: {}", Escaped(&column.name), column.data_type)?;
        }
        writeln!(f, "outputs")?;
        for shown in shortened(&plan.outputs, SHOWN, f.alternate()) {
            match shown {
                Shown::Item(output) => writeln!(f, "  {}", Escaped(output))?,
                Shown::More(more) => writeln!(f, "  … {more} more …")?,
            }
        }
        if let Some(rows) = plan.split_rows {
            writeln!(f, "  and so on, {rows} rows each")?;
        }
        if let Some(bytes) = plan.split_bytes {
            writeln!(f, "  and so on, up to {bytes} bytes each")?;
        }
        Ok(())
    }
}

/// An element of a list that may be shortened.
enum Shown<'a, T> {
    Item(&'a T),
    /// This many items are left out here.
    More(usize),
}

/// The items of a list, or the first and last of them if there are more than `most`.
fn shortened<T>(list: &[T], most: usize, is_whole: bool) -> impl Iterator<Item = Shown<'_, T>> {
    let is_whole = is_whole || list.len() <= most;
    let (first, last) =
        if is_whole { (list, &[][..]) } else { (&list[..most / 2], &list[list.len() - most / 2..]) };
    let more = (!is_whole).then(|| Shown::More(list.len() - first.len() - last.len()));
    first.iter().map(Shown::Item).chain(more).chain(last.iter().map(Shown::Item))
}
