//! The general path through CSV text: field by field, for any text.
//!
//! The rules are those of the `csv` crate with its defaults, which a property test checks: a quote opens a quoted field
//! only at the field's start, `""` inside is a quote, text after the closing quote is literal; `\n`, `\r` and `\r\n`
//! end a record; empty lines are not records. The one difference: an unclosed quote is reported to the caller instead
//! of being closed by the end of the text.

use memchr::{memchr, memchr3, memrchr};
use std::borrow::Cow;

/// What ended a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldEnd {
    /// A comma, so more fields of the record follow.
    Delimiter,
    /// A line end.
    Record,
    /// The text's end.
    Input,
    /// The end of the text, within quotes.
    OpenQuote,
}

/// One field as it is in the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    raw: &'a [u8],
    /// Where it starts in the text.
    pub(crate) start: usize,
    pub(crate) is_quoted: bool,
    pub(crate) end: FieldEnd,
}

impl<'a> Field<'a> {
    /// The field's text, without its quotes.
    pub(crate) fn text(&self) -> Cow<'a, [u8]> {
        if !self.is_quoted {
            return Cow::Borrowed(self.raw);
        }
        let inner = &self.raw[1..];
        match memchr(b'"', inner) {
            // The quote is open, or the closing quote is the last byte: nothing to unescape.
            None => Cow::Borrowed(inner),
            Some(quote) if quote + 1 == inner.len() => Cow::Borrowed(&inner[..quote]),
            Some(_) => Cow::Owned(unescape(inner)),
        }
    }

    /// The raw field, if within its quotes a backslash precedes a quote, which some writers use as an escape.
    pub(crate) fn with_escaped_quote(&self) -> Option<&'a [u8]> {
        let has_one = self.is_quoted && memchr::memmem::find(&self.raw[1..], b"\\\"").is_some();
        has_one.then_some(self.raw)
    }
}

fn unescape(mut inner: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(inner.len());
    while let Some(quote) = memchr(b'"', inner) {
        text.extend_from_slice(&inner[..quote]);
        inner = &inner[quote + 1..];
        match inner.first() {
            Some(b'"') => {
                text.push(b'"');
                inner = &inner[1..];
            }
            // Closed, so the rest is literal, including quotes.
            _ => break,
        }
    }
    text.extend_from_slice(inner);
    text
}

/// Iterates over the fields of a text that begins at the start of a record.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    position: usize,
    in_record: bool,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Fields { bytes, position: 0, in_record: false }
    }

    /// The position of the next field, or, after a record, of the next line.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Skips the rest of the record; returns what ended it, or `None` if the text had already ended.
    pub(crate) fn skip_record(&mut self) -> Option<FieldEnd> {
        loop {
            match self.next()?.end {
                FieldEnd::Delimiter => {}
                end => return Some(end),
            }
        }
    }

    /// The end of an unquoted run from `start` on, and what ends it.
    fn plain_end(&self, start: usize) -> (usize, FieldEnd) {
        match memchr3(b',', b'\n', b'\r', &self.bytes[start..]) {
            None => (self.bytes.len(), FieldEnd::Input),
            Some(length) if self.bytes[start + length] == b',' => (start + length, FieldEnd::Delimiter),
            Some(length) => (start + length, FieldEnd::Record),
        }
    }

    fn quoted_end(&self, start: usize) -> (usize, FieldEnd) {
        let mut from = start;
        while let Some(length) = memchr(b'"', &self.bytes[from..]) {
            let after = from + length + 1;
            match self.bytes.get(after) {
                Some(b'"') => from = after + 1,
                _ => return self.plain_end(after),
            }
        }
        (self.bytes.len(), FieldEnd::OpenQuote)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if !self.in_record {
            while let Some(b'\n' | b'\r') = self.bytes.get(self.position) {
                self.position += 1;
            }
            if self.position == self.bytes.len() {
                return None;
            }
            self.in_record = true;
        }
        let start = self.position;
        let is_quoted = self.bytes.get(start) == Some(&b'"');
        let (end, ended_by) = if is_quoted { self.quoted_end(start + 1) } else { self.plain_end(start) };
        self.position = match ended_by {
            FieldEnd::Input | FieldEnd::OpenQuote => end,
            FieldEnd::Record if self.bytes[end..].starts_with(b"\r\n") => end + 2,
            FieldEnd::Delimiter | FieldEnd::Record => end + 1,
        };
        self.in_record = ended_by == FieldEnd::Delimiter;
        Some(Field { raw: &self.bytes[start..end], start, is_quoted, end: ended_by })
    }
}

