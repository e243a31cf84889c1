//! The ways in which CSV may be written.

use super::error::{Error, Result};
use super::usage::UsageError;
use super::value_kind::ValueKind;

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Whether CSV parts begin with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderMode {
    /// Decide from the parts: there is a header if the first line holds only names and either other parts share it or a
    /// column below it holds only numbers, dates or booleans. Otherwise it is an error.
    Auto,
    /// The first line of each part names the columns.
    Yes,
    /// The first line of each part is a row. Where [`Options::columns`](crate::Options::columns) does not name the columns, they are `column_1`,
    /// `column_2` and so on, and CSV is written without a header.
    No,
}

impl FromStr for HeaderMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(HeaderMode::Auto),
            "yes" => Ok(HeaderMode::Yes),
            "no" => Ok(HeaderMode::No),
            _ => {
                let known = ["auto", "yes", "no"].map(str::to_owned).into();
                Err(UsageError::Unknown { what: ValueKind::HeaderMode, text: text.to_owned(), known }.into())
            }
        }
    }
}

/// How a quote is written within a quoted cell of CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// Doubled; a backslash is an ordinary character.
    Doubled,
    /// Doubled or after a backslash, depending on the writer's settings, which are not known. So a cell in which it
    /// makes a difference is refused.
    MayBeEscaped,
}
