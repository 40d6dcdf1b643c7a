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
    let message = format!("Azure Key Vault does not sign with {key_type} keys by {mechanism}");

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

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use der::Decode;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::azure::fuzz;

    fn read(jwk: Value) -> Option<PublicKey> {
        public(&serde_json::from_value(jwk).unwrap())
    }

    #[test]
    fn coordinates_are_read_with_and_without_their_leading_zeros() {
        let with_zero = || loop {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            if pair.public_key().as_ref()[1] == 0 {
                break pair;
            }
        };
        let pair = with_zero();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);

        for x in [x, &x[1..]].map(|x| URL_SAFE_NO_PAD.encode(x)) {
            let jwk =
                json!({ "kid": "k", "kty": "EC", "crv": "P-256", "x": x, "y": URL_SAFE_NO_PAD.encode(y) });
            let spki = pair.public_key().as_der().unwrap();
            assert_eq!(read(jwk).unwrap().der(), spki.as_ref());
        }
    }

    #[test]
    fn a_modulus_is_read_as_it_is_and_another_exponent_is_none() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let n = RsaPublicKey::from_der(pair.public_key().as_ref()).unwrap().modulus;
        let n = URL_SAFE_NO_PAD.encode(n.as_bytes());
        let jwk = |kty: &str, e: &str| json!({ "kid": "k", "kty": kty, "n": n, "e": e });

        let spki = pair.public_key().as_der().unwrap();
        assert_eq!(read(jwk("RSA-HSM", "AQAB")).unwrap().der(), spki.as_ref());
        assert_eq!(read(jwk("RSA", "Aw")), None);
    }

    proptest! {
        #[test]
        fn no_key_panics(body in any::<Vec<u8>>()) {
            fuzz::key(&body);
        }

        #[test]
        fn no_coordinate_panics_and_a_key_is_of_its_type(
            kty in select(vec!["EC", "EC-HSM", "RSA", "RSA-HSM", "oct", "OKP"]),
            crv in select(vec!["P-256", "P-384", "P-521", "P-256K", "Ed25519"]),
            bytes in proptest::collection::vec(any::<Vec<u8>>(), 4),
            length in select(vec![0_usize, 31, 32, 33, 48, 66, 255, 256, 512]),
        ) {
            let text = |at: usize| {
                let long: Vec<u8> = bytes[at].iter().copied().cycle().take(length).collect();
                [URL_SAFE_NO_PAD.encode(&bytes[at]), URL_SAFE_NO_PAD.encode(long)]
            };
            for at in 0..2 {
                let [x, y, n, e] = [0, 1, 2, 3].map(|number| text(number)[at].clone());
                let key = json!({ "kid": "k", "kty": kty, "crv": crv, "x": x, "y": y, "n": n, "e": e });
                fuzz::key(json!({ "key": key }).to_string().as_bytes());
                let key = json!({ "kid": "k", "kty": kty, "crv": crv, "x": x, "y": y, "n": n, "e": "AQAB" });
                fuzz::key(json!({ "key": key }).to_string().as_bytes());
            }
        }
    }
}
