//! Tickets, which travel with the request that puts an object or begins a multipart upload: with a condition on its
//! completion on the way out, with the upload's ID and the store's checksum on the way back.

use std::sync::{Arc, Mutex, PoisonError};

/// Travels with the request that begins a multipart upload, as an extension that object_store passes on unchanged.
#[derive(Debug, Clone, Default)]
pub(crate) struct UploadTicket {
    #[cfg_attr(not(any(feature = "aws", feature = "gcp", feature = "azure")), expect(dead_code))]
    pub(super) only_if_absent: bool,
    id: Arc<Mutex<Option<String>>>,
    checksum: Arc<Mutex<Option<String>>>,
}

impl UploadTicket {
    /// With `only_if_absent`, completing the upload fails if an object of its name exists by then.
    pub(crate) fn new(only_if_absent: bool) -> Self {
        UploadTicket { only_if_absent, ..UploadTicket::default() }
    }

    /// The upload's ID, if it has begun on a store that has them.
    pub(crate) fn id(&self) -> Option<String> {
        self.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The CRC64NVME that the store has for the whole object, in Base64, if the answer to the last request contained
    /// it.
    pub(crate) fn checksum(&self) -> Option<String> {
        self.checksum.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    pub(super) fn set_checksum(&self, checksum: &str) {
        *self.checksum.lock().unwrap_or_else(PoisonError::into_inner) = Some(checksum.to_owned());
    }

    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    pub(super) fn set_id(&self, id: &str) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
    }
}