/// The length of the longest prefix that ends with a whole record, in a text that begins at the start of a record and
/// continues after `bytes`. Zero if not even the first record is whole.
pub(crate) fn whole_records(bytes: &[u8]) -> usize {
    let last_line = memrchr(b'\n', bytes).map_or(0, |at| at + 1);
    if last_line > 0 && memchr(b'"', &bytes[..last_line]).is_none() {
        return last_line;
    }
    let mut fields = Fields::new(bytes);
    let mut whole = 0;
    while let Some(end) = fields.skip_record() {
        // A carriage return at the very end may be the first half of a line end.
        if end != FieldEnd::Record || (fields.position() == bytes.len() && bytes.last() == Some(&b'\r')) {
            break;
        }
        whole = fields.position();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut records = vec![Vec::new()];
        for field in Fields::new(bytes) {
            records.last_mut().expect("never empty").push(field.text().into_owned());
            if field.end != FieldEnd::Delimiter {
                records.push(Vec::new());
            }
        }
        records.pop();
        records
    }

    fn csv_crate(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        // The crate drops a byte order mark at the very start; here that is done once per part, by the probe.
        csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes)
            .byte_records()
            .map(|record| record.expect("the csv crate reads any bytes").iter().map(<[u8]>::to_vec).collect())
            .collect()
    }

    /// Texts of characters that matter to CSV.
    pub(crate) fn texts() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(
            prop_oneof![
                4 => prop::sample::select(b"ab,1.\"\n\r".to_vec()).prop_map(|byte| vec![byte]),
                1 => prop::sample::select(vec![&b"\r\n"[..], b"\"\"", b"\",\"", b"\n\"", b"\xff", "é".as_bytes()])
                    .prop_map(<[u8]>::to_vec),
            ],
            0..60,
        )
        .prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn an_open_quote_is_told() {
        let ends: Vec<_> = Fields::new(b"a,\"b\nc").map(|field| field.end).collect();
        assert_eq!(ends, [FieldEnd::Delimiter, FieldEnd::OpenQuote]);
    }

    #[test]
    fn a_backslash_before_a_quote_is_seen_within_quotes_only() {
        for (text, is_seen) in [
            (r#""a\"b""#, true),
            (r#""a\""#, true),
            (r#""\"""#, true),
            (r#""a\b""#, false),
            (r#"a\"b"#, false),
            (r#""a""b\c""#, false),
        ] {
            let mut fields = Fields::new(text.as_bytes());
            assert_eq!(fields.any(|field| field.with_escaped_quote().is_some()), is_seen, "{text}");
        }
    }

    #[test]
    fn an_empty_cell_differs_from_an_empty_string() {
        let quoted: Vec<_> = Fields::new(b",\"\"\n").map(|field| field.is_quoted).collect();
        assert_eq!(quoted, [false, true]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn fields_are_those_of_the_csv_crate(text in texts()) {
            prop_assume!(!text.starts_with(b"\xef\xbb\xbf"));
            prop_assert_eq!(records(&text), csv_crate(&text));
        }

        #[test]
        fn cutting_at_whole_records_changes_nothing(text in texts(), cut in 0usize..80) {
            let seen = &text[..cut.min(text.len())];
            let whole = whole_records(seen);
            let mut glued = records(&text[..whole]);
            glued.extend(records(&text[whole..]));
            prop_assert_eq!(glued, records(&text));
        }

        #[test]
        fn whole_records_end_with_a_line_end_outside_quotes(text in texts()) {
            let whole = whole_records(&text);
            prop_assert!(Fields::new(&text[..whole]).all(|f| !matches!(f.end, FieldEnd::OpenQuote | FieldEnd::Input)));
        }
    }
}
