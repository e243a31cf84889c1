//! Catches panics of third-party decoders on hostile input.

use crate::model::panic_text;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs part of a decoder, and returns an error or a panic as text.
///
/// After a failure the caller drops what the closure borrowed and never uses it again, so no broken invariant is
/// visible.
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
