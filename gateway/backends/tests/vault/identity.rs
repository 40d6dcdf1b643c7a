//! Who vouches for whom in a test: certificates of servers and of clients, and signed statements.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData};
use serde_json::Value;
use tempfile::TempDir;

/// An authority of certificates.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();

        let made = Self { issuer, folder };
        std::fs::write(made.file(), made.pem()).unwrap();
        made
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Where its certificate is.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server's certificate and key, in files.
    pub(crate) fn server(&self, folder: &Path) -> (PathBuf, PathBuf) {
        self.issued(folder, "server", "127.0.0.1")
    }

    /// A client's.
    pub(crate) fn client(&self, folder: &Path) -> (PathBuf, PathBuf) {
        self.issued(folder, "client", "gateway.example")
    }

    fn issued(&self, folder: &Path, name: &str, subject: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([subject.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));

        std::fs::write(&files.0, certificate.pem()).unwrap();
        write_secret(&files.1, &key.serialize_pem());
        files
    }
}

/// Somebody who signs statements (JWT), with ES256.
#[derive(Debug)]
pub(crate) struct Issuer(KeyPair);

impl Issuer {
    pub(crate) fn new() -> Self {
        Self(KeyPair::generate().unwrap())
    }

    /// Whom its statements are verified with: PEM.
    pub(crate) fn public(&self) -> String {
        let der = base64::prelude::BASE64_STANDARD.encode(self.0.subject_public_key_info());

        format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")
    }

    pub(crate) fn states(&self, claims: &Value) -> String {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!(
            "{}.{}",
            encode(br#"{"alg":"ES256","typ":"JWT"}"#),
            encode(claims.to_string().as_bytes())
        );
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, self.0.serialized_der()).unwrap();
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();

        format!("{signed}.{}", encode(signature.as_ref()))
    }
}

/// Writes a file that nobody else may read, as whoever replaces a secret does: all of it at once.
pub(crate) fn write_secret(file: &Path, content: &str) {
    let new = file.with_extension("new");
    let mut written =
        std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new).unwrap();

    written.write_all(content.as_bytes()).unwrap();
    std::fs::rename(new, file).unwrap();
}
