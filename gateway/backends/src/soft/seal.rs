//! How a key's material lies in the store: sealed under a data key of its own, which the master key wraps.
//!
//! Sealed material, format 1, is these fields one after the other:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, 1 |
//! | 12 | nonce of the wrapped data key |
//! | 32 + 16 | the data key, AES-256-GCM under the wrapping key |
//! | 12 | nonce of the material |
//! | n + 16 | the material, AES-256-GCM under the data key |
//!
//! Both encryptions are bound to the format, to which of the two it is, and to the tenant and key-id, so that neither
//! opens anywhere else. Rotation replaces the wrapped data key only.
//!
//! The wrapping key and the mark are derived from the master key with HKDF-SHA256 and a label each, so that the mark,
//! which anybody who has the store may read, says nothing of the wrapping key. Nonces are random: one wrapping key
//! is good for 2³² wraps (NIST SP 800-38D, section 8.3), a data key is used once.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::rand;
use keyport_core::secret::Secret;
use zeroize::Zeroizing;

use super::cache::Slot;
use super::master_key::MasterKey;

/// Seals and opens under one master key.
pub(super) struct Seal {
    wrapping: LessSafeKey,
    mark: [u8; MARK_LENGTH],
}

impl Seal {
    pub(super) fn new(master: &MasterKey) -> Result<Self, BadSeal> {
        let prk = Salt::new(HKDF_SHA256, SALT).extract(master.expose());
        let wrapping = prk.expand(&[b"wrap data keys"], &AES_256_GCM)?;

        Ok(Self { wrapping: LessSafeKey::new(UnboundKey::from(wrapping)), mark: mark(&prk)? })
    }

    /// What proves that a store is sealed under this master key: the format, and 32 bytes that follow from the key.
    pub(super) fn mark(&self) -> &[u8] {
        &self.mark
    }

    /// Whether a store with such a mark is sealed under this master key.
    pub(super) fn fits(&self, mark: &[u8]) -> bool {
        verify_slices_are_equal(&self.mark, mark).is_ok()
    }

    /// Seals `material` under a new data key.
    pub(super) fn seal(&self, slot: &Slot, material: &[u8]) -> Result<Vec<u8>, BadSeal> {
        let mut data_key = Zeroizing::new([0; DATA_KEY_LENGTH]);
        rand::fill(data_key.as_mut_slice())?;

        let mut sealed = vec![FORMAT];
        encrypt(&self.wrapping, &aad(Purpose::DataKey, slot), data_key.as_slice(), &mut sealed)?;
        encrypt(&aes(data_key.as_slice())?, &aad(Purpose::Material, slot), material, &mut sealed)?;
        Ok(sealed)
    }

    /// The material that was sealed for `slot`.
    pub(super) fn open(&self, slot: &Slot, sealed: &[u8]) -> Result<Secret, BadSeal> {
        let parts = Parts::read(sealed)?;
        let data_key = decrypt(&self.wrapping, &aad(Purpose::DataKey, slot), parts.data_key)?;

        decrypt(&aes(data_key.expose())?, &aad(Purpose::Material, slot), parts.material)
    }

