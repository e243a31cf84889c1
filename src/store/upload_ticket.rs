//! What travels with the request that puts an object or begins a multipart upload: a condition on its completion on the way
//! out, the upload's id and the checksum that the store keeps on the way back.

use std::sync::{Arc, Mutex, PoisonError};

/// Goes with the request that begins a multipart upload, as an extension that object_store passes on unseen.
#[derive(Debug, Clone, Default)]
pub(crate) struct UploadTicket {
    #[cfg_attr(not(any(feature = "aws", feature = "gcp", feature = "azure")), expect(dead_code))]
    pub(super) only_if_absent: bool,
    id: Arc<Mutex<Option<String>>>,
    checksum: Arc<Mutex<Option<String>>>,
}

impl UploadTicket {
    /// With `only_if_absent` the upload's completion fails where an object of its name exists by then.
    pub(crate) fn new(only_if_absent: bool) -> Self {
        UploadTicket { only_if_absent, ..UploadTicket::default() }
    }

    /// The upload's id, where it has begun on a store that has such.
    pub(crate) fn id(&self) -> Option<String> {
        self.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The CRC64NVME of the whole object as the store keeps it, in Base64, where the answer to the last request gave it.
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
