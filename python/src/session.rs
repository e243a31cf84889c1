//! AWS credentials of a boto3 or botocore session. It is asked before every request, and renews them in time.

use crate::failure;

use forecast_export::Credentials;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use pyo3::prelude::*;
use std::sync::Arc;

/// The credentials of a `boto3.Session`, a botocore session, or botocore credentials themselves.
///
/// # Errors
/// `UsageError` if the object is none of these, or has no credentials.
pub(crate) fn credentials(session: &Bound<'_, PyAny>) -> PyResult<Credentials> {
    let py = session.py();
    let of_session = session.hasattr("get_credentials")?;
    let found = if of_session { session.call_method0("get_credentials")? } else { session.clone() };
    if found.is_none() {
        return Err(failure::usage(py, "session has no credentials; log in, or give it a profile"));
    }
    if !found.hasattr("get_frozen_credentials")? {
        let text = "session must be a boto3.Session, a botocore session or botocore credentials";
        return Err(failure::usage(py, text));
    }
    Ok(Credentials::aws(Arc::new(Session { credentials: found.unbind() })))
}

/// The region of a session, if it has one.
pub(crate) fn region(session: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    match session.getattr_opt("region_name")? {
        Some(region) => region.extract(),
        None => Ok(None),
    }
}

#[derive(Debug)]
struct Session {
    credentials: Py<PyAny>,
}

#[async_trait::async_trait]
impl CredentialProvider for Session {
    type Credential = AwsCredential;

    /// On a thread of its own: botocore may wait for a server, and this waits for the GIL.
    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let failed = |reason: String| object_store::Error::Generic { store: "S3", source: reason.into() };
        let ended = || failed("Python has ended".to_owned());
        let credentials = Python::try_attach(|py| self.credentials.clone_ref(py)).ok_or_else(ended)?;
        let asked =
            tokio::task::spawn_blocking(move || Python::try_attach(|py| frozen(credentials.bind(py)))).await;
        let given = asked.map_err(|error| failed(error.to_string()))?.ok_or_else(ended)?;
        given.map(Arc::new).map_err(|error| failed(format!("the session has no credentials: {error}")))
    }
}

fn frozen(credentials: &Bound<'_, PyAny>) -> PyResult<AwsCredential> {
    let frozen = credentials.call_method0("get_frozen_credentials")?;
    Ok(AwsCredential {
        key_id: frozen.getattr("access_key")?.extract()?,
        secret_key: frozen.getattr("secret_key")?.extract()?,
        token: frozen.getattr("token")?.extract()?,
    })
}
