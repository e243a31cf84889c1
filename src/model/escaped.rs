//! Text from outside, made safe to show: control characters and direction overrides are escaped.

use std::fmt;

/// Bidirectional overrides can make one name look like another, which is as bad as an escape sequence.
pub(crate) fn is_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Shows text from outside with its control characters escaped.
pub struct Escaped<'a>(
    /// The text as it was found.
    pub &'a str,
);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() || is_override(c) {
                write!(f, "{}", c.escape_default())?
            } else {
                write!(f, "{c}")?
            }
        }
        Ok(())
    }
}
