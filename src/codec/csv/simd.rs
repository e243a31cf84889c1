//! Uses the widest instructions of the current processor; the only place with `unsafe` code.
//!
//! A program for every x86-64 processor may only use 16 bytes at a time and instructions from 2003. [`run`] compiles a
//! job a second time for processors from 2013 on (AVX2, BMI, LZCNT) and chooses at run time. Everything inlined into
//! the job benefits: reading numbers as well as finding delimiters. Decoding a gigabyte of forecasts takes a fifth less
//! time.

use wide::u8x64;

/// Work that benefits from wide instructions. `WIDE` says that they are available.
pub(super) trait Job {
    type Output;

    /// Must be `#[inline(always)]`, or it is only compiled for the baseline processor.
    fn run<const WIDE: bool>(self) -> Self::Output;
}

/// Runs a job with the widest available instructions.
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "a function for newer processors may only be called on those, and this checks first"
)]
pub(super) fn run<J: Job>(job: J) -> J::Output {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn for_newer<J: Job>(job: J) -> J::Output {
        job.run::<true>()
    }
    let is_newer = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt");
    if is_newer {
        // SAFETY: the processor has every feature that the function is compiled for, as checked above.
        unsafe { for_newer(job) }
    } else {
        job.run::<false>()
    }
}

/// Runs a job with the instructions that every processor of the kind has.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn run<J: Job>(job: J) -> J::Output {
    job.run::<false>()
}

/// The matching positions among 64 bytes, with the first byte in the lowest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) commas: u64,
    pub(super) line_ends: u64,
    pub(super) quotes: u64,
    pub(super) returns: u64,
}

/// Finds delimiters; `WIDE` is that of the [`Job`], and false outside of one.
#[inline(always)]
pub(super) fn masks<const WIDE: bool>(bytes: &[u8; 64]) -> Masks {
    #[cfg(target_arch = "x86_64")]
    if WIDE {
        return of_two_halves(bytes);
    }
    let bytes = u8x64::new(*bytes);
    let of = |byte: u8| bytes.simd_eq(u8x64::splat(byte)).to_bitmask();
    Masks { commas: of(b','), line_ends: of(b'\n'), quotes: of(b'"'), returns: of(b'\r') }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "for processors with AVX2, and wide jobs run only on those")]
fn of_two_halves(bytes: &[u8; 64]) -> Masks {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
    };
    #[target_feature(enable = "avx2")]
    #[inline]
    fn mask(low: __m256i, high: __m256i, byte: u8) -> u64 {
        let wanted = _mm256_set1_epi8(byte as i8);
        let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) as u32;
        let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) as u32;
        u64::from(low) | u64::from(high) << 32
    }
    #[target_feature(enable = "avx2")]
    #[inline]
    fn masks(bytes: &[u8; 64]) -> Masks {
        let (low, high) = bytes.split_at(32);
        // SAFETY: each half has the 32 bytes that are loaded, and the load does not require alignment.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast())) };
        Masks {
            commas: mask(low, high, b','),
            line_ends: mask(low, high, b'\n'),
            quotes: mask(low, high, b'"'),
            returns: mask(low, high, b'\r'),
        }
    }
    // SAFETY: `WIDE` is true only within `for_newer`, so AVX2 is available.
    unsafe { masks(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Find<'a>(&'a [u8; 64]);

    impl Job for Find<'_> {
        type Output = (Masks, bool);

        #[inline(always)]
        fn run<const WIDE: bool>(self) -> (Masks, bool) {
            (masks::<WIDE>(self.0), WIDE)
        }
    }

    proptest! {
        #[test]
        fn wide_and_narrow_instructions_find_the_same(
            bytes in prop::collection::vec(prop::sample::select(b"a,\n\"\r\xff".to_vec()), 64)
        ) {
            let bytes: &[u8; 64] = bytes.as_slice().try_into().expect("64 bytes");
            let mask = |wanted| {
                bytes.iter().enumerate().map(|(i, byte)| u64::from(*byte == wanted) << i).fold(0, |a, b| a | b)
            };
            let expected = Masks {
                commas: mask(b','), line_ends: mask(b'\n'), quotes: mask(b'"'), returns: mask(b'\r')
            };
            prop_assert_eq!(masks::<false>(bytes), expected);
            let (found, is_wide) = run(Find(bytes));
            prop_assert_eq!(found, expected);
            // If compiled for such processors, or for Miri, this is the only variant.
            prop_assert!(is_wide || !cfg!(target_feature = "avx2"));
        }
    }
}
