//! Cuts an object into the pieces of a multipart upload: takes its bytes in order, as ranges that the server can copy
//! and as our own bytes, returns pieces of legal sizes, with as few bytes as possible in those that must be sent. Pure:
//! it knows lengths, not contents.
//!
//! A piece must have 5 MiB, except for the last one. So a few bytes between two ranges, or a short range, take bytes
//! from their neighbours into a piece that is glued together here and sent.

use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;

const MIB: u64 = 1024 * 1024;

/// Bytes of the object, by where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Span<B> {
    /// A range of a source that the server can copy.
    Source(usize, Range<u64>),
    /// Bytes in memory.
    Ours(B),
}

/// Our own bytes, or their expected number.
pub(crate) trait Own {
    fn len(&self) -> u64;
    /// Cuts off the first `length` bytes.
    fn split_to(&mut self, length: u64) -> Self;
}

impl Own for Bytes {
    fn len(&self) -> u64 {
        self.len() as u64
    }

    fn split_to(&mut self, length: u64) -> Self {
        // No longer than the bytes, whose length is a `usize`.
        self.split_to(length as usize)
    }
}

/// The same number of bytes.
impl Own for u64 {
    fn len(&self) -> u64 {
        *self
    }

    fn split_to(&mut self, length: u64) -> u64 {
        *self -= length;
        length
    }
}

impl<B: Own> Span<B> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Span::Source(_, range) => range.end - range.start,
            Span::Ours(bytes) => bytes.len(),
        }
    }

    fn split_to(&mut self, length: u64) -> Self {
        match self {
            Span::Source(source, range) => {
                let middle = range.start + length;
                let first = range.start..middle;
                range.start = middle;
                Span::Source(*source, first)
            }
            Span::Ours(bytes) => Span::Ours(bytes.split_to(length)),
        }
    }
}

/// One piece of the upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UploadPiece<B> {
    /// Copied by the server.
    Copy(usize, Range<u64>),
    /// Assembled here and sent.
    Glue(Vec<Span<B>>),
}

impl<B: Own> UploadPiece<B> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            UploadPiece::Copy(_, range) => range.end - range.start,
            UploadPiece::Glue(spans) => spans.iter().map(Span::len).sum(),
        }
    }
}

/// The allowed sizes and number of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The last piece may be shorter.
    pub(crate) least: u64,
    /// The longest piece that is copied; twice `least` or more.
    pub(crate) most: u64,
    /// Bytes of a sent piece, if there are enough for several.
    pub(crate) glue: u64,
}

impl Limits {
    /// 5 MiB is S3's. It would copy 5 GiB at once, but shorter pieces are copied in parallel and answered before
    /// clients time out.
    const USUAL: Limits = Limits { least: 5 * MIB, most: 256 * MIB, glue: 8 * MIB };
    const LONGEST_COPY: u64 = 5 * 1024 * MIB;
    /// Pieces are glued in memory.
    const LONGEST_GLUE: u64 = 64 * MIB;
    /// S3 accepts 10,000; some are kept in reserve, because the lengths of what is yet to be encoded are estimates.
    const PIECES: usize = 9_500;

    /// Limits with which these spans become no more pieces than S3 accepts, and the totals of those pieces; `None` if
    /// there are none.
    pub(crate) fn for_spans(spans: &[Span<u64>]) -> Option<(Limits, Totals)> {
        Self::within(Self::USUAL, spans, Self::PIECES)
    }

