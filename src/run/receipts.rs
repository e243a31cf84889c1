//! The receipt of a run: made when all is published, and written last where it is a file of its own.

use crate::engine::{Context, Finished};
use crate::model::Result;
use crate::plan::{Output, Receipt, ReceiptOutput, RunPlan, ServerMerge, receipt};
use crate::sink::{Sink, SinkOptions, Target};
use crate::store::{ContentType, Object, listing};

use std::collections::HashMap;

/// The receipt of a whole run; the files are published, so it is known what the stores call them.
pub(super) async fn of_run(
    context: &Context,
    plan: &RunPlan,
    files: &[Finished],
    digest: Option<String>,
) -> Result<Receipt> {
    let listed = listed(plan).await?;
    let mut outputs = Vec::with_capacity(files.len());
    for file in files {
        let name = file.file.file.rsplit('/').next().unwrap_or_default().to_owned();
        let (e_tag, modified) = match listed.get(&name) {
            Some(object) => (file.sink.e_tag().or(object.e_tag.clone()), object.modified),
            None => file.sink.identity().await?,
        };
        let (bytes, rows) = (file.file.bytes, file.file.rows);
        outputs.push(ReceiptOutput { file: name, rows, bytes, e_tag, modified });
    }
    let copied = plan.on_server().map(ServerMerge::copied_parts).unwrap_or_default();
    let rows_of = |part| (!copied.contains(&part)).then(|| context.progress.rows_of(part));
    let made_of = plan.receipt_parts(0..context.input.parts.len(), digest, &rows_of);
    Ok(Receipt::new(made_of, receipt::now(), outputs))
}

/// The files of a conversion as a listing shows them, by name: a re-run sees them in no other way, and not every store
/// lists what it said of an object when it was put.
async fn listed(plan: &RunPlan) -> Result<HashMap<String, Object>> {
    match &plan.output {
        Output::Folder(folder) if !folder.is_local() && plan.receipt_place().is_some() => {
            let found = listing::list(&folder.as_folder()).await?.objects.into_iter();
            let in_folder = found.filter(|object| object.folder() == folder.path);
            Ok(in_folder.map(|object| (object.file_name().to_owned(), object)).collect())
        }
        _ => Ok(HashMap::new()),
    }
}

/// Writes the receipt where it is a file of its own.
pub(super) async fn write(plan: &RunPlan, receipt: &Receipt) -> Result<()> {
    let Some(place) = plan.receipt_place() else { return Ok(()) };
    let json = receipt.to_json(true)? + "\n";
    // It speaks of an output that is there by now: whatever receipt was there spoke of another one.
    let options = SinkOptions {
        overwrite: true,
        expected_bytes: json.len() as u64,
        single_put_limit: json.len(),
        reread: false,
        content: ContentType::JSON,
    };
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
