//! Counts of requests to stores by kind, made and expected, and what S3 charges for them.

use serde::Serialize;
use std::fmt;
use std::ops::{Add, AddAssign, Mul};

/// Requests to a store, by S3's names for them. Retries after a failure are not included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Requests {
    /// `ListObjectsV2`: one per thousand objects.
    pub list: u64,
    /// `GetObject`.
    pub get: u64,
    /// `HeadObject`.
    pub head: u64,
    /// `PutObject`.
    pub put: u64,
    /// `CreateMultipartUpload`.
    pub create_upload: u64,
    /// `UploadPart`.
    pub upload_part: u64,
    /// `UploadPartCopy`.
    pub upload_part_copy: u64,
    /// `CompleteMultipartUpload`.
    pub complete_upload: u64,
}

/// What S3 charges for a request that writes, copies or lists, in billionths of a US dollar: 0.005 per thousand,
/// according to its price list of 2025 for the class Standard in us-east-1.
const WRITE_PRICE: f64 = 5_000.0;
/// The same for a request that reads: 0.0004 per thousand.
const READ_PRICE: f64 = 400.0;

/// The most objects on a page of a listing.
const PAGE_OBJECTS: u64 = 1_000;

/// The pages of a listing of this many objects; an empty listing takes one page too.
pub(crate) fn pages_of(objects: u64) -> u64 {
    objects.div_ceil(PAGE_OBJECTS).max(1)
}

impl Requests {
    /// By name, in the order in which they are shown.
    fn kinds(&self) -> [(&'static str, u64); 8] {
        [
            ("LIST", self.list),
            ("GET", self.get),
            ("HEAD", self.head),
            ("PUT", self.put),
            ("CreateMultipartUpload", self.create_upload),
            ("UploadPart", self.upload_part),
            ("UploadPartCopy", self.upload_part_copy),
            ("CompleteMultipartUpload", self.complete_upload),
        ]
    }

    /// Requests of any kind.
    pub fn total(&self) -> u64 {
        self.kinds().iter().fold(0, |total, (_, count)| total.saturating_add(*count))
    }

    /// What S3 charges for them in US dollars: the price of the class Standard in us-east-1 without discounts. Bytes,
    /// other classes and KMS keys cost extra.
    ///
    /// ```
    /// let mut requests = forecast_export::Requests::default();
    /// (requests.list, requests.get) = (20, 20_000);
    /// assert_eq!(requests.us_dollars(), 0.0081);
    /// ```
    pub fn us_dollars(&self) -> f64 {
        let reads = self.get.saturating_add(self.head);
        let writes = self.total().saturating_sub(reads);
        (reads as f64 * READ_PRICE + writes as f64 * WRITE_PRICE) / 1e9
    }
}

impl Add for Requests {
    type Output = Requests;

    fn add(self, other: Requests) -> Requests {
        Requests {
            list: self.list + other.list,
            get: self.get + other.get,
            head: self.head + other.head,
            put: self.put + other.put,
            create_upload: self.create_upload + other.create_upload,
            upload_part: self.upload_part + other.upload_part,
            upload_part_copy: self.upload_part_copy + other.upload_part_copy,
            complete_upload: self.complete_upload + other.complete_upload,
        }
    }
}

impl AddAssign for Requests {
    fn add_assign(&mut self, other: Requests) {
        *self = *self + other;
    }
}

impl Mul<u64> for Requests {
    type Output = Requests;

