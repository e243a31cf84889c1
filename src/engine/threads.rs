//! Runs jobs that decode or encode on blocking threads, as many at a time as the user allows. Here async code meets
//! threads.

use crate::model::{Error, Result, cores};
use crate::store::{blocking, ended_early};

use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

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

    /// Runs one job; it continues to its end even if its caller no longer waits.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let job = |permit: OwnedSemaphorePermit| {
            blocking(move || {
                let result = work();
                drop(permit);
                result
            })
        };
        let permits = Arc::clone(&self.permits);
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return job(permit).await;
        }
        // In a task of its own, which is polled even while the caller is not: a caller that got the permit while the
        // stream it belongs to waits for another job would keep it from that job for ever.
        let mut waiting = JoinSet::new();
        waiting.spawn(async move {
            let permit = permits.acquire_owned().await.map_err(no_place)?;
            job(permit).await
        });
        match waiting.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(error)) => Err(ended_early("working", error)),
            None => Err(Error::Internal("a job was left out".into())),
        }
    }

    /// Waits for a permit, which is held until the return value is dropped. Called within a blocking thread, for
    /// long-lived threads that must not hold their permit while they wait for others.
    pub(super) fn enter(&self, runtime: &Handle) -> Result<SemaphorePermit<'_>> {
        runtime.block_on(self.permits.acquire()).map_err(no_place)
    }
}

fn no_place(error: AcquireError) -> Error {
    Error::Internal(format!("no place to work: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::poll;
    use std::pin::pin;
    use std::time::Duration;

    #[tokio::test]
    async fn a_job_that_nobody_polls_keeps_no_other_from_its_place() {
        let pool = CpuPool { permits: Arc::new(Semaphore::new(1)) };
        let busy = Arc::clone(&pool.permits).acquire_owned().await.expect("a place");
        let mut first = pin!(pool.run(|| Ok(1)));
        assert!(poll!(&mut first).is_pending());
        let mut second = pin!(pool.run(|| Ok(2)));
        assert!(poll!(&mut second).is_pending());
        drop(busy);
        let second = tokio::time::timeout(Duration::from_secs(60), second).await.expect("it gets its turn");
        assert_eq!((second.expect("done"), first.await.expect("done")), (2, 1));
    }

    #[tokio::test]
    async fn a_job_that_waits_is_not_begun_when_its_caller_is_gone() {
        let pool = CpuPool { permits: Arc::new(Semaphore::new(1)) };
        let busy = Arc::clone(&pool.permits).acquire_owned().await.expect("a place");
        let begun = Arc::new(());
        let held = Arc::clone(&begun);
        {
            let mut gone = pin!(pool.run(move || {
                drop(held);
                Ok(())
            }));
            assert!(poll!(&mut gone).is_pending());
        }
        drop(busy);
        pool.run(|| Ok(())).await.expect("the next one runs");
        assert_eq!(Arc::strong_count(&begun), 1);
    }
}
