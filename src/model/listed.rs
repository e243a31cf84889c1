//! Lists of words in messages.

use std::fmt::Write as _;

/// The distinct words of a list, sorted, at most ten.
pub(crate) fn listed<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    let mut words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    words.sort();
    words.dedup();
    let more = words.len().saturating_sub(10);
    words.truncate(10);
    let mut text = words.join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_listed_once_in_order_and_ten_at_most() {
        assert_eq!(listed(["b", "a", "b"]), "a, b");
        assert_eq!(listed(10..22), "10, 11, 12, 13, 14, 15, 16, 17, 18, 19 and 2 more");
    }
}