    fn mul(self, times: u64) -> Requests {
        Requests {
            list: self.list.saturating_mul(times),
            get: self.get.saturating_mul(times),
            head: self.head.saturating_mul(times),
            put: self.put.saturating_mul(times),
            create_upload: self.create_upload.saturating_mul(times),
            upload_part: self.upload_part.saturating_mul(times),
            upload_part_copy: self.upload_part_copy.saturating_mul(times),
            complete_upload: self.complete_upload.saturating_mul(times),
        }
    }
}

/// `1 LIST, 12 GET`; `none` if there are none.
impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (name, count) in self.kinds().into_iter().filter(|(_, count)| *count > 0) {
            write!(f, "{comma}{count} {name}")?;
            comma = ", ";
        }
        if comma.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

/// Requests to the stores of source and output: those made for a plan and those that its run will make.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedRequests {
    /// Requests made for the plan: listings, the first or last bytes of parts, checks of the output.
    pub planning: Requests,
    /// Requests that the run will make.
    pub running: Requests,
    /// Whether the run makes exactly these, apart from retries after failures. If the size of the output, or the number
    /// of pages of a large row group, is not known beforehand, they are estimated.
    pub exact: bool,
    /// What S3 charges for all of them in US dollars, as [`Requests::us_dollars`] has it; `None` if nothing is in S3.
    pub us_dollars: Option<f64>,
}

/// A line of the dry run; empty if there are no requests.
impl fmt::Display for PlannedRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlannedRequests { planning, running, exact, us_dollars } = self;
        if planning.total() + running.total() == 0 {
            return Ok(());
        }
        let about = if *exact { "" } else { "about " };
        write!(f, "  requests: {} to plan ({planning})", planning.total())?;
        write!(f, ", {about}{} to run ({running})", running.total())?;
        match us_dollars {
            Some(dollars) => writeln!(f, "; ${} by S3's list price", two_digits(*dollars)),
            None => writeln!(f),
        }
    }
}

/// An amount to the cent, or its first two digits if it is less than a cent.
fn two_digits(amount: f64) -> String {
    let digits = if amount > 0.0 { (1.0 - amount.log10().floor()).clamp(2.0, 9.0) } else { 0.0 };
    format!("{amount:.*}", digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_by_kind_and_priced_by_whether_they_write() {
        assert_eq!(Requests::default().to_string(), "none");
        let some = Requests { list: 1, get: 12, put: 2, ..Requests::default() };
        assert_eq!(some.to_string(), "1 LIST, 12 GET, 2 PUT");
        assert_eq!((some + some, (some * 3).total()), (some * 2, 45));
        let writes = Requests { upload_part_copy: 600, create_upload: 200, complete_upload: 200, ..some };
        assert!((writes.us_dollars() - some.us_dollars() - 0.005).abs() < 1e-12);
        assert_eq!(Requests { head: 1_000, ..Requests::default() }.us_dollars(), 0.0004);
    }

    #[test]
    fn a_listing_has_a_page_for_a_thousand_objects() {
        assert_eq!([0, 1, 1_000, 1_001, 20_000].map(pages_of), [1, 1, 1, 2, 20]);
    }

    #[test]
    fn amounts_are_shown_to_the_cent_or_by_two_digits() {
        for (amount, shown) in
            [(0.0, "0"), (0.0000004, "0.00000040"), (0.0000186, "0.000019"), (0.0081, "0.0081")]
        {
            assert_eq!(two_digits(amount), shown);
        }
        assert_eq!([0.104, 12.345, 1234.0].map(two_digits), ["0.10", "12.35", "1234.00"]);
    }

    #[test]
    fn a_line_says_what_was_asked_and_what_will_be() {
        let mut requests = PlannedRequests::default();
        assert_eq!(requests.to_string(), "");
        requests.planning = Requests { list: 1, get: 12, ..Requests::default() };
        assert_eq!(requests.to_string(), "  requests: 13 to plan (1 LIST, 12 GET), about 0 to run (none)\n");
        requests.running = Requests { put: 2, ..Requests::default() };
        (requests.exact, requests.us_dollars) = (true, Some(0.0000198));
        let line =
            "  requests: 13 to plan (1 LIST, 12 GET), 2 to run (2 PUT); $0.000020 by S3's list price\n";
        assert_eq!(requests.to_string(), line);
    }
}
