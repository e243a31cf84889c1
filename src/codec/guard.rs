//! Keeps a foreign decoder's panic on hostile input from becoming ours.

use crate::model::panic_text;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a piece of a decoder; an error or a panic in it becomes its text.
///
/// What the closure borrowed is dropped by the caller after a failure, never used again, so no broken invariant is
/// seen.
pub(crate) fn guard<T, E: Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(format!("the decoder failed: {}", panic_text(&*panic))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_become_text() {
        assert_eq!(guard(|| Ok::<_, String>(1)), Ok(1));
        assert_eq!(guard(|| Err::<(), _>("bad")), Err("bad".into()));
        let panicked = guard(|| -> Result<(), String> {
            let _ = Vec::<u8>::with_capacity(usize::MAX);
            Ok(())
        });
        assert!(panicked.is_err_and(|text| text.contains("capacity overflow")));
    }
}
