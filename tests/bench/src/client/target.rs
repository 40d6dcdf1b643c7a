//! Where a server is, and how to talk to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::certificate::{CA, TOKEN};
use crate::key::Proof;

/// A server that can be called.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What its signatures are signatures of.
    pub(crate) proof: Proof,
    /// TLS 1.3, with the server's own authority.
    pub(super) tls: Arc<ClientConfig>,
    token: String,
}

impl Target {
    /// The server at `address`, whose authority and token are in `folder`.
    pub(crate) fn new(folder: &Path, address: SocketAddr, proof: Proof) -> Result<Self> {
        let ca = CertificateDer::from_pem_file(folder.join(CA))
            .map_err(|bad| anyhow::anyhow!("cannot read the server's authority: {bad}"))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca)?;

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let token = std::fs::read_to_string(folder.join(TOKEN)).context("cannot read the token")?;
        Ok(Self { address, proof, tls: Arc::new(tls), token: token.trim().to_owned() })
    }

    /// The same server, called by somebody else.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The bytes of a GET request.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\n{}\r\n", self.headers()).into_bytes()
    }

    /// The bytes of a POST request.
    pub(crate) fn post(&self, path: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\n{}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
            self.headers()
        )
        .into_bytes()
    }

    fn headers(&self) -> String {
        format!("host: {}\r\nauthorization: Bearer {}\r\n", self.address, self.token)
    }
}
