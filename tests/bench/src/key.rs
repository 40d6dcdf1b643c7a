//! Keys outside the gateway: what the floor signs with, and what every signature is checked with.

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{Algorithm, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING, ED25519,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::ValueEnum;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

/// The key types that are measured, each with the hash of its strength.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum KeyType {
    P256,
    P384,
    P521,
    Ed25519,
    Rsa2048,
}

impl KeyType {
    /// As the webhook contract names it, or would.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "EC-P256",
            Self::P384 => "EC-P384",
            Self::P521 => "EC-P521",
            Self::Ed25519 => "Ed25519",
            Self::Rsa2048 => "RSA-2048",
        }
    }

    /// As contract `v1` names it.
    pub(crate) fn v1_name(self) -> &'static str {
        match self {
            Self::P256 => "ec-p256",
            Self::P384 => "ec-p384",
            Self::P521 => "ec-p521",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
        }
    }

    /// The usual way to sign, as contract `v1` names it.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::P256 => "ES256",
            Self::P384 => "ES384",
            Self::P521 => "ES512",
            Self::Ed25519 => "EdDSA",
            Self::Rsa2048 => "RS256",
        }
    }

    /// As this program's command line names it.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa2048",
        }
    }

    /// The hash, as the webhook contract names it.
    pub(crate) fn hash_name(self) -> &'static str {
        match self {
            Self::P256 | Self::Ed25519 | Self::Rsa2048 => "SHA-256",
            Self::P384 => "SHA-384",
            Self::P521 => "SHA-512",
        }
    }

    /// The hash. Ed25519 has one of its own: there a digest is a message like any other.
    pub(crate) fn hash(self) -> &'static Algorithm {
        match self {
            Self::P256 | Self::Ed25519 | Self::Rsa2048 => &SHA256,
            Self::P384 => &SHA384,
            Self::P521 => &SHA512,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
            Self::P384 => &ECDSA_P384_SHA384_ASN1,
            Self::P521 => &ECDSA_P521_SHA512_ASN1,
            Self::Ed25519 => &ED25519,
            Self::Rsa2048 => &RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

/// A key pair in this process's memory.
#[derive(Debug)]
pub(crate) enum SigningKey {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// Makes one.
    pub(crate) fn generate(key_type: KeyType) -> Result<Self> {
        let pair = match key_type {
            KeyType::P256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Self::Ecdsa),
            KeyType::P384 => EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).map(Self::Ecdsa),
            KeyType::P521 => EcdsaKeyPair::generate(&ECDSA_P521_SHA512_ASN1_SIGNING).map(Self::Ecdsa),
            KeyType::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
            KeyType::Rsa2048 => RsaKeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
        };
        pair.context("cannot make a key pair")
    }

    /// Signs `digest`: ECDSA as ASN.1 DER, RSA as PKCS#1 v1.5, Ed25519 as a message.
    pub(crate) fn sign(&self, digest: &Digest) -> Result<Vec<u8>> {
        match self {
            Self::Ed25519(pair) => Ok(pair.sign(digest.as_ref()).as_ref().to_vec()),
            Self::Ecdsa(pair) => Ok(pair.sign_digest(digest).context("cannot sign")?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(&RSA_PKCS1_SHA256, digest, &mut signature).context("cannot sign")?;
                Ok(signature)
            }
        }
    }

    /// The public half: SubjectPublicKeyInfo, DER.
    pub(crate) fn public_der(&self) -> Result<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Ecdsa(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
            Self::Rsa(pair) => pair.public_key().as_der(),
        }
        .context("cannot write a public key")?;
        Ok(der.as_ref().to_vec())
    }
}

/// What a server's signature over a digest is a signature of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof {
    /// The digest itself.
    Digest,
    /// The digest's bytes as a message, which the server hashed once more; r and s, not DER.
    Fixed,
    /// The digest's bytes as a message: the server hashed once more.
    Message,
    /// A JWS (RFC 7515) with the header `{"alg":"ES256"}` and the digest's bytes as payload.
    Jws,
}

/// A server's key, to check its signatures with.
#[derive(Debug)]
pub(crate) struct VerifyingKey {
    key_type: KeyType,
    proof: Proof,
    /// SubjectPublicKeyInfo in DER, or a point.
    public: Vec<u8>,
}

impl VerifyingKey {
    /// Reads a SubjectPublicKeyInfo in PEM.
    pub(crate) fn from_pem(key_type: KeyType, proof: Proof, pem: &str) -> Result<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|bad| anyhow::anyhow!("not a public key: {bad}"))?;
        Ok(Self { key_type, proof, public: der.as_ref().to_vec() })
    }

    /// Takes over a point of an elliptic curve, uncompressed.
    pub(crate) fn from_point(key_type: KeyType, proof: Proof, point: Vec<u8>) -> Self {
        Self { key_type, proof, public: point }
    }

    /// Checks `signature`, which a server made when it was asked to sign `digest`.
    pub(crate) fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<()> {
        let parse =
            |algorithm| ParsedPublicKey::new(algorithm, &self.public).context("a public key of another type");

        let verified = match self.proof {
            Proof::Digest if self.key_type == KeyType::Ed25519 => {
                parse(self.key_type.verification())?.verify_sig(digest, signature)
            }
            Proof::Fixed => parse(&ECDSA_P256_SHA256_FIXED)?.verify_sig(digest, signature),
            Proof::Digest => {
                let digest =
                    Digest::import_less_safe(digest, self.key_type.hash()).context("wrong length")?;
                parse(self.key_type.verification())?.verify_digest_sig(&digest, signature)
            }
            Proof::Message => parse(self.key_type.verification())?.verify_sig(digest, signature),
            Proof::Jws => {
                let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
                let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(digest));
                parse(&ECDSA_P256_SHA256_FIXED)?.verify_sig(message.as_bytes(), signature)
            }
        };
        if verified.is_err() {
            bail!("a signature is wrong");
        }
        Ok(())
    }
}

/// `der` as PEM with the label PUBLIC KEY (RFC 7468).
pub(crate) fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_signatures_are_right_and_others_wrong() {
        for key_type in KeyType::value_variants() {
            let key = SigningKey::generate(*key_type).unwrap();
            let public =
                VerifyingKey::from_pem(*key_type, Proof::Digest, &pem(&key.public_der().unwrap())).unwrap();
            let digest = aws_lc_rs::digest::digest(key_type.hash(), b"hello");
            let signature = key.sign(&digest).unwrap();

            public.verify(digest.as_ref(), &signature).unwrap();
            public.verify(&vec![0; digest.as_ref().len()], &signature).unwrap_err();
        }
    }
}
