//! What is staged of a plan: files of pieces, receipts, notes of failures, and a marker, in one folder next to the
//! output. Whatever is there belongs to the plan whose id the folder has.

use super::document::ClusterPlan;
use crate::model::{DataErrorKind, Error, Format, Pattern, Result};
use crate::plan::Output;
use crate::sink::Sink;
use crate::source::Share;
use crate::store::{ContentType, Location, Object, StoreOptions, Version, listing};

use futures::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hasher, RandomState};

/// There from the first piece to the commit.
const MARKER: &str = "running";
/// A receipt of more bytes is none.
const LONGEST_NOTE: u64 = 16 << 20;
/// Small files that are read or deleted at the same time.
const AT_ONCE: usize = 32;

/// A receipt of a piece: what it wrote, and from which rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceReceipt {
    pub(super) plan: String,
    pub(super) index: u64,
    pub(super) files: Vec<StagedFile>,
    /// What was really read: cuts within CSV are where records begin.
    pub(super) shares: Vec<Share>,
    /// Rows of each share.
    pub(super) rows: Vec<u64>,
}

/// A file that a piece wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StagedFile {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) e_tag: Option<String>,
}

/// A note that an attempt failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FailureNote {
    pub(super) index: u64,
    pub(super) error: serde_json::Value,
}

/// The staging folder of a plan.
#[derive(Debug, Clone)]
pub(super) struct Staging {
    pub(super) folder: Location,
    /// The folder above, of all plans.
    above: Location,
}

impl Staging {
    pub(super) fn new(plan: &ClusterPlan, store: &StoreOptions) -> Result<Self> {
        let beside = match plan.target(store)? {
            Output::File(file) => file.folder(),
            Output::Folder(folder) => folder,
            Output::Stdout => return Err(Error::Internal("a plan for standard output".into())),
        };
        let above = beside.at(&child_key(&beside.path, listing::STAGING));
        let folder = above.at(&child_key(&above.path, plan.id()));
        Ok(Staging { folder: folder.as_folder(), above })
    }

    fn file(&self, name: &str) -> Location {
        self.folder.at(&child_key(&self.folder.path, name))
    }

    /// A file of a piece, under a name that no other attempt has.
    pub(super) fn new_file(&self, number: u64, format: Format) -> Location {
        self.file(&format!("piece-{number:05}-{}.{}", attempt(), format.name()))
    }

    /// How the files of pieces are named.
    pub(super) fn names() -> Result<Pattern> {
        Pattern::custom(r"piece-(?P<part>[0-9]+)-[0-9a-f]+\.(?:csv|parquet)")
    }

