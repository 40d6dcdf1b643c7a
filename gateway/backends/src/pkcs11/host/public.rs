//! The public half of a key pair, from the attributes that tokens give it by.

use cryptoki::object::{Attribute, AttributeType, KeyType as Ckk, ObjectHandle};
use cryptoki::session::Session;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, PrintableStringRef, UintRef};
use der::{Decode, Encode};
use keyport_core::FailureKind;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Family, KeyType};

use super::super::ckr::Trouble;

/// Reads the public half from `object`, the public key or, where there is none, a private key that has the attributes too.
pub(super) fn read(session: &Session, object: ObjectHandle) -> Result<PublicKey, Trouble> {
    let attributes = session.get_attributes(object, &ATTRIBUTES)?;

    of(&attributes)
}

/// What C_GenerateKeyPair gets as CKA_EC_PARAMS; `None` for types that have none.
pub(super) fn ec_params(key_type: KeyType) -> Option<Vec<u8>> {
    let curve = match key_type {
        KeyType::EcP256 => P256,
        KeyType::EcP384 => P384,
        KeyType::EcP521 => P521,
        KeyType::EcSecp256k1 => SECP256K1,
        KeyType::Ed25519 => ED25519,
        KeyType::Rsa2048
        | KeyType::Rsa3072
        | KeyType::Rsa4096
        | KeyType::MlDsa44
        | KeyType::MlDsa65
        | KeyType::MlDsa87 => return None,
    };

    curve.to_der().ok()
}

/// The other way to name Ed25519 (PKCS#11 3.0, "Edwards EC"), which some tokens want.
pub(super) fn ed25519_name() -> Option<Vec<u8>> {
    PrintableStringRef::new(ED25519_NAME).ok()?.to_der().ok()
}

fn of(attributes: &[Attribute]) -> Result<PublicKey, Trouble> {
    let der = match key_type(attributes) {
        Some(Ckk::RSA) => rsa(attributes),
        Some(Ckk::EC) => ec(attributes),
        Some(Ckk::EC_EDWARDS) => ed25519(attributes),
        Some(other) => return Err(unusable(&format!("is of type {other}"))),
        None => None,
    };
    let der = der.ok_or_else(|| unusable("lacks an attribute, or has one that cannot be read"))?;

    PublicKey::from_der(&der).map_err(|error| unusable(&format!("is {error}")))
}

fn rsa(attributes: &[Attribute]) -> Option<Vec<u8>> {
    let modulus =
        bytes(
            attributes,
            |attribute| if let Attribute::Modulus(bytes) = attribute { Some(bytes) } else { None },
        )?;
    let exponent =
        bytes(
            attributes,
            |attribute| if let Attribute::PublicExponent(bytes) = attribute { Some(bytes) } else { None },
        )?;

    let key =
        RsaPublicKey { modulus: UintRef::new(modulus).ok()?, public_exponent: UintRef::new(exponent).ok()? };
    // RFC 3279, section 2.3.1: the parameters are NULL.
    spki(RSA, Some(AnyRef::NULL), &key.to_der().ok()?)
}

fn ec(attributes: &[Attribute]) -> Option<Vec<u8>> {
    let parameters = ec_parameters(attributes)?;
    let curve = ObjectIdentifier::from_der(parameters).ok()?;
    let key_type = [(P256, KeyType::EcP256), (P384, KeyType::EcP384), (P521, KeyType::EcP521)]
        .into_iter()
        .chain([(SECP256K1, KeyType::EcSecp256k1)])
        .find_map(|(oid, key_type)| (oid == curve).then_some(key_type))?;
    let Family::Ecdsa { order } = key_type.family() else { return None };

    // Uncompressed: 04, then both coordinates, each as long as the order.
    let point = unwrapped(ec_point(attributes)?, 1 + 2 * order)?;
    spki(EC, Some(AnyRef::from_der(parameters).ok()?), point)
}

fn ed25519(attributes: &[Attribute]) -> Option<Vec<u8>> {
    let parameters = ec_parameters(attributes)?;
    let by_oid = ObjectIdentifier::from_der(parameters).is_ok_and(|oid| oid == ED25519 || oid == ED25519_GNU);
    let by_name = PrintableStringRef::from_der(parameters).is_ok_and(|name| name.as_str() == ED25519_NAME);
    if !by_oid && !by_name {
        return None;
    }

    // RFC 8410, section 3: no parameters.
    spki(ED25519, None, unwrapped(ec_point(attributes)?, 32)?)
}

/// CKA_EC_POINT is a DER OCTET STRING with the point; some tokens give the point itself. The length tells them apart.
fn unwrapped(value: &[u8], length: usize) -> Option<&[u8]> {
    if value.len() == length {
        return Some(value);
    }
    let inner = <&OctetStringRef>::from_der(value).ok()?.as_bytes();

    (inner.len() == length).then_some(inner)
}

