//! Reads the simple XML of stores' answers: whether a document is whole, and the text of an element.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use std::borrow::Cow;

/// Whether a document consists of exactly this root element, complete.
pub(super) fn is_whole(document: &[u8], root: &str) -> bool {
    let mut reader = Reader::from_reader(document);
    // This says nothing about where a document ends; object_store decides what to make of it.
    reader.config_mut().allow_dangling_amp = true;
    let mut has_root = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) if !has_root && tag.local_name().as_ref() == root.as_bytes() => {
                if reader.read_to_end(tag.name()).is_err() {
                    return false;
                }
                has_root = true;
            }
            // A root without contents: `<ListBucketResult/>`.
            Ok(Event::Empty(tag)) if !has_root && tag.local_name().as_ref() == root.as_bytes() => {
                has_root = true;
            }
            Ok(Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_)) => {}
            Ok(Event::Text(text)) if text.trim_ascii().is_empty() => {}
            Ok(Event::Eof) => return has_root,
            _ => return false,
        }
    }
}

/// The text of the first element of this name, at any depth; `None` if the document is cut off inside it.
pub(super) fn element(document: &str, name: &str) -> Option<String> {
    let mut reader = Reader::from_str(document);
    // Errors are read from whatever can be parsed: a proxy's answer need not be well-formed around it.
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.local_name().as_ref() == name.as_bytes() => break,
            Event::Empty(tag) if tag.local_name().as_ref() == name.as_bytes() => return Some(String::new()),
            Event::Eof => return None,
            _ => {}
        }
    }
    let mut text = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Text(piece) => text.push_str(&piece.xml10_content().ok()?),
            Event::CData(piece) => text.push_str(&piece.xml10_content().ok()?),
            Event::GeneralRef(entity) => {
                let escaped = format!("&{};", entity.decode().ok()?);
                text.push_str(&unescape(&escaped).unwrap_or(Cow::Borrowed(&escaped)));
            }
            Event::End(tag) if tag.local_name().as_ref() == name.as_bytes() => {
                return Some(text.trim().to_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_listing(document: &str) -> bool {
        is_whole(document.as_bytes(), "ListBucketResult")
    }

    #[test]
    fn a_listing_is_whole_with_its_root_and_its_end() {
        assert!(is_listing(
            "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><Name>b</Name></ListBucketResult>\n"
        ));
        assert!(is_listing("<ListBucketResult/>"));
        assert!(is_listing("<ListBucketResult xmlns=\"x\" />"));
    }

    #[test]
    fn a_whole_listing_may_be_spelled_in_any_way_of_xml() {
        for document in [
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult></ListBucketResult>",
            "<s3:ListBucketResult xmlns:s3=\"x\"><s3:Name>b</s3:Name></s3:ListBucketResult>",
            "<ListBucketResult\n  xmlns='x' a=\"1 > 0\"\n><Name>b</Name>\r\n</ListBucketResult >\n\n",
            "<ListBucketResult><Contents/><Delimiter/></ListBucketResult>",
            "<!-- made by --><?x y?><ListBucketResult><!-- > </ListBucketResult> --></ListBucketResult><!-- \
             end -->",
            "<ListBucketResult><Key><![CDATA[</ListBucketResult]]></Key></ListBucketResult>",
            "<ListBucketResult><Key>a &amp; b &#38; c & d</Key></ListBucketResult>",
            "<ListBucketResult><ListBucketResult/></ListBucketResult>",
        ] {
            assert!(is_listing(document), "{document}");
        }
    }

    #[test]
    fn a_listing_that_is_cut_off_anywhere_is_not_whole() {
        let whole = "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><!-- c \
                     --><Contents><Key>a&amp;b</Key><Key><![CDATA[c]]></Key><Owner/></Contents><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert!(is_listing(whole));
        for end in 0..whole.len() {
            assert!(!is_listing(&whole[..end]), "{}", &whole[..end]);
        }
    }

    #[test]
    fn an_error_document_a_cut_one_and_nothing_are_not() {
        for document in [
            "",
            "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>",
            "<ListBucketResult><Contents><Key>a</Key></Contents>",
            "<ListBucketResult><Name>b</Name><Contents/>",
            "<html><body>proxy error</body></html>",
            "<Error/><ListBucketResult/>",
            "<ListBucketResult/><Error/>",
            "error<ListBucketResult/>",
            "<ListBucketResult/>error",
            "<ListBucketResults/>",
            "<ListBucketResult><Contents><Key>a</ListBucketResult>",
            "<ListBucketResult><!-- </ListBucketResult>",
        ] {
            assert!(!is_listing(document), "{document}");
        }
    }

    #[test]
    fn the_text_of_an_element_is_what_xml_says_it_is() {
        for (document, text) in [
            ("<Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
            ("<e:Error xmlns:e='x'><e:Code>AccessDenied</e:Code></e:Error>", "AccessDenied"),
            ("<Error><Code lang=\"en\" >\n  AccessDenied\n</Code ></Error>", "AccessDenied"),
            ("<Code>&quot;a&#34;&#x22;&apos;&lt;&gt;&amp;amp;</Code>", "\"a\"\"'<>&amp;"),
            ("<Code>a &nbsp; b & c</Code>", "a &nbsp; b & c"),
            ("<Code><![CDATA[a &amp; <b>]]></Code>", "a &amp; <b>"),
            ("<Code>Access<!-- <Code>no</Code> -->Denied</Code>", "AccessDenied"),
            ("<!-- <Code>no</Code> --><Code>yes</Code><Code>later</Code>", "yes"),
            ("<Codes>no</Codes><Error Code='no'><Code>yes</Code></Error>", "yes"),
            ("<html><br><p>error</i> & so on<Code>yes</Code>", "yes"),
            ("<Code></Code>", ""),
            ("<Code/>", ""),
        ] {
            assert_eq!(element(document, "Code").as_deref(), Some(text), "{document}");
        }
        for document in [
            "",
            "Code",
            "<Error/>",
            "<Code>",
            "<Code>Acce",
            "<Code>a&qu",
            "<Code>a</Cod",
            "<!-- <Code>a</Code>",
        ] {
            assert_eq!(element(document, "Code"), None, "{document}");
        }
    }
}
