//! The certificate authorities that connections to AWS trust: takes the path of a certificate bundle, from
//! `AWS_CA_BUNDLE` or a profile's `ca_bundle`, returns the trust settings of every client of this program. A bundle
//! replaces the system's certificates, as in the aws cli; without one the system's are trusted, or those in
//! `SSL_CERT_FILE`.

#[cfg(feature = "aws")]
use crate::model::{Origin, Result};

use reqwest::Certificate;
use std::sync::Arc;

/// The authorities that may vouch for a server.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust {
    bundle: Option<Arc<[u8]>>,
}

impl Trust {
    /// Reads a bundle of PEM certificates.
    #[cfg(feature = "aws")]
    pub(super) fn read(origin: Origin, path: &str) -> Result<Self> {
        let bad = |why: String| super::settings::bad(origin.clone(), Some(path), &why);
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return bad(format!("the file cannot be read: {error}")),
        };
        match Certificate::from_pem_bundle(&bytes) {
            Ok(certificates) if !certificates.is_empty() => Ok(Trust { bundle: Some(bytes.into()) }),
            Ok(_) => bad("the file contains no PEM certificate".into()),
            Err(error) => bad(format!("the file contains a damaged certificate: {error}")),
        }
    }

    /// The certificates in PEM, if they replace the system's.
    #[cfg(feature = "aws")]
    pub(super) fn pem(&self) -> Option<&[u8]> {
        self.bundle.as_deref()
    }

    /// The certificates, if they replace the system's.
    pub(super) fn certificates(&self) -> Option<Vec<Certificate>> {
        self.bundle.as_ref().and_then(|bytes| Certificate::from_pem_bundle(bytes).ok())
    }
}
