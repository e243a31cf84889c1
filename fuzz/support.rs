//! What the targets share: a part in memory, read or merged by the library's own entries.

use bytes::Bytes;
use forecast_export::{Error, Location, Options, Output, Report, plan, read, run};
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// A foreign decoder may panic within a guard, which makes it an error; only a panic that comes out is a finding. To see
/// where one began, run its input with the test suite.
pub fn initialize() {
    std::panic::set_hook(Box::new(|_| ()));
}

/// A store with one part.
pub fn store_of(name: &str, part: &[u8]) -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    put(&store, &format!("in/{name}"), part);
    store
}

/// Writes an object.
pub fn put(store: &InMemory, key: &str, bytes: &[u8]) {
    let path = Path::parse(key).expect("a key");
    RUNTIME.block_on(store.put(&path, bytes.to_vec().into())).expect("memory takes all");
}

fn at(store: &Arc<InMemory>, path: &str) -> Location {
    Location::in_store(Arc::clone(store) as Arc<dyn ObjectStore>, "memory://fuzz/", path)
}

/// The rows, or why there are none.
pub fn rows(store: &Arc<InMemory>, options: &Options) -> Result<Vec<arrow::array::RecordBatch>, Error> {
    RUNTIME.block_on(async { read(&at(store, "in/"), options).await?.try_collect().await })
}

/// Merges into one object; after an error there must be nothing that was not there before.
pub fn merge(store: &Arc<InMemory>, target: &str, options: &Options) -> Result<Report, Error> {
    RUNTIME.block_on(async {
        let before = store.list(None).count().await;
        let output = Output::File(at(store, target));
        let merged = match plan(&at(store, "in/"), &output, options).await {
            Ok(plan) => run(plan, |_| ()).await,
            Err(error) => Err(error),
        };
        if merged.is_err() {
            assert_eq!(store.list(None).count().await, before, "an error left an output");
        }
        merged
    })
}

/// An object's bytes.
pub fn bytes(store: &Arc<InMemory>, key: &str) -> Bytes {
    let path = Path::parse(key).expect("a key");
    RUNTIME.block_on(async { store.get(&path).await.expect("there").bytes().await.expect("whole") })
}