    fn within(usual: Limits, spans: &[Span<u64>], most_pieces: usize) -> Option<(Limits, Totals)> {
        let longer_copies = std::iter::successors(Some(usual), |limits| {
            let most = (limits.most * 2).min(Self::LONGEST_COPY);
            (most > limits.most).then_some(Limits { most, ..*limits })
        });
        // Short ranges are glued together: more bytes are sent, in fewer pieces.
        let longer_pieces = std::iter::successors(Some(usual.least * 2), |least| Some(least * 2))
            .take_while(|least| *least <= Self::LONGEST_GLUE)
            .map(|least| Limits { least, most: Self::LONGEST_COPY, glue: usual.glue.max(least) });
        longer_copies.chain(longer_pieces).find_map(|limits| {
            let totals = Totals::of(&cut(spans.iter().cloned(), limits));
            (totals.copies + totals.sent <= most_pieces).then_some((limits, totals))
        })
    }
}

/// Totals of the pieces of an upload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Pieces that are copied.
    pub(crate) copies: usize,
    /// Pieces that are sent.
    pub(crate) sent: usize,
    /// Bytes of those.
    pub(crate) sent_bytes: u64,
    /// Ranges that are read for them.
    pub(crate) reads: usize,
}

impl Totals {
    fn of(pieces: &[UploadPiece<u64>]) -> Totals {
        let mut totals = Totals::default();
        for piece in pieces {
            match piece {
                UploadPiece::Copy(..) => totals.copies += 1,
                UploadPiece::Glue(spans) => {
                    totals.sent += 1;
                    totals.sent_bytes += piece.len();
                    totals.reads += spans.iter().filter(|span| matches!(span, Span::Source(..))).count();
                }
            }
        }
        totals
    }
}

/// Cuts spans into pieces.
pub(crate) fn cut<B: Own>(spans: impl IntoIterator<Item = Span<B>>, limits: Limits) -> Vec<UploadPiece<B>> {
    let mut cutter = Cutter::new(limits);
    let mut pieces = Vec::new();
    for span in spans {
        cutter.push(span, &mut pieces);
    }
    cutter.finish(&mut pieces);
    pieces
}

/// Cuts spans into pieces as they arrive.
#[derive(Debug)]
pub(crate) struct Cutter<B> {
    limits: Limits,
    /// A range long enough to be copied, kept back because its tail may be needed.
    copy: Option<(usize, Range<u64>)>,
    /// What follows it and cannot be copied on its own.
    glue: VecDeque<Span<B>>,
    glue_bytes: u64,
}

impl<B: Own> Cutter<B> {
    pub(crate) fn new(limits: Limits) -> Self {
        Cutter { limits, copy: None, glue: VecDeque::new(), glue_bytes: 0 }
    }

    /// Takes the next bytes; pieces that are now certain are added to `pieces`.
    pub(crate) fn push(&mut self, span: Span<B>, pieces: &mut Vec<UploadPiece<B>>) {
        if span.len() == 0 {
            return;
        }
        match self.joined(span) {
            Span::Source(source, range) if range.end - range.start >= self.limits.least => {
                self.push_long(source, range, pieces);
            }
            span => {
                self.add(span);
                self.send_full(pieces);
            }
        }
    }

    /// Ends the object.
    pub(crate) fn finish(mut self, pieces: &mut Vec<UploadPiece<B>>) {
        self.send_copy(pieces);
        // The last piece may be short, so a range that ends the object is copied whatever its length, unless what is
        // before it needs it.
        let mut last = None;
        if let Some(Span::Source(source, range)) = self.glue.back() {
            let rest = self.glue_bytes - (range.end - range.start);
            if rest == 0 || rest >= self.limits.least {
                last = Some(UploadPiece::Copy(*source, range.clone()));
                self.glue.pop_back();
                self.glue_bytes = rest;
            }
        }
        self.send_glue(pieces);
        pieces.extend(last);
    }

    /// The span joined with the one before it, if it continues in the same source.
    fn joined(&mut self, span: Span<B>) -> Span<B> {
        let Span::Source(source, range) = &span else { return span };
        let before = match self.glue.back() {
            Some(Span::Source(before, known)) => Some((*before, known.clone())),
            Some(Span::Ours(_)) => None,
            None => self.copy.clone(),
        };
        match before {
            Some((before, known)) if before == *source && known.end == range.start => {
                if self.glue.pop_back().is_some() {
                    self.glue_bytes -= known.end - known.start;
                } else {
                    self.copy = None;
                }
                Span::Source(*source, known.start..range.end)
            }
            _ => span,
        }
    }

