//! Publishes the files of a run together with their receipt, if that is a separate file.
//!
//! On local disk the receipt comes first. It identifies each file by its inode, which is known before, so it does not
//! apply to any other file. Once the files are published, it is written again with what is known only then. So
//! everything that can fail has failed before a file is published, and if a run is killed in between, the next run
//! recognizes its files by the receipt.
//!
//! In an object store the receipt comes last, because an object gets its identifier only when it is written. If two
//! runs write the same output at the same time, each replaces only the receipt that it has read, and only while the
//! output is its own.

use crate::engine::{Context, Finished, publish};
use crate::model::{Error, Result, Warning};
use crate::plan::{Output, Receipt, ReceiptOutput, RunPlan, ServerMerge, Taken, receipt};
use crate::sink::Sink;
use crate::store::{ContentType, Location, Object, Version, is_same_tag, listing};

use std::collections::HashMap;

/// Publishes the files, and their receipt if it is a separate file.
pub(super) async fn publish_with(
    context: &Context,
    plan: &RunPlan,
    files: &mut [Finished],
    digest: Option<String>,
) -> Result<(Receipt, Option<Warning>)> {
    match plan.receipt_place() {
        Some(place) if place.is_local() => {
            publish_on_disk(context, plan, &place, files, digest).await.map(|receipt| (receipt, None))
        }
        Some(place) => {
            publish(files).await?;
            note_in_store(context, plan, &place, files, digest).await
        }
        None => {
            publish(files).await?;
            of_run(context, plan, files, digest, &HashMap::new()).await.map(|receipt| (receipt, None))
        }
    }
}

/// How often to rewrite a receipt because another run has just written one.
const ATTEMPTS: usize = 20;

/// Writes the receipt of published objects. The run that published last also writes last: each run reads the receipt,
/// then checks the objects, and replaces only the receipt that it read.
async fn note_in_store(
    context: &Context,
    plan: &RunPlan,
    place: &Location,
    files: &[Finished],
    digest: Option<String>,
) -> Result<(Receipt, Option<Warning>)> {
    for _ in 0..ATTEMPTS {
        let before = place.store.version(&place.path, receipt::MAX_BYTES).await?;
        if let Version::Known(_, json) = &before
            && !plan.options.overwrite
            && !receipt::is_receipt(json)
        {
            let receipt = of_run(context, plan, files, digest, &HashMap::new()).await?;
            return Ok((receipt, Some(Warning::ReceiptTaken { path: place.to_string() })));
        }
        let listed = listed(plan).await?;
        let receipt = of_run(context, plan, files, digest.clone(), &listed).await?;
        match ours(plan, files, &listed).await? {
            Ours::All => {}
            Ours::None => return Ok((receipt, None)),
            Ours::Some(file) => return Err(written_by_another(file)),
        }
        let json = (receipt.to_json(true)? + "\n").into_bytes();
        if place.store.put_over(&place.path, json.into(), ContentType::JSON, before).await? {
            return Ok((receipt, None));
        }
    }
    Err(written_by_another(place.to_string()))
}

fn written_by_another(object: String) -> Error {
    Error::Store {
        doing: "writing",
        object,
        reason: "another run is writing the same output at the same time".into(),
        remedy: None,
        source: None,
    }
}

/// Which of the published objects still exist.
enum Ours {
    All,
    Some(String),
    None,
}

async fn ours(plan: &RunPlan, files: &[Finished], listed: &HashMap<String, Object>) -> Result<Ours> {
    let mut replaced = Vec::new();
    for file in files {
        let there = match (&plan.output, listed.get(name_of(file))) {
            (Output::Folder(_), there) => there.cloned(),
            (Output::File(location), _) => match location.store.head(&location.path).await {
                // A caller that may only write cannot check.
                Err(Error::Denied { .. }) => continue,
                there => there?,
            },
            (Output::Stdout, _) => continue,
        };
        let (Some(ours), Some(theirs)) = (file.sink.e_tag(), there.and_then(|there| there.e_tag)) else {
            continue;
        };
        if !is_same_tag(&ours, &theirs) {
            replaced.push(file.file.file.clone());
        }
    }
    Ok(match replaced.pop() {
        None => Ours::All,
        Some(_) if replaced.len() + 1 == files.len() => Ours::None,
        Some(file) => Ours::Some(file),
    })
}

