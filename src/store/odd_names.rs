//! Escapes object names that object_store cannot represent, in listings that go through it: takes the document of a
//! page, returns it with such names escaped, so that one of them does not end the listing. Such an object is seen under
//! another name; it cannot be read.

use bytes::Bytes;
use object_store::path::Path;
use quick_xml::escape::{escape, unescape};
use std::fmt::Write as _;

/// The page with every name in the elements `element` made valid for a path.
pub(super) fn with_good_names(document: Bytes, element: &str) -> Bytes {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let Ok(text) = std::str::from_utf8(&document) else { return document };
    let mut good = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open.as_str()) {
        let Some((name, behind)) = after.split_once(close.as_str()) else { break };
        good.push_str(before);
        good.push_str(&open);
        match unescape(name) {
            Ok(plain) if !is_path(&plain) => good.push_str(&escape(escaped(&plain))),
            _ => good.push_str(name),
        }
        good.push_str(&close);
        rest = behind;
    }
    if good.is_empty() {
        return document;
    }
    good.push_str(rest);
    good.into()
}

/// Whether object_store accepts a name as it is, apart from the slash that ends a folder's name.
fn is_path(name: &str) -> bool {
    let name = name.strip_suffix('/').unwrap_or(name);
    Path::parse(name).is_ok_and(|path| path.as_ref() == name)
}

/// The name with invalid bytes written as `%` and two digits.
fn escaped(name: &str) -> String {
    let segments = name.split('/').map(|segment| match segment {
        "" => "%2F".to_owned(),
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        segment => segment.chars().fold(String::new(), |mut good, c| {
            match c.is_ascii_control() {
                true => drop(write!(good, "%{:02X}", c as u32)),
                false => good.push(c),
            }
            good
        }),
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(document: &str) -> String {
        let good = with_good_names(Bytes::from(document.to_owned()), "Key");
        String::from_utf8(good.to_vec()).expect("text")
    }

    #[test]
    fn only_names_that_no_path_can_have_are_changed() {
        for (name, good) in [
            ("e/x.csv", "e/x.csv"),
            ("e/a%20b&amp;c", "e/a%20b&amp;c"),
            ("e/folder/", "e/folder/"),
            ("e//x.csv", "e/%2F/x.csv"),
            ("/x.csv", "%2F/x.csv"),
            ("e/../x&lt;", "e/%2E%2E/x&lt;"),
            ("e/./x", "e/%2E/x"),
            ("e/a&#1;b", "e/a%01b"),
        ] {
            let page = |name| format!("<L><C><Key>{name}</Key><Size>1</Size></C><C><Key>z</Key></C></L>");
            assert_eq!(names(&page(name)), page(good), "{name}");
        }
        assert_eq!(names("<L/>"), "<L/>");
    }
}
