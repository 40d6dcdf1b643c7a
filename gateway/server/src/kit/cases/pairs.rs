//! Key pairs that no custodian made, to be taken over.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use der::Decode;
use der::asn1::{AnyRef, OctetStringRef, UintRef};
use keyport_core::import::{Material, RsaMaterial};
use keyport_core::scheme::KeyType;
use keyport_core::secret::Secret;

use crate::kit::verdict::Broken;

/// A key pair, and its public half: SubjectPublicKeyInfo, DER.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) material: Material,
    pub(super) public: Vec<u8>,
}

/// A new key pair; `None` of a type that none is made of here.
pub(super) fn pair(key_type: KeyType) -> Option<Result<Pair, Broken>> {
    match key_type {
        KeyType::EcP256 => Some(ec(key_type, &ECDSA_P256_SHA256_FIXED_SIGNING)),
        KeyType::EcP384 => Some(ec(key_type, &ECDSA_P384_SHA384_FIXED_SIGNING)),
        KeyType::EcP521 => Some(ec(key_type, &ECDSA_P521_SHA512_FIXED_SIGNING)),
        KeyType::Ed25519 => Some(ed25519()),
        KeyType::Rsa2048 => Some(rsa(key_type, KeySize::Rsa2048)),
        KeyType::Rsa3072 => Some(rsa(key_type, KeySize::Rsa3072)),
        KeyType::Rsa4096 => Some(rsa(key_type, KeySize::Rsa4096)),
        KeyType::EcSecp256k1 | KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87 => None,
    }
}

/// The private half of one key pair, and the public half of another of the same type.
pub(super) fn misfit(own: Material, other: Material) -> Material {
    match (own, other) {
        (Material::Ec { key_type, scalar, .. }, Material::Ec { point, .. }) => {
            Material::Ec { key_type, scalar, point }
        }
        (Material::Ed25519 { seed, .. }, Material::Ed25519 { public, .. }) => {
            Material::Ed25519 { seed, public }
        }
        (Material::Rsa(own), Material::Rsa(other)) => {
            Material::Rsa(Box::new(RsaMaterial { n: other.n, ..*own }))
        }
        (own, _) => own,
    }
}

fn ec(key_type: KeyType, algorithm: &'static EcdsaSigningAlgorithm) -> Result<Pair, Broken> {
    let pair = EcdsaKeyPair::generate(algorithm).map_err(unmade)?;
    let scalar = pair.private_key().as_be_bytes().map_err(unmade)?;
    let material = Material::Ec {
        key_type,
        scalar: Secret::new(scalar.as_ref().to_vec()),
        point: pair.public_key().as_ref().to_vec(),
    };

    Ok(Pair { material, public: spki(pair.public_key())? })
}

fn ed25519() -> Result<Pair, Broken> {
    let pair = Ed25519KeyPair::generate().map_err(unmade)?;
    let seed = pair.seed().and_then(|seed| seed.as_be_bytes()).map_err(unmade)?;
    let material = Material::Ed25519 {
        seed: Secret::new(seed.as_ref().to_vec()),
        public: pair.public_key().as_ref().to_vec(),
    };

    Ok(Pair { material, public: spki(pair.public_key())? })
}

fn rsa(key_type: KeyType, size: KeySize) -> Result<Pair, Broken> {
    let pair = RsaKeyPair::generate(size).map_err(unmade)?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(unmade)?;
    let pkcs8 = PrivateKeyInfo::from_der(pkcs8.as_ref()).map_err(unmade)?;
    let key = RsaPrivateKey::from_der(pkcs8.private_key.as_bytes()).map_err(unmade)?;
    let secret = |part: UintRef<'_>| Secret::new(part.as_bytes().to_vec());
    let material = Material::Rsa(Box::new(RsaMaterial {
        key_type,
        n: key.n.as_bytes().to_vec(),
        e: key.e.as_bytes().to_vec(),
        d: secret(key.d),
        p: secret(key.p),
        q: secret(key.q),
        dp: secret(key.dp),
        dq: secret(key.dq),
        qi: secret(key.qi),
    }));

    Ok(Pair { material, public: spki(pair.public_key())? })
}

fn spki(public: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<Vec<u8>, Broken> {
    Ok(public.as_der().map_err(unmade)?.as_ref().to_vec())
}

fn unmade(error: impl std::fmt::Display) -> Broken {
    Broken::failed("a key pair to bring", error.to_string())
}

/// RFC 5208, section 5.
#[derive(der::Sequence)]
struct PrivateKeyInfo<'a> {
    version: u8,
    algorithm: AnyRef<'a>,
    private_key: &'a OctetStringRef,
}

/// RFC 8017, appendix A.1.2.
#[derive(der::Sequence)]
struct RsaPrivateKey<'a> {
    version: u8,
    n: UintRef<'a>,
    e: UintRef<'a>,
    d: UintRef<'a>,
    p: UintRef<'a>,
    q: UintRef<'a>,
    dp: UintRef<'a>,
    dq: UintRef<'a>,
    qi: UintRef<'a>,
}
