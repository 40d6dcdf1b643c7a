//! Verifies a signature with a public half, in native code.

use aws_lc_rs::digest::{Algorithm, Digest as AwsDigest, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED,
    ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};

use super::{PublicKey, ed25519ph};
use crate::input::{Digest, Input};
use crate::scheme::{Hash, KeyType, Scheme};
use crate::signature::Signature;
use crate::{Error, Result};

impl PublicKey {
    /// Whether `signature` is this key's over `input`, by `scheme`; a message is hashed where the scheme takes a digest.
    pub fn verifies(&self, scheme: Scheme, input: &Input, signature: &Signature) -> Result<bool> {
        if let (Some(hash), Input::Message(message)) = (scheme.hash(), input) {
            return self.verifies(scheme, &Input::Digest(Digest::of(hash, message)), signature);
        }

        let verified = match (scheme, input) {
            (Scheme::Ed25519ph, Input::Digest(digest)) => {
                return Ok(ed25519ph::verifies(self.der(), digest, signature));
            }
            (Scheme::Ecdsa(_), Input::Digest(digest)) => {
                let (algorithm, hash) = ecdsa(self.key_type())?;
                let key = UnparsedPublicKey::new(algorithm, self.der());
                key.verify_digest(&integer(digest, hash)?, signature.bytes())
            }
            (Scheme::RsaPkcs1v15(hash), Input::Digest(digest)) => {
                UnparsedPublicKey::new(rsa_pkcs1v15(hash), self.der())
                    .verify_digest(&import(digest.bytes(), hash.algorithm())?, signature.bytes())
            }
            (Scheme::RsaPss(hash), Input::Digest(digest)) => {
                UnparsedPublicKey::new(rsa_pss(hash), self.der())
                    .verify_digest(&import(digest.bytes(), hash.algorithm())?, signature.bytes())
            }
            (Scheme::Ed25519, Input::Message(message)) => {
                UnparsedPublicKey::new(&ED25519, self.der()).verify(message, signature.bytes())
            }
            (Scheme::MlDsa, Input::Message(message)) => {
                UnparsedPublicKey::new(ml_dsa(self.key_type())?, self.der())
                    .verify(message, signature.bytes())
            }
            (
                Scheme::Ecdsa(_) | Scheme::Ed25519ph | Scheme::RsaPkcs1v15(_) | Scheme::RsaPss(_),
                Input::Message(_),
            )
            | (Scheme::Ed25519 | Scheme::MlDsa, Input::Digest(_)) => {
                return Err(Error::internal("the input does not fit the scheme"));
            }
        };

        Ok(verified.is_ok())
    }
}

/// The verification for a curve, and the hash whose digests are as long as the integers it takes.
fn ecdsa(key_type: KeyType) -> Result<(&'static dyn VerificationAlgorithm, &'static Algorithm)> {
    match key_type {
        KeyType::EcP256 => Ok((&ECDSA_P256_SHA256_FIXED, &SHA256)),
        KeyType::EcSecp256k1 => Ok((&ECDSA_P256K1_SHA256_FIXED, &SHA256)),
        KeyType::EcP384 => Ok((&ECDSA_P384_SHA384_FIXED, &SHA384)),
        KeyType::EcP521 => Ok((&ECDSA_P521_SHA512_FIXED, &SHA512)),
        KeyType::Ed25519
        | KeyType::Rsa2048
        | KeyType::Rsa3072
        | KeyType::Rsa4096
        | KeyType::MlDsa44
        | KeyType::MlDsa65
        | KeyType::MlDsa87 => Err(Error::internal("the scheme does not fit the key")),
    }
}

/// The integer that ECDSA makes of a digest (FIPS 186-5, section 6.4.1), as a digest of `hash`: a longer one lends its
/// leftmost bytes, a shorter one gets zeros in front, which do not change the integer.
fn integer(digest: &Digest, hash: &'static Algorithm) -> Result<AwsDigest> {
    let bytes = digest.bytes();
    let leftmost = bytes.get(..hash.output_len()).unwrap_or(bytes);
    let mut padded = vec![0; hash.output_len() - leftmost.len()];
    padded.extend_from_slice(leftmost);

    import(&padded, hash)
}

