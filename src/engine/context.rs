//! The context shared by all stages of a run: the input, bounds on memory, the thread pool, counters and the stop
//! signal.

use super::threads::CpuPool;
use crate::model::{Budget, Options, Progress};
use crate::source::Input;
use std::sync::Arc;
use tokio::sync::watch;

/// The context shared by all stages of a run.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) input: Arc<Input>,
    pub(crate) budget: Budget,
    pub(crate) pool: CpuPool,
    pub(crate) progress: Arc<Progress>,
    /// Becomes true when the run should stop.
    pub(crate) stopped: watch::Receiver<bool>,
}

impl Context {
    pub(crate) fn new(
        input: &Arc<Input>,
        options: &Options,
        progress: Arc<Progress>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let budget = Budget::new(options);
        Context { input: Arc::clone(input), budget, pool: CpuPool::new(budget.threads), progress, stopped }
    }
}
