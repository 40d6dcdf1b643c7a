//! Keys of the stand-in, which sign as Microsoft's documentation says.

use std::sync::Arc;

use aws_lc_rs::digest::{Algorithm, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A version of a key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name.
    pub version: String,
    /// As it was asked for.
    pub described: Value,
    /// Whether it may be used.
    pub enabled: bool,
    /// From when on, in seconds since 1970.
    pub nbf: Option<u64>,
    /// Until when.
    pub exp: Option<u64>,
    /// When it was made, in seconds since 1970.
    pub(super) created: u64,
    pair: Arc<Pair>,
}

#[derive(Debug)]
enum Pair {
    Ec(&'static str, EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    /// `None` where there is no such type.
    #[must_use]
    pub fn new(described: &Value) -> Option<Self> {
        let kind = described["kty"].as_str()?.trim_end_matches("-HSM");
        let size = described["key_size"].as_u64();
        let ec = |name, algorithm| Some(Pair::Ec(name, EcdsaKeyPair::generate(algorithm).unwrap()));
        let pair = match (kind, described["crv"].as_str(), size) {
            ("EC", Some("P-256"), _) => ec("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            ("EC", Some("P-384"), _) => ec("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            ("EC", Some("P-521"), _) => ec("P-521", &ECDSA_P521_SHA512_FIXED_SIGNING),
            ("EC", Some("P-256K"), _) => ec("P-256K", &ECDSA_P256K1_SHA256_FIXED_SIGNING),
            ("RSA", _, Some(2048)) => RsaKeyPair::generate(KeySize::Rsa2048).ok().map(Pair::Rsa),
            ("RSA", _, Some(3072)) => RsaKeyPair::generate(KeySize::Rsa3072).ok().map(Pair::Rsa),
            ("RSA", _, Some(4096)) => RsaKeyPair::generate(KeySize::Rsa4096).ok().map(Pair::Rsa),
            _ => None,
        };
        let mut version = [0; 16];
        aws_lc_rs::rand::fill(&mut version).unwrap();

        Some(Self {
            version: hex::encode(version),
            described: described.clone(),
            enabled: true,
            nbf: None,
            exp: None,
            created: 0,
            pair: Arc::new(pair?),
        })
    }

    /// The public half, as a JSON Web Key has it.
    pub(super) fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &*self.pair {
            Pair::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "crv": curve, "x": text(x), "y": text(y) })
            }
            Pair::Rsa(pair) => {
                // RSAPublicKey (RFC 8017, appendix A.1.1): nine bytes stand before the modulus of 256 bytes or more.
                let modulus = &pair.public_key().as_ref()[9..9 + pair.public_modulus_len()];
                json!({ "n": text(modulus), "e": "AQAB" })
            }
        }
    }

    /// `None` where the digest or the algorithm does not fit.
    pub(super) fn sign(&self, algorithm: &str, digest: &[u8]) -> Option<Vec<u8>> {
        let hash = hash(algorithm)?;
        let imported = Digest::import_less_safe(digest, hash).ok()?;
        match &*self.pair {
            Pair::Ec(curve, pair) => {
                let fits = [("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521"), ("ES256K", "P-256K")];
                let fits = fits.contains(&(algorithm, curve));
                fits.then(|| pair.sign_digest(&imported).unwrap().as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding(algorithm)?, &imported, &mut signature).unwrap();
                Some(signature)
            }
        }
    }
}

fn hash(algorithm: &str) -> Option<&'static Algorithm> {
    match algorithm {
        "ES256" | "ES256K" | "RS256" | "PS256" => Some(&SHA256),
        "ES384" | "RS384" | "PS384" => Some(&SHA384),
        "ES512" | "RS512" | "PS512" => Some(&SHA512),
        _ => None,
    }
}

fn encoding(algorithm: &str) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        "RS256" => Some(&RSA_PKCS1_SHA256),
        "RS384" => Some(&RSA_PKCS1_SHA384),
        "RS512" => Some(&RSA_PKCS1_SHA512),
        "PS256" => Some(&RSA_PSS_SHA256),
        "PS384" => Some(&RSA_PSS_SHA384),
        "PS512" => Some(&RSA_PSS_SHA512),
        _ => None,
    }
}
