//! A plan as it is shown: plain data, and as text.

use super::decided::Plan;
use super::on_server;
use super::output::{Output, PlannedOutput};
use crate::model::{ColumnSummary, Format, Kind, Split, Strategy, column_summaries};
use crate::sink::Target;
use crate::source::PlannedPart;

use serde::Serialize;
use std::fmt;

/// A plan as data: what `--dry-run --json` prints. Field names are stable.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct PlanSummary {
    /// Where parts are read.
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
    /// How it is done.
    pub strategy: Strategy,
    /// Why it is done that way.
    pub why: String,
    /// Whether the output is there already, so that nothing is to be done.
    pub up_to_date: bool,
    /// The parts in the order they are read.
    pub parts: Vec<PlannedPartSummary>,
    /// Bytes of all parts.
    pub bytes: u64,
    /// Rows of all parts, where footers tell.
    pub rows: Option<u64>,
    /// The columns of the output.
    pub columns: Vec<ColumnSummary>,
    /// The files to be written; for an output that is cut anew the first one.
    pub outputs: Vec<String>,
    /// Where the output is cut anew: after so many rows.
    pub split_rows: Option<u64>,
    /// Where the output is cut anew: before so many bytes.
    pub split_bytes: Option<u64>,
    /// Bytes of the output that pass through this machine, where the server copies the others.
    pub bytes_sent: Option<u64>,
    /// What is not checked, as the server copies it unread.
    pub not_checked: Option<String>,
    /// Requests to the stores, about.
    pub requests: u64,
    /// What is odd, but no error.
    pub warnings: Vec<String>,
}

/// A part in a [`PlanSummary`].
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct PlannedPartSummary {
    /// Its path or URL.
    pub file: String,
    /// Bytes.
    pub bytes: u64,
    /// Rows, where they are known.
    pub rows: Option<u64>,
}

impl Plan {
    /// The plan as data.
    pub fn summary(&self) -> PlanSummary {
        let parts = self.input.parts.iter().map(|part| PlannedPartSummary {
            file: part.object.url.clone(),
            bytes: part.object.size,
            rows: part.parquet().and_then(|metadata| u64::try_from(metadata.file_metadata().num_rows()).ok()),
        });
        let outputs = match (&self.done, &self.recut) {
            (Some(done), _) => done.files.iter().map(|file| file.file.clone()).collect(),
            (None, Some(recut)) => {
                vec![recut.folder.child(&recut.like.renumbered(0, recut.extension)).to_string()]
            }
            (None, None) => self.outputs.iter().map(|output| output.target.to_string()).collect(),
        };
        let (split_rows, split_bytes) = match self.recut.as_ref().map(|recut| recut.split) {
            Some(Split::Rows(rows)) => (Some(rows), None),
            Some(Split::Bytes(bytes)) => (None, Some(bytes)),
            None => (None, None),
        };
        PlanSummary {
            source: self.source.to_string(),
            job: self.input.exports.first().map(|export| export.job.clone()).unwrap_or_default(),
            runs: self.input.exports.iter().filter_map(|e| e.run.as_ref().map(ToString::to_string)).collect(),
            kind: self.input.kind,
            from: self.input.format,
            to: self.to,
            compression: self.compression_shown(),
            strategy: self.strategy,
            why: self.why.clone(),
            up_to_date: self.done.is_some(),
            parts: parts.collect(),
            bytes: self.input.bytes(),
            rows: self.rows(),
            columns: column_summaries(&self.input.schema),
            outputs,
            split_rows,
            split_bytes,
            bytes_sent: self.on_server.as_ref().map(|merge| merge.totals.sent_bytes),
            not_checked: self.on_server.as_ref().map(|merge| merge.not_checked(self.to).to_owned()),
            requests: self.requests(),
            warnings: self.input.warnings.clone(),
        }
    }

    fn compression_shown(&self) -> String {
        let copies_row_groups = self.strategy == Strategy::CopyRowGroups
            || (self.strategy == Strategy::CopyOnServer && self.to == Format::Parquet);
        if copies_row_groups { "as it is".into() } else { self.compression.to_string() }
    }

