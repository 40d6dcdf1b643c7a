//! Key pairs that were made elsewhere, on their way to a custodian.

use crate::scheme::KeyType;
use crate::secret::Secret;

/// A key pair that was made elsewhere. It goes from the contract to custody and from there to a backend, which checks
/// that its halves belong together; no provider ever sees it.
#[derive(Clone, Debug)]
pub enum Material {
    /// An elliptic curve key (SEC 1).
    Ec {
        /// Which curve: one of the EC key types.
        key_type: KeyType,
        /// The private scalar, big-endian, as long as the curve's order.
        scalar: Secret,
        /// The public point, uncompressed: 4, x, y.
        point: Vec<u8>,
    },
    /// An Ed25519 key (RFC 8032).
    Ed25519 {
        /// The 32 bytes of the private key.
        seed: Secret,
        /// The 32 bytes of the public key.
        public: Vec<u8>,
    },
    /// An RSA key with its CRT components (RFC 8017, section 3.2), each big-endian.
    Rsa(Box<RsaMaterial>),
}

/// The components of an RSA key, each big-endian.
#[derive(Clone, Debug)]
pub struct RsaMaterial {
    /// Which size: one of the RSA key types.
    pub key_type: KeyType,
    /// The modulus.
    pub n: Vec<u8>,
    /// The public exponent.
    pub e: Vec<u8>,
    /// The private exponent.
    pub d: Secret,
    /// The first prime.
    pub p: Secret,
    /// The second prime.
    pub q: Secret,
    /// d mod (p - 1).
    pub dp: Secret,
    /// d mod (q - 1).
    pub dq: Secret,
    /// The inverse of q mod p.
    pub qi: Secret,
}

impl Material {
    /// The kind of key pair it is.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Ec { key_type, .. } => *key_type,
            Self::Ed25519 { .. } => KeyType::Ed25519,
            Self::Rsa(rsa) => rsa.key_type,
        }
    }
}
