//! Checks before and after writing: refuses to replace existing outputs, and to leave parts of an earlier run next to
//! new ones.

use super::decided::RunPlan;
use super::existing::{Existing, refuse_link};
use super::output::{Output, Outputs, longest};
use super::receipt::{self, Taken};
use crate::model::{DataErrorKind, Error, ExistsWhy, Options, Remedy, Result, RunStamp, Setting, UsageError};
use crate::source::{Export, Input};
use crate::store::listing::{self, Coverage};
use crate::store::{Location, Object, Place};

use arrow::datatypes::Schema;
use parquet::basic::LogicalType;
use parquet::schema::types::Type;
use std::collections::HashSet;

/// Fails if files would replace parts, or if the next run over the source would read them as parts. The files are in
/// one folder.
pub(super) fn refuse_in_source(
    source: &Location,
    exports: &[Export],
    options: &Options,
    files: &[Location],
) -> Result<()> {
    let Some(first) = files.first() else { return Ok(()) };
    let (folder, listed) = (Place::of_folder(&first.folder()), Coverage::of(source));
    for file in files {
        let (above, name) = file.split();
        let place = folder.child(name);
        let path = file.to_string();
        let mut parts = exports.iter().flat_map(|export| &export.parts).map(|part| &*part.object);
        let lies_at = |part: &Object| {
            let there = || Place::of_folder(&source.at(&part.key).folder());
            match part.file_name() == name {
                true => place.is_in(&there(), name),
                false => {
                    part.file_name().to_lowercase() == name.to_lowercase()
                        && place.is_in_other_case(&there().child(part.file_name()))
                }
            }
        };
        if parts.any(lies_at) {
            return Err(UsageError::OutputIsPart { path }.into());
        }
        if !listed.holds(&place) {
            continue;
        }
        if options.select.pattern.parse(above, name).is_some() {
            return Err(UsageError::OutputInSource { path, place: source.to_string() }.into());
        }
    }
    Ok(())
}

/// Fails for a Bloom filter on a column that the output will not have.
pub(super) fn check_filters(schema: &Schema, options: &Options) -> Result<()> {
    for column in &options.bloom_filters {
        if schema.field_with_name(column).is_err() {
            let known = schema.fields().iter().map(|field| field.name().clone()).collect();
            let (setting, column) = (Setting::BloomFilters, column.clone());
            return Err(UsageError::NoSuchColumn { setting, column, known }.into());
        }
    }
    Ok(())
}

/// As [`refuse_in_source`], and also fails for names that are too long.
pub(super) fn refuse_places(plan: &RunPlan) -> Result<()> {
    let files: Vec<Location> = match &plan.outputs {
        Outputs::Files(files) => {
            files.iter().filter_map(|planned| planned.target.location()).cloned().collect()
        }
        Outputs::Resplit(resplit) => vec![resplit.file(0)],
    };
    refuse_in_source(&plan.source, &plan.input.exports, &plan.options, &files)?;
    if let Some(receipt) = plan.receipt_place() {
        let (name, most) = longest(&receipt);
        if name.len() > most {
            return Err(UsageError::ReceiptNameTooLong { name: name.to_owned(), most }.into());
        }
    }
    Ok(())
}

/// Fails for a column of an unknown logical type, because re-encoded Parquet could not declare it.
pub(super) fn refuse_unknown_types(input: &Input, options: &Options) -> Result<()> {
    let is_retyped =
        |name: &str| options.all_strings || options.types.iter().any(|(column, _)| column == name);
    for part in &input.parts {
        let Some(footer) = part.parquet() else { continue };
        for field in footer.file_metadata().schema().get_fields() {
            let name = field.name();
            if let Some(number) = unknown_type(field)
                && !is_retyped(name)
            {
                let problem = format!("its logical type has the unknown number {number} and would be lost");
                let error = Error::data(DataErrorKind::Unsupported, &part.object.url, problem);
                return Err(error.column(name).remedy(Remedy::KeepAsText { column: name.to_owned() }).into());
            }
        }
    }
    Ok(())
}

/// The format's number of the first unknown logical type of a column.
fn unknown_type(column: &Type) -> Option<i16> {
    match column.get_basic_info().logical_type_ref() {
        Some(LogicalType::_Unknown { field_id }) => Some(*field_id),
        _ if column.is_group() => column.get_fields().iter().find_map(|field| unknown_type(field)),
        _ => None,
    }
}

