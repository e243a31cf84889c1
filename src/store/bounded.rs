//! Bounds on answers: takes a response body, returns the same bytes as long as they are not more than expected and do
//! not arrive too slowly. Every body that comes over a network passes through here, from object_store and from Amazon's
//! SDK.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// How long a host may take to start its answer.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent, and how long any answer may take regardless of its speed. A piece of an upload
/// counts as silence until its answer begins, so this is also the time that the slowest line may take for 8 MiB, four
/// pieces at a time.
pub(super) const SILENCE: Duration = Duration::from_secs(120);
/// After that time, an answer must have arrived at this many bytes per second.
const SLOWEST: u64 = 16 * 1024;
/// The longest document in a store's answer: a page of Azure's listing has 5,000 names of up to 3 KiB when encoded, and
/// twice as much about each.
pub(super) const LONGEST_DOCUMENT: u64 = 48 << 20;
/// How much to read of a document that says why a request failed; S3's have a few hundred bytes.
pub(super) const LONGEST_COMPLAINT: usize = 64 << 10;
/// The longest answer of a service that issues credentials or describes jobs.
#[cfg(feature = "aws")]
pub(super) const LONGEST_DESCRIPTION: u64 = 4 << 20;

/// Why reading an answer was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Endless {
    #[error("the answer is longer than the allowed {0} bytes")]
    Long(u64),
    #[error("the answer comes too slowly: {0} bytes in {1} seconds")]
    Slow(u64, u64),
}

/// A body that ends with an error when it exceeds its bounds.
pub(super) struct Bounded<B: Body> {
    body: Pin<Box<B>>,
    most: u64,
    received: u64,
    began: Instant,
    is_over: bool,
    error: fn(Endless) -> B::Error,
}

impl<B: Body<Data = Bytes>> Bounded<B> {
    /// A body of at most `most` bytes.
    pub(super) fn new(body: B, most: u64, error: fn(Endless) -> B::Error) -> Self {
        Bounded { body: Box::pin(body), most, received: 0, began: Instant::now(), is_over: false, error }
    }

    /// Counts bytes that came after `elapsed`.
    fn count(&mut self, bytes: u64, elapsed: Duration) -> Result<(), Endless> {
        self.received = self.received.saturating_add(bytes);
        if self.received > self.most {
            return Err(Endless::Long(self.most));
        }
        if elapsed > SILENCE + Duration::from_secs(self.received / SLOWEST) {
            return Err(Endless::Slow(self.received, elapsed.as_secs()));
        }
        Ok(())
    }
}

impl<B: Body<Data = Bytes>> Body for Bounded<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let Some(frame) = ready!(self.body.as_mut().poll_frame(context)) else { return Poll::Ready(None) };
        let bytes = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        let elapsed = self.began.elapsed();
        Poll::Ready(Some(match self.count(bytes, elapsed) {
            Ok(()) => frame,
            Err(endless) => {
                self.is_over = true;
                Err((self.error)(endless))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    /// Readers allocate what is announced, so never announce more than can come.
    fn size_hint(&self) -> SizeHint {
        let (promised, left) = (self.body.size_hint(), self.most.saturating_sub(self.received));
        let mut hint = SizeHint::new();
        hint.set_lower(promised.lower().min(left));
        if let Some(upper) = promised.upper() {
            hint.set_upper(upper.max(hint.lower()));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// A given number of frames of a given size.
    struct Frames(usize, usize);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.0 == 0 {
                return Poll::Ready(None);
            }
            self.0 -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; self.1])))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(u64::MAX)
        }
    }

    fn bounded(most: u64) -> Bounded<Frames> {
        Bounded::new(Frames(3, 10), most, |endless| panic!("{endless}"))
    }

    #[test]
    fn a_body_within_its_bounds_is_passed_on() {
        let mut body = bounded(30);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut bytes = 0;
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) {
            bytes += frame.data_ref().expect("data").len();
        }
        assert_eq!(bytes, 30);
    }

    #[test]
    fn no_more_room_is_promised_than_can_come() {
        assert_eq!(bounded(30).size_hint().lower(), 30);
    }

    #[test]
    fn too_many_bytes_and_too_few_in_a_time_end_a_body() {
        let mut body = bounded(1 << 30);
        assert_eq!(body.count(1 << 30, Duration::from_secs(1)), Ok(()));
        assert_eq!(body.count(1, Duration::from_secs(1)), Err(Endless::Long(1 << 30)));
        let mut body = bounded(1 << 30);
        assert_eq!(body.count(1, SILENCE), Ok(()));
        assert_eq!(body.count(1, SILENCE + Duration::from_secs(1)), Err(Endless::Slow(2, 121)));
        // A mebibyte may take a minute more.
        assert_eq!(body.count(1 << 20, SILENCE + Duration::from_secs(64)), Ok(()));
        assert!(body.count(1, SILENCE + Duration::from_secs(66)).is_err());
    }
}
