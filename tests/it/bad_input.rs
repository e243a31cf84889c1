//! Bad input: each kind gets its own exit code and a message that names the place, and leaves no output.
