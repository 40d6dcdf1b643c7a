//! Keys as JSON Web Keys (RFC 7517): public halves on their way out, private keys on their way in.

mod algorithm;
mod private;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Decode;
use der::asn1::{AnyRef, BitStringRef, UintRef};
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use keyport_core::{Error, Result};
use serde::Serialize;

pub(crate) use self::algorithm::Algorithm;
pub(crate) use self::private::PrivateJwk;

/// A public half as a JSON Web Key, without anything said about its use. All values are base64url without padding.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kty")]
pub(crate) enum Jwk {
    /// ML-DSA.
    #[serde(rename = "AKP")]
    Akp {
        /// The parameter set, by its JOSE name.
        alg: &'static str,
        /// The public key.
        #[serde(rename = "pub")]
        public: String,
    },
    /// An elliptic curve key (RFC 7518, section 6.2).
    #[serde(rename = "EC")]
    Ec {
        /// The curve.
        crv: &'static str,
        /// The point's x, as long as the field.
        x: String,
        /// The point's y, as long as the field.
        y: String,
    },
    /// An Edwards curve key (RFC 8037).
    #[serde(rename = "OKP")]
    Okp {
        /// The curve.
        crv: &'static str,
        /// The public key.
        x: String,
    },
    /// An RSA key (RFC 7518, section 6.3).
    #[serde(rename = "RSA")]
    Rsa {
        /// The public exponent.
        e: String,
        /// The modulus.
        n: String,
    },
}

impl Jwk {
    /// The JSON Web Key of `public`. [`Error::Internal`] where its bits are no key of its type.
    pub(crate) fn of(public: &PublicKey) -> Result<Self> {
        let spki = SubjectPublicKeyInfo::from_der(public.der()).map_err(Error::internal)?;
        let bits = spki.subject_public_key.as_bytes().ok_or_else(unusable)?;

        match public.key_type() {
            KeyType::EcP256 => Self::ec("P-256", 32, bits),
            KeyType::EcP384 => Self::ec("P-384", 48, bits),
            KeyType::EcP521 => Self::ec("P-521", 66, bits),
            KeyType::EcSecp256k1 => Self::ec("secp256k1", 32, bits),
            KeyType::Ed25519 => Ok(Self::Okp { crv: "Ed25519", x: base64(bits) }),
            KeyType::MlDsa44 => Ok(Self::Akp { alg: "ML-DSA-44", public: base64(bits) }),
            KeyType::MlDsa65 => Ok(Self::Akp { alg: "ML-DSA-65", public: base64(bits) }),
            KeyType::MlDsa87 => Ok(Self::Akp { alg: "ML-DSA-87", public: base64(bits) }),
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
                let key = RsaPublicKey::from_der(bits).map_err(Error::internal)?;
                let (e, n) = (key.public_exponent.as_bytes(), key.modulus.as_bytes());
                Ok(Self::Rsa { e: base64(e), n: base64(n) })
            }
        }
    }

    /// `point` is uncompressed (SEC 1, section 2.3.3), with coordinates of `length` bytes.
    fn ec(crv: &'static str, length: usize, point: &[u8]) -> Result<Self> {
        match point.split_first().map(|(form, xy)| (form, xy.split_at_checked(length))) {
            Some((&UNCOMPRESSED, Some((x, y)))) if y.len() == length => {
                Ok(Self::Ec { crv, x: base64(x), y: base64(y) })
            }
            _ => Err(unusable()),
        }
    }

    /// What it is recognised by: the SHA-256 of its required members, base64url without padding (RFC 7638).
    pub(crate) fn thumbprint(&self) -> String {
        // Every value is base64url or a name of ours: nothing needs an escape.
        let members = match self {
            Self::Akp { alg, public } => format!(r#"{{"alg":"{alg}","kty":"AKP","pub":"{public}"}}"#),
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { e, n } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };

        base64(digest(&SHA256, members.as_bytes()).as_ref())
    }
}

#[derive(der::Sequence)]
struct SubjectPublicKeyInfo<'a> {
    _algorithm: AnyRef<'a>,
    subject_public_key: BitStringRef<'a>,
}

#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn unusable() -> Error {
    Error::internal("a public half is not what its type says")
}

const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests;
