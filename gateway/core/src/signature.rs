//! Signatures in one normal form, and the DER that some contracts want.

use der::asn1::UintRef;
use der::{Decode, Encode};

use crate::scheme::{Family, KeyType};
use crate::{Error, Result};

/// A signature in the gateway's normal form: for ECDSA r and s, big-endian, each as long as the curve's order, one
/// after the other; for the others what their standard has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature {
    key_type: KeyType,
    bytes: Vec<u8>,
}

impl Signature {
    /// Takes what a backend or a provider answered: the normal form, or an ECDSA signature in DER (RFC 3279,
    /// section 2.2.3). `None` where it can be no signature of such a key.
    #[must_use]
    pub fn new(key_type: KeyType, bytes: Vec<u8>) -> Option<Self> {
        let length = match key_type.family() {
            Family::Ecdsa { order } => 2 * order,
            Family::EdDsa => 64,
            Family::Rsa { modulus } => modulus,
            Family::MlDsa { signature } => signature,
        };
        if bytes.len() == length {
            return Some(Self { key_type, bytes });
        }

        match key_type.family() {
            Family::Ecdsa { order } => Some(Self { key_type, bytes: fixed(&bytes, order)? }),
            Family::EdDsa | Family::Rsa { .. } | Family::MlDsa { .. } => None,
        }
    }

    /// The normal form: what JWS wants (RFC 7518, section 3.4).
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What X.509 wants: ECDSA-Sig-Value in DER (RFC 3279, section 2.2.3); for others the normal form.
    pub fn der(&self) -> Result<Vec<u8>> {
        let Family::Ecdsa { order } = self.key_type.family() else {
            return Ok(self.bytes.clone());
        };

        let (r, s) = self.bytes.split_at(order);
        let value = EcdsaSigValue {
            r: UintRef::new(r).map_err(Error::internal)?,
            s: UintRef::new(s).map_err(Error::internal)?,
        };
        value.to_der().map_err(Error::internal)
    }
}

#[derive(der::Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

fn fixed(der: &[u8], order: usize) -> Option<Vec<u8>> {
    let value = EcdsaSigValue::from_der(der).ok()?;

    let mut bytes = Vec::with_capacity(2 * order);
    for part in [value.r.as_bytes(), value.s.as_bytes()] {
        bytes.extend(std::iter::repeat_n(0, order.checked_sub(part.len())?));
        bytes.extend_from_slice(part);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn der_and_back_is_the_same(bytes in proptest::collection::vec(any::<u8>(), 64)) {
            let signature = Signature::new(KeyType::EcP256, bytes).unwrap();
            // A DER signature of 64 bytes would be taken for the normal form: r and s must then be tiny.
            prop_assume!(signature.der().unwrap().len() != 64);

            prop_assert_eq!(Signature::new(KeyType::EcP256, signature.der().unwrap()).unwrap(), signature);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            for key_type in KeyType::ALL {
                let _parsed = Signature::new(key_type, bytes.clone());
            }
        }
    }

    #[test]
    fn other_lengths_are_no_signature() {
        assert!(Signature::new(KeyType::EcP256, vec![1; 63]).is_none());
        assert!(Signature::new(KeyType::Rsa2048, vec![1; 255]).is_none());
        assert!(Signature::new(KeyType::Ed25519, Vec::new()).is_none());
    }
}
