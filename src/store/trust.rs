//! The certificate authorities that connections to AWS trust: takes the path of a certificate bundle, from
//! `AWS_CA_BUNDLE` or a profile's `ca_bundle`, returns the trust settings of every client of this program. A bundle
//! replaces the system's certificates, as in the aws cli; without one the system's are trusted, or, on Linux, those in
//! `SSL_CERT_FILE`. Also recognizes the error for a certificate that is not accepted.

#[cfg(feature = "aws")]
use crate::model::{Origin, Result};
use crate::model::{Remedy, causes};

use reqwest::Certificate;
use rustls::CertificateError;
use std::error::Error as StdError;
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

/// Why a connection failed that a retry would not make: the server's certificate is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate of {host} is not accepted: {why}")]
pub(crate) struct Untrusted {
    host: String,
    why: String,
    is_issuer_unknown: bool,
}

impl Untrusted {
    /// If that is why a request to this host failed.
    pub(super) fn of(host: &str, error: &(dyn StdError + 'static)) -> Option<Self> {
        let refused = causes(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>()? {
            rustls::Error::InvalidCertificate(refused) => Some(refused),
            _ => None,
        })?;
        let why = match refused {
            CertificateError::UnknownIssuer => "no authority that is trusted here has issued it".to_owned(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "it has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for a different host".to_owned()
            }
            other => other.to_string(),
        };
        let is_issuer_unknown = *refused == CertificateError::UnknownIssuer;
        Some(Untrusted { host: host.to_owned(), why, is_issuer_unknown })
    }

    /// The one among an error's causes.
    pub(crate) fn behind<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        causes(error).find_map(|cause| cause.downcast_ref())
    }

    /// What helps, if that is known.
    pub(crate) fn remedy(&self) -> Option<Remedy> {
        self.is_issuer_unknown.then_some(Remedy::TrustAuthority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refused: CertificateError) -> (String, Option<Remedy>) {
        let tls = rustls::Error::InvalidCertificate(refused);
        let connection = std::io::Error::other(std::io::Error::other(tls));
        let untrusted = Untrusted::of("host:443", &connection).expect("a certificate");
        (untrusted.to_string(), untrusted.remedy())
    }

    #[test]
    fn a_certificate_that_is_not_accepted_is_found_within_errors_of_the_connection() {
        assert_eq!(
            told(CertificateError::UnknownIssuer),
            (
                "the certificate of host:443 is not accepted: no authority that is trusted here has issued it"
                    .to_owned(),
                Some(Remedy::TrustAuthority)
            )
        );
        let (said, remedy) = told(CertificateError::Expired);
        assert_eq!(said, "the certificate of host:443 is not accepted: it has expired");
        assert_eq!(remedy, None);
        let other = std::io::Error::other(rustls::Error::HandshakeNotComplete);
        assert_eq!(Untrusted::of("host:443", &other), None);
    }
}
