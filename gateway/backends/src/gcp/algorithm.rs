//! What Google's keys can do. Each has one algorithm, hash and padding included, for good.

use keyport_core::custody::{Mechanism, digest_info};
use keyport_core::scheme::{Family, Hash, KeyType};
use keyport_core::{Failure, FailureKind};

use super::connection::{Protection, Rsa};
use crate::cloud::widened;

/// An algorithm of signing keys (Google's `CryptoKeyVersionAlgorithm`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Algorithm {
    /// What Google calls it.
    pub(super) name: &'static str,
    /// The keys that have it.
    pub(super) key_type: KeyType,
    signs: Signs,
}

/// What such a key signs, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Signs {
    /// ECDSA over a digest of this hash.
    Ecdsa(Hash),
    /// Pure Ed25519 over a message.
    Ed25519,
    /// Pure ML-DSA over a message, with an empty context.
    MlDsa,
    /// RSASSA-PKCS1-v1_5 over a digest of this hash.
    Pkcs1(Hash),
    /// RSASSA-PSS over a digest of this hash, with a salt as long.
    Pss(Hash),
    /// RSASSA-PKCS1-v1_5 over a DigestInfo.
    DigestInfo,
}

/// What is sent to be signed.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Payload {
    /// A digest, with the name that Google gives its hash.
    Digest(&'static str, Vec<u8>),
    /// Bytes.
    Data(Vec<u8>),
}

impl Algorithm {
    /// The algorithm that Google calls so; `None` where it does not sign, or nothing here knows it.
    pub(super) fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|algorithm| algorithm.name == name).copied()
    }

    /// The algorithm of new keys of this type.
    pub(super) fn of_new(key_type: KeyType, protection: Protection, rsa: Rsa) -> Result<Self, Failure> {
        if key_type == KeyType::EcSecp256k1 && protection == Protection::Software {
            let message = "Google keeps secp256k1 keys in HSMs alone: set protection = \"hsm\"";
            return Err(Failure::new(FailureKind::Unsupported, message));
        }

        let is_wanted = |algorithm: &&Self| match algorithm.signs {
            Signs::Ecdsa(_) | Signs::Ed25519 | Signs::MlDsa => true,
            Signs::Pkcs1(Hash::Sha256) => rsa == Rsa::Pkcs1Sha256,
            Signs::Pkcs1(_) => rsa == Rsa::Pkcs1Sha512,
            Signs::Pss(Hash::Sha256) => rsa == Rsa::PssSha256,
            Signs::Pss(_) => rsa == Rsa::PssSha512,
            Signs::DigestInfo => rsa == Rsa::Pkcs1Raw,
        };
        let found = TABLE.iter().filter(|algorithm| algorithm.key_type == key_type).find(is_wanted);
        found.copied().ok_or_else(|| {
            let how = match key_type.family() {
                Family::Rsa { .. } => format!(" with rsa-algorithm = \"{}\"", rsa.as_str()),
                Family::Ecdsa { .. } | Family::EdDsa | Family::MlDsa { .. } => String::new(),
            };
            Failure::new(FailureKind::Unsupported, format!("Google Cloud KMS makes no {key_type} keys{how}"))
        })
    }

    /// What is sent to have `input` signed by `mechanism`.
    pub(super) fn payload(self, mechanism: Mechanism, input: &[u8]) -> Result<Payload, Failure> {
        match (self.signs, mechanism) {
            (Signs::Ecdsa(hash), Mechanism::Ecdsa) => {
                let wide = widened(self.key_type, input).filter(|_| !input.is_empty());
                let wide = wide.ok_or_else(|| invalid(input, "a digest for this curve"))?;
                Ok(Payload::Digest(hash_name(hash), wide.into_owned()))
            }
            (Signs::Ed25519, Mechanism::Ed25519) | (Signs::MlDsa, Mechanism::MlDsa)
                if (1..=LONGEST_DATA).contains(&input.len()) =>
            {
                Ok(Payload::Data(input.to_vec()))
            }
            (Signs::Ed25519, Mechanism::Ed25519) | (Signs::MlDsa, Mechanism::MlDsa) => {
                Err(invalid(input, "what Google signs: 1 to 65536 bytes of a message"))
            }
            (Signs::Pkcs1(own), Mechanism::RsaPkcs1v15(hash))
            | (Signs::Pss(own), Mechanism::RsaPss(hash))
                if own == hash =>
            {
                Ok(Payload::Digest(hash_name(hash), digest(hash, input)?.to_vec()))
            }
            (Signs::DigestInfo, Mechanism::RsaPkcs1v15(hash)) => {
                Ok(Payload::Data([digest_info(hash), digest(hash, input)?].concat()))
            }
            (Signs::DigestInfo, Mechanism::RsaPkcs1v15DigestInfo) if is_digest_info(input) => {
                Ok(Payload::Data(input.to_vec()))
            }
            (Signs::DigestInfo, Mechanism::RsaPkcs1v15DigestInfo) => {
                Err(invalid(input, "a DigestInfo of SHA-256, SHA-384 or SHA-512"))
            }
            (_, _) => Err(self.cannot(mechanism)),
        }
    }

    fn cannot(self, mechanism: Mechanism) -> Failure {
        let another = match self.key_type.family() {
            Family::Rsa { .. } => {
                ": its algorithm is fixed, so make another key (`rsa-algorithm` says with which)"
            }
            Family::Ecdsa { .. } | Family::EdDsa | Family::MlDsa { .. } => "",
        };
        let message =
            format!("a key of Google's algorithm {} cannot sign by {mechanism}{another}", self.name);

        Failure::new(FailureKind::Unsupported, message)
    }
}