    /// Everything in the folder.
    pub(super) async fn list(&self) -> Result<Vec<Object>> {
        match listing::list(&self.folder).await {
            Ok(found) => Ok(found.objects),
            Err(Error::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Notes that there are pieces at work.
    pub(super) async fn mark(&self) -> Result<()> {
        self.put(MARKER, b"{}\n".to_vec()).await.map(drop)
    }

    /// Whether the plan has not been committed since it was marked.
    pub(super) async fn is_marked(&self) -> Result<bool> {
        self.folder.store.head(&self.file(MARKER).path).await.map(|there| there.is_some())
    }

    /// Writes a receipt, if there is none yet; whether it was written.
    pub(super) async fn put_receipt(&self, receipt: &PieceReceipt, start: Option<u64>) -> Result<bool> {
        let json = serde_json::to_vec(receipt).map_err(|error| Error::Internal(error.to_string()))?;
        self.put(&receipt_name(receipt.index, start), json).await
    }

    /// The receipt of a piece, if there is one.
    pub(super) async fn receipt(&self, index: u64, start: Option<u64>) -> Result<Option<PieceReceipt>> {
        let name = receipt_name(index, start);
        let receipt = self.note(&name).await?;
        receipt.map(|receipt| self.checked(&name, receipt)).transpose()
    }

    /// A receipt that is of this plan and of the piece whose name it has.
    fn checked(&self, name: &str, receipt: PieceReceipt) -> Result<PieceReceipt> {
        let piece = receipt_stem(receipt.index);
        let is_own = receipt.plan == self.folder.split().1
            && name.strip_prefix(&piece).is_some_and(|rest| rest.starts_with(['.', '-']));
        if is_own { Ok(receipt) } else { Err(self.not_a_note(name)) }
    }

    fn not_a_note(&self, name: &str) -> Error {
        let problem =
            "this is not what a piece of the plan has left; remove it, and carry out the piece again";
        Error::data(DataErrorKind::Changed, self.file(name).to_string(), problem).into()
    }

    /// Notes an attempt's failure. That is for people only, so it may fail.
    pub(super) async fn put_failure(&self, index: u64, error: &Error) {
        let note = serde_json::to_value(error).map(|error| FailureNote { index, error });
        if let Ok(json) = note.and_then(|note| serde_json::to_vec(&note)) {
            let _ = self.put(&format!("failed-{index:05}-{}.json", attempt()), json).await;
        }
    }

    /// The receipts among these files, those of cuts that were mended included.
    pub(super) async fn receipts(&self, found: &[Object]) -> Result<Vec<PieceReceipt>> {
        let receipts = self.notes(found, "receipt-").await?.into_iter();
        receipts.map(|(name, receipt)| self.checked(&name, receipt)).collect()
    }

    pub(super) async fn failures(&self, found: &[Object]) -> Result<Vec<FailureNote>> {
        let notes = self.notes(found, "failed-").await?;
        Ok(notes.into_iter().map(|(_, note)| note).collect())
    }

    /// The notes whose names begin like this, with their names.
    async fn notes<T: DeserializeOwned>(&self, found: &[Object], prefix: &str) -> Result<Vec<(String, T)>> {
        let names = found.iter().map(|object| object.file_name().to_owned());
        let names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
        let read = stream::iter(names).map(|name| async move {
            let note = self.note(&name).await?;
            Ok::<_, Error>(note.map(|note| (name, note)))
        });
        let read: Vec<Option<(String, T)>> = read.buffered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    async fn note<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let json = self.folder.store.read_small(&self.file(name).path, LONGEST_NOTE).await?;
        json.map(|json| serde_json::from_slice(&json).map_err(|_| self.not_a_note(name))).transpose()
    }

    /// Writes a small file if there is none of its name; whether it was written.
    async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<bool> {
        let place = self.file(name);
        if !place.is_local() {
            return place
                .store
                .put_over(&place.path, bytes.into(), ContentType::JSON, Version::Nothing)
                .await;
        }
        let mut sink = Sink::note(&place, false, bytes).await?;
        match sink.publish().await {
            Ok(_) => Ok(true),
            Err(error) => {
                sink.abort().await;
                if matches!(error, Error::OutputExists(_)) { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Removes files that an attempt wrote in vain.
    pub(super) async fn remove(&self, files: &[StagedFile]) {
        for file in files {
            self.remove_named(&file.name).await;
        }
    }

    pub(super) async fn remove_receipt(&self, index: u64, start: Option<u64>) {
        self.remove_named(&receipt_name(index, start)).await;
    }

    async fn remove_named(&self, name: &str) {
        if let Ok(Some(object)) = self.folder.store.head(&self.file(name).path).await {
            // The commit removes what stays.
            let _ = self.folder.store.delete(&object).await;
        }
    }

    /// Removes everything, first the marker: an attempt that ends later then removes its files itself.
    pub(super) async fn clear(&self) -> Result<()> {
        self.remove_named(MARKER).await;
        let store = &self.folder.store;
        let deleted = stream::iter(self.list().await?).map(|object| async move {
            match store.delete(&object).await {
                // Another was faster.
                Err(_) if matches!(store.head(&object.key).await, Ok(None)) => Ok(()),
                deleted => deleted,
            }
        });
        let deleted: Vec<Result<()>> = deleted.buffered(AT_ONCE).collect().await;
        deleted.into_iter().find(Result::is_err).unwrap_or(Ok(()))?;
        if self.folder.is_local() {
            // Only if they are empty.
            let _ = std::fs::remove_dir(&self.folder.path);
            let _ = std::fs::remove_dir(&self.above.path);
        }
        Ok(())
    }
}

fn receipt_name(index: u64, start: Option<u64>) -> String {
    let stem = receipt_stem(index);
    match start {
        None => format!("{stem}.json"),
        Some(start) => format!("{stem}-from-{start}.json"),
    }
}

fn receipt_stem(index: u64) -> String {
    format!("receipt-{index:05}")
}

fn child_key(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{}/{name}", folder.trim_end_matches('/')),
    }
}

/// A name for an attempt.
fn attempt() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())
}
