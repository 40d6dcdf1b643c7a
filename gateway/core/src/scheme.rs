//! Key types, hashes and signature schemes, and which of them go together.

use std::fmt;

use crate::every::every;

/// The kinds of key pair. RSA keys have the public exponent 65537.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum KeyType {
    /// ECDSA on NIST P-256.
    EcP256,
    /// ECDSA on NIST P-384.
    EcP384,
    /// ECDSA on NIST P-521.
    EcP521,
    /// ECDSA on secp256k1.
    EcSecp256k1,
    /// EdDSA on Curve25519.
    Ed25519,
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

/// What a key type's signatures have in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// ECDSA, whose curve's order is this many bytes long.
    Ecdsa {
        /// Bytes of r, and of s.
        order: usize,
    },
    /// Ed25519.
    EdDsa,
    /// RSA, with a modulus of this many bytes.
    Rsa {
        /// Bytes of a signature.
        modulus: usize,
    },
    /// ML-DSA, with signatures of this many bytes.
    MlDsa {
        /// Bytes of a signature (FIPS 204, table 2).
        signature: usize,
    },
}

impl KeyType {
    /// Every key type.
    pub const ALL: [Self; 11] = every!(KeyType:
        EcP256,
        EcP384,
        EcP521,
        EcSecp256k1,
        Ed25519,
        Rsa2048,
        Rsa3072,
        Rsa4096,
        MlDsa44,
        MlDsa65,
        MlDsa87,
    );

    /// The family this type belongs to.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::EcP256 | Self::EcSecp256k1 => Family::Ecdsa { order: 32 },
            Self::EcP384 => Family::Ecdsa { order: 48 },
            Self::EcP521 => Family::Ecdsa { order: 66 },
            Self::Ed25519 => Family::EdDsa,
            Self::Rsa2048 => Family::Rsa { modulus: 256 },
            Self::Rsa3072 => Family::Rsa { modulus: 384 },
            Self::Rsa4096 => Family::Rsa { modulus: 512 },
            Self::MlDsa44 => Family::MlDsa { signature: 2420 },
            Self::MlDsa65 => Family::MlDsa { signature: 3309 },
            Self::MlDsa87 => Family::MlDsa { signature: 4627 },
        }
    }

    /// The type's name in configuration, store and audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcP256 => "ec-p256",
            Self::EcP384 => "ec-p384",
            Self::EcP521 => "ec-p521",
            Self::EcSecp256k1 => "ec-secp256k1",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for KeyType {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|key_type| key_type.as_str() == text).ok_or(UnknownName)
    }
}

/// A name that no key type or hash has.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no such name")]
pub struct UnknownName;

/// Hash functions (FIPS 180-4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Every hash.
    pub const ALL: [Self; 3] = every!(Hash: Sha256, Sha384, Sha512);

    /// Bytes of a digest.
    #[must_use]
    pub fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash's name in configuration and audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    pub(crate) fn algorithm(self) -> &'static aws_lc_rs::digest::Algorithm {
        match self {
            Self::Sha256 => &aws_lc_rs::digest::SHA256,
            Self::Sha384 => &aws_lc_rs::digest::SHA384,
            Self::Sha512 => &aws_lc_rs::digest::SHA512,
        }
    }
}

/// How a signature is made. See the WIT package for the standard behind each.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// ECDSA over the leftmost bits of a digest of this hash.
    Ecdsa(Hash),
    /// Pure Ed25519 over a message.
    Ed25519,
    /// Ed25519ph with an empty context, over a SHA-512 digest.
    Ed25519ph,
    /// RSASSA-PKCS1-v1_5 over a digest of this hash.
    RsaPkcs1v15(Hash),
    /// RSASSA-PSS over a digest of this hash; MGF1 with the same hash, the salt as long as the digest.
    RsaPss(Hash),
    /// Pure ML-DSA with an empty context, over a message.
    MlDsa,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 12] = every!(Scheme:
        Ecdsa(Hash::Sha256),
        Ecdsa(Hash::Sha384),
        Ecdsa(Hash::Sha512),
        Ed25519,
        Ed25519ph,
        RsaPkcs1v15(Hash::Sha256),
        RsaPkcs1v15(Hash::Sha384),
        RsaPkcs1v15(Hash::Sha512),
        RsaPss(Hash::Sha256),
        RsaPss(Hash::Sha384),
        RsaPss(Hash::Sha512),
        MlDsa,
    );

    /// Whether keys of this type can sign so.
    #[must_use]
    pub fn fits(self, key_type: KeyType) -> bool {
        match self {
            Self::Ecdsa(_) => matches!(key_type.family(), Family::Ecdsa { .. }),
            Self::Ed25519 | Self::Ed25519ph => matches!(key_type.family(), Family::EdDsa),
            Self::RsaPkcs1v15(_) | Self::RsaPss(_) => matches!(key_type.family(), Family::Rsa { .. }),
            Self::MlDsa => matches!(key_type.family(), Family::MlDsa { .. }),
        }
    }

    /// The hash whose digest is signed; `None` where the scheme takes a message.
    #[must_use]
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::Ecdsa(hash) | Self::RsaPkcs1v15(hash) | Self::RsaPss(hash) => Some(hash),
            Self::Ed25519ph => Some(Hash::Sha512),
            Self::Ed25519 | Self::MlDsa => None,
        }
    }

    /// The scheme's name in the audit log, such as `ecdsa(sha-256)`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ecdsa(Hash::Sha256) => "ecdsa(sha-256)",
            Self::Ecdsa(Hash::Sha384) => "ecdsa(sha-384)",
            Self::Ecdsa(Hash::Sha512) => "ecdsa(sha-512)",
            Self::Ed25519 => "ed25519",
            Self::Ed25519ph => "ed25519ph",
            Self::RsaPkcs1v15(Hash::Sha256) => "rsa-pkcs1v15(sha-256)",
            Self::RsaPkcs1v15(Hash::Sha384) => "rsa-pkcs1v15(sha-384)",
            Self::RsaPkcs1v15(Hash::Sha512) => "rsa-pkcs1v15(sha-512)",
            Self::RsaPss(Hash::Sha256) => "rsa-pss(sha-256)",
            Self::RsaPss(Hash::Sha384) => "rsa-pss(sha-384)",
            Self::RsaPss(Hash::Sha512) => "rsa-pss(sha-512)",
            Self::MlDsa => "ml-dsa",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
