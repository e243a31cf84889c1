//! The receipt of a run: made when all is published, and written last where it is a file of its own.

use super::files::Finished;
use super::rows::Context;
use crate::error::Result;
use crate::location::Location;
use crate::options::Format;
use crate::plan::{Output, Plan, Target};
use crate::receipt::{self, Receipt, ReceiptOutput};
use crate::sink::{Sink, SinkOptions};

/// The receipt of a whole run; the files are published, so it is known what the stores call them.
pub(super) async fn of_run(
    context: &Context,
    plan: &Plan,
    files: &[Finished],
    digest: Option<String>,
) -> Result<Receipt> {
    let mut outputs = Vec::with_capacity(files.len());
    for file in files {
        let (e_tag, modified) = file.sink.identity().await?;
        let name = file.file.file.rsplit('/').next().unwrap_or_default().to_owned();
        let (bytes, rows) = (file.file.bytes, file.file.rows);
        outputs.push(ReceiptOutput { file: name, rows, bytes, e_tag, modified });
    }
    let rows_of = |part| context.progress.rows_of(part);
    let made = plan.made(0..context.input.parts.len(), digest, &rows_of);
    Ok(Receipt::new(made, receipt::now(), outputs))
}

/// Writes the receipt where it is a file of its own.
pub(super) async fn write(plan: &Plan, receipt: &Receipt) -> Result<()> {
    let Some(place) = place(plan) else { return Ok(()) };
    let json = receipt.to_json(true)? + "\n";
    // It speaks of an output that is there by now: whatever receipt was there spoke of another one.
    let hold = json.len();
    let options = SinkOptions { overwrite: true, expected_bytes: hold as u64, hold, reread: false };
    let mut sink = Sink::create(&Target::File(place), options).await?;
    let written = async {
        sink.write(vec![json.into()]).await?;
        sink.finish().await?;
        sink.publish().await
    }
    .await;
    if written.is_err() {
        sink.abort().await;
    }
    written.map(drop)
}

/// Where the receipt goes; `None` where it is in the output itself, or there is none.
fn place(plan: &Plan) -> Option<Location> {
    if plan.options.no_receipt {
        return None;
    }
    match (&plan.output, plan.to) {
        (Output::File(location), Format::Csv) if !crate::plan::is_device(location) => {
            Some(receipt::beside(location))
        }
        (Output::Folder(folder), _) => Some(folder.child(&receipt::name_in_folder(&plan.input.exports))),
        _ => None,
    }
}