fn import(bytes: &[u8], hash: &'static Algorithm) -> Result<AwsDigest> {
    AwsDigest::import_less_safe(bytes, hash).map_err(Error::internal)
}

fn ml_dsa(key_type: KeyType) -> Result<&'static dyn VerificationAlgorithm> {
    match key_type {
        KeyType::MlDsa44 => Ok(&ML_DSA_44),
        KeyType::MlDsa65 => Ok(&ML_DSA_65),
        KeyType::MlDsa87 => Ok(&ML_DSA_87),
        KeyType::EcP256
        | KeyType::EcP384
        | KeyType::EcP521
        | KeyType::EcSecp256k1
        | KeyType::Ed25519
        | KeyType::Rsa2048
        | KeyType::Rsa3072
        | KeyType::Rsa4096 => Err(Error::internal("the scheme does not fit the key")),
    }
}

fn rsa_pkcs1v15(hash: Hash) -> &'static dyn VerificationAlgorithm {
    match hash {
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    }
}

fn rsa_pss(hash: Hash) -> &'static dyn VerificationAlgorithm {
    match hash {
        Hash::Sha256 => &RSA_PSS_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PSS_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PSS_2048_8192_SHA512,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA256_FIXED_SIGNING,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PSS_SHA384,
    };

    use super::*;

    fn public(key: &impl AsDer<PublicKeyX509Der<'static>>) -> PublicKey {
        PublicKey::from_der(key.as_der().unwrap().as_ref()).unwrap()
    }

    fn digest(hash: Hash) -> Input {
        Input::Digest(Digest::of(hash, b"hello"))
    }

    fn check(public: &PublicKey, scheme: Scheme, input: &Input, signature: &[u8]) {
        let mut bytes = signature.to_vec();
        let good = Signature::new(public.key_type(), bytes.clone()).unwrap();
        assert!(public.verifies(scheme, input, &good).unwrap(), "{scheme}");

        bytes[20] ^= 1;
        let bad = Signature::new(public.key_type(), bytes).unwrap();
        assert!(!public.verifies(scheme, input, &bad).unwrap(), "{scheme}");
    }

    #[test]
    fn ecdsa_verifies_digests_longer_and_shorter_than_the_order() {
        let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let leftmost =
            AwsDigest::import_less_safe(&Digest::of(Hash::Sha512, b"hello").bytes()[..32], &SHA256);
        let signature = p256.sign_digest(&leftmost.unwrap()).unwrap();
        check(
            &public(p256.public_key()),
            Scheme::Ecdsa(Hash::Sha512),
            &digest(Hash::Sha512),
            signature.as_ref(),
        );

        // Signed by the library's own reading of a short digest, not by this module's.
        let p521 = EcdsaKeyPair::generate(&ECDSA_P521_SHA256_FIXED_SIGNING).unwrap();
        let signature = p521.sign(&SystemRandom::new(), b"hello").unwrap();
        check(
            &public(p521.public_key()),
            Scheme::Ecdsa(Hash::Sha256),
            &digest(Hash::Sha256),
            signature.as_ref(),
        );

        let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let signature = p384.sign(&SystemRandom::new(), b"hello").unwrap();
        check(
            &public(p384.public_key()),
            Scheme::Ecdsa(Hash::Sha384),
            &digest(Hash::Sha384),
            signature.as_ref(),
        );
    }

    #[test]
    fn rsa_and_ed25519_verify() {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let mut signature = vec![0; 256];
        rsa.sign(&RSA_PSS_SHA384, &SystemRandom::new(), b"hello", &mut signature).unwrap();
        check(&public(rsa.public_key()), Scheme::RsaPss(Hash::Sha384), &digest(Hash::Sha384), &signature);

        let ed25519 = Ed25519KeyPair::generate().unwrap();
        let message = Input::Message(b"hello".as_slice().into());
        check(&public(ed25519.public_key()), Scheme::Ed25519, &message, ed25519.sign(b"hello").as_ref());
    }

    #[test]
    fn a_message_is_hashed_where_the_scheme_takes_a_digest() {
        let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let signature = p384.sign(&SystemRandom::new(), b"hello").unwrap();
        let message = Input::Message(b"hello".as_slice().into());

        check(&public(p384.public_key()), Scheme::Ecdsa(Hash::Sha384), &message, signature.as_ref());
    }
}
