//! Which files belong together: the names of parts, jobs, runs and kinds, of this exporter and of others.
//!
//! A set that is found goes to `names`, `kinds` or `exporters`. A set that is incomplete or ambiguous is refused, with
//! its exit code and nothing written: those tests are in `refused`. Which of what is there
//! `ls` shows is in `listed`.

mod exporters;
mod kinds;
mod listed;
mod names;
mod refused;
