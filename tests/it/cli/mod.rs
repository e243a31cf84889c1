//! The command line as users meet it: what it prints, its exit codes, and how it behaves towards signals, pipes and
//! terminals.
//!
//! A printed line goes into the golden files in `tests/cmd`. A test belongs here where those cannot reach: signals,
//! pipes, file modes, the environment.

mod printing;
mod usage;