    /// Takes a range that can be copied; what lies between it and the previous one is made long enough to be sent.
    fn push_long(&mut self, source: usize, mut range: Range<u64>, pieces: &mut Vec<UploadPiece<B>>) {
        let least = self.limits.least;
        let length = range.end - range.start;
        if !self.glue.is_empty() {
            let lacks = least.saturating_sub(self.glue_bytes);
            let before = self.copy.as_ref().map_or(0, |(_, copy)| copy.end - copy.start);
            let from_before = lacks.min(before.saturating_sub(least));
            let from_this = lacks - from_before;
            if length - from_this >= least {
                self.draw_back(from_before);
                if from_this > 0 {
                    let middle = range.start + from_this;
                    self.add(Span::Source(source, range.start..middle));
                    range.start = middle;
                }
            } else if before > 0 && before < length {
                // Neither can spare enough: the shorter one is sent as a whole.
                self.draw_back(before);
            } else {
                self.add(Span::Source(source, range));
                self.send_full(pieces);
                return;
            }
        }
        self.send_copy(pieces);
        self.send_glue(pieces);
        self.copy = Some((source, range));
    }

    fn add(&mut self, span: Span<B>) {
        self.glue_bytes += span.len();
        self.glue.push_back(span);
    }

    /// Moves the tail of the previous range into the glue.
    fn draw_back(&mut self, bytes: u64) {
        if let Some((source, copy)) = self.copy.as_mut().filter(|_| bytes > 0) {
            let middle = copy.end - bytes;
            self.glue.push_front(Span::Source(*source, middle..copy.end));
            self.glue_bytes += bytes;
            copy.end = middle;
        }
    }

    fn send_copy(&mut self, pieces: &mut Vec<UploadPiece<B>>) {
        let Some((source, range)) = self.copy.take() else { return };
        let length = range.end - range.start;
        let count = length.div_ceil(self.limits.most);
        // Even pieces: none is shorter than half of the longest allowed.
        let bound = |i: u64| {
            let offset = u128::from(length) * u128::from(i) / u128::from(count.max(1));
            range.start + offset as u64
        };
        pieces.extend((0..count).map(|i| UploadPiece::Copy(source, bound(i)..bound(i + 1))));
    }

    /// Outputs pieces while enough is left for one more.
    fn send_full(&mut self, pieces: &mut Vec<UploadPiece<B>>) {
        while self.glue_bytes >= self.limits.glue + self.limits.least {
            self.send_copy(pieces);
            let piece = self.take_glue(self.limits.glue);
            pieces.push(UploadPiece::Glue(piece));
        }
    }

    /// Outputs everything that is glued.
    fn send_glue(&mut self, pieces: &mut Vec<UploadPiece<B>>) {
        self.send_full(pieces);
        if self.glue_bytes > 0 {
            let piece = self.take_glue(self.glue_bytes);
            pieces.push(UploadPiece::Glue(piece));
        }
    }

    fn take_glue(&mut self, bytes: u64) -> Vec<Span<B>> {
        let mut taken = Vec::new();
        let mut lacks = bytes;
        while lacks > 0 {
            let Some(mut span) = self.glue.pop_front() else { break };
            if span.len() > lacks {
                taken.push(span.split_to(lacks));
                self.glue.push_front(span);
                lacks = 0;
            } else {
                lacks -= span.len();
                taken.push(span);
            }
        }
        self.glue_bytes -= bytes - lacks;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: Limits = Limits { least: 5, most: 20, glue: 8 };

    /// Every byte by its place: a source and a position, or our own and its number.
    fn bytes_of<'a>(spans: impl IntoIterator<Item = &'a Span<Bytes>>) -> Vec<(usize, u64)> {
        let mut bytes = Vec::new();
        for span in spans {
            match span {
                Span::Source(source, range) => bytes.extend(range.clone().map(|at| (*source, at))),
                Span::Ours(own) => bytes.extend(own.iter().map(|byte| (usize::MAX, u64::from(*byte)))),
            }
        }
        bytes
    }

