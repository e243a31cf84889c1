//! What people and scripts see. Text from outside is escaped before it reaches a terminal, and stripped of this
//! process's secrets.

use super::args::Global;
use super::failure::Failure;
use super::flags::flag;
use forecast_export::{
    Error, Escaped, ExportSummary, Inventory, PartState, ReceiptSummary, Report, SampleReport, SchemaSummary,
    VerifyReport, Warning, without_secrets,
};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Prints text on standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let failed =
        |source| Error::Io { doing: "writing", object: "standard output".into(), source: Arc::new(source) };
    Ok(out.write_all(without_secrets(text).as_bytes()).and_then(|()| out.flush()).map_err(failed)?)
}

/// Prints one JSON document on standard output.
pub(crate) fn json(document: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Error::Internal(format!("the document cannot be written as JSON: {error}")))?;
    print(&format!("{text}\n"))
}

/// Prints a line on standard error; if that is closed, the line is lost.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", multiline_safe(&without_secrets(text.trim_end())));
}

/// Prints warnings on standard error, unless only errors are wanted.
pub(crate) fn warnings(global: &Global, warnings: &[Warning]) {
    if global.quiet {
        return;
    }
    for warning in warnings {
        note(&format!("warning: {}", warning.named(flag)));
    }
}

/// Says which folders were created, by the innermost of each: one of them may be a typing error.
pub(crate) fn created(folders: &[String]) {
    for folder in folders {
        let is_above = |other: &String| other != folder && other.starts_with(folder.as_str());
        if !folders.iter().any(is_above) {
            note(&format!("note: created the folder {folder}"));
        }
    }
}

/// Escapes control characters except line ends.
pub(crate) fn multiline_safe(text: &str) -> String {
    text.split('\n').map(|line| Escaped(line).to_string()).collect::<Vec<_>>().join("\n")
}

/// Bytes for people: three digits and a decimal unit.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value < 9.995 => format!("{value:.2} {}", units[unit]),
        _ if value < 99.95 => format!("{value:.1} {}", units[unit]),
        _ => format!("{value:.0} {}", units[unit]),
    }
}

/// A number with its noun, which is plural unless the number is 1.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// How many rows, if they were counted.
fn rows(number: Option<u64>) -> String {
    number.map_or("rows".to_owned(), |number| counted(number, "row"))
}

/// Columns of text, each as wide as its widest cell; numbers are right-aligned.
fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().map(|row| row[c].width()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[c] - cell.width());
            let gap = if c == 0 { "" } else { "  " };
            if right.contains(&c) {
                let _ = write!(line, "{gap}{pad}{cell}");
            } else {
                let _ = write!(line, "{gap}{cell}{pad}");
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

pub(crate) fn inventory(found: &Inventory, verbose: bool) -> String {
    let mut text = String::new();
    if !found.exports.is_empty() {
        let mut rows = vec![
            ["JOB", "RUN", "KIND", "PARTS", "FORMAT", "SIZE", "FOLDER", "NOTES"].map(String::from).to_vec(),
        ];
        for export in &found.exports {
            let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { Escaped(text).to_string() };
            rows.push(vec![
                dash(&export.job),
                dash(export.run.as_deref().unwrap_or_default()),
                export.kind.to_string(),
                export.parts.len().to_string(),
                export.format.map_or("-".to_owned(), |format| format.to_string()),
                size(export.bytes),
                dash(&export.folder),
                notes(export),
            ]);
        }
        text.push_str(&table(&rows, &[3, 5]));
    }
    if verbose {
        for export in &found.exports {
            let _ =
                writeln!(text, "\n{} {}", Escaped(&export.job), Escaped(export.run.as_deref().unwrap_or("")));
            let rows: Vec<Vec<String>> = export
                .parts
                .iter()
                .map(|part| {
                    vec![
                        part.number.map_or(String::new(), |number| number.to_string()),
                        size(part.bytes),
                        part.rows.map_or(String::new(), |rows| counted(rows, "row")),
                        state(part.state).to_owned(),
                        Escaped(&part.file).to_string(),
                        part.problem.as_deref().map_or(String::new(), |problem| Escaped(problem).to_string()),
                    ]
                })
                .collect();
            text.push_str(&table(&rows, &[0, 1, 2]));
        }
    }
    let lists = [
        ("strays", &found.strays),
        ("markers", &found.markers),
        ("named like receipts", &found.receipt_files),
    ];
    for (title, files) in lists {
        if files.is_empty() {
            continue;
        }
        let shown = if verbose { files.len() } else { 5 };
        let names: Vec<String> =
            files.iter().take(shown).map(|file| Escaped(&file.file).to_string()).collect();
        let more = files.len().saturating_sub(shown);
        let more = if more > 0 { format!(" and {more} more; -v shows all") } else { String::new() };
        let _ = writeln!(text, "{title} ({}): {}{more}", files.len(), names.join(", "));
    }
    if !found.receipts.is_empty() {
        let _ = writeln!(text, "receipts ({}):", found.receipts.len());
        let shown = if verbose { found.receipts.len() } else { 5 };
        for receipt in found.receipts.iter().take(shown) {
            let _ = writeln!(text, "  {}", receipt_line(receipt));
        }
        if found.receipts.len() > shown {
            let _ = writeln!(text, "  and {} more; -v shows all", found.receipts.len() - shown);
        }
    }
    if found.undated > 0 {
        let runs = counted(found.undated, "run");
        let _ = writeln!(text, "left out: {runs} without a timestamp to compare with --since");
    }
    if found.names_only {
        let _ = writeln!(text, "no file was opened: KIND and FORMAT are taken from file names");
    }
    text
}

/// `x.csv.receipt.json: 36 rows of sales 2026-01-02T03-04-05Z, from 12 parts, 2026-01-03T04:05:06Z`
fn receipt_line(receipt: &ReceiptSummary) -> String {
    let of = format!("{} {}", receipt.job, receipt.runs.join(" "));
    Escaped(&format!(
        "{}: {} of {}, from {}, written {} by {}",
        receipt.file,
        rows(receipt.rows),
        of.trim(),
        counted(receipt.parts, "part"),
        receipt.written.format("%Y-%m-%dT%H:%M:%SZ"),
        receipt.tool
    ))
    .to_string()
}

fn state(state: PartState) -> &'static str {
    match state {
        PartState::Rows | PartState::Unread => "",
        PartState::HeaderOnly => "no rows",
        PartState::Empty => "empty",
        PartState::Damaged => "damaged",
        PartState::NotATable => "not a table",
        PartState::Archived => "archived",
    }
}

