//! Where async meets threads: jobs that decode or encode run on blocking threads, as many at a time as the user
//! allows.

use crate::model::{Error, Result, cores};

use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Runs jobs, a bounded number at the same time.
#[derive(Debug, Clone)]
pub(crate) struct CpuPool {
    permits: Arc<Semaphore>,
}

impl CpuPool {
    pub(crate) fn new(threads: usize) -> Self {
        // Allow one extra job when all cores may be used: if two jobs land on one core, the idle core still finds a permit.
        // That is worth 4 % of the time from CSV to Parquet.
        let places = if threads > 1 && threads >= cores() { threads + 1 } else { threads };
        CpuPool { permits: Arc::new(Semaphore::new(places)) }
    }

    /// Runs one job; it goes on to its end even where nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        crate::store::blocking(move || {
            let result = work();
            drop(permit);
            result
        })
        .await
    }

    /// From within a blocking thread: waits for a place, which is kept until what is returned is dropped. For threads that
    /// live long and must not keep their place while they wait for others.
    pub(super) fn enter(&self, runtime: &Handle) -> Result<SemaphorePermit<'_>> {
        runtime
            .block_on(self.permits.acquire())
            .map_err(|error| Error::Internal(format!("no place to work: {error}")))
    }
}