    fn bytes_of_parts(pieces: &[UploadPiece<Bytes>]) -> Vec<(usize, u64)> {
        let mut spans = Vec::new();
        for piece in pieces {
            match piece {
                UploadPiece::Copy(source, range) => spans.push(Span::Source(*source, range.clone())),
                UploadPiece::Glue(glued) => spans.extend(glued.iter().cloned()),
            }
        }
        bytes_of(&spans)
    }

    fn sent<B: Own>(pieces: &[UploadPiece<B>]) -> u64 {
        let is_sent = |piece: &&UploadPiece<B>| matches!(piece, UploadPiece::Glue(_));
        pieces.iter().filter(is_sent).map(UploadPiece::len).sum()
    }

    /// The fewest bytes that any legal cut sends, by trying all.
    fn fewest_sent(bytes: &[(usize, u64)], limits: Limits) -> u64 {
        let goes_on = |at: usize| bytes[at - 1].0 == bytes[at].0 && bytes[at - 1].1 + 1 == bytes[at].1;
        let mut fewest = vec![0; bytes.len() + 1];
        for end in 1..=bytes.len() {
            let mut best = u64::MAX;
            let mut is_one_range = bytes[end - 1].0 != usize::MAX;
            for start in (0..end).rev() {
                let length = (end - start) as u64;
                is_one_range &= start + 1 == end || goes_on(start + 1);
                if (length >= limits.least || end == bytes.len()) && fewest[start] < u64::MAX {
                    best = best.min(fewest[start] + if is_one_range { 0 } else { length });
                }
            }
            fewest[end] = best;
        }
        fewest[bytes.len()]
    }

    fn spans() -> impl Strategy<Value = Vec<Span<Bytes>>> {
        let span = prop_oneof![
            3 => (0usize..4, 0u64..30, 0u64..50).prop_map(|(source, start, length)| {
                Span::Source(source, start..start + length)
            }),
            1 => (0u64..12).prop_map(|length| {
                // Numbered, so that a byte in a wrong place is seen.
                Span::Ours((0..length as u8).collect::<Vec<_>>().into())
            }),
            // One that may go on where another ended.
            1 => (0u64..4, 1u64..3).prop_map(|(from, count)| Span::Source(9, from * 7..(from + count) * 7)),
        ];
        prop::collection::vec(span, 0..14)
    }

