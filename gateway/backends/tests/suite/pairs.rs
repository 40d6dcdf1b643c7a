//! Key pairs that no custodian made.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Pkcs8V1Der};
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

/// A new key pair.
pub(crate) fn pair(key_type: KeyType) -> Material {
    match key_type {
        KeyType::EcP256 => ec(key_type, &ECDSA_P256_SHA256_FIXED_SIGNING),
        KeyType::EcP384 => ec(key_type, &ECDSA_P384_SHA384_FIXED_SIGNING),
        KeyType::EcP521 => ec(key_type, &ECDSA_P521_SHA512_FIXED_SIGNING),
        KeyType::Ed25519 => ed25519(),
        KeyType::Rsa2048 => Material::Rsa(rsa(key_type, KeySize::Rsa2048).into()),
        KeyType::Rsa3072 => Material::Rsa(rsa(key_type, KeySize::Rsa3072).into()),
        KeyType::Rsa4096 => Material::Rsa(rsa(key_type, KeySize::Rsa4096).into()),
        KeyType::EcSecp256k1 | KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87 => {
            unimplemented!("no pair of {key_type}")
        }
    }
}

fn ec(key_type: KeyType, algorithm: &'static EcdsaSigningAlgorithm) -> Material {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let scalar = Secret::new(pair.private_key().as_be_bytes().unwrap().as_ref().to_vec());

    Material::Ec { key_type, scalar, point: pair.public_key().as_ref().to_vec() }
}

fn ed25519() -> Material {
    let pair = Ed25519KeyPair::generate().unwrap();
    let seed = Secret::new(pair.seed().unwrap().as_be_bytes().unwrap().as_ref().to_vec());

    Material::Ed25519 { seed, public: pair.public_key().as_ref().to_vec() }
}

fn rsa(key_type: KeyType, size: KeySize) -> RsaMaterial {
    let pair = RsaKeyPair::generate(size).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pkcs8 = PrivateKeyInfo::from_der(pkcs8.as_ref()).unwrap();
    let key = RsaPrivateKey::from_der(pkcs8.private_key.as_bytes()).unwrap();
    let secret = |part: UintRef<'_>| Secret::new(part.as_bytes().to_vec());

    RsaMaterial {
        key_type,
        n: key.n.as_bytes().to_vec(),
        e: key.e.as_bytes().to_vec(),
        d: secret(key.d),
        p: secret(key.p),
        q: secret(key.q),
        dp: secret(key.dp),
        dq: secret(key.dq),
        qi: secret(key.qi),
    }
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