fn digest(hash: Hash, input: &[u8]) -> Result<&[u8], Failure> {
    if input.len() == hash.digest_len() { Ok(input) } else { Err(invalid(input, hash.as_str())) }
}

/// Whether this is a whole DigestInfo: with raw keys Google signs whatever it is handed.
fn is_digest_info(input: &[u8]) -> bool {
    Hash::ALL.into_iter().any(|hash| {
        input.strip_prefix(digest_info(hash)).is_some_and(|digest| digest.len() == hash.digest_len())
    })
}

fn invalid(input: &[u8], wanted: &str) -> Failure {
    Failure::new(FailureKind::InvalidArgument, format!("{} bytes are not {wanted}", input.len()))
}

/// The field of Google's `Digest` for this hash.
fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    }
}

const fn row(name: &'static str, key_type: KeyType, signs: Signs) -> Algorithm {
    Algorithm { name, key_type, signs }
}

/// Those of Google's algorithms that sign as the gateway does.
const TABLE: [Algorithm; 18] = [
    row("EC_SIGN_P256_SHA256", KeyType::EcP256, Signs::Ecdsa(Hash::Sha256)),
    row("EC_SIGN_P384_SHA384", KeyType::EcP384, Signs::Ecdsa(Hash::Sha384)),
    row("EC_SIGN_SECP256K1_SHA256", KeyType::EcSecp256k1, Signs::Ecdsa(Hash::Sha256)),
    row("EC_SIGN_ED25519", KeyType::Ed25519, Signs::Ed25519),
    row("PQ_SIGN_ML_DSA_44", KeyType::MlDsa44, Signs::MlDsa),
    row("PQ_SIGN_ML_DSA_65", KeyType::MlDsa65, Signs::MlDsa),
    row("PQ_SIGN_ML_DSA_87", KeyType::MlDsa87, Signs::MlDsa),
    row("RSA_SIGN_PKCS1_2048_SHA256", KeyType::Rsa2048, Signs::Pkcs1(Hash::Sha256)),
    row("RSA_SIGN_PKCS1_3072_SHA256", KeyType::Rsa3072, Signs::Pkcs1(Hash::Sha256)),
    row("RSA_SIGN_PKCS1_4096_SHA256", KeyType::Rsa4096, Signs::Pkcs1(Hash::Sha256)),
    row("RSA_SIGN_PKCS1_4096_SHA512", KeyType::Rsa4096, Signs::Pkcs1(Hash::Sha512)),
    row("RSA_SIGN_PSS_2048_SHA256", KeyType::Rsa2048, Signs::Pss(Hash::Sha256)),
    row("RSA_SIGN_PSS_3072_SHA256", KeyType::Rsa3072, Signs::Pss(Hash::Sha256)),
    row("RSA_SIGN_PSS_4096_SHA256", KeyType::Rsa4096, Signs::Pss(Hash::Sha256)),
    row("RSA_SIGN_PSS_4096_SHA512", KeyType::Rsa4096, Signs::Pss(Hash::Sha512)),
    row("RSA_SIGN_RAW_PKCS1_2048", KeyType::Rsa2048, Signs::DigestInfo),
    row("RSA_SIGN_RAW_PKCS1_3072", KeyType::Rsa3072, Signs::DigestInfo),
    row("RSA_SIGN_RAW_PKCS1_4096", KeyType::Rsa4096, Signs::DigestInfo),
];

