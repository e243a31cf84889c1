//! Shell globs on one name: `sales_*`, `part?`, `[ab]*`. A name that equals the pattern's text matches too, because
//! keys are literal and may contain such characters.

use glob::Pattern;

/// A name with or without wildcards.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    text: String,
    pattern: Option<Pattern>,
}

impl Glob {
    /// A pattern that does not compile, such as `[a`, counts as plain text.
    pub(crate) fn new(text: &str) -> Self {
        let has_wildcard = text.contains(['*', '?', '[']);
        let pattern = if has_wildcard { Pattern::new(text).ok() } else { None };
        Glob { text: text.to_owned(), pattern }
    }

    pub(crate) fn is_literal(&self) -> bool {
        self.pattern.is_none()
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        name == self.text || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_and_literal_text_matches_itself() {
        assert!(Glob::new("sales_*").matches("sales_1"));
        assert!(!Glob::new("sales_*").matches("sale_1"));
        assert!(Glob::new("a[1]").matches("a[1]"));
        assert!(Glob::new("[a").matches("[a"));
        assert!(Glob::new("a%20b+").is_literal());
    }
}
