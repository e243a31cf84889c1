//! An HTTP client that sends paths unchanged: the one under Amazon's SDK. That of object_store normalizes `a/../b` to
//! `b`, as a browser would, so it cannot request an object with that key.

use super::sdk_client::connector;
use super::trust::Trust;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest as SdkRequest;
use aws_smithy_types::body::SdkBody;
use http_body::{Body, Frame};
use object_store::client::{
    HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Makes a client that trusts the same authorities as the others.
pub(super) fn client(trust: &Trust) -> HttpClient {
    HttpClient::new(Exact(connector(trust)))
}

#[derive(Debug)]
struct Exact(SharedHttpConnector);

#[async_trait]
impl HttpService for Exact {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let failed = |error| HttpError::new(HttpErrorKind::Request, error);
        let request = request.map(|body| SdkBody::from(body.as_bytes().cloned().unwrap_or_default()));
        let request = SdkRequest::try_from(request).map_err(failed)?;
        let answer = self.0.call(request).await;
        let answer = answer.map_err(|error| HttpError::new(HttpErrorKind::Connect, error))?;
        Ok(answer.try_into_http1x().map_err(failed)?.map(|body| HttpResponseBody::new(Told(body))))
    }
}

/// A body whose errors are those of object_store.
struct Told(SdkBody);

impl Body for Told {
    type Data = bytes::Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, HttpError>>> {
        let told =
            |error: aws_smithy_types::body::Error| HttpError::new(HttpErrorKind::Interrupted, Lost(error));
        Pin::new(&mut self.0).poll_frame(context).map(|frame| frame.map(|frame| frame.map_err(told)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the answer broke off: {0}")]
struct Lost(aws_smithy_types::body::Error);
