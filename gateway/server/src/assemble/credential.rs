//! Services that are reached by HTTP, with their credentials from where the configuration says they are.

use anyhow::{Result, ensure};
use keyport_backends::http::{self, Http};
use keyport_backends::secret_file;
use keyport_core::name::ConnectionName;
use keyport_core::secret::Secret;

use super::pin::one_line;
use crate::config::{self, SecretSource};

/// A service's backend. Nothing is sent.
pub(super) fn opened(name: &ConnectionName, service: &config::Http) -> Result<Http> {
    let credential = service.credential.as_ref().map(|credential| read(name, credential)).transpose()?;

    Ok(Http::open(http::Connection {
        url: service.url.clone(),
        ca: service.ca.clone(),
        credential,
        private_addresses: service.private_addresses.clone(),
        timeout: service.timeout,
        response_size: service.response_size,
    })?)
}

fn read(name: &ConnectionName, credential: &config::Credential) -> Result<http::Credential> {
    let secret = match &credential.source {
        SecretSource::Environment(secret) => secret.clone(),
        SecretSource::File(file) => one_line(&secret_file::read(file, "the credential", LONGEST)?),
    };
    ensure!(!secret.expose().is_empty(), "connection `{name}`: the credential is empty");

    let value = match credential.scheme.as_str() {
        "" => secret,
        scheme => Secret::new([scheme.as_bytes(), b" ", secret.expose()].concat()),
    };
    Ok(http::Credential { header: credential.header.clone(), value })
}

/// Bytes that are read of a file: tokens are long, and headers have an end.
const LONGEST: usize = 16 << 10;
