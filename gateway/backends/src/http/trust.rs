//! Whom a client of HTTPS believes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

/// A client's side of TLS that believes the authorities in this file (PEM); without one, those of the operating system.
///
/// Reads files.
pub fn trust(ca: Option<&Path>) -> Result<ClientConfig, TrustError> {
    Ok(believing(ca)?.with_no_client_auth())
}

/// The same, that shows a certificate of its own.
#[cfg(feature = "vault")]
pub(crate) fn trust_as(
    ca: Option<&Path>,
    (chain, key): (Vec<CertificateDer<'static>>, rustls_pki_types::PrivateKeyDer<'static>),
) -> Result<ClientConfig, TrustError> {
    believing(ca)?.with_client_auth_cert(chain, key).map_err(TrustError::Identity)
}

fn believing(ca: Option<&Path>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TrustError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let unreadable = |cause| TrustError::Authority { path: path.into(), cause };
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                roots
                    .add(certificate.map_err(unreadable)?)
                    .map_err(|cause| TrustError::BadAuthority { path: path.into(), cause })?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(TrustError::NoAuthority);
    }

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Setup)?
        .with_root_certificates(roots))
}

/// Why nobody can be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The authorities' file cannot be read.
    #[error("cannot read the authorities in {path}")]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: pem::Error,
    },
    /// An authority cannot be used.
    #[error("the authority in {path} cannot be used")]
    BadAuthority {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: rustls::Error,
    },
    /// The own certificate cannot be shown.
    #[error("the client's certificate and its key cannot be used")]
    Identity(#[source] rustls::Error),
    /// There is no authority.
    #[error("there are no authorities to trust: name a file with `ca`")]
    NoAuthority,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}
