//! The gateway's TLS: versions, certificate and client authorities, exchanged without dropping a connection.

mod validity;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use keyport_core::outside::{Clock, Timestamp};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use zeroize::Zeroizing;

use self::validity::Validity;

/// Where the PEM files are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Files {
    /// The certificate, followed by those between it and its root.
    pub(crate) certificate: PathBuf,
    /// Its private key: PKCS#8, SEC1 or PKCS#1, not encrypted.
    pub(crate) key: PathBuf,
    /// Who may vouch for clients, a file for each party. A client need not present a certificate, but one that does must
    /// be vouched for.
    pub(crate) client_cas: Vec<PathBuf>,
}

/// What new connections are greeted with. Connections that are open keep what they began with.
pub(crate) struct Certificates {
    files: Files,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Current>,
}

impl Certificates {
    /// Reads `files`.
    pub(crate) fn open(files: Files, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let current = Current::read(&files, clock.wall())?;

        Ok(Self { files, clock, current: ArcSwap::from_pointee(current) })
    }

    /// Reads the files again. Nothing changes until [`Certificates::replace`].
    pub(crate) fn read(&self) -> Result<Current, TlsError> {
        // Everything is made anew, the keys of session tickets too: a ticket must not outlive the client authority
        // that it was given under.
        Current::read(&self.files, self.clock.wall())
    }

    /// Greets new connections with what was read.
    pub(crate) fn replace(&self, current: Current) {
        self.current.store(Arc::new(current));
    }

    /// What the next connection is to be greeted with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }

    /// Which of the client authorities vouch for `chain`, the client's own certificate first: the handshake tells only
    /// that one of them does.
    pub(crate) fn vouchers(&self, chain: &[CertificateDer<'_>]) -> Vec<usize> {
        let [certificate, between @ ..] = chain else { return Vec::new() };
        let now = UnixTime::since_unix_epoch(Duration::from_millis(self.clock.wall().0));
        let current = self.current.load();

        let vouches = |authority: &Arc<dyn ClientCertVerifier>| {
            authority.verify_client_cert(certificate, between, now).is_ok()
        };
        current.clients.iter().enumerate().filter(|(_, one)| vouches(one)).map(|(place, _)| place).collect()
    }

    /// When the certificate expires.
    pub(crate) fn expires(&self) -> Timestamp {
        self.current.load().expires
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Why files are no good for TLS, with what would mend them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: pem::Error,
    },
    /// A file has no certificate in it.
    #[error("{path} holds no PEM certificate (-----BEGIN CERTIFICATE-----)")]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// A file has no usable private key in it.
    #[error("{path} holds no unencrypted PEM private key (-----BEGIN PRIVATE KEY-----)")]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// A private key is broken or of a kind that TLS does not use.
    #[error(
        "the private key in {path} cannot be used: an ECDSA P-256, P-384 or P-521, RSA or Ed25519 key is needed"
    )]
    BadKey {
        /// Which file it is in.
        path: PathBuf,
        /// Why.
        #[source]
        cause: rustls::Error,
    },
    /// The key is another certificate's.
    #[error(
        "the private key in {key} does not belong to the certificate in {certificate}: put the server's own certificate first"
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// What is in PEM is no X.509 certificate.
    #[error("{path} holds something that is no X.509 certificate")]
    BadCertificate {
        /// Which file.
        path: PathBuf,
    },
    /// The certificate's time is over.
    #[error("the certificate in {path} expired at {}: renew it", humantime::format_rfc3339_seconds(.at.system_time()))]
    Expired {
        /// Which file.
        path: PathBuf,
        /// When.
        at: Timestamp,
    },
    /// The certificate's time has not begun.
    #[error("the certificate in {path} is valid only from {}: check the clock", humantime::format_rfc3339_seconds(.from.system_time()))]
    NotYetValid {
        /// Which file.
        path: PathBuf,
        /// When it begins.
        from: Timestamp,
    },
    /// A client authority cannot be used.
    #[error("the client authority in {path} cannot be used")]
    BadAuthority {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: rustls::Error,
    },
    /// The client authorities together cannot be used.
    #[error("the client authorities in {path} cannot be used")]
    BadAuthorities {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: VerifierBuilderError,
    },
    /// The cryptographic library refused.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// What was read from the files.
pub(crate) struct Current {
    config: Arc<ServerConfig>,
    /// Each client authority by itself.
    clients: Vec<Arc<dyn ClientCertVerifier>>,
    expires: Timestamp,
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Current {
    /// When the certificate expires.
    pub(crate) fn expires(&self) -> Timestamp {
        self.expires
    }

    fn read(files: &Files, now: Timestamp) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (certified, validity) = certified(files, now, &provider)?;

        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Setup)?;
        let (mut all, mut clients) = (RootCertStore::empty(), Vec::new());
        for path in &files.client_cas {
            let roots = authorities(path)?;
            all.extend(roots.roots.iter().cloned());
            clients.push(verifier(path, roots, &provider)?);
        }
        let builder = match files.client_cas.first() {
            None => builder.with_no_client_auth(),
            Some(path) => builder.with_client_cert_verifier(verifier(path, all, &provider)?),
        };

        let mut config =
            builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
        Ok(Self { config: Arc::new(config), clients, expires: validity.until })
    }
}

/// The protocol's name in ALPN (RFC 9113, section 3.1).
pub(crate) const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

fn certified(
    files: &Files,
    now: Timestamp,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, Validity), TlsError> {
    let chain = certificates(&files.certificate)?;
    let validity = chain
        .first()
        .and_then(|certificate| Validity::of(certificate))
        .ok_or_else(|| TlsError::BadCertificate { path: files.certificate.clone() })?;
    if now > validity.until {
        return Err(TlsError::Expired { path: files.certificate.clone(), at: validity.until });
    }
    if now < validity.from {
        return Err(TlsError::NotYetValid { path: files.certificate.clone(), from: validity.from });
    }

    let certified = CertifiedKey::from_der(chain, private_key(&files.key)?, provider);
    Ok((certified.map_err(|cause| unfit(files, cause))?, validity))
}

fn unfit(files: &Files, cause: rustls::Error) -> TlsError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, open list: only these two are not about the key"
    )]
    match cause {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() }
        }
        rustls::Error::InvalidCertificate(_) => TlsError::BadCertificate { path: files.certificate.clone() },
        cause => TlsError::BadKey { path: files.key.clone(), cause },
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| TlsError::Read { path: path.into(), cause })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.into() });
    }

    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|cause| {
        if matches!(cause, pem::Error::NoItemsFound) {
            TlsError::NoKey { path: path.into() }
        } else {
            TlsError::Read { path: path.into(), cause }
        }
    })
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|cause| TlsError::BadAuthority { path: path.into(), cause })?;
    }

    Ok(roots)
}

fn verifier(
    path: &Path,
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|cause| TlsError::BadAuthorities { path: path.into(), cause })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|cause| TlsError::Read { path: path.into(), cause: pem::Error::Io(cause) })
}

#[cfg(test)]
mod tests;
