//! Whether a signature is one: by aws-lc, and by the `openssl` program.

use std::fmt;
use std::fs;

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use tokio::process::Command;

use super::tool::run;

/// A hash function of contract `webhook`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The digest of `message`.
    pub(crate) fn of(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest(algorithm, message).as_ref().to_vec()
    }

    /// The digest of `message`, in base64.
    pub(crate) fn base64(self, message: &[u8]) -> String {
        BASE64_STANDARD.encode(self.of(message))
    }

    /// What `openssl dgst` calls it.
    fn option(self) -> &'static str {
        match self {
            Self::Sha256 => "-sha256",
            Self::Sha384 => "-sha384",
            Self::Sha512 => "-sha512",
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// The fingerprint of a public key in PEM, as the contract defines it.
pub(crate) fn fingerprint(pem: &str) -> String {
    format!("sha256:{}", hex::encode(digest(&digest::SHA256, spki(pem).as_ref())))
}

/// Whether `signature` is one of `message`, hashed with `hash`, by the key whose public half is `pem`.
pub(crate) fn verifies(pem: &str, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    let spki = spki(pem);

    UnparsedPublicKey::new(algorithm(spki.as_ref(), hash), spki.as_ref()).verify(message, signature).is_ok()
}

/// The same, as `openssl dgst -verify` says it.
pub(crate) async fn openssl_accepts(pem: &str, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        path
    };

    let mut command = Command::new("openssl");
    command.args(["dgst", hash.option(), "-verify"]).arg(file("public.pem", pem.as_bytes()));
    command.arg("-signature").arg(file("signature", signature)).arg(file("message", message));
    run(command).await.stdout.contains("Verified OK")
}

fn spki(pem: &str) -> SubjectPublicKeyInfoDer<'static> {
    SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).expect("a public key in PEM")
}

/// How the gateway's usual signatures of this key are verified: the key's type shows in the length of its public half.
fn algorithm(spki: &[u8], hash: Hash) -> &'static dyn VerificationAlgorithm {
    match (spki.len(), hash) {
        (P256, Hash::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (P256, Hash::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (P256, Hash::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (P384, Hash::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (P384, Hash::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (P384, Hash::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (_, Hash::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (_, Hash::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (_, Hash::Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}

/// Bytes of a SubjectPublicKeyInfo.
const P256: usize = 91;
const P384: usize = 120;
