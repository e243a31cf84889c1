//! Recognizes files that are not CSV by their first bytes or their names: takes text or a name, returns what it looks
//! like and what helps. Anything unknown counts as CSV.

use crate::model::Remedy;

/// Something other than CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sign {
    /// What it looks like, with its article.
    pub(super) what: &'static str,
    pub(super) remedy: Remedy,
}

type Test = fn(&[u8]) -> bool;

/// The first that fits counts.
const SIGNS: [(&str, Test, Remedy); 17] = [
    ("UTF-16 or UTF-32", is_wide_text, Remedy::RewriteAsUtf8),
    (
        "a Git LFS pointer to the file",
        |text| text.starts_with(b"version https://git-lfs.github.com/spec/"),
        Remedy::FetchFromLfs,
    ),
    ("compressed Parquet", |text| text.starts_with(b"PAR1"), Remedy::Unpack),
    ("text that was compressed twice with gzip", |text| text.starts_with(b"\x1f\x8b"), Remedy::Unpack),
    ("text that was compressed twice with Zstandard", is_zstd, Remedy::Unpack),
    (
        "text compressed with bzip2",
        |text| text.starts_with(b"BZh") && text.get(4..10) == Some(BZIP2),
        Remedy::UnpackOrRepack,
    ),
    ("text compressed with xz", |text| text.starts_with(b"\xfd7zXZ\0"), Remedy::UnpackOrRepack),
    ("text compressed with LZ4", |text| text.starts_with(b"\x04\x22\x4d\x18"), Remedy::UnpackOrRepack),
    ("text compressed with Snappy", |text| text.starts_with(b"\xff\x06\0\0sNaPpY"), Remedy::UnpackOrRepack),
    ("a ZIP archive or a spreadsheet", |text| text.starts_with(b"PK\x03\x04"), Remedy::NamePartFiles),
    ("ORC", |text| text.starts_with(b"ORC") && text.contains(&0), Remedy::NamePartFiles),
    ("Avro", |text| text.starts_with(b"Obj\x01"), Remedy::NamePartFiles),
    ("binary data, with NUL bytes", |text| text.contains(&0), Remedy::NamePartFiles),
    ("HTML", is_html, Remedy::NamePartFiles),
    ("XML", is_xml, Remedy::NamePartFiles),
    ("JSON", is_json, Remedy::NamePartFiles),
    ("a spreadsheet's export with a line that names the delimiter", is_sep_line, Remedy::DropFirstLine),
];

/// What follows the first four bytes of bzip2: the digits of pi.
const BZIP2: &[u8] = b"1AY&SY";

/// What the first bytes of a file look like, if not like CSV.
pub(super) fn looks_like(text: &[u8]) -> Option<Sign> {
    let (what, _, remedy) = SIGNS.iter().find(|(_, is_so, _)| is_so(text))?;
    Some(Sign { what, remedy: remedy.clone() })
}

/// Extensions of text that may look like CSV but is not, with what they stand for.
const EXTENSIONS: [(&str, &[&str]); 8] = [
    ("Markdown", &["md", "markdown"]),
    ("reStructuredText", &["rst"]),
    ("HTML", &["html", "htm"]),
    ("XML", &["xml"]),
    ("JSON", &["json", "jsonl", "ndjson"]),
    ("YAML", &["yaml", "yml"]),
    ("TOML", &["toml"]),
    ("a program", &["py", "rs", "sh", "sql"]),
];

/// What a file is named like, if not like CSV.
pub(super) fn named_like(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    let is_so = |known: &&str| known.eq_ignore_ascii_case(extension);
    EXTENSIONS.iter().find(|(_, known)| known.iter().any(is_so)).map(|(what, _)| *what)
}

/// Zstandard, including files that begin with a skippable frame.
pub(super) fn is_zstd(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// By its byte order mark, or because every other byte is zero.
fn is_wide_text(text: &[u8]) -> bool {
    let head = &text[..text.len().min(64) / 2 * 2];
    let are_zero = |from: usize| head.iter().skip(from).step_by(2).all(|byte| *byte == 0);
    let is_marked = text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff");
    is_marked || (head.len() >= 4 && are_zero(0) != are_zero(1))
}

/// The text after byte order mark and whitespace.
fn start(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start()
}

fn begins_with(text: &[u8], word: &str) -> bool {
    start(text).get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
}

fn is_html(text: &[u8]) -> bool {
    begins_with(text, "<!doctype html") || begins_with(text, "<html")
}

/// A declaration, or a tag followed by another one.
fn is_xml(text: &[u8]) -> bool {
    if begins_with(text, "<?xml") || begins_with(text, "<!doctype") || begins_with(text, "<!--") {
        return true;
    }
    let [b'<', b'A'..=b'Z' | b'a'..=b'z', ..] = start(text) else { return false };
    let tag_end = memchr::memchr(b'>', start(text));
    tag_end.is_some_and(|end| start(text)[end + 1..].trim_ascii_start().starts_with(b"<"))
}

/// An object with a name, or a list of objects, lists or texts. A CSV cell that begins like this would be quoted.
fn is_json(text: &[u8]) -> bool {
    let text = start(text);
    let inner = |open: u8| text.strip_prefix(&[open]).map(<[u8]>::trim_ascii_start);
    matches!(inner(b'{'), Some([b'"', ..]))
        || matches!(inner(b'['), Some([b'"' | b'{' | b'[', ..]))
        || matches!(text.trim_ascii_end(), b"{}" | b"[]")
}

/// `sep=;`, which tells spreadsheets the delimiter.
fn is_sep_line(text: &[u8]) -> bool {
    let line = start(text).split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let bare = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    // A tab is not trimmed, because it may be the delimiter.
    matches!(bare, [s, e, p, b'=', _] if [*s, *e, *p].eq_ignore_ascii_case(b"sep"))
}

/// Delimiters other than the comma, with their names in errors.
const DELIMITERS: [(u8, &str); 4] = [(b';', "\";\""), (b'\t', "tabs"), (b'|', "\"|\""), (1, "\"\\x01\"")];

/// The likely delimiter of a text that has one column if commas delimit it: it occurs in every line, outside quotes.
/// `text` is whole records.
pub(super) fn other_delimiter(text: &[u8]) -> Option<&'static str> {
    DELIMITERS.iter().find(|(delimiter, _)| is_in_every_line(*delimiter, text)).map(|(_, name)| *name)
}

