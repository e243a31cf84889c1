//! The HTTP client under Amazon's SDK, which looks up credentials and describes jobs: the SDK's default client, with
//! bounded answers. It does not follow redirects.

use super::bounded::{Bounded, CONNECT_TIMEOUT, Endless, LONGEST_DESCRIPTION, SILENCE};
use super::trust::{Trust, Untrusted};

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use reqwest::Url;

pub(super) fn client(trust: &Trust) -> SharedHttpClient {
    let trust = trust.clone();
    let inner = Builder::new().build_with_connector_fn(move |settings, components| {
        connect(&trust, settings, components.and_then(RuntimeComponents::sleep_impl))
    });
    SharedHttpClient::new(Ending(inner))
}

/// The inner client, whose answers are not bounded.
pub(super) fn connector(trust: &Trust) -> SharedHttpConnector {
    let settings =
        HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(SILENCE).build();
    SharedHttpConnector::new(connect(trust, Some(&settings), Some(SharedAsyncSleep::new(TokioSleep::new()))))
}

fn connect(
    trust: &Trust,
    settings: Option<&HttpConnectorSettings>,
    sleep: Option<SharedAsyncSleep>,
) -> Connector {
    let mut builder = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    builder.set_connector_settings(settings.cloned());
    builder.set_sleep_impl(sleep);
    builder.set_proxy_config(Some(ProxyConfig::from_env()));
    if let Some(pem) = trust.pem()
        && let Ok(context) =
            TlsContext::builder().with_trust_store(TrustStore::empty().with_pem_certificate(pem)).build()
    {
        builder.set_tls_context(context);
    }
    builder.build()
}

#[derive(Debug)]
struct Ending(SharedHttpClient);

impl HttpClient for Ending {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(EndingConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct EndingConnector(SharedHttpConnector);

impl HttpConnector for EndingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let address = Url::parse(request.uri()).ok();
        let host = address.as_ref().map_or("", |address| address.authority()).to_owned();
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let bounded = |body| {
                SdkBody::from_body_1_x(Bounded::new(body, LONGEST_DESCRIPTION, |why: Endless| why.into()))
            };
            // Otherwise it would be retried, as a lost connection is.
            let untrusted = |error: ConnectorError| match Untrusted::of(&host, &error) {
                Some(untrusted) => ConnectorError::user(untrusted.into()),
                None => error,
            };
            Ok(answer.await.map_err(untrusted)?.map(bounded))
        })
    }
}
