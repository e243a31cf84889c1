//! Plans a run: takes a source, an output and options, returns a [`Plan`], a value that says which parts to read in
//! which order, what the columns are, which strategy to use and why, and where the output goes. Writes nothing.

mod decided;
mod existing;
mod key_values;
mod on_server;
mod output;
pub(crate) mod receipt;
mod refuse;
mod requests;
mod server_merge;
mod shares;
mod strategy;
mod summary;

pub(crate) use decided::Way;
pub use decided::{Plan, RunPlan, UpToDate};
pub(crate) use key_values::{Extent, key_values};
pub use output::Output;
pub(crate) use output::{Outputs, PlannedOutput, Resplit};
pub(crate) use receipt::Taken;
pub use receipt::{Receipt, ReceiptOptions, ReceiptOutput, ReceiptSource, ReceiptSummary};
pub(crate) use refuse::refuse_stale;
pub(crate) use server_merge::{ServerMerge, TextOnServer};
pub(crate) use strategy::{RowGroupPiece, row_group_pieces};
pub use summary::{PlanSummary, PlannedPartSummary};

use crate::codec::csv::check_schema;
use crate::model::{Format, Options, PlannedRequests, Result, Warning};
use crate::source::{CsvCells, choose, look};
use crate::store::Location;
use existing::Told;
use futures::FutureExt;
use futures::future::{BoxFuture, try_join};
use output::Asked;
use std::collections::HashSet;
use std::sync::Arc;

/// Makes all decisions for a run: reads names, heads and footers, writes nothing.
///
/// # Errors
/// Any kind of [`Error`](crate::Error).
pub async fn plan(source: &Location, output: &Output, options: &Options) -> Result<Plan> {
    decide(source, output, options).await
}

/// Boxed here, or every program would compile it anew.
fn decide<'a>(source: &'a Location, output: &'a Output, options: &'a Options) -> BoxFuture<'a, Result<Plan>> {
    async move {
        let followed = existing::followed(output)?;
        // From here on, requests to the stores are counted for this plan.
        let (source, output) =
            (&source.counted(), &followed.as_ref().map_or(output, |(file, _)| file).counted());
        let asked = Asked::new(output, options)?;
        let (mut chosen, existing) =
            try_join(choose(source, options), existing::look(output, options.overwrite)).await?;
        chosen.warnings.extend(followed.as_ref().map(|(_, warning)| warning.clone()));
        if let Output::File(location) = output {
            refuse::refuse_in_source(source, &chosen.exports, options, std::slice::from_ref(location))?;
        }
        // Whether the output is up to date is decided before any part is probed.
        if let (existing::Existing::Unseen, Output::Folder(folder)) = (&existing, output) {
            chosen.warnings.push(Warning::OutputNotListed { path: folder.to_string() });
        }
        let told = existing::told(&existing, &asked, &chosen.exports).await?;
        if let Told::UpToDate(receipt, files) = told {
            if let Output::Folder(folder) = output {
                let files: Vec<Location> =
                    receipt.outputs.iter().map(|output| folder.child(&output.file)).collect();
                refuse::refuse_in_source(source, &chosen.exports, options, &files)?;
            }
            let requests = requests::of_up_to_date(&source.store, output);
            let (source, exports, warnings, receipt) =
                (source.clone(), chosen.exports, chosen.warnings, *receipt);
            let done = UpToDate { source, exports, receipt, files, warnings, requests };
            return Ok(Plan::UpToDate(Box::new(done)));
        }
        // From CSV to CSV, cells are not examined.
        let cells =
            if asked.becomes(Format::Csv) == Format::Csv { CsvCells::Copied } else { CsvCells::Typed };
        let mut input = look(&source.store, chosen, options, cells).await?;
        let form = asked.form(input.format)?;
        refuse::check_filters(&input.schema, options)?;
        if form.to == Format::Csv {
            let file = input.parts.first().map_or("", |part| part.object.url.as_str());
            check_schema(&input.schema, file)?;
        } else {
            refuse::refuse_unknown_types(&input, options)?;
        }
        let outputs = asked.outputs(&input, form)?;
        let (way, why) = strategy::strategy(&input, form.to, options);
        input.warnings.extend(strategy::ignored_option(&way, form.to, options));
        if form.to == Format::Parquet {
            input.warnings.extend(key_values::warnings(&input, &outputs));
        }
        let asked = ReceiptOptions::new(form.to, &form.compression.to_string(), options);
        let mut plan = RunPlan {
            identity: decided::identity(&input, &asked),
            source: source.clone(),
            output: output.clone(),
            options: options.clone(),
            input: Arc::new(input),
            to: form.to,
            compression: form.compression,
            way,
            why,
            outputs,
            replaces_receipt: false,
            unended: if let Told::Unended(files) = told { files } else { HashSet::new() },
            found_in_folder: existing.found_in_folder(),
            requests: PlannedRequests::default(),
            origin: None,
        };
        refuse::refuse_places(&plan)?;
        let unended = existing::unended_objects(&existing, &plan).await;
        plan.unended.extend(unended);
        refuse::refuse_existing(&plan, &existing)?;
        plan.replaces_receipt = refuse::refuse_taken_receipt(&plan).await?;
        Box::pin(on_server::leave_to_server(&mut plan)).await?;
        plan.requests = requests::of_run(&plan);
        Ok(Plan::Run(Box::new(plan)))
    }
    .boxed()
}
