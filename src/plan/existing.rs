//! Examines what is in the output's place: takes an output and the chosen parts, returns whether the output is up to
//! date, may be written, or exists and differs.

use super::decided::RunPlan;
use super::output::{Asked, Output};
use super::receipt::{self, Receipt, ReceiptOptions};
use crate::model::{Error, ExistsWhy, Format, Result, UsageError, Warning, WrittenFile};
use crate::sink::run_of;
use crate::source::{CsvReading, Export, Probe, probe};
use crate::store::system::real_path;
use crate::store::{Location, Object, listing};

use futures::{StreamExt, stream};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// What was found in the output's place.
pub(crate) enum Existing {
    Nothing,
    File(Object),
    /// Everything in and below a folder.
    Folder(Vec<Object>),
    /// Access is denied, so whether it exists shows only when it is written.
    Unseen,
}

impl Existing {
    /// The number of objects in and below the output's folder.
    pub(super) fn found_in_folder(&self) -> u64 {
        match self {
            Existing::Folder(objects) => objects.len() as u64,
            Existing::Nothing | Existing::File(_) | Existing::Unseen => 0,
        }
    }
}

/// Examines the place once: a HEAD for a file, a listing for a folder. An object that may be replaced is not examined.
pub(crate) async fn look(output: &Output, overwrite: bool) -> Result<Existing> {
    match look_at(output, overwrite).await {
        Err(Error::Denied { .. }) if output.location().is_some_and(|place| !place.is_local()) => {
            Ok(Existing::Unseen)
        }
        found => found,
    }
}

async fn look_at(output: &Output, overwrite: bool) -> Result<Existing> {
    match output {
        straight if straight.is_written_straight() => Ok(Existing::Nothing),
        Output::Stdout => Ok(Existing::Nothing),
        Output::File(location) => {
            if overwrite && !location.is_local() {
                return Ok(Existing::Nothing);
            }
            let there = location.store.head(&location.path).await?;
            Ok(there.map_or(Existing::Nothing, Existing::File))
        }
        Output::Folder(folder) => {
            if folder.is_local() && std::fs::metadata(&folder.path).is_ok_and(|meta| !meta.is_dir()) {
                return Err(UsageError::ConvertIntoFile { path: folder.to_string() }.into());
            }
            match listing::list(&folder.as_folder()).await {
                Ok(listing) => Ok(Existing::Folder(listing.objects)),
                Err(Error::NotFound(_)) if folder.is_local() => Ok(Existing::Nothing),
                Err(error) => Err(error),
            }
        }
    }
}

/// Where a merge to a link writes: to the file that the link points to, with the receipt next to it. `None` if there is
/// no link.
///
/// # Errors
/// [`UsageError::OutputIsLink`] if the link is broken, because its intended target is unknown.
pub(super) fn followed(output: &Output) -> Result<Option<(Output, Warning)>> {
    let Output::File(location) = output else { return Ok(None) };
    if !location.is_local() || output.is_written_straight() {
        return Ok(None);
    }
    let Ok(to) = std::fs::read_link(&location.path) else { return Ok(None) };
    let link = || UsageError::OutputIsLink { path: location.to_string(), to: to.display().to_string() };
    let file = real_path(Path::new(&location.path)).map_err(|_| link())?;
    let file = file.to_str().ok_or_else(link)?;
    let warning = Warning::LinkFollowed { path: location.to_string(), to: file.to_owned() };
    Ok(Some((Output::file(file)?, warning)))
}

/// Fails if there is a link in place of a part to write.
pub(super) fn refuse_link(file: &Location) -> Result<()> {
    match std::fs::read_link(&file.path) {
        Ok(to) if file.is_local() => {
            Err(UsageError::OutputIsLink { path: file.to_string(), to: to.display().to_string() }.into())
        }
        _ => Ok(()),
    }
}

/// What the output's receipt says.
pub(super) enum Told {
    Nothing,
    /// The output is what a run over these parts would write.
    UpToDate(Box<Receipt>, Vec<WrittenFile>),
    /// A run over these parts had published only the files with these names when it was stopped.
    Unended(HashSet<String>),
}

/// Decides by the output's receipt whether it is what a run over these parts would write. If it is known to differ, the
/// error says why.
pub(super) async fn told(existing: &Existing, asked: &Asked<'_>, exports: &[Export]) -> Result<Told> {
    let options = asked.options;
    if options.overwrite {
        return Ok(Told::Nothing);
    }
    let found = match (existing, asked.output) {
        (Existing::File(object), Output::File(location)) => {
            // For a file, the format is known without the parts.
            of_file(object, location, asked.becomes(Format::Csv)).await?
        }
        (Existing::Folder(there), Output::Folder(folder)) => of_folder(there, folder, exports).await?,
        _ => None,
    };
    let Some(Found { place, receipt, changed, files, missing }) = found else { return Ok(Told::Nothing) };
    let form = asked.form(receipt.from)?;
    let names = receipt.outputs.iter().map(|output| output.file.as_str());
    let has_all = asked.are_outputs(exports, form, names);
    let asked = ReceiptOptions::new(form.to, &form.compression.to_string(), options);
    let difference = match changed {
        Some(why) => Some(why),
        None => receipt
            .difference(exports, &asked, options)
            .or((!has_all).then_some(ExistsWhy::OutputChanged { file: None })),
    };
    if let Some(difference) = difference {
        return Err(Error::exists(place, difference));
    }
    if let Some(expected) = options.select.expect_rows
        && receipt.rows != Some(expected)
    {
        return Err(match receipt.rows {
            Some(rows) => crate::source::rows_missing(rows, expected),
            None => Error::exists(place, ExistsWhy::RowsNotCounted),
        });
    }
    if !missing.is_empty() {
        let there = receipt.outputs.into_iter().map(|output| output.file);
        return Ok(Told::Unended(there.filter(|file| !missing.contains(file)).collect()));
    }
    Ok(Told::UpToDate(Box::new(receipt), files))
}