    /// What was sealed for `slot` under this master key, sealed under that of `new`. The material is not touched,
    /// but it is opened once, so that nothing broken gets a new wrapping.
    pub(super) fn rewrap(&self, new: &Self, slot: &Slot, sealed: &[u8]) -> Result<Vec<u8>, BadSeal> {
        let parts = Parts::read(sealed)?;
        let binding = aad(Purpose::DataKey, slot);
        let data_key = decrypt(&self.wrapping, &binding, parts.data_key)?;
        drop(decrypt(&aes(data_key.expose())?, &aad(Purpose::Material, slot), parts.material)?);

        let mut rewrapped = vec![FORMAT];
        encrypt(&new.wrapping, &binding, data_key.expose(), &mut rewrapped)?;
        rewrapped.extend_from_slice(parts.material);
        Ok(rewrapped)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

/// Sealed material that does not open, and nothing more of why: with authenticated encryption there is no telling
/// another key from altered bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("sealed under another master key, for another key, or altered")]
pub(super) struct BadSeal;

impl From<Unspecified> for BadSeal {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

struct Parts<'a> {
    data_key: &'a [u8],
    material: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(sealed: &'a [u8]) -> Result<Self, BadSeal> {
        let (&FORMAT, rest) = sealed.split_first().ok_or(BadSeal)? else { return Err(BadSeal) };
        let (data_key, material) = rest.split_at_checked(WRAPPED_LENGTH).ok_or(BadSeal)?;

        Ok(Self { data_key, material })
    }
}

/// Appends nonce, ciphertext and tag to `out`.
fn encrypt(key: &LessSafeKey, aad: &[u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), BadSeal> {
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce)?;

    let mut text = Zeroizing::new(plain.to_vec());
    let unique = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(unique, Aad::from(aad), text.as_mut_slice())?;

    out.extend_from_slice(&nonce);
    out.extend_from_slice(&text);
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

fn decrypt(key: &LessSafeKey, aad: &[u8], sealed: &[u8]) -> Result<Secret, BadSeal> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(BadSeal)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce)?;

    let mut text = Zeroizing::new(text.to_vec());
    let plain = key.open_in_place(nonce, Aad::from(aad), text.as_mut_slice())?;
    Ok(Secret::new(plain.to_vec()))
}

fn aes(key: &[u8]) -> Result<LessSafeKey, BadSeal> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?))
}

/// What an encryption is bound to. No two are the same bytes: only the last field varies in length.
fn aad(purpose: Purpose, slot: &Slot) -> Vec<u8> {
    let purpose = match purpose {
        Purpose::DataKey => 1,
        Purpose::Material => 2,
    };

    let mut aad = vec![FORMAT, purpose];
    aad.extend_from_slice(slot.key_id.bytes());
    aad.extend_from_slice(slot.tenant.as_str().as_bytes());
    aad
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    DataKey,
    Material,
}

fn mark(prk: &Prk) -> Result<[u8; MARK_LENGTH], BadSeal> {
    let mut mark = [FORMAT; MARK_LENGTH];
    if let Some(proof) = mark.get_mut(1..) {
        prk.expand(&[b"mark the store"], Proof)?.fill(proof)?;
    }

    Ok(mark)
}

/// The part of a mark that follows from the master key.
struct Proof;

impl KeyType for Proof {
    fn len(&self) -> usize {
        MARK_LENGTH - 1
    }
}

/// The format's version, the first byte of everything sealed and of the mark.
const FORMAT: u8 = 1;

/// Bytes of a mark: the format, and as many as the hash that derives the rest.
const MARK_LENGTH: usize = 1 + 32;

/// Bytes of an AES-256 key.
const DATA_KEY_LENGTH: usize = 32;

/// Bytes of a nonce, a data key and a tag.
const WRAPPED_LENGTH: usize = NONCE_LEN + DATA_KEY_LENGTH + TAG_LENGTH;

const TAG_LENGTH: usize = 16;

