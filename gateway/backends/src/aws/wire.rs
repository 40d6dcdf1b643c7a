//! The vendor's clients on the HTTP client that everything else here uses: one TLS, one way to proxies and authorities.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use keyport_core::{Failure, FailureKind};
use reqwest::{Client, NoProxy, Proxy, Request, Response};

use super::connection::{Connection, OpenError};
use crate::cloud::Shown;
use crate::http::exchange::{at_the_proxy, lost};
use crate::http::{client, trust};

/// Sends what the vendor's clients word.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    client: Client,
    /// How long an exchange may take; `None` where whoever waits for it says so.
    limit: Option<Duration>,
}

impl Wire {
    /// Reads the file of authorities.
    pub(super) fn open(connection: &Connection) -> Result<Self, OpenError> {
        let builder = client(trust(connection.ca.as_deref())?)
            .connect_timeout(CONNECT)
            // The service closes what is idle, and a request on its way then would be lost.
            .pool_idle_timeout(IDLE);
        let builder = match &connection.proxy {
            Some(proxy) => {
                let direct = NoProxy::from_string(METADATA);
                builder.proxy(Proxy::all(proxy).map_err(|_bad| OpenError::Proxy)?.no_proxy(direct))
            }
            None => builder,
        };

        Ok(Self { client: builder.build().map_err(OpenError::Client)?, limit: None })
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let exchange = async {
            let request = translated(request)?;
            let shown = Shown::by(&request);
            let response = self.client.execute(request).await;
            whole(response.map_err(|error| failed(lost(&error)))?, &shown).await
        };

        match self.limit {
            None => exchange.await,
            Some(limit) => tokio::time::timeout(limit, exchange)
                .await
                .unwrap_or_else(|late| Err(ConnectorError::timeout(late.into()))),
        }
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // Only the addresses of a machine's own metadata have limits: where there is no such service, nobody refuses either.
        let limit = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or_default());

        SharedHttpConnector::new(Self { client: self.client.clone(), limit })
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request))
    }
}

fn translated(request: HttpRequest) -> Result<Request, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(|body| body.bytes().unwrap_or_default().to_vec());

    Request::try_from(request).map_err(|error| ConnectorError::user(error.into()))
}

/// The response, if its body is not too large. A refusal does not repeat what the request proved itself with.
async fn whole(mut response: Response, shown: &Shown) -> Result<HttpResponse, ConnectorError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(lost(&error)))? {
        if body.len() + chunk.len() > LARGEST {
            let message = format!("the service's answer has more than {LARGEST} bytes");
            return Err(failed(Failure::new(FailureKind::Internal, message)));
        }
        body.extend_from_slice(&chunk);
    }

    let status = response.status().as_u16();
    if let Some(failure) = at_the_proxy(status) {
        return Err(failed(failure));
    }
    let body = shown.hidden(status, body);
    let status = status.try_into();
    let status = status.map_err(|_bad| failed(Failure::new(FailureKind::Internal, "no such status")))?;
    let mut answer = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in response.headers() {
        if let Ok(value) = value.to_str() {
            let mut value = value.to_owned();
            shown.hide(&mut value);
            answer.headers_mut().append(name.as_str().to_owned(), value);
        }
    }
    Ok(answer)
}

/// A failure that is found again among the causes of the vendor's error.
fn failed(failure: Failure) -> ConnectorError {
    ConnectorError::other(failure.into(), None)
}

/// How long a connection may take to come about, so that there is time left for another address.
const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(20);
/// Bytes of an answer's body. The largest here is a page of tags.
const LARGEST: usize = 1 << 20;
/// Where machines of this cloud and containers on them are told their credentials: never through a proxy.
const METADATA: &str = "169.254.169.254,169.254.170.2,169.254.170.23,fd00:ec2::254,fd00:ec2::23";
