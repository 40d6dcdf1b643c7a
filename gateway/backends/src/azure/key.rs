//! What a vault's keys are: their types and algorithms in Azure's words, and their public halves.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Encode;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use keyport_core::custody::Mechanism;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Family, Hash, KeyType};
use keyport_core::{Failure, FailureKind};
use serde_json::{Value, json};

use super::wire::Jwk;
use crate::cloud::widened;

/// What a new key of this type is described as. Keys in an HSM have types of their own.
pub(super) fn described(key_type: KeyType, hsm: bool) -> Option<Value> {
    let kind = |name: &str| if hsm { format!("{name}-HSM") } else { name.to_owned() };

    match (key_type.family(), curve(key_type)) {
        (Family::Ecdsa { .. }, Some(curve)) => Some(json!({ "kty": kind("EC"), "crv": curve })),
        // The exponent is 65537 unless another is asked for.
        (Family::Rsa { modulus }, _) => Some(json!({ "kty": kind("RSA"), "key_size": modulus * 8 })),
        (Family::Ecdsa { .. } | Family::EdDsa | Family::MlDsa { .. }, _) => None,
    }
}

/// The algorithm (RFC 7518's names) and the digest that is sent, to have `input` signed by `mechanism`.
pub(super) fn order(
    key_type: KeyType,
    mechanism: Mechanism,
    input: &[u8],
) -> Result<(&'static str, Vec<u8>), Failure> {
    let (algorithm, hash) = match (key_type.family(), mechanism) {
        (Family::Ecdsa { .. }, Mechanism::Ecdsa) => {
            let wide = widened(key_type, input).filter(|_| !input.is_empty());
            let wide = wide.ok_or_else(|| invalid(input, "a digest for this curve"))?;
            return Ok((ecdsa(key_type).ok_or_else(|| cannot(key_type, mechanism))?, wide.into_owned()));
        }
        (Family::Rsa { .. }, Mechanism::RsaPkcs1v15(hash)) => (["RS256", "RS384", "RS512"], hash),
        // The salt is as long as the digest (RFC 7518, section 3.5).
        (Family::Rsa { .. }, Mechanism::RsaPss(hash)) => (["PS256", "PS384", "PS512"], hash),
        (_, _) => return Err(cannot(key_type, mechanism)),
    };
    if input.len() != hash.digest_len() {
        return Err(invalid(input, hash.as_str()));
    }

    let [sha256, sha384, sha512] = algorithm;
    let algorithm = match hash {
        Hash::Sha256 => sha256,
        Hash::Sha384 => sha384,
        Hash::Sha512 => sha512,
    };
    Ok((algorithm, input.to_vec()))
}

/// Bytes of a signature: ECDSA's is r and s.
pub(super) fn signature_length(key_type: KeyType) -> usize {
    match key_type.family() {
        Family::Ecdsa { order } => 2 * order,
        Family::Rsa { modulus } => modulus,
        Family::EdDsa => 64,
        Family::MlDsa { signature } => signature,
    }
}

/// The public half that a JSON Web Key is (RFC 7517); `None` where it is none that the gateway knows.
pub(super) fn public(jwk: &Jwk) -> Option<PublicKey> {
    let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
    let der = match jwk.kty.as_str() {
        "EC" | "EC-HSM" => {
            let (oid, size) = CURVES
                .iter()
                .find(|(_, name, ..)| Some(*name) == jwk.crv.as_deref())
                .map(|(_, _, oid, size)| (*oid, *size))?;
            let padded = |text: &Option<String>| {
                let bytes = bytes(text)?;
                Some([vec![0; size.checked_sub(bytes.len())?], bytes].concat())
            };
            let point = [vec![4], padded(&jwk.x)?, padded(&jwk.y)?].concat();
            spki(EC, (&oid).into(), &point)?
        }
        "RSA" | "RSA-HSM" => {
            let (modulus, exponent) = (bytes(&jwk.n)?, bytes(&jwk.e)?);
            let modulus = UintRef::new(&modulus).ok()?;
            let key = RsaPublicKey { modulus, public_exponent: UintRef::new(&exponent).ok()? };
            spki(RSA, AnyRef::NULL, &key.to_der().ok()?)?
        }
        _ => return None,
    };

    PublicKey::from_der(&der).ok()
}

fn spki(algorithm: ObjectIdentifier, parameters: AnyRef<'_>, key: &[u8]) -> Option<Vec<u8>> {
    let algorithm = AlgorithmIdentifier { algorithm, parameters };
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;

    SubjectPublicKeyInfo { algorithm, subject_public_key }.to_der().ok()
}

#[derive(der::Sequence)]
struct SubjectPublicKeyInfo<'a> {
    algorithm: AlgorithmIdentifier<'a>,
    subject_public_key: BitStringRef<'a>,
}

#[derive(der::Sequence)]
struct AlgorithmIdentifier<'a> {
    algorithm: ObjectIdentifier,
    parameters: AnyRef<'a>,
}

#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

fn curve(key_type: KeyType) -> Option<&'static str> {
    CURVES.iter().find(|(known, ..)| *known == key_type).map(|(_, name, ..)| *name)
}

fn ecdsa(key_type: KeyType) -> Option<&'static str> {
    match curve(key_type)? {
        "P-256" => Some("ES256"),
        "P-384" => Some("ES384"),
        "P-521" => Some("ES512"),
        _ => Some("ES256K"),
    }
}

fn invalid(input: &[u8], wanted: &str) -> Failure {
    Failure::new(FailureKind::InvalidArgument, format!("{} bytes are not {wanted}", input.len()))
}

fn cannot(key_type: KeyType, mechanism: Mechanism) -> Failure {
    let message = format!("Azure Key Vault does not sign with {key_type} keys by {mechanism:?}");

    Failure::new(FailureKind::Unsupported, message)
}

/// The curves, with Azure's names, their object identifiers, and bytes of a coordinate.
const CURVES: [(KeyType, &str, ObjectIdentifier, usize); 4] = [
    (KeyType::EcP256, "P-256", ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), 32),
    (KeyType::EcP384, "P-384", ObjectIdentifier::new_unwrap("1.3.132.0.34"), 48),
    (KeyType::EcP521, "P-521", ObjectIdentifier::new_unwrap("1.3.132.0.35"), 66),
    (KeyType::EcSecp256k1, "P-256K", ObjectIdentifier::new_unwrap("1.3.132.0.10"), 32),
];
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