/// A receipt, and the current state of the files it describes.
struct Found {
    place: String,
    receipt: Receipt,
    changed: Option<ExistsWhy>,
    files: Vec<WrittenFile>,
    /// The files that a stopped run had not published yet.
    missing: HashSet<String>,
}

async fn of_file(object: &Object, location: &Location, format: Format) -> Result<Option<Found>> {
    let receipt = match format {
        Format::Parquet => match footer(object, location).await.as_deref() {
            Ok([Probe::Parquet(footer)]) => {
                let metadata = footer.metadata();
                receipt::in_metadata(&metadata)
                    .map(|receipt| (receipt::is_as_written(&receipt, object, &metadata), receipt))
            }
            // A file that cannot be read is not a receipt.
            _ => None,
        },
        Format::Csv => {
            let beside = receipt::beside(location);
            let read = receipt::read(&beside.store, &beside.path).await?;
            let is_only =
                |receipt: &Receipt| matches!(receipt.outputs.as_slice(), [output] if output.is(object));
            read.map(|receipt| (is_only(&receipt), receipt))
        }
    };
    let Some((is_as_written, receipt)) = receipt else { return Ok(None) };
    let file = WrittenFile { file: location.to_string(), bytes: object.size, rows: receipt.rows };
    let changed = (!is_as_written).then_some(ExistsWhy::OutputChanged { file: None });
    Ok(Some(Found {
        place: location.to_string(),
        receipt,
        changed,
        files: vec![file],
        missing: HashSet::new(),
    }))
}

/// The names of objects that a run over the same parts, with the same options, wrote before it was killed. There is no
/// receipt for them yet, but their marks identify the run.
pub(super) async fn unended_objects(existing: &Existing, plan: &RunPlan) -> HashSet<String> {
    if plan.options.overwrite || plan.options.no_receipt || plan.receipt_place().is_none() {
        return HashSet::new();
    }
    let there: Vec<Location> = match (existing, &plan.output) {
        (Existing::File(_), Output::File(location)) => vec![location.clone()],
        (Existing::Folder(there), Output::Folder(folder)) => {
            let in_folder = there.iter().filter(|object| object.folder() == folder.path);
            let of_run = in_folder.filter(|object| plan.is_output(object.file_name()));
            of_run.map(|object| folder.at(&object.key)).collect()
        }
        _ => return HashSet::new(),
    };
    let own = stream::iter(there.into_iter().filter(|location| !location.is_local()))
        .map(|location| async move {
            let name = location.split().1.to_owned();
            run_of(&location).await.filter(|run| *run == plan.identity).map(|_| name)
        })
        .buffer_unordered(LOOKS_AT_ONCE);
    own.filter_map(|name| async { name }).collect().await
}

/// Objects whose marks are read at the same time.
const LOOKS_AT_ONCE: usize = 32;

async fn footer(object: &Object, location: &Location) -> Result<Vec<Probe>> {
    probe(&location.store, &[Arc::new(object.clone())], &CsvReading::of_output(None)).await
}

async fn of_folder(there: &[Object], folder: &Location, exports: &[Export]) -> Result<Option<Found>> {
    let name = receipt::name_in_folder(exports);
    let in_folder = |object: &&Object| object.folder() == folder.path || folder.path.is_empty();
    let find = |name: &str| there.iter().filter(in_folder).find(|object| object.file_name() == name);
    let Some(object) = find(&name) else { return Ok(None) };
    let Some(receipt) = receipt::read(&folder.store, &object.key).await? else { return Ok(None) };
    if receipt.outputs.iter().all(|output| find(&output.file).is_none()) {
        // If the receipt's files have been removed, they may be written again.
        return Ok(None);
    }
    let is_unended = receipt.is_of_unended_publication();
    let is_missing = |output: &&receipt::ReceiptOutput| is_unended && find(&output.file).is_none();
    let missing = receipt.outputs.iter().filter(is_missing).map(|output| output.file.clone()).collect();
    let is_other = |output: &&receipt::ReceiptOutput| {
        !is_missing(output) && !find(&output.file).is_some_and(|file| output.is(file))
    };
    let changed = receipt.outputs.iter().find(is_other);
    let changed = changed.map(|output| ExistsWhy::OutputChanged { file: Some(output.file.clone()) });
    let written = |output: &receipt::ReceiptOutput| WrittenFile {
        file: folder.child(&output.file).to_string(),
        bytes: output.bytes,
        rows: output.rows,
    };
    let files = receipt.outputs.iter().map(written).collect();
    Ok(Some(Found { place: folder.to_string(), receipt, changed, files, missing }))
}