    proptest! {
        #[test]
        fn any_spans_become_legal_parts_of_the_same_bytes(spans in spans()) {
            let pieces = cut(spans.clone(), SMALL);
            prop_assert_eq!(bytes_of_parts(&pieces), bytes_of(&spans));
            for (i, piece) in pieces.iter().enumerate() {
                let longest = match piece {
                    UploadPiece::Copy(..) => SMALL.most,
                    UploadPiece::Glue(_) => SMALL.glue + SMALL.least - 1,
                };
                prop_assert!(piece.len() <= longest && piece.len() > 0, "{pieces:?}");
                prop_assert!(piece.len() >= SMALL.least || i + 1 == pieces.len(), "{pieces:?}");
            }
        }

        #[test]
        fn no_cut_sends_much_less(spans in spans()) {
            let fewest = fewest_sent(&bytes_of(&spans), SMALL);
            let sent = sent(&cut(spans.clone(), SMALL));
            prop_assert!(sent <= fewest + fewest / 2 + SMALL.least, "{sent} are sent, {fewest} would do");
        }

        #[test]
        fn lengths_are_cut_as_bytes_are(spans in spans()) {
            let lengths = spans.iter().map(|span| match span {
                Span::Source(source, range) => Span::Source(*source, range.clone()),
                Span::Ours(bytes) => Span::Ours(bytes.len() as u64),
            });
            let by_length: Vec<u64> = cut(lengths, SMALL).iter().map(UploadPiece::len).collect();
            let by_bytes: Vec<u64> = cut(spans, SMALL).iter().map(UploadPiece::len).collect();
            prop_assert_eq!(by_length, by_bytes);
        }

        #[test]
        fn there_are_never_more_parts_than_allowed(spans in spans(), most_pieces in 1usize..8) {
            let lengths: Vec<Span<u64>> = spans.iter().map(|span| match span {
                Span::Source(source, range) => Span::Source(*source, range.clone()),
                Span::Ours(bytes) => Span::Ours(bytes.len() as u64),
            }).collect();
            let (limits, totals) = Limits::within(SMALL, &lengths, most_pieces).expect("64 MiB hold them \
                                                                                        all");
            let pieces = cut(lengths, limits);
            prop_assert!(pieces.len() <= most_pieces);
            prop_assert_eq!(totals.copies + totals.sent, pieces.len());
            prop_assert_eq!(totals.sent_bytes, sent(&pieces));
        }
    }

    fn ranges(count: usize, length: u64) -> Vec<Span<u64>> {
        (0..count).map(|source| Span::Source(source, 26..26 + length)).collect()
    }

    #[test]
    fn long_ranges_without_a_gap_are_all_copied() {
        let (limits, totals) = Limits::for_spans(&ranges(100, 6 * MIB)).expect("few pieces");
        assert_eq!((limits, totals.copies, totals.sent_bytes), (Limits::USUAL, 100, 0));
    }

    #[test]
    fn one_byte_between_two_ranges_draws_five_mebibytes() {
        let spans = [Span::Source(0, 0..6 * MIB), Span::Ours(1), Span::Source(1, 0..20 * MIB)];
        let pieces = cut(spans, Limits::USUAL);
        // What the first can spare, and the rest of the second.
        let lengths: Vec<u64> = pieces.iter().map(UploadPiece::len).collect();
        assert_eq!(lengths, [5 * MIB, 5 * MIB, 16 * MIB + 1]);
        assert_eq!(sent(&pieces), 5 * MIB);
    }

    #[test]
    fn a_range_of_more_than_five_gibibytes_is_copied_in_several_parts() {
        let huge = 41 * 1024 * MIB + 3;
        let pieces = cut(
            [Span::<u64>::Source(0, 7..7 + huge)],
            Limits { most: Limits::LONGEST_COPY, ..Limits::USUAL },
        );
        assert_eq!(pieces.iter().map(UploadPiece::len).sum::<u64>(), huge);
        assert!(pieces.iter().all(|piece| piece.len() <= 5 * 1024 * MIB), "{pieces:?}");
        assert_eq!(sent(&pieces), 0);
    }

    #[test]
    fn the_limits_of_s3_hold_for_very_many_and_very_long_parts() {
        // 20,000 ranges of 5 MiB do not fit into 10,000 pieces unless some are glued together.
        let (limits, totals) = Limits::for_spans(&ranges(20_000, 5 * MIB)).expect("two and two");
        assert!(totals.copies + totals.sent <= 10_000 && limits.least > 5 * MIB, "{limits:?} {totals:?}");
        // 40 TiB in ranges of 20 GiB.
        let (limits, totals) = Limits::for_spans(&ranges(2_000, 20 * 1024 * MIB)).expect("5 GiB each");
        assert!(totals.copies <= 10_000 && totals.sent_bytes == 0, "{limits:?} {totals:?}");
        assert!(limits.most <= 5 * 1024 * MIB);
        // Nothing legal is left.
        assert_eq!(Limits::for_spans(&ranges(200_000, 64 * MIB)), None);
    }
}
