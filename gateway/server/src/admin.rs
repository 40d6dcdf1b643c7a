//! Health, readiness and metrics, over plain HTTP, for those who run the gateway. Nothing can be changed here.

use std::fmt;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use keyport_core::Gateway;
use keyport_core::gateway::Readiness;
use keyport_core::name::ConnectionName;
use serde::Serialize;
use tokio::sync::watch;

use crate::listen::Answer;
use crate::telemetry::{self, Now, Telemetry};
use crate::testdouble::Calls;
use crate::tls::Certificates;

/// The admin listener's answers.
#[derive(Debug)]
pub(crate) struct Admin {
    /// Whose readiness it is.
    pub(crate) gateway: Arc<Gateway>,
    /// What was counted.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Whose expiry is shown.
    pub(crate) certificates: Arc<Certificates>,
    /// What `/healthz` says besides that the gateway lives.
    pub(crate) warnings: Vec<Warning>,
    /// What test doubles were asked, where that can be read.
    pub(crate) calls: Option<Arc<Calls>>,
    /// True once the gateway stops: it is then no longer ready, while requests in flight end.
    pub(crate) stop: watch::Receiver<bool>,
}

/// What makes a gateway unfit for anything but development or tests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Warning {
    /// Keys of this connection come from a seed.
    DerivedKeys(ConnectionName),
    /// Test doubles may be loaded.
    TestingAllowed,
}

impl fmt::Display for Warning {
    /// A word for scripts, and a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DerivedKeys(connection) => {
                write!(
                    f,
                    "derived-keys: keys of connection `{connection}` come from a seed: for development only"
                )
            }
            Self::TestingAllowed => {
                f.write_str("testing-allowed: test doubles may be loaded: for tests only")
            }
        }
    }
}

impl Answer for Admin {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => self.alive(),
            (&Method::GET | &Method::HEAD, "/testing/calls") if self.calls.is_some() => {
                self.asked(request.uri().query())
            }
            (&Method::GET | &Method::HEAD, "/readyz") => self.ready(),
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics(),
            (_, "/healthz" | "/readyz" | "/metrics") => {
                let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
            _ => status(StatusCode::NOT_FOUND),
        }
    }
}

impl Admin {
    /// `ok`, and a line for each warning.
    fn alive(&self) -> Response<Full<Bytes>> {
        let warnings = self.warnings.iter().map(|warning| format!("warning {warning}\n"));

        text("text/plain", format!("ok\n{}", warnings.collect::<String>()))
    }

    /// What test doubles were asked; with `after=N`, only what came after the Nth call.
    fn asked(&self, query: Option<&str>) -> Response<Full<Bytes>> {
        let after = match query.map(|query| query.strip_prefix("after=").map(str::parse)) {
            None => 0,
            Some(Some(Ok(after))) => after,
            Some(Some(Err(_)) | None) => return status(StatusCode::BAD_REQUEST),
        };

        match self.calls.as_ref().map(|calls| calls.json(after)) {
            Some(Ok(body)) => text("application/json", body),
            Some(Err(_)) => status(StatusCode::INTERNAL_SERVER_ERROR),
            None => status(StatusCode::NOT_FOUND),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let stopping = *self.stop.borrow();
        let readiness = self.gateway.readiness();
        let ready = readiness.is_ready() && !stopping;

        let Ok(body) = serde_json::to_string(&Ready::of(&readiness, ready, stopping)) else {
            return status(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let mut response = text("application/json", body);
        if !ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let now = Now {
            audit_writable: self.gateway.readiness().audit_writable,
            certificate_expires: Some(self.certificates.expires()),
        };

        self.telemetry.text(now).map_or_else(
            |_error| status(StatusCode::INTERNAL_SERVER_ERROR),
            |page| text(telemetry::TEXT, page),
        )
    }
}

/// The body of `/readyz`.
#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    stopping: bool,
    audit_writable: bool,
    providers: Vec<Provider<'a>>,
}

#[derive(Serialize)]
struct Provider<'a> {
    name: &'a str,
    component: &'a str,
    required: bool,
    healthy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    checked: String,
}

impl<'a> Ready<'a> {
    fn of(readiness: &'a Readiness, ready: bool, stopping: bool) -> Self {
        let providers = readiness.providers.iter().map(|health| Provider {
            name: health.name.as_str(),
            component: health.component.as_str(),
            required: health.required,
            healthy: health.error.is_none(),
            error: health.error.as_deref(),
            checked: humantime::format_rfc3339_seconds(health.checked.system_time()).to_string(),
        });

        Self { ready, stopping, audit_writable: readiness.audit_writable, providers: providers.collect() }
    }
}

fn text(kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = text("text/plain", format!("{status}\n"));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answered, World, certificates, exchange};

    async fn admin(world: &World) -> (Arc<Admin>, watch::Sender<bool>) {
        let (stopping, stop) = watch::channel(false);
        world.gateway.probe().await;
        let admin = Admin {
            gateway: Arc::clone(&world.gateway),
            telemetry: Arc::clone(&world.telemetry),
            certificates: certificates().0,
            warnings: Vec::new(),
            calls: None,
            stop,
        };
        (Arc::new(admin), stopping)
    }

    async fn ask(admin: &Arc<Admin>, method: &str, path: &str) -> Answered {
        exchange(
            admin,
            format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await
    }

    #[tokio::test]
    async fn gateway_is_ready_until_it_stops_or_cannot_write_its_log() {
        let world = World::open().await;
        let (admin, stopping) = admin(&world).await;
        let ready = ask(&admin, "GET", "/readyz").await;
        assert_eq!(ready.status, 200);
        assert_eq!(ready.json()["providers"][0]["name"], "soft");
        assert_eq!(ready.json()["providers"][0]["healthy"], true);

        stopping.send_replace(true);
        assert_eq!(ask(&admin, "GET", "/readyz").await.status, 503);
        stopping.send_replace(false);
        world.close_audit().await;
        world.ask("GET", "/webhook/nothing", "").await;
        let unready = ask(&admin, "GET", "/readyz").await;
        assert_eq!(
            (unready.status, &unready.json()["audit_writable"]),
            (503, &serde_json::Value::Bool(false))
        );
        assert_eq!(ask(&admin, "GET", "/healthz").await.status, 200);
    }

    #[tokio::test]
    async fn metrics_show_what_was_served() {
        let world = World::open().await;
        let (admin, _stopping) = admin(&world).await;
        world.ask("GET", "/webhook/keys", "").await;
        let metrics = ask(&admin, "GET", "/metrics").await;

        assert!(metrics.head.contains("content-type: application/openmetrics-text"), "{}", metrics.head);
        let line = "keyport_requests_total{contract=\"webhook\",operation=\"list\",outcome=\"ok\"} 1";
        assert!(metrics.body.contains(line), "{}", metrics.body);
    }

    #[tokio::test]
    async fn nothing_can_be_changed() {
        let world = World::open().await;
        let (admin, _stopping) = admin(&world).await;

        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(ask(&admin, "HEAD", path).await.body, "");
        }
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            assert_eq!(ask(&admin, method, "/healthz").await.status, 405, "{method}");
            assert_eq!(ask(&admin, method, "/metrics").await.status, 405, "{method}");
        }
        assert_eq!(ask(&admin, "GET", "/").await.status, 404);
    }
}
