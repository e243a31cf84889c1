//! The HTTP client under Amazon's SDK, which gives credentials and describes jobs: the one that it has by default, with
//! answers that end. It follows no redirect by itself.

use super::bounded::{Bounded, Endless, LONGEST_DESCRIPTION};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

pub(super) fn client() -> SharedHttpClient {
    let inner = Builder::new().build_with_connector_fn(|settings, components| {
        let mut builder = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.set_proxy_config(Some(ProxyConfig::from_env()));
        builder.build()
    });
    SharedHttpClient::new(Ending(inner))
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
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let bounded = |body| {
                SdkBody::from_body_1_x(Bounded::new(body, LONGEST_DESCRIPTION, |why: Endless| why.into()))
            };
            Ok(answer.await?.map(bounded))
        })
    }
}
