//! Digests in the length that services want them.

use std::borrow::Cow;

use keyport_core::scheme::{Family, KeyType};

/// A digest that custody rendered for ECDSA, as long as services want one for a key of this type: that of the hash which
/// they sign with such keys. `None` where it is longer, or the key is of another family.
///
/// ECDSA takes a digest as a number (FIPS 186-5, section 6.4.1), and zeros before it change no number. So a P-384 key can sign a
/// SHA-256 digest through a service that takes nothing but SHA-384 with it.
pub(crate) fn widened(key_type: KeyType, digest: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Family::Ecdsa { order } = key_type.family() else { return None };
    let length = order.min(LONGEST);
    let missing = length.checked_sub(digest.len())?;
    if missing == 0 {
        return Some(Cow::Borrowed(digest));
    }

    let mut wide = vec![0; missing];
    wide.extend_from_slice(digest);
    Some(Cow::Owned(wide))
}

/// Bytes of the longest digest there is: that of SHA-512, which P-521 keys sign with.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_digest_is_the_same_number_in_more_bytes() {
        for (key_type, length) in
            [(KeyType::EcP256, 32), (KeyType::EcSecp256k1, 32), (KeyType::EcP384, 48), (KeyType::EcP521, 64)]
        {
            let wide = widened(key_type, &[7; 32]).unwrap();

            assert_eq!((wide.len(), &wide[length - 32..]), (length, [7; 32].as_slice()));
            assert!(wide[..length - 32].iter().all(|byte| *byte == 0));
        }
        assert_eq!(widened(KeyType::EcP256, &[7; 48]), None);
        assert_eq!(widened(KeyType::Rsa2048, &[7; 32]), None);
    }
}
