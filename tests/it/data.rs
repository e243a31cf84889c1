//! What export files look like: every line of it that says so has a test.