/// Fails if the output exists, or if old parts of the same run would stay next to the new ones.
pub(super) fn refuse_existing(plan: &RunPlan, existing: &Existing) -> Result<()> {
    let targets = match &plan.outputs {
        Outputs::Files(files) => files.as_slice(),
        Outputs::Resplit(_) => &[],
    };
    let files = || targets.iter().filter_map(|planned| planned.target.location());
    let (there, folder) = match (existing, &plan.output) {
        (Existing::File(_), Output::File(location)) if !plan.overwrites(location.split().1) => {
            return Err(Error::exists(location.to_string(), ExistsWhy::Exists));
        }
        (Existing::Folder(there), Output::Folder(folder)) => (there, folder),
        _ => return Ok(()),
    };
    let new: HashSet<&str> = files().map(|location| location.split().1).collect();
    for (object, is_of_run) in in_folder(plan, folder, there) {
        let is_replaced = new.contains(object.file_name());
        if plan.unended.contains(object.file_name()) {
            continue;
        }
        if is_replaced && !plan.options.overwrite {
            return Err(Error::exists(&object.url, ExistsWhy::Exists));
        }
        // If rows are resplit into new files, the number of new parts is not known yet.
        let is_known = matches!(plan.outputs, Outputs::Files(_)) || !plan.options.overwrite;
        if is_of_run && !is_replaced && is_known {
            return Err(stays(object));
        }
        let is_part = || {
            let place = Place::of_file(&folder.at(&object.key));
            let mut parts = plan.input.parts.iter().map(|part| &part.object);
            parts.any(|part| {
                part.file_name() == object.file_name()
                    && place.is_in(&Place::of_folder(&plan.source.at(&part.key).folder()), part.file_name())
            })
        };
        if is_of_run && is_part() {
            return Err(UsageError::FolderHoldsPart { path: object.url.clone() }.into());
        }
    }
    files().try_for_each(refuse_link)
}

/// Fails if a receipt would replace a file that is not a receipt, unless overwriting is requested; returns whether the
/// existing file may be replaced.
pub(super) async fn refuse_taken_receipt(plan: &RunPlan) -> Result<bool> {
    let Some(place) = plan.receipt_place() else { return Ok(true) };
    if place.is_local() && std::fs::symlink_metadata(&place.path).is_ok_and(|meta| meta.is_dir()) {
        return Err(UsageError::IsFolder { path: place.to_string() }.into());
    }
    if plan.options.overwrite {
        return Ok(true);
    }
    match receipt::look(&place).await {
        Ok(Taken::Receipt(_)) => Ok(true),
        Ok(Taken::Free) => Ok(false),
        Ok(Taken::Other) => Err(Error::exists(place.to_string(), ExistsWhy::NoReceipt)),
        Err(error) => Err(error),
    }
}

/// Fails if the parts of a run would be replaced by fewer new ones, because the others would stay next to them. Checks
/// once more, because another run may have written parts since the plan was made.
pub(crate) async fn refuse_stale(plan: &RunPlan, written: &[&str]) -> Result<()> {
    let folder = match (&plan.output, &plan.outputs) {
        (Output::Folder(folder), Outputs::Resplit(_)) if plan.options.overwrite => folder,
        (Output::Folder(folder), _) if folder.is_local() => folder,
        _ => return Ok(()),
    };
    let names = written.iter().map(|file| file.rsplit('/').next().unwrap_or_default());
    let new: HashSet<&str> = names.collect();
    let there = match listing::list(&folder.as_folder()).await {
        Ok(listing) => listing.objects,
        Err(Error::NotFound(_)) => return Ok(()),
        // A warning has already said that the folder cannot be listed.
        Err(Error::Denied { .. }) if !folder.is_local() => return Ok(()),
        Err(error) => return Err(error),
    };
    let stale = |(object, is_of_run): &(&Object, bool)| *is_of_run && !new.contains(object.file_name());
    match in_folder(plan, folder, &there).find(stale) {
        Some((stale, _)) => Err(stays(stale)),
        None => Ok(()),
    }
}

fn stays(object: &Object) -> Error {
    Error::exists(&object.url, ExistsWhy::StalePart)
}

/// The objects directly in the folder of a conversion, and whether each is a part of a converted run.
fn in_folder<'a>(
    plan: &'a RunPlan,
    folder: &'a Location,
    there: &'a [Object],
) -> impl Iterator<Item = (&'a Object, bool)> {
    let plan = plan.first();
    let runs: Vec<(&str, Option<&RunStamp>)> = match &plan.options.names {
        Some(like) => vec![(like.job(), like.run())],
        None => plan.input.exports.iter().map(|export| (export.job.as_str(), export.run.as_ref())).collect(),
    };
    there.iter().filter(|object| object.folder() == folder.path || folder.path.is_empty()).map(
        move |object| {
            let name = plan.options.select.pattern.parse(object.folder(), object.file_name());
            (object, name.is_some_and(|name| runs.contains(&(name.job(), name.run()))))
        },
    )
}