/// Sets these derivations apart from any other use of the same master key.
const SALT: &[u8] = b"keyport embedded token, format 1";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn master(digit: &str) -> MasterKey {
        digit.repeat(64).parse().unwrap()
    }

    fn seal_under(digit: &str) -> Seal {
        Seal::new(&master(digit)).unwrap()
    }

    fn slot(tenant: &str, key_id: &str) -> Slot {
        Slot { tenant: tenant.parse().unwrap(), key_id: key_id.parse().unwrap() }
    }

    fn here() -> Slot {
        slot("acme", "000102030405060708090a0b0c0d0e0f")
    }

    #[test]
    fn what_was_sealed_opens_and_shows_nothing() {
        let seal = seal_under("1");
        let sealed = seal.seal(&here(), b"material").unwrap();

        assert_eq!(seal.open(&here(), &sealed).unwrap().expose(), b"material");
        assert!(!sealed.windows(8).any(|window| window == b"material"));
        assert_ne!(sealed, seal.seal(&here(), b"material").unwrap());
    }

    #[test]
    fn the_format_has_not_changed() {
        // Sealed by the first release. What lies in somebody's store must open for ever.
        let sealed = hex::decode(SEALED).unwrap();

        assert_eq!(seal_under("1").open(&here(), &sealed).unwrap().expose(), b"material");
        assert_eq!(hex::encode(seal_under("1").mark()), MARK);
    }

    #[test]
    fn no_other_place_and_no_other_master_key_opens_it() {
        let seal = seal_under("1");
        let sealed = seal.seal(&here(), b"material").unwrap();

        for elsewhere in [
            slot("acme", "000102030405060708090a0b0c0d0e10"),
            slot("acm", "000102030405060708090a0b0c0d0e0f"),
            slot("acmee", "000102030405060708090a0b0c0d0e0f"),
        ] {
            assert_eq!(seal.open(&elsewhere, &sealed).unwrap_err(), BadSeal);
        }
        assert_eq!(seal_under("2").open(&here(), &sealed).unwrap_err(), BadSeal);
    }

    #[test]
    fn each_flipped_bit_is_refused() {
        let seal = seal_under("1");
        let sealed = seal.seal(&here(), b"material").unwrap();

        for bit in 0..8 * sealed.len() {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(seal.open(&here(), &altered).is_err(), "bit {bit}");
            assert!(seal.rewrap(&seal_under("2"), &here(), &altered).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_data_key_and_material_of_two_sealings_do_not_mix() {
        let seal = seal_under("1");
        let [one, two] = [(); 2].map(|()| seal.seal(&here(), b"material").unwrap());
        let mixed = [&one[..=WRAPPED_LENGTH], &two[1 + WRAPPED_LENGTH..]].concat();

        assert!(seal.open(&here(), &mixed).is_err());
    }

    #[test]
    fn rewrapping_changes_the_wrapped_data_key_only() {
        let (old, new) = (seal_under("1"), seal_under("2"));
        let sealed = old.seal(&here(), b"material").unwrap();
        let rewrapped = old.rewrap(&new, &here(), &sealed).unwrap();

        assert_eq!(new.open(&here(), &rewrapped).unwrap().expose(), b"material");
        assert!(old.open(&here(), &rewrapped).is_err());
        assert_eq!(rewrapped[1 + WRAPPED_LENGTH..], sealed[1 + WRAPPED_LENGTH..]);
    }

    #[test]
    fn a_mark_fits_its_master_key_only() {
        let (one, two) = (seal_under("1"), seal_under("2"));

        assert!(one.fits(one.mark()));
        assert!(!one.fits(two.mark()));
        assert!(!one.fits(&[]));
    }

    #[test]
    fn seal_is_never_printed() {
        assert_eq!(format!("{:?}", seal_under("1")), "Seal(…)");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_open_and_never_panic(mut bytes: Vec<u8>, formatted: bool) {
            if formatted {
                bytes.insert(0, FORMAT);
            }

            prop_assert!(seal_under("1").open(&here(), &bytes).is_err());
        }

        #[test]
        fn material_of_any_length_comes_back(material: Vec<u8>) {
            let seal = seal_under("1");
            let sealed = seal.seal(&here(), &material).unwrap();

            let opened = seal.open(&here(), &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &material);
        }
    }

    const SEALED: &str = "01e4adc9bb072a4ac256bde8863cf6f85c5cfa654b10b294cf229d32a6405f3563b2a2941e6c37c44a9c2c9a2d64dcd6\
        073d6a16f43f15c4b64c6d3b6b105c74cfbcf2679a7a17e9edebcded68b0fb4f2e87cece6f0f1a7bc6c08b08d08f91aa\
        71";
    const MARK: &str = "01b7262625c142282f084af53103abadd33758ac86fd61dc69f9dc274aeef1b31f";
}
