//! The command line: golden files and every example of the README.
