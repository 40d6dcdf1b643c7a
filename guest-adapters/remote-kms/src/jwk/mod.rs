//! Public keys in JSON (RFC 7517), read into what the gateway takes: SubjectPublicKeyInfo, DER.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use der::Encode;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use keyport_sdk::{Error, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A public key, as a server writes it (RFC 7518, section 6; RFC 8037, section 2). Other members say nothing here.
#[derive(Debug, Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// The private half, which nobody asked for.
    d: Option<IgnoredAny>,
}

impl Jwk {
    /// The key as SubjectPublicKeyInfo (RFC 5280, section 4.1), DER. What kind of key it is, and whether it is one at all,
    /// is for the gateway to judge.
    pub(crate) fn spki(&self) -> Result<Vec<u8>> {
        if self.d.is_some() {
            return Err(Error::internal("the server's answer has a private half (`d`): destroy that key"));
        }

        match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => self.point(P256, 32),
            ("EC", Some("P-384")) => self.point(P384, 48),
            ("EC", Some("P-521")) => self.point(P521, 66),
            ("EC", Some("secp256k1")) => self.point(SECP256K1, 32),
            ("OKP", Some("Ed25519")) => spki(ED25519, None, &coordinate("x", self.x.as_deref(), 32)?),
            ("RSA", _) => self.rsa(),
            (kty, crv) => Err(Error::internal(format!(
                "the server's answer is a key of type {kty:?} and curve {crv:?}"
            ))),
        }
    }

    /// The point in its uncompressed form (RFC 5480, section 2.2).
    fn point(&self, curve: ObjectIdentifier, order: usize) -> Result<Vec<u8>> {
        let (x, y) = (coordinate("x", self.x.as_deref(), order)?, coordinate("y", self.y.as_deref(), order)?);

        spki(EC, Some(AnyRef::from(&curve)), &[vec![4], x, y].concat())
    }

    /// RSAPublicKey (RFC 8017, appendix A.1.1).
    fn rsa(&self) -> Result<Vec<u8>> {
        let (n, e) = (decoded("n", self.n.as_deref())?, decoded("e", self.e.as_deref())?);
        let key = RsaPublicKey {
            modulus: UintRef::new(&n).map_err(unwritable)?,
            public_exponent: UintRef::new(&e).map_err(unwritable)?,
        };

        spki(RSA, Some(AnyRef::NULL), &key.to_der().map_err(unwritable)?)
    }
}

#[derive(der::Sequence)]
struct SubjectPublicKeyInfo<'a> {
    algorithm: AlgorithmIdentifier<'a>,
    subject_public_key: BitStringRef<'a>,
}

#[derive(der::Sequence)]
struct AlgorithmIdentifier<'a> {
    algorithm: ObjectIdentifier,
    parameters: Option<AnyRef<'a>>,
}

#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

fn spki(algorithm: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Result<Vec<u8>> {
    let spki = SubjectPublicKeyInfo {
        algorithm: AlgorithmIdentifier { algorithm, parameters },
        subject_public_key: BitStringRef::from_bytes(key).map_err(unwritable)?,
    };

    spki.to_der().map_err(unwritable)
}

/// A member that has one length (RFC 7518, section 6.2.1.2).
fn coordinate(name: &str, text: Option<&str>, length: usize) -> Result<Vec<u8>> {
    let bytes = decoded(name, text)?;
    if bytes.len() != length {
        let came = bytes.len();
        return Err(Error::internal(format!("`{name}` of the server's key has {came} bytes, not {length}")));
    }

    Ok(bytes)
}

fn decoded(name: &str, text: Option<&str>) -> Result<Vec<u8>> {
    let text = text.ok_or_else(|| Error::internal(format!("the server's key has no `{name}`")))?;

    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|bad| Error::internal(format!("`{name}` of the server's key is no base64url: {bad}")))
}

fn unwritable(error: der::Error) -> Error {
    Error::internal(format!("the server's key cannot be written in DER: {error}"))
}

// RFC 5480 (EC), RFC 8017 (RSA), RFC 8410 (Ed25519), SEC 2 (secp256k1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

#[cfg(test)]
mod tests;
