//! What will happen: takes a source, an output and options, gives a [`Plan`], a value that says in which order which
//! parts are read, what the columns are, how it will be done and why, and where it goes. Writes nothing.

mod decided;
mod existing;
mod on_server;
mod output;
pub(crate) mod receipt;
mod refuse;
mod strategy;
mod summary;

pub use decided::Plan;
pub(crate) use existing::Done;
pub(crate) use on_server::{ServerMerge, TextOnServer};
pub use output::Output;
pub(crate) use output::{PlannedOutput, Recut, is_device};
pub use receipt::{Receipt, ReceiptOptions, ReceiptOutput, ReceiptSource, ReceiptSummary};
pub(crate) use refuse::refuse_stale;
pub(crate) use strategy::{RowGroupPiece, row_group_pieces};
pub use summary::{PlanSummary, PlannedPartSummary};

use crate::codec::csv::Typing;
use crate::model::{
    ColumnSummary, Compression, Error, Format, OnServer, Options, Result, Strategy, type_named,
};
use crate::sink::Target;
use crate::source::{Chosen, Contents, Input, PlannedPart, choose, look};
use crate::store::Location;
use output::{asked_format, compression, is_written_straight, outputs};
use refuse::refuse_existing;
use strategy::{idle_option, strategy};

use arrow::datatypes::{Field, Schema, SchemaRef};
use std::sync::Arc;

/// Decides everything: reads names, heads and footers, writes nothing.
///
/// # Errors
/// Every refusal there is: see [`Error`].
pub async fn plan(source: &Location, output: &Output, options: &Options) -> Result<Plan> {
    let asked = asked_format(output, options)?;
    if options.verify && is_written_straight(output) {
        return Err(Error::Usage(
            "--verify reads the output again before it is published; what goes to a pipe or device is out at once"
                .into(),
        ));
    }
    let becomes = |from: Format| match (asked, output) {
        (Some(to), _) => to,
        (None, Output::Folder(_)) => from.other(),
        (None, _) => from,
    };
    // An output that is up to date is seen before any part is looked at.
    let (chosen, existing) =
        futures::future::try_join(choose(source, &options.select), existing::look(output)).await?;
    if let Some(done) = existing::up_to_date(&existing, output, &chosen.exports, options, becomes).await? {
        return Ok(nothing_to_do(source, output, options, chosen, done));
    }
    // What a CSV becomes decides how its cells are read.
    let mut input = look(&source.store, chosen, options, |from| becomes(from) == Format::Csv).await?;
    let to = becomes(input.format);
    let compression = compression(output, to, options)?;
    if to == Format::Csv {
        let file = input.parts.first().map_or("", |part| part.object.url.as_str());
        crate::codec::csv::check_schema(&input.schema, file)?;
    }
    let (strategy, why) = strategy(&input, to, options);
    let (outputs, recut) = outputs(&input, output, to, compression, options)?;
    input.warnings.extend(idle_option(strategy, to, options).map(str::to_owned));
    if to == Format::Parquet && (outputs.len() == 1 || recut.is_some()) {
        let (_, conflicts) = receipt::key_values(&input, 0..input.parts.len());
        let warning = |key: &String| {
            format!("parts differ in their metadata under the key \"{key}\": the first part's value is kept")
        };
        input.warnings.extend(conflicts.iter().map(warning));
    }
    let mut plan = Plan {
        input: Arc::new(input),
        to,
        compression,
        strategy,
        why,
        outputs,
        on_server: None,
        recut,
        options: options.clone(),
        source: source.clone(),
        output: output.clone(),
        done: None,
    };
    refuse_existing(&plan, &existing)?;
    Box::pin(leave_to_server(&mut plan)).await?;
    Ok(plan)
}

/// The plan of a run whose output is there already.
fn nothing_to_do(source: &Location, output: &Output, options: &Options, chosen: Chosen, done: Done) -> Plan {
    let receipt = &done.receipt;
    let parts = chosen.exports.iter().flat_map(|export| &export.parts).map(|part| PlannedPart {
        object: part.object.clone(),
        contents: Contents::Empty,
        constants: Vec::new(),
    });
    let field =
        |column: &ColumnSummary| Field::new(&column.name, type_named(&column.data_type), column.nullable);
    let schema: SchemaRef = Arc::new(Schema::new(receipt.columns.iter().map(field).collect::<Vec<_>>()));
    let typing = Typing { schema: Arc::clone(&schema), types: Vec::new(), nulls: Vec::new(), constants: 0 };
    let input = Input {
        store: source.store.clone(),
        parts: parts.collect(),
        exports: chosen.exports,
        kind: receipt.kind,
        format: receipt.from,
        schema,
        typing: Arc::new(typing),
        warnings: chosen.warnings,
        is_uniform: false,
    };
    Plan {
        input: Arc::new(input),
        to: receipt.options.to,
        compression: receipt.options.compression.parse().unwrap_or(Compression::None),
        strategy: receipt.strategy,
        why: "up to date, as its receipt says".to_owned(),
        outputs: Vec::new(),
        on_server: None,
        recut: None,
        options: options.clone(),
        source: source.clone(),
        output: output.clone(),
        done: Some(done),
    }
}

/// Leaves a merge to the server, where that may be.
async fn leave_to_server(plan: &mut Plan) -> Result<()> {
    let asked = plan.options.on_server;
    let refused = |reason: &str| {
        Err(Error::Usage(format!("--on-server always: {reason}; --on-server auto merges it here then")))
    };
    let copies = match (&plan.output, plan.outputs.as_slice()) {
        _ if asked == OnServer::Never => return Ok(()),
        (Output::File(_), [PlannedOutput { target: Target::File(location), .. }]) => {
            plan.input.store.copies_to(&location.store)
        }
        _ => false,
    };
    if !copies {
        return match asked {
            OnServer::Always => {
                refused("parts and output must be in buckets of the same S3, and requests signed")
            }
            _ => Ok(()),
        };
    }
    match on_server::plan(&plan.input, plan.strategy, plan.compression, &plan.options).await? {
        Ok(merge) => {
            plan.on_server = Some(merge);
            plan.strategy = Strategy::CopyOnServer;
        }
        Err(why_not) if asked == OnServer::Always => return refused(&why_not.reason),
        Err(why_not) if why_not.was_possible => {
            plan.why = format!("{}; not on the server, as {}", plan.why, why_not.reason);
        }
        Err(_) => {}
    }
    Ok(())
}
