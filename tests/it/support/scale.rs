//! How many of an exhaustive set of experiments are run. `cargo test` runs a sample of them, which still touches every
//! strategy, format and store. `tests/full`, and with it `.ci/run`, runs them all.

use proptest::test_runner::Config;

/// Whether every experiment is run: if `FORECAST_EXPORT_TESTS` is `full`.
pub(crate) fn is_full() -> bool {
    match std::env::var("FORECAST_EXPORT_TESTS").as_deref() {
        Ok("full") => true,
        Ok("sample") | Err(_) => false,
        // A misspelt word must not turn a complete run into a sample.
        Ok(other) => panic!("FORECAST_EXPORT_TESTS is \"{other}\"; it may be full or sample"),
    }
}

/// One number for a complete run, another for a sample.
pub(crate) fn full_or_sample<T>(full: T, sample: T) -> T {
    if is_full() { full } else { sample }
}

/// All experiments in a complete run, else the first and every `n`-th after it.
///
/// If a table varies several things, choose an `n` that has no divisor in common with how many values the innermost
/// ones have. Then the sample meets every value of each of them.
pub(crate) fn sampled<T>(all: impl IntoIterator<Item = T>, n: usize) -> impl Iterator<Item = T> {
    all.into_iter().step_by(full_or_sample(1, n))
}

/// How many cases of a property are tried: so many in a complete run, an eighth in a sample.
///
/// A failure is printed with its smallest input; no file is left beside the tests.
pub(crate) fn cases(full: u32) -> Config {
    Config { cases: full_or_sample(full, full.div_ceil(8)), failure_persistence: None, ..Config::default() }
}
