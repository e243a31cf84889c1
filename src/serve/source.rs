//! Which files are a forecast: takes its place and what is known about it, returns the files to read.

use super::config::Choice;
use crate::model::{Format, Options, Pattern, Preset, Result};
use crate::source::find;
use crate::store::{Location, Object};

/// The files of a forecast, and how to read them. If nobody says who wrote them, their names tell.
pub(super) async fn chosen(source: &Location, choice: &Choice) -> Result<(Location, Options)> {
    let mut options = choice.options()?;
    if choice.preset.is_some() {
        return Ok((source.clone(), options));
    }
    let found = find(source, &options.select.pattern).await?;
    if !found.exports.is_empty() {
        return Ok((source.clone(), options));
    }
    for preset in Preset::ALL {
        let pattern = Pattern::preset(preset);
        if !find(source, &pattern).await?.exports.is_empty() {
            options.select.pattern = pattern;
            return Ok((source.clone(), options));
        }
    }
    // One table under a name of its own needs no number.
    let is_table = |object: &&Object| Format::of_name(object.file_name()).is_some();
    let tables: Vec<Object> = found.strays.iter().filter(is_table).cloned().collect();
    match tables.as_slice() {
        [_] => Ok((source.with_parts(tables)?, options)),
        _ => Ok((source.clone(), options)),
    }
}