    /// Ranged reads and writes of about 8 MiB; nothing on local disk.
    fn requests(&self) -> u64 {
        if self.done.is_some() {
            return 0;
        }
        if let Some(merge) = &self.on_server {
            let totals = merge.totals;
            let reads = merge.text.iter().filter(|piece| match piece {
                on_server::TextOnServer::Read { part } => {
                    self.input.parts[*part].csv_head().is_some_and(|head| head.whole.is_none())
                }
                _ => false,
            });
            let parts = totals.copies + totals.sent + totals.reads + reads.count();
            // Create, the last listing, complete, which looks for what must not be replaced, and the receipt.
            return parts as u64 + 4;
        }
        let pieces = |bytes: u64| bytes.div_ceil(crate::model::TRANSFER_BYTES as u64);
        let reads: u64 = if self.input.store.is_local() {
            0
        } else {
            let kept = |part: &PlannedPart| part.csv_head().is_some_and(|head| head.whole.is_some());
            self.input
                .parts
                .iter()
                .filter(|part| !kept(part))
                .map(|part| pieces(part.object.size).max(1))
                .sum::<u64>()
                * if self.options.verify { 2 } else { 1 }
                // The listing that sees whether the parts are still what they were.
                + 1
        };
        let is_remote = |output: &&PlannedOutput| matches!(&output.target, Target::File(l) if !l.is_local());
        let writes: u64 = self
            .outputs
            .iter()
            .filter(is_remote)
            .map(|output| {
                let bytes: u64 =
                    self.input.parts[output.parts.clone()].iter().map(|part| part.object.size).sum();
                // Create and complete, where there is more than one piece.
                if pieces(bytes) > 1 { pieces(bytes) + 2 } else { 1 }
            })
            .sum();
        let receipt = match &self.output {
            _ if self.options.no_receipt => 0,
            Output::File(location) if !location.is_local() && self.to == Format::Csv => 1,
            // With the listing that tells what the store calls the files.
            Output::Folder(folder) if !folder.is_local() => 2,
            _ => 0,
        };
        reads + writes + receipt
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plan").field(&self.summary()).finish()
    }
}

/// The most parts and outputs a dry run shows, half at either end.
const SHOWN: usize = 20;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::model::Escaped;
        let plan = self.summary();
        let title = if plan.job.is_empty() { plan.source.as_str() } else { plan.job.as_str() };
        write!(f, "{}", Escaped(title))?;
        if !plan.runs.is_empty() {
            write!(f, ", run {}", Escaped(&plan.runs.join(", ")))?;
        }
        writeln!(f, " ({})", plan.kind)?;
        write!(f, "  {} -> {}, compression {}", plan.from, plan.to, plan.compression)?;
        writeln!(f, "; {}: {}", plan.strategy, plan.why)?;
        let counted =
            |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let rows = plan.rows.map(|rows| format!(", {}", counted(rows, "row"))).unwrap_or_default();
        writeln!(
            f,
            "  {}, {}{rows}; about {}",
            counted(plan.parts.len() as u64, "part"),
            counted(plan.bytes, "byte"),
            counted(plan.requests, "request")
        )?;
        if let (Some(sent), Some(not_checked)) = (plan.bytes_sent, &plan.not_checked) {
            writeln!(f, "  {} pass through this machine; not checked: {not_checked}", counted(sent, "byte"))?;
        }
        writeln!(f, "parts")?;
        shortened(f, &plan.parts, |f, part| {
            let rows = part.rows.map(|rows| format!("  {}", counted(rows, "row"))).unwrap_or_default();
            writeln!(f, "  {:>14}  {}{rows}", part.bytes, Escaped(&part.file))
        })?;
        writeln!(f, "columns")?;
        for column in &plan.columns {
            writeln!(f, "  {}: {}", Escaped(&column.name), column.data_type)?;
        }
        writeln!(f, "outputs")?;
        shortened(f, &plan.outputs, |f, output| writeln!(f, "  {}", Escaped(output)))?;
        if let Some(rows) = plan.split_rows {
            writeln!(f, "  and so on, {rows} rows each")?;
        }
        if let Some(bytes) = plan.split_bytes {
            writeln!(f, "  and so on, up to {bytes} bytes each")?;
        }
        Ok(())
    }
}

fn shortened<T>(
    f: &mut fmt::Formatter<'_>,
    list: &[T],
    mut show: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if list.len() <= SHOWN {
        return list.iter().try_for_each(|item| show(f, item));
    }
    list[..SHOWN / 2].iter().try_for_each(|item| show(f, item))?;
    writeln!(f, "  … {} more …", list.len() - SHOWN)?;
    list[list.len() - SHOWN / 2..].iter().try_for_each(|item| show(f, item))
}
