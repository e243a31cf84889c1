//! Merges an export that lies in a store of the program's own: here one that keeps objects in memory and counts what is asked
//! of it. Any `object_store::ObjectStore` will do.
//!
//! ```text
//! cargo run --example custom_store -- testdata/forecast
//! ```

#![expect(clippy::print_stdout, reason = "it is a program")]

use async_trait::async_trait;
use forecast_export::object_store::memory::InMemory;
use forecast_export::object_store::path::Path;
use forecast_export::object_store::{
    self, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use forecast_export::{Format, InventoryOptions, Location, Options, Output, inventory, plan, run};
use futures::stream::BoxStream;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store that counts.
#[derive(Debug, Default)]
struct Counting {
    inner: InMemory,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that counts")
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "testdata/forecast".into());
    let store = Arc::new(Counting::default());
    for entry in std::fs::read_dir(&folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| format!("{name:?} is not text"))?;
        store.put(&Path::from(format!("exports/{name}")), std::fs::read(entry.path())?.into()).await?;
    }

    let place = |path: &str| Location::in_store(Arc::clone(&store) as _, "counting://", path);
    let source = place("exports/");
    let found = inventory(&source, &InventoryOptions::default()).await?;
    println!("{} parts in {source}", found.exports.iter().map(|export| export.parts.len()).sum::<usize>());

    let mut options = Options::default();
    options.to = Some(Format::Parquet);
    let planned = plan(&source, &Output::File(place("merged/sales.parquet")), &options).await?;
    let report = run(planned, |_event| ()).await?;
    println!("{} rows in {}", report.rows.unwrap_or(0), report.outputs[0].file);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!("{} reads, {} writes", count(&store.reads), count(&store.writes));
    Ok(())
}
