//! Verifies signatures over messages, sharing no code with what made them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use keyport_core::input::{Digest, Input};
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Hash, KeyType, Scheme};
use keyport_core::signature::Signature;

/// Whether `signature`, as a backend answered it, is one of `scheme` over `message`.
pub(super) fn verifies(public: &PublicKey, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
    let signature = Signature::new(public.key_type(), signature.to_vec()).unwrap();
    let is_cores = public.key_type() == KeyType::EcSecp256k1 || scheme == Scheme::Ed25519ph;
    if let (true, Some(hash)) = (is_cores, scheme.hash()) {
        // With secp256k1 aws-lc verifies SHA-256 alone when it hashes, and Ed25519ph not at all; core is handed the digest.
        let input = Input::Digest(Digest::of(hash, message));
        return public.verifies(scheme, &input, &signature).unwrap();
    }
    let key = UnparsedPublicKey::new(algorithm(public.key_type(), scheme), public.der());

    key.verify(message, &signature.der().unwrap()).is_ok()
}

fn algorithm(key_type: KeyType, scheme: Scheme) -> &'static dyn VerificationAlgorithm {
    match (key_type, scheme) {
        (KeyType::EcP256, Scheme::Ecdsa(Hash::Sha256)) => &ECDSA_P256_SHA256_ASN1,
        (KeyType::EcP256, Scheme::Ecdsa(Hash::Sha384)) => &ECDSA_P256_SHA384_ASN1,
        (KeyType::EcP256, Scheme::Ecdsa(Hash::Sha512)) => &ECDSA_P256_SHA512_ASN1,
        (KeyType::EcP384, Scheme::Ecdsa(Hash::Sha256)) => &ECDSA_P384_SHA256_ASN1,
        (KeyType::EcP384, Scheme::Ecdsa(Hash::Sha384)) => &ECDSA_P384_SHA384_ASN1,
        (KeyType::EcP384, Scheme::Ecdsa(Hash::Sha512)) => &ECDSA_P384_SHA512_ASN1,
        (KeyType::EcP521, Scheme::Ecdsa(Hash::Sha256)) => &ECDSA_P521_SHA256_ASN1,
        (KeyType::EcP521, Scheme::Ecdsa(Hash::Sha384)) => &ECDSA_P521_SHA384_ASN1,
        (KeyType::EcP521, Scheme::Ecdsa(Hash::Sha512)) => &ECDSA_P521_SHA512_ASN1,
        (KeyType::Ed25519, Scheme::Ed25519) => &ED25519,
        (KeyType::MlDsa44, Scheme::MlDsa) => &ML_DSA_44,
        (KeyType::MlDsa65, Scheme::MlDsa) => &ML_DSA_65,
        (KeyType::MlDsa87, Scheme::MlDsa) => &ML_DSA_87,
        (_, Scheme::RsaPkcs1v15(Hash::Sha256)) => &RSA_PKCS1_2048_8192_SHA256,
        (_, Scheme::RsaPkcs1v15(Hash::Sha384)) => &RSA_PKCS1_2048_8192_SHA384,
        (_, Scheme::RsaPkcs1v15(Hash::Sha512)) => &RSA_PKCS1_2048_8192_SHA512,
        (_, Scheme::RsaPss(Hash::Sha256)) => &RSA_PSS_2048_8192_SHA256,
        (_, Scheme::RsaPss(Hash::Sha384)) => &RSA_PSS_2048_8192_SHA384,
        (_, Scheme::RsaPss(Hash::Sha512)) => &RSA_PSS_2048_8192_SHA512,
        _ => unimplemented!("no verification of {scheme} with {key_type}"),
    }
}