/// Bytes of a message that Google signs without a digest. An empty one is to Google one that is not there (proto3).
const LONGEST_DATA: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(key_type: KeyType, rsa: Rsa) -> Result<&'static str, FailureKind> {
        Algorithm::of_new(key_type, Protection::Hsm, rsa)
            .map(|algorithm| algorithm.name)
            .map_err(|failure| failure.kind)
    }

    #[test]
    fn an_rsa_key_gets_the_algorithm_that_is_configured_or_is_not_made() {
        assert_eq!(rsa(KeyType::Rsa3072, Rsa::Pkcs1Raw), Ok("RSA_SIGN_RAW_PKCS1_3072"));
        assert_eq!(rsa(KeyType::Rsa2048, Rsa::PssSha256), Ok("RSA_SIGN_PSS_2048_SHA256"));
        assert_eq!(rsa(KeyType::Rsa4096, Rsa::Pkcs1Sha512), Ok("RSA_SIGN_PKCS1_4096_SHA512"));
        assert_eq!(rsa(KeyType::Rsa2048, Rsa::Pkcs1Sha512), Err(FailureKind::Unsupported));
        assert_eq!(rsa(KeyType::EcP521, Rsa::Pkcs1Raw), Err(FailureKind::Unsupported));
    }

    #[test]
    fn secp256k1_is_for_hsms() {
        let made = |protection| Algorithm::of_new(KeyType::EcSecp256k1, protection, Rsa::Pkcs1Raw);

        assert_eq!(made(Protection::Hsm).unwrap().name, "EC_SIGN_SECP256K1_SHA256");
        assert!(made(Protection::Software).unwrap_err().message.contains("protection = \"hsm\""));
    }

    #[test]
    fn a_raw_key_signs_whole_digest_infos_and_nothing_else() {
        let raw = Algorithm::named("RSA_SIGN_RAW_PKCS1_2048").unwrap();
        let whole = [digest_info(Hash::Sha384), &[7; 48]].concat();

        let expected = Payload::Data(whole.clone());
        assert_eq!(raw.payload(Mechanism::RsaPkcs1v15DigestInfo, &whole).unwrap(), expected);
        assert_eq!(raw.payload(Mechanism::RsaPkcs1v15(Hash::Sha384), &[7; 48]).unwrap(), expected);
        for other in [&whole[1..], &whole[..66], &[], &[7; 48]] {
            let refused = raw.payload(Mechanism::RsaPkcs1v15DigestInfo, other).unwrap_err();
            assert_eq!(refused.kind, FailureKind::InvalidArgument);
        }
    }
}
