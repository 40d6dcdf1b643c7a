//! The signature algorithms of JOSE that the gateway's schemes have names for.

use keyport_core::gateway::How;
use keyport_core::scheme::{Hash, KeyType, Scheme};

/// A signature algorithm by its JOSE name (RFC 7518, section 3.1; RFC 8037; RFC 8812).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on secp256k1 with SHA-256.
    Es256k,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// RSASSA-PSS.
    Ps(Hash),
    /// RSASSA-PKCS1-v1_5.
    Rs(Hash),
}

impl Algorithm {
    /// Every algorithm.
    pub(crate) const ALL: [Self; 11] = [
        Self::EdDsa,
        Self::Es256,
        Self::Es256k,
        Self::Es384,
        Self::Es512,
        Self::Ps(Hash::Sha256),
        Self::Ps(Hash::Sha384),
        Self::Ps(Hash::Sha512),
        Self::Rs(Hash::Sha256),
        Self::Rs(Hash::Sha384),
        Self::Rs(Hash::Sha512),
    ];

    /// The algorithm of a name, which is spelled as the standards do; `None` where none has it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The usual algorithm of a key; `None` where JOSE has none for it.
    pub(crate) fn of(key_type: KeyType) -> Option<Self> {
        match key_type {
            KeyType::EcP256 => Some(Self::Es256),
            KeyType::EcP384 => Some(Self::Es384),
            KeyType::EcP521 => Some(Self::Es512),
            KeyType::EcSecp256k1 => Some(Self::Es256k),
            KeyType::Ed25519 => Some(Self::EdDsa),
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => Some(Self::Rs(Hash::Sha256)),
            KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87 => None,
        }
    }

    /// The algorithm's name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es256k => "ES256K",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ps(Hash::Sha256) => "PS256",
            Self::Ps(Hash::Sha384) => "PS384",
            Self::Ps(Hash::Sha512) => "PS512",
            Self::Rs(Hash::Sha256) => "RS256",
            Self::Rs(Hash::Sha384) => "RS384",
            Self::Rs(Hash::Sha512) => "RS512",
        }
    }

    /// What the gateway calls it.
    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Self::EdDsa => Scheme::Ed25519,
            Self::Es256 | Self::Es256k => Scheme::Ecdsa(Hash::Sha256),
            Self::Es384 => Scheme::Ecdsa(Hash::Sha384),
            Self::Es512 => Scheme::Ecdsa(Hash::Sha512),
            Self::Ps(hash) => Scheme::RsaPss(hash),
            Self::Rs(hash) => Scheme::RsaPkcs1v15(hash),
        }
    }

    /// The type of the keys that sign so; the smallest, where there are several.
    pub(crate) fn key_type(self) -> KeyType {
        match self {
            Self::EdDsa => KeyType::Ed25519,
            Self::Es256 => KeyType::EcP256,
            Self::Es256k => KeyType::EcSecp256k1,
            Self::Es384 => KeyType::EcP384,
            Self::Es512 => KeyType::EcP521,
            Self::Ps(_) | Self::Rs(_) => KeyType::Rsa2048,
        }
    }

    /// How a signature by it is asked for.
    pub(crate) fn how(self) -> How {
        match self {
            Self::EdDsa | Self::Es256 | Self::Es256k | Self::Es384 | Self::Es512 => {
                How::Only(self.scheme(), self.key_type())
            }
            Self::Ps(_) | Self::Rs(_) => How::Scheme(self.scheme()),
        }
    }

    /// Whether a key of this type signs so. Unlike a scheme, an ECDSA algorithm belongs to one curve.
    pub(crate) fn fits(self, key_type: KeyType) -> bool {
        match self {
            Self::EdDsa | Self::Es256 | Self::Es256k | Self::Es384 | Self::Es512 => {
                self.key_type() == key_type
            }
            Self::Ps(_) | Self::Rs(_) => self.scheme().fits(key_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_and_back_and_nothing_else_is_one() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::named(algorithm.as_str()), Some(algorithm));
        }
        for other in ["", "none", "HS256", "es256", "ES256 ", "ES521", "RSA1_5"] {
            assert_eq!(Algorithm::named(other), None, "{other}");
        }
    }

    #[test]
    fn an_algorithm_fits_the_keys_that_are_made_for_it() {
        for algorithm in Algorithm::ALL {
            assert!(algorithm.fits(algorithm.key_type()), "{algorithm:?}");
            assert!(algorithm.scheme().fits(algorithm.key_type()), "{algorithm:?}");
        }
        for key_type in KeyType::ALL {
            assert!(Algorithm::of(key_type).is_none_or(|usual| usual.fits(key_type)), "{key_type}");
        }
        assert!(!Algorithm::Es256.fits(KeyType::EcP384));
        assert!(!Algorithm::Es256.fits(KeyType::EcSecp256k1));
        assert!(Algorithm::Ps(Hash::Sha512).fits(KeyType::Rsa4096));
    }
}
