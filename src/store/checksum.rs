//! CRC64NVME, the checksum that S3 stores for every object. A build without remote stores does not compute it.

#[cfg(feature = "remote")]
use base64::Engine;
#[cfg(feature = "remote")]
use base64::prelude::BASE64_STANDARD;
#[cfg(feature = "remote")]
use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of the bytes so far.
#[cfg(feature = "remote")]
pub(crate) struct Crc64Nvme(Digest);

#[cfg(feature = "remote")]
impl Default for Crc64Nvme {
    fn default() -> Self {
        Crc64Nvme(Digest::new(CrcAlgorithm::Crc64Nvme))
    }
}

#[cfg(feature = "remote")]
impl Crc64Nvme {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// As S3 writes it.
    pub(crate) fn base64(&self) -> String {
        BASE64_STANDARD.encode(self.0.finalize().to_be_bytes())
    }
}

#[cfg(not(feature = "remote"))]
#[derive(Default)]
pub(crate) struct Crc64Nvme {}

#[cfg(not(feature = "remote"))]
impl Crc64Nvme {
    pub(crate) fn update(&mut self, _: &[u8]) {}

    pub(crate) fn base64(&self) -> String {
        String::new()
    }
}

#[cfg(feature = "remote")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_nvme_specification() {
        let mut checksum = Crc64Nvme::default();
        checksum.update(b"12345");
        checksum.update(b"6789");
        // The check value in the catalogue of parametrised CRC algorithms is AE8B14860A799888.
        assert_eq!(checksum.base64(), BASE64_STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes()));
    }
}