fn spki(algorithm: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Option<Vec<u8>> {
    let algorithm = AlgorithmIdentifier { algorithm, parameters };
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;

    SubjectPublicKeyInfo { algorithm, subject_public_key }.to_der().ok()
}

fn key_type(attributes: &[Attribute]) -> Option<Ckk> {
    attributes.iter().find_map(|attribute| {
        if let Attribute::KeyType(key_type) = attribute { Some(*key_type) } else { None }
    })
}

fn ec_parameters(attributes: &[Attribute]) -> Option<&[u8]> {
    bytes(attributes, |attribute| if let Attribute::EcParams(bytes) = attribute { Some(bytes) } else { None })
}

fn ec_point(attributes: &[Attribute]) -> Option<&[u8]> {
    bytes(attributes, |attribute| if let Attribute::EcPoint(bytes) = attribute { Some(bytes) } else { None })
}

fn bytes(attributes: &[Attribute], pick: impl Fn(&Attribute) -> Option<&Vec<u8>>) -> Option<&[u8]> {
    // What a token hides comes as nothing at all.
    attributes.iter().find_map(pick).map(Vec::as_slice).filter(|bytes| !bytes.is_empty())
}

fn unusable(why: &str) -> Trouble {
    Trouble::new(FailureKind::Unsupported, format!("the public half of the key {why}"))
}

/// RFC 5280, section 4.1.
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

/// RFC 8017, appendix A.1.1.
#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

const ATTRIBUTES: [AttributeType; 5] = [
    AttributeType::KeyType,
    AttributeType::EcParams,
    AttributeType::EcPoint,
    AttributeType::Modulus,
    AttributeType::PublicExponent,
];

// RFC 5480 (EC), RFC 8017 (RSA), RFC 8410 (Ed25519).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// From before RFC 8410; OpenPGP cards use it still.
const ED25519_GNU: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.15.1");
const ED25519_NAME: &str = "edwards25519";

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair,
    };
    use proptest::prelude::*;

    use super::*;

    fn octets(bytes: &[u8]) -> Vec<u8> {
        OctetStringRef::new(bytes).unwrap().to_der().unwrap()
    }

    fn read(kind: Ckk, params: Vec<u8>, point: Vec<u8>) -> Result<Vec<u8>, Trouble> {
        of(&[Attribute::KeyType(kind), Attribute::EcParams(params), Attribute::EcPoint(point)])
            .map(|public| public.der().to_vec())
    }

    /// Of an RSA-2048 key whose exponent is 65537: what stands before the five bytes of that.
    fn modulus(spki: &[u8]) -> Vec<u8> {
        spki[spki.len() - 5 - 256..spki.len() - 5].to_vec()
    }

    #[test]
    fn an_ec_point_is_read_wrapped_and_bare() {
        for (key_type, algorithm) in [
            (KeyType::EcP256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            (KeyType::EcP521, &ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            let pair = EcdsaKeyPair::generate(algorithm).unwrap();
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            let point = pair.public_key().as_ref();

            for point in [point.to_vec(), octets(point)] {
                let read = read(Ckk::EC, ec_params(key_type).unwrap(), point).unwrap();
                assert_eq!(read, der.as_ref());
            }
        }
    }

    #[test]
    fn an_ed25519_point_is_read_wrapped_and_bare_whatever_the_curve_is_called() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let point = pair.public_key().as_ref();

        for params in [ec_params(KeyType::Ed25519).unwrap(), ed25519_name().unwrap()] {
            for point in [point.to_vec(), octets(point)] {
                assert_eq!(read(Ckk::EC_EDWARDS, params.clone(), point).unwrap(), der.as_ref());
            }
        }
    }

    #[test]
    fn an_rsa_modulus_may_have_zeros_in_front() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let modulus = modulus(der.as_ref());

        for modulus in [modulus.clone(), [&[0], modulus.as_slice()].concat()] {
            let attributes = [
                Attribute::KeyType(Ckk::RSA),
                Attribute::Modulus(modulus),
                Attribute::PublicExponent(vec![1, 0, 1]),
            ];
            assert_eq!(of(&attributes).unwrap().der(), der.as_ref());
        }
    }

    #[test]
    fn what_is_hidden_or_of_another_curve_is_refused() {
        let (p256, brainpool) =
            (ec_params(KeyType::EcP256).unwrap(), vec![6, 9, 43, 36, 3, 3, 2, 8, 1, 1, 7]);

        for (params, point) in [(p256.clone(), vec![]), (p256, vec![4; 64]), (brainpool, vec![4; 65])] {
            let refused = read(Ckk::EC, params, point).unwrap_err();
            assert_eq!(refused.failure.kind, FailureKind::Unsupported);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_attributes_never_panic(params: Vec<u8>, point: Vec<u8>) {
            for kind in [Ckk::EC, Ckk::EC_EDWARDS, Ckk::RSA, Ckk::AES] {
                let _refused = read(kind, params.clone(), point.clone());
            }
            let _refused = of(&[
                Attribute::KeyType(Ckk::RSA),
                Attribute::Modulus(params),
                Attribute::PublicExponent(point),
            ]);
        }
    }
}
