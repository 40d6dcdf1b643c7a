//! What the gateway counts, for Prometheus. Tenants, callers and keys are never labels.

use std::fmt;
use std::time::Duration;

use keyport_core::outside::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, LabelValueEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Everything that is counted, and the registry that shows it.
#[derive(Debug)]
pub(crate) struct Telemetry {
    registry: Registry,
    requests: Family<Served, Counter>,
    durations: Family<Kind, Histogram, fn() -> Histogram>,
    unauthenticated: Family<Unauthenticated, Counter>,
    connections: Gauge,
    connections_full: Counter,
    handshake_failures: Family<Handshake, Counter>,
    audit_writable: Gauge,
    certificate_expiry: Gauge,
}

impl Telemetry {
    /// Nothing counted yet. `hits` tells which limits providers ran into so far, `failures` how custodians failed.
    pub(crate) fn new(
        hits: impl Fn() -> Vec<Count> + Send + Sync + 'static,
        failures: impl Fn() -> Vec<Count> + Send + Sync + 'static,
    ) -> Self {
        let mut registry = Registry::with_prefix("keyport");
        registry.register("build", "What is running", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register_collector(Box::new(Counted {
            name: "provider_limit_hits",
            help: "How often a provider ran into one of its limits",
            labels: ["provider", "limit"],
            counts: Box::new(hits),
        }));
        registry.register_collector(Box::new(Counted {
            name: "custodian_failures",
            help: "How often a custodian failed, by what it calls the failure",
            labels: ["connection", "code"],
            counts: Box::new(failures),
        }));

        let mut telemetry = Self {
            registry,
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            unauthenticated: Family::default(),
            connections: Gauge::default(),
            connections_full: Counter::default(),
            handshake_failures: Family::default(),
            audit_writable: Gauge::default(),
            certificate_expiry: Gauge::default(),
        };
        telemetry.register();
        telemetry
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "unauthenticated",
            "Requests without a credential that is known",
            self.unauthenticated.clone(),
        );
        registry.register("connections", "Connections that are open", self.connections.clone());
        registry.register(
            "connections_full",
            "How often a connection had to wait for a place",
            self.connections_full.clone(),
        );
        registry.register(
            "handshake_failures",
            "TLS handshakes that failed",
            self.handshake_failures.clone(),
        );
        registry.register(
            "audit_writable",
            "1 while the audit log can be written, otherwise 0",
            self.audit_writable.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry",
            "When the server's certificate expires, since 1970",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
    }

    /// A request was answered.
    pub(crate) fn served(&self, served: Served, took: Duration) {
        let kind = Kind { contract: served.contract, operation: served.operation };
        self.requests.get_or_create(&served).inc();
        self.durations.get_or_create(&kind).observe(took.as_secs_f64());
    }

    /// A request had no credential that is known.
    pub(crate) fn unauthenticated(&self, contract: &'static str, reason: &'static str) {
        self.unauthenticated.get_or_create(&Unauthenticated { contract, reason }).inc();
    }

    /// A connection was opened; it counts until the answer drops.
    pub(crate) fn connection(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    /// A connection had to wait for a place.
    pub(crate) fn connections_full(&self) {
        self.connections_full.inc();
    }

    /// A TLS handshake failed.
    pub(crate) fn handshake_failed(&self, reason: HandshakeFailure) {
        self.handshake_failures.get_or_create(&Handshake { reason }).inc();
    }

    /// Everything as text (OpenMetrics 1.0), with what is so right now.
    pub(crate) fn text(&self, now: Now) -> Result<String, fmt::Error> {
        self.audit_writable.set(i64::from(now.audit_writable));
        if let Some(Timestamp(milliseconds)) = now.certificate_expires {
            self.certificate_expiry.set(i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX));
        }

        let mut page = String::with_capacity(8 * 1024);
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// What [`Telemetry::text`] writes.
pub(crate) const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is only known when somebody asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Whether the audit log can be written.
    pub(crate) audit_writable: bool,
    /// When the server's certificate expires.
    pub(crate) certificate_expires: Option<Timestamp>,
}

/// An answered request.
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct Served {
    /// Over which contract; `none` where the path belongs to none.
    pub(crate) contract: &'static str,
    /// What for.
    pub(crate) operation: &'static str,
    /// `ok`, or why not.
    pub(crate) outcome: &'static str,
}

/// Whose and what, and how often.
pub(crate) type Count = ([String; 2], u64);

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum HandshakeFailure {
    /// The client went away.
    Closed,
    /// The two did not agree, or the client's certificate was refused.
    Protocol,
    /// It took too long.
    Timeout,
}

impl prometheus_client::encoding::EncodeLabelValue for HandshakeFailure {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let word = match self {
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
        };
        word.encode(encoder)
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Kind {
    contract: &'static str,
    operation: &'static str,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Unauthenticated {
    contract: &'static str,
    reason: &'static str,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Handshake {
    reason: HandshakeFailure,
}

/// What others count, asked for when somebody reads the page.
struct Counted {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; 2],
    counts: Box<dyn Fn() -> Vec<Count> + Send + Sync>,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(self.name, self.help, None, MetricType::Counter)?;
        for ([one, other], count) in (self.counts)() {
            let [name, other_name] = self.labels;
            let labels = [(name, one.as_str()), (other_name, other.as_str())];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// From a signature of the embedded token's to the longest a caller waits.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_shows_what_was_counted() {
        let hits = || vec![(["soft", "cpu"].map(str::to_owned), 3)];
        let failures = || vec![(["hsm", "CKR_DEVICE_ERROR"].map(str::to_owned), 2)];
        let telemetry = Telemetry::new(hits, failures);
        let open = telemetry.connection();
        telemetry.connection();
        telemetry.handshake_failed(HandshakeFailure::Timeout);
        telemetry.unauthenticated("webhook", "unknown-token");
        telemetry.served(
            Served { contract: "webhook", operation: "sign", outcome: "ok" },
            Duration::from_micros(200),
        );
        let page = telemetry
            .text(Now { audit_writable: true, certificate_expires: Some(Timestamp(1_900_000_000_000)) })
            .unwrap();
        drop(open);

        for line in [
            "keyport_requests_total{contract=\"webhook\",operation=\"sign\",outcome=\"ok\"} 1",
            "keyport_request_duration_seconds_count{contract=\"webhook\",operation=\"sign\"} 1",
            "keyport_unauthenticated_total{contract=\"webhook\",reason=\"unknown-token\"} 1",
            "keyport_connections 1",
            "keyport_handshake_failures_total{reason=\"timeout\"} 1",
            "keyport_provider_limit_hits_total{provider=\"soft\",limit=\"cpu\"} 3",
            "keyport_custodian_failures_total{connection=\"hsm\",code=\"CKR_DEVICE_ERROR\"} 2",
            "keyport_audit_writable 1",
            "keyport_certificate_expiry_seconds 1900000000",
            concat!("keyport_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
