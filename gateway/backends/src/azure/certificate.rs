//! An application's certificate, and what it says for itself by the certificate's key: a JWT as Entra documents it ("Microsoft
//! identity platform application authentication certificate credentials").

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyport_core::outside::Timestamp;
use keyport_core::{Failure, FailureKind};
use reqwest::Url;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, json};
use x509_parser::certificate::Validity;
use x509_parser::parse_x509_certificate;

use crate::cloud::jwt::{Algorithm, Signer};
use crate::secret_file::{self, SecretFileError};

/// A certificate with its key, as they are in their files now.
#[derive(Debug)]
pub(super) struct Certificate {
    file: PathBuf,
    /// What Entra knows it by: the digest of its DER, in base64url.
    thumbprint: String,
    validity: Validity,
    signer: Signer,
}

impl Certificate {
    /// Reads the key, and from `file` the certificate that is of this key: others in it are of those who vouch for it.
    pub(super) fn read(file: &Path, key: &Path) -> Result<Self, CertificateError> {
        let secret = secret_file::read(key, "the certificate's private key", LONGEST)?;
        let text = if file == key { Cow::Borrowed(secret.as_bytes()) } else { Cow::Owned(content(file)?) };
        let signer = Signer::read(secret.as_bytes()).ok_or_else(|| CertificateError::Key(key.into()))?;

        let mut is_there = false;
        for der in CertificateDer::pem_slice_iter(&text).filter_map(Result::ok) {
            is_there = true;
            let Ok((_rest, certificate)) = parse_x509_certificate(&der) else { continue };
            if *certificate.public_key().subject_public_key.data == *signer.public() {
                let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &der));
                let validity = certificate.validity().clone();
                return Ok(Self { file: file.into(), thumbprint, validity, signer });
            }
        }

        if is_there {
            return Err(CertificateError::Apart { certificate: file.into(), key: key.into() });
        }
        Err(CertificateError::Missing(file.into()))
    }

    /// What the application says of itself to `audience`, for [`LIFE`] from `now` on.
    pub(super) fn assertion(&self, client: &str, audience: &Url, now: Timestamp) -> Result<String, Failure> {
        self.check(now).map_err(|error| super::granted::refused(error.to_string()))?;
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id)
            .map_err(|_unspecified| Failure::new(FailureKind::Internal, "there is no randomness"))?;

        let issued = now.0 / 1000;
        let header = Map::from_iter([("x5t#S256".to_owned(), self.thumbprint.clone().into())]);
        let claims = json!({
            "aud": audience.as_str(),
            "iss": client,
            "sub": client,
            "jti": uuid::Builder::from_random_bytes(id).into_uuid().to_string(),
            "iat": issued,
            "nbf": issued,
            "exp": issued + LIFE,
        });
        self.signer.token(Algorithm::Ps256, header, &claims)
    }

    /// That its time is now. The last second is valid to its end.
    fn check(&self, now: Timestamp) -> Result<(), CertificateError> {
        let now = i64::try_from(now.0 / 1000).unwrap_or(i64::MAX);
        let Validity { not_before, not_after } = &self.validity;

        if now > not_after.timestamp() {
            return Err(CertificateError::Ended { file: self.file.clone(), at: not_after.to_string() });
        }
        if now < not_before.timestamp() {
            return Err(CertificateError::Early { file: self.file.clone(), at: not_before.to_string() });
        }
        Ok(())
    }
}

fn content(file: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(file).map_err(|cause| CertificateError::Unreadable { file: file.into(), cause })
}

/// Why a certificate proves nothing, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// They are of two key pairs.
    #[error(
        "{}: no certificate in it is of the key in {}: name the two that were made together",
        certificate.display(), key.display()
    )]
    Apart {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// Its time is to come.
    #[error("{}: the certificate begins at {at}, which by this machine's clock is to come", file.display())]
    Early {
        /// Which file.
        file: PathBuf,
        /// When it begins.
        at: String,
    },
    /// Its time is over.
    #[error("{}: the certificate ended at {at}: upload the next one to Entra and put it into this file", file.display())]
    Ended {
        /// Which file.
        file: PathBuf,
        /// When it ended.
        at: String,
    },
    /// The key is none that Entra takes.
    #[error("{}: the key must be one of RSA of 2048 bits or more, unencrypted, in PEM: Entra takes no other", _0.display())]
    Key(PathBuf),
    /// The file has none in it.
    #[error("{}: there is no certificate in PEM in it", _0.display())]
    Missing(PathBuf),
    /// The key cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// The certificate cannot be read.
    #[error("{}: the certificate cannot be read: {cause}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Seconds for which an assertion is taken: Entra advises five to ten minutes.
const LIFE: u64 = 300;
/// Bytes of a file with a key.
const LONGEST: usize = 64 << 10;
