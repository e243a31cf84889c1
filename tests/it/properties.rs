//! Claims of the form "for all", over arbitrary tables and cuts.
