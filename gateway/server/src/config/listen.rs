//! Where callers connect, and within which bounds.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::mistake::Problem;
use super::section::Section;
use super::value::{address, count, duration, network, path};

/// `[listen]`: where callers connect, always over TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Listen {
    /// `address`: an IP address and a port; port 0 takes a free one.
    pub(crate) address: SocketAddr,
    /// `tls`: what the server shows, and whose certificates it accepts.
    pub(crate) tls: Tls,
    /// `proxies`: networks of our own proxies, whose `X-Forwarded-For` counts.
    pub(crate) proxies: Vec<IpNet>,
    /// `limits`: the bounds on connections.
    pub(crate) limits: ConnectionLimits,
}

/// `listen.tls`: PEM files, read at start and again at SIGHUP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tls {
    /// `certificate`: the server's certificate and those between it and its authority.
    pub(crate) certificate: PathBuf,
    /// `key`: its private key.
    pub(crate) key: PathBuf,
    /// `client-ca`: authorities whose client certificates are accepted. Without it, none are asked for.
    pub(crate) client_ca: Option<PathBuf>,
}

/// `[listen.limits]`: the bounds on connections and on the time each part of a request may take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ConnectionLimits {
    /// `connections`: how many may be open at once.
    pub(crate) connections: u32,
    /// `handshake-timeout`: until TLS is agreed.
    pub(crate) handshake_timeout: Duration,
    /// `header-timeout`: until a request's head is read.
    pub(crate) header_timeout: Duration,
    /// `request-timeout`: from a request's head to its answer.
    pub(crate) request_timeout: Duration,
    /// `idle-timeout`: how long a connection may be silent between requests.
    pub(crate) idle_timeout: Duration,
    /// `drain-timeout`: how long requests may take to end when the gateway stops.
    pub(crate) drain_timeout: Duration,
}

/// `[admin]`: health, readiness and metrics over plain HTTP; it can change nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Admin {
    /// `address`: an IP address and a port; port 0 takes a free one.
    pub(crate) address: SocketAddr,
}

impl Listen {
    pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let address = section.required("address", "\"127.0.0.1:8443\"", address);
        if !section.has("tls") {
            section.missing("tls", "tls = { certificate = \"server.pem\", key = \"server.key\" }");
        }
        let tls = section.table("tls").and_then(|tls| Tls::read(tls, folder));
        let proxies = section.list("proxies", network).unwrap_or_default();
        let limits = section.table("limits").map(ConnectionLimits::read).unwrap_or_default();
        section.end();

        Some(Self { address: address?, tls: tls?, proxies, limits })
    }
}

impl Tls {
    fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let certificate = section.required("certificate", "\"server.pem\"", path(folder));
        let key = section.required("key", "\"server.key\"", path(folder));
        let client_ca = section.optional("client-ca", path(folder));
        section.end();

        Some(Self { certificate: certificate?, key: key?, client_ca })
    }
}

impl ConnectionLimits {
    fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let limits = Self {
            connections: section.or("connections", default.connections, count),
            handshake_timeout: section.or("handshake-timeout", default.handshake_timeout, duration),
            header_timeout: section.or("header-timeout", default.header_timeout, duration),
            request_timeout: section.or("request-timeout", default.request_timeout, duration),
            idle_timeout: section.or("idle-timeout", default.idle_timeout, duration),
            drain_timeout: section.or("drain-timeout", default.drain_timeout, duration),
        };
        section.end();
        limits
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Admin {
    pub(super) fn read(mut section: Section<'_>, listen: Option<&Listen>) -> Self {
        let admin = Self { address: section.or("address", Self::default().address, address) };
        if admin.address.port() != 0 && listen.is_some_and(|listen| listen.address == admin.address) {
            section.mistake_at(
                "address",
                Problem::new("`address`: [listen] has the same", "give the admin listener a port of its own"),
            );
        }
        section.end();
        admin
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8444)) }
    }
}
