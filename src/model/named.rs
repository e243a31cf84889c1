//! Sentences that name settings. Each is written once and shown with the caller's names for them.

use super::setting::SettingName;
use std::fmt;

/// A sentence that may name settings.
pub(crate) trait Named {
    /// Writes the sentence; `name` says what a setting is called.
    fn write(&self, f: &mut fmt::Formatter<'_>, name: SettingName) -> fmt::Result;

    /// The sentence with these names.
    fn with_names(&self, name: SettingName) -> WithNames<'_, Self> {
        WithNames { sentence: self, name }
    }
}

/// A sentence, and what settings are called in it.
pub(crate) struct WithNames<'a, T: ?Sized> {
    sentence: &'a T,
    name: SettingName,
}

impl<T: Named + ?Sized> fmt::Display for WithNames<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence.write(f, self.name)
    }
}
