//! Decompresses CSV parts, recognized by their first bytes: takes compressed bytes, returns the text.

use super::looks_like::is_zstd;
use flate2::bufread::GzDecoder;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};

const BUFFER_BYTES: usize = 32 * 1024;

/// How a CSV part is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    Plain,
    Gzip,
    Zstd,
}

impl Wrapping {
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Wrapping::Gzip,
            head if is_zstd(head) => Wrapping::Zstd,
            _ => Wrapping::Plain,
        }
    }

    /// Reads the decompressed text.
    pub(crate) fn unwrap(self, raw: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
        Ok(match self {
            Wrapping::Plain => raw,
            Wrapping::Gzip => Box::new(Members::new(raw)),
            Wrapping::Zstd => Box::new(zstd::stream::read::Decoder::new(raw)?),
        })
    }
}

/// The members of a gzip stream. Zeros after the last one are padding, as for `gunzip`; anything else there is an
/// error.
struct Members<R> {
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Members<R> {
    fn new(raw: R) -> Self {
        Members { member: Some(GzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, raw))) }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while let Some(member) = &mut self.member {
            let length = member.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            self.member = match self.member.take() {
                Some(ended) => next(ended.into_inner())?,
                None => None,
            };
        }
        Ok(0)
    }
}

/// Starts the next member where the previous one ended.
fn next<R: Read>(mut raw: BufReader<R>) -> Result<Option<GzDecoder<BufReader<R>>>> {
    let mut is_padded = false;
    loop {
        let bytes = match raw.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        match bytes.get(zeros) {
            None if bytes.is_empty() => return Ok(None),
            None => {}
            Some(_) if is_padded || zeros > 0 => {
                let problem = "there is data after the zeros that pad the gzip stream";
                return Err(Error::new(ErrorKind::InvalidData, problem));
            }
            Some(_) => return Ok(Some(GzDecoder::new(raw))),
        }
        is_padded = true;
        raw.consume(zeros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).expect("compressed");
        encoder.finish().expect("compressed")
    }

    fn text_of(raw: &[u8]) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        Members::new(raw).read_to_end(&mut text).map(|_| text)
    }

    #[test]
    fn nothing_but_zeros_may_stand_behind_the_last_member() {
        let text = member(b"a,1\n");
        assert_eq!(text_of(&text).expect("text"), b"a,1\n");
        for rubbish in [&b"\n"[..], b"\0\0x", b"\x1f", b"\x1f\x8b", b"rubbish"] {
            assert!(text_of(&[&text, rubbish].concat()).is_err(), "{rubbish:?}");
        }
        // A member that gunzip would skip.
        assert!(text_of(&[&text[..], &[0; 512], &member(b"b,2\n")].concat()).is_err());
        assert!(text_of(&text[..text.len() - 1]).is_err());
        assert!(text_of(b"").is_err());
    }

    proptest! {
        #[test]
        fn all_members_are_read_and_zeros_passed_over(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..5), zeros in 0usize..100_000
        ) {
            let mut raw: Vec<u8> = texts.iter().flat_map(|text| member(text)).collect();
            raw.resize(raw.len() + zeros, 0);
            prop_assert_eq!(text_of(&raw).expect("text"), texts.concat());
        }
    }
}
