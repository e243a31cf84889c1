//! A gap in the part numbers of a run.

use serde::Serialize;
use std::fmt;

/// Part numbers missing between two neighbours. Its `Display` shows those numbers, such as `3` or `3-5`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first number missing.
    pub from: u64,
    /// The last number missing.
    pub to: u64,
    /// The file before the gap; `None` if the first part is missing.
    pub after: Option<String>,
    /// The file after the gap.
    pub before: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to <= self.from {
            true => write!(f, "{}", self.from),
            false => write!(f, "{}-{}", self.from, self.to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_shown_as_its_numbers() {
        let gap = |from, to| Gap { from, to, after: None, before: "x".into() }.to_string();
        assert_eq!([gap(3, 3), gap(3, 5)], ["3", "3-5"]);
    }
}