fn notes(export: &ExportSummary) -> String {
    let mut notes = Vec::new();
    if !export.gaps.is_empty() {
        let gaps: Vec<String> = export.gaps.iter().take(10).map(ToString::to_string).collect();
        let more = if export.gaps.len() > 10 { " …" } else { "" };
        notes.push(format!("missing {}{more}", gaps.join(" ")));
    }
    for duplicate in export.duplicates.iter().take(3) {
        notes.push(format!("duplicate {}", Escaped(duplicate)));
    }
    for (wanted, word) in [
        (PartState::HeaderOnly, "without rows"),
        (PartState::Empty, "empty"),
        (PartState::Damaged, "damaged"),
        (PartState::NotATable, "not a table"),
        (PartState::Archived, "archived"),
    ] {
        let count = export.parts.iter().filter(|part| part.state == wanted).count();
        if count > 0 {
            notes.push(format!("{count} {word}"));
        }
    }
    let mut formats: Vec<_> = export.parts.iter().filter_map(|part| part.format).collect();
    formats.dedup();
    if formats.len() > 1 {
        notes.push("CSV and Parquet mixed".to_owned());
    }
    if notes.is_empty() { "no gaps".to_owned() } else { notes.join(", ") }
}

pub(crate) fn schema(found: &SchemaSummary) -> String {
    let rows = found.rows.map(|rows| format!(", {}", counted(rows, "row"))).unwrap_or_default();
    let mut text = format!("{} {}, {}{rows}\n", found.format, found.kind, counted(found.parts, "part"));
    let mut lines = vec![["COLUMN", "TYPE", "NULLS"].map(String::from).to_vec()];
    for column in &found.columns {
        let nulls = if column.nullable { "yes" } else { "no" };
        lines.push(vec![Escaped(&column.name).to_string(), column.data_type.clone(), nulls.to_owned()]);
    }
    text.push_str(&table(&lines, &[]));
    if let Some(receipt) = &found.receipt {
        let _ = writeln!(text, "receipt {}", receipt_line(receipt));
    }
    text
}

pub(crate) fn report(report: &Report) -> String {
    if report.up_to_date {
        let output = match report.outputs.as_slice() {
            [one] => one.file.clone(),
            files => counted(files.len() as u64, "file"),
        };
        return format!("up to date: {output}, {}", rows(report.rows));
    }
    let bytes: u64 = report.outputs.iter().map(|file| file.bytes).sum();
    let output = match report.outputs.as_slice() {
        [one] => one.file.clone(),
        files => format!("{} files", files.len()),
    };
    let rows = rows(report.rows);
    format!(
        "{rows} from {}, {} -> {output}, {} ({}, {:.2} s)",
        counted(report.parts, "part"),
        size(report.bytes_read),
        size(bytes),
        report.strategy,
        report.seconds
    )
}

pub(crate) fn verify_report(report: &VerifyReport) -> String {
    format!(
        "{} of {} match {}, in order; digest {} ({:.2} s)",
        counted(report.rows, "row"),
        report.output,
        report.source,
        report.digest.as_deref().unwrap_or_default(),
        report.seconds
    )
}

pub(crate) fn sample_report(report: &SampleReport, folder: &str) -> String {
    format!(
        "{} in {} -> {folder}, {} ({} {}, {:.2} s)",
        counted(report.rows, "row"),
        counted(report.outputs.len() as u64, "part"),
        size(report.bytes),
        report.to,
        report.kind,
        report.seconds
    )
}

/// One line about a Forecast job.
#[cfg(feature = "forecast")]
pub(crate) fn job(job: &forecast_export::Job) -> String {
    let format = job.format.map(|format| format!(" ({format})")).unwrap_or_default();
    let destination = job.destination.as_deref().unwrap_or("without a destination");
    format!("{} is {}: {}{format}", job.name, job.status, Escaped(destination))
}