/// The name of a file without its folder.
fn name_of(file: &Finished) -> &str {
    file.file.file.rsplit('/').next().unwrap_or_default()
}

async fn publish_on_disk(
    context: &Context,
    plan: &RunPlan,
    place: &Location,
    files: &mut [Finished],
    digest: Option<String>,
) -> Result<Receipt> {
    if let Some(written) = plan.options.written {
        files.iter_mut().try_for_each(|file| file.sink.stamp(written).map(drop))?;
    }
    let before = receipt::look(place).await?;
    let receipt = of_run(context, plan, files, digest.clone(), &HashMap::new()).await?;
    let mut announced = written(place, plan.replaces_receipt, &receipt).await?;
    announced.publish().await?;
    if let Err(error) = publish(files).await {
        // The receipt of the current output, if it had one.
        match before {
            Taken::Receipt(json) => drop(Sink::note(place, true, json.to_vec()).await?.publish().await?),
            Taken::Free | Taken::Other => announced.retract().await,
        }
        return Err(error);
    }
    let receipt = of_run(context, plan, files, digest, &HashMap::new()).await?;
    // If this fails, the output can still be recognized, only less reliably.
    if let Ok(mut sink) = written(place, true, &receipt).await {
        let _ = sink.publish().await;
    }
    Ok(receipt)
}

/// The receipt of a whole run, with what is known about its files at this moment.
async fn of_run(
    context: &Context,
    plan: &RunPlan,
    files: &[Finished],
    digest: Option<String>,
    listed: &HashMap<String, Object>,
) -> Result<Receipt> {
    let mut outputs = Vec::with_capacity(files.len());
    for file in files {
        let name = name_of(file).to_owned();
        let (e_tag, modified) = match listed.get(&name) {
            Some(object) => (file.sink.e_tag().or(object.e_tag.clone()), object.modified),
            None => file.sink.identity().await?,
        };
        let is_known_here_only = plan.options.written.is_some() && file.sink.is_local();
        let e_tag = e_tag.filter(|_| !is_known_here_only);
        let (bytes, rows) = (file.file.bytes, file.file.rows);
        outputs.push(ReceiptOutput { file: name, rows, bytes, e_tag, modified });
    }
    let copied = plan.on_server().map(ServerMerge::copied_parts).unwrap_or_default();
    let rows_of = |part| (!copied.contains(&part)).then(|| context.progress.rows_of(part));
    let made_of = plan.receipt_parts(0..context.input.parts.len(), digest, &rows_of);
    Ok(Receipt::new(made_of, receipt::now(&plan.options), outputs))
}

/// The files of a conversion as listed, by name: a re-run sees only the listing, and not every store lists the
/// identifier that it returned when the object was written.
async fn listed(plan: &RunPlan) -> Result<HashMap<String, Object>> {
    match &plan.output {
        Output::Folder(folder) if !folder.is_local() && plan.receipt_place().is_some() => {
            let found = match listing::list(&folder.as_folder()).await {
                Ok(listing) => listing.objects.into_iter(),
                // A caller that may only write cannot check.
                Err(Error::Denied { .. }) => return Ok(HashMap::new()),
                Err(error) => return Err(error),
            };
            let in_folder = found.filter(|object| object.folder() == folder.path);
            Ok(in_folder.map(|object| (object.file_name().to_owned(), object)).collect())
        }
        _ => Ok(HashMap::new()),
    }
}

/// A completely written receipt that is not published yet.
async fn written(place: &Location, replaces: bool, receipt: &Receipt) -> Result<Sink> {
    Sink::note(place, replaces, (receipt.to_json(true)? + "\n").into_bytes()).await
}