fn is_in_every_line(delimiter: u8, text: &[u8]) -> bool {
    let (mut is_in_quotes, mut is_start, mut is_empty) = (false, true, true);
    let (mut found, mut lines) = (false, 0);
    for byte in text.iter().chain(b"\n") {
        match byte {
            b'"' if is_in_quotes || is_start => is_in_quotes = !is_in_quotes,
            b'\n' | b'\r' if !is_in_quotes => {
                if !is_empty && !found {
                    return false;
                }
                lines += u32::from(!is_empty);
                (is_start, is_empty, found) = (true, true, false);
                continue;
            }
            byte if *byte == delimiter && !is_in_quotes => {
                (is_start, is_empty, found) = (true, false, true);
                continue;
            }
            _ => {}
        }
        // A quote right after a closing quote is the second half of a doubled one.
        is_start = *byte == b'"' && !is_in_quotes;
        is_empty = false;
    }
    lines > 0 && !is_in_quotes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &[u8]) -> Option<&'static str> {
        looks_like(text).map(|sign| sign.what)
    }

    #[test]
    fn what_is_no_csv_is_called_what_it_is() {
        let wide: Vec<u8> = "item_id,p50\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let other_end: Vec<u8> = "item_id,p50\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (text, expected) in [
            (&wide[..], "UTF-16 or UTF-32"),
            (&other_end, "UTF-16 or UTF-32"),
            (b"\xff\xfei\0d\0", "UTF-16 or UTF-32"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n",
                "a Git LFS pointer to the file",
            ),
            (b"PAR1\x15\x04", "compressed Parquet"),
            (b"\x1f\x8b\x08\0", "text that was compressed twice with gzip"),
            (b"\x52\x2a\x4d\x18\x04\0\0\0", "text that was compressed twice with Zstandard"),
            (b"BZh91AY&SY\xce", "text compressed with bzip2"),
            (b"PK\x03\x04\x14\0", "a ZIP archive or a spreadsheet"),
            (b"id,amount\na,\0\n", "binary data, with NUL bytes"),
            (b"\n <!DOCTYPE html>\n<html>", "HTML"),
            (b"<HTML lang=en>", "HTML"),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<Error/>", "XML"),
            (b"<Error><Code>AccessDenied</Code></Error>", "XML"),
            (b"<a>\n  <b>1</b>\n</a>", "XML"),
            (b"{\"id\": 1}\n{\"id\": 2}\n", "JSON"),
            (b"{\n  \"id\": 1\n}\n", "JSON"),
            (b"[{\"id\": 1}]", "JSON"),
            (b"[]\n", "JSON"),
            (b"sep=;\nid;amount\n", "a spreadsheet's export with a line that names the delimiter"),
            (b"\"SEP=,\"\r\nid,amount\r\n", "a spreadsheet's export with a line that names the delimiter"),
        ] {
            assert_eq!(what(text), Some(expected), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_name_may_tell_what_text_does_not() {
        for (name, expected) in [
            ("README.md", Some("Markdown")),
            ("notes.MARKDOWN", Some("Markdown")),
            ("x.csv.json", Some("JSON")),
            ("job.py", Some("a program")),
            ("x.csv", None),
            ("x.txt", None),
            ("part-00000", None),
            ("md", None),
            ("x.md.csv", None),
        ] {
            assert_eq!(named_like(name), expected, "{name}");
        }
    }

    #[test]
    fn text_that_only_begins_alike_is_csv() {
        for text in [
            "",
            "item_id,p50\n",
            "\u{feff}item_id,p50\n",
            "<none>,p50\n1,2\n",
            "<b>bold</b>,p50\n",
            "[Average wQL],RMSE\n",
            "{id},amount\n",
            "version,https\n",
            "sep,amount\n",
            "sep=;x\n",
            "sep=\n",
            "PARTS,p50\n",
            "BZh,p50\n",
            "ORC,p50\n",
            "PK,p50\n",
            "é\n",
        ] {
            assert_eq!(what(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_delimiter_stands_in_every_line_outside_of_quotes() {
        for (text, expected) in [
            ("id;amount\n1;2\n\n3;4\n", Some("\";\"")),
            ("id\tamount\n1\t2", Some("tabs")),
            ("1|north\r\n2|south\r\n", Some("\"|\"")),
            ("1\u{1}x\n2\u{1}y\n", Some("\"\\x01\"")),
            ("a;\"x\n\"\"y\"\"\"\nb;z\n", Some("\";\"")),
            ("\"a;b\"\n\"c;d\"\n", None),
            ("note\na;b\nc;d\n", None),
            ("a;b\nc;d\nplain\n", None),
            ("item_id\na\nb\n", None),
            ("id;\"amount\n", None),
            ("\n\n", None),
            ("", None),
        ] {
            assert_eq!(other_delimiter(text.as_bytes()), expected, "{text:?}");
        }
    }
}
