//! The gateway's mechanisms in PKCS#11's words, which of them a token offers, and what each takes.

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism as Ckm, MechanismType};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Family, Hash, KeyType, Scheme};
use keyport_core::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

/// A mechanism that a token lists.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Offer {
    /// Its number.
    pub code: u64,
    /// The smallest key, in the mechanism's own unit: bits, for all that matter here.
    pub smallest: u64,
    /// The largest key; 0 where the token does not say.
    pub largest: u64,
    /// Whether it makes key pairs.
    pub generates: bool,
    /// Whether it signs.
    pub signs: bool,
}

/// What a token lists.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Offers(pub Vec<Offer>);

impl Offers {
    /// Whether the token can make key pairs of this type and sign with them; where it cannot, what it lacks by name.
    pub fn generates(&self, key_type: KeyType) -> Result<(), Failure> {
        let (generation, bits) = generation(key_type).ok_or_else(|| {
            unsupported(format!("keys of type {key_type} are not made through PKCS#11 here"))
        })?;
        let offer = self.offer(generation).filter(|offer| offer.generates).ok_or_else(|| {
            unsupported(format!("the token does not offer {} to make key pairs", name(generation)))
        })?;
        offer.fits(generation, bits)?;

        let ways = signing(key_type);
        if ways.iter().any(|way| self.signs(*way, bits).is_ok()) {
            return Ok(());
        }
        let names: Vec<_> = ways.iter().map(|way| name(*way)).collect();
        Err(unsupported(format!("the token does not offer {} to sign", names.join(" or "))))
    }

    /// Whether the token signs so with keys of this type; where it does not, what it lacks by name.
    pub fn signs_with(&self, key_type: KeyType, mechanism: Mechanism) -> Result<(), Failure> {
        let ckm = ckm_type(mechanism).filter(|ckm| signing(key_type).contains(ckm));
        let ckm = ckm.ok_or_else(|| unfit(key_type, mechanism))?;

        self.signs(ckm, generation(key_type).map_or(0, |(_, bits)| bits))
    }

    fn signs(&self, ckm: MechanismType, bits: u64) -> Result<(), Failure> {
        self.offer(ckm)
            .filter(|offer| offer.signs)
            .ok_or_else(|| unsupported(format!("the token does not offer {} to sign", name(ckm))))?
            .fits(ckm, bits)
    }

    fn offer(&self, ckm: MechanismType) -> Option<&Offer> {
        self.0.iter().find(|offer| offer.code == *ckm)
    }
}

impl Offer {
    /// Sizes that no key has are no limits: many tokens answer 0, and some count bytes.
    fn fits(&self, ckm: MechanismType, bits: u64) -> Result<(), Failure> {
        // Some say that Ed25519 has 255 bits, and some 256.
        let large_enough = self.smallest <= bits.next_multiple_of(8);
        if self.largest < IMPLAUSIBLE || (large_enough && bits <= self.largest) {
            return Ok(());
        }

        let message =
            format!("the token offers {} for {} to {} bits only", name(ckm), self.smallest, self.largest);
        Err(unsupported(message))
    }
}

/// The mechanism that serves a scheme, and is asked of a token for it; `None` for schemes that no key signs here.
#[must_use]
pub fn serving(scheme: Scheme) -> Option<Mechanism> {
    match scheme {
        Scheme::Ecdsa(_) => Some(Mechanism::Ecdsa),
        Scheme::Ed25519 => Some(Mechanism::Ed25519),
        Scheme::RsaPkcs1v15(_) => Some(Mechanism::RsaPkcs1v15DigestInfo),
        Scheme::Ed25519ph => Some(Mechanism::Ed25519phOfMessage),
        Scheme::RsaPss(hash) => Some(Mechanism::RsaPss(hash)),
        Scheme::MlDsa => None,
    }
}

/// Whether `input` is one that keys of this type sign so: some tokens sign anything.
pub(super) fn check(key_type: KeyType, mechanism: Mechanism, input: &[u8]) -> Result<(), Failure> {
    let fits = match (mechanism, key_type.family()) {
        // Custody hands in a digest, or as many of its bytes as the order has.
        (Mechanism::Ecdsa, Family::Ecdsa { order }) => {
            Hash::ALL.iter().any(|hash| input.len() == hash.digest_len().min(order))
        }
        (Mechanism::Ed25519 | Mechanism::Ed25519phOfMessage, Family::EdDsa) => true,
        (Mechanism::RsaPkcs1v15DigestInfo, Family::Rsa { .. }) => is_digest_info(input),
        (Mechanism::RsaPss(hash), Family::Rsa { .. }) => input.len() == hash.digest_len(),
        (
            Mechanism::Ecdsa
            | Mechanism::Ed25519
            | Mechanism::Ed25519ph
            | Mechanism::Ed25519phOfMessage
            | Mechanism::RsaPkcs1v15(_)
            | Mechanism::RsaPkcs1v15DigestInfo
            | Mechanism::RsaPss(_)
            | Mechanism::MlDsa,
            _,
        ) => return Err(unfit(key_type, mechanism)),
    };

    if fits {
        return Ok(());
    }
    let message = format!("{mechanism} does not sign {} bytes with {key_type}", input.len());
    Err(Failure::new(FailureKind::InvalidArgument, message))
}

/// What C_SignInit gets; `None` for a mechanism that PKCS#11 does otherwise.
pub(super) fn ckm(mechanism: Mechanism) -> Option<Ckm<'static>> {
    match mechanism {
        Mechanism::Ecdsa => Some(Ckm::Ecdsa),
        Mechanism::Ed25519 => Some(Ckm::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure))),
        Mechanism::Ed25519phOfMessage => {
            Some(Ckm::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519ph(&[]))))
        }
        Mechanism::RsaPkcs1v15DigestInfo => Some(Ckm::RsaPkcs),
        Mechanism::RsaPss(hash) => Some(Ckm::RsaPkcsPss(pss(hash))),
        // CKM_EDDSA is the whole of Ed25519ph (PKCS#11 3.0, "EdDSA"): the token hashes, and takes no digest.
        Mechanism::Ed25519ph | Mechanism::RsaPkcs1v15(_) | Mechanism::MlDsa => None,
    }
}

/// What C_GenerateKeyPair gets, and the size of the keys in bits; `None` for types that are not made here.
pub(super) fn generation(key_type: KeyType) -> Option<(MechanismType, u64)> {
    match key_type {
        KeyType::EcP256 | KeyType::EcSecp256k1 => Some((MechanismType::ECC_KEY_PAIR_GEN, 256)),
        KeyType::EcP384 => Some((MechanismType::ECC_KEY_PAIR_GEN, 384)),
        KeyType::EcP521 => Some((MechanismType::ECC_KEY_PAIR_GEN, 521)),
        KeyType::Ed25519 => Some((MechanismType::ECC_EDWARDS_KEY_PAIR_GEN, 255)),
        KeyType::Rsa2048 => Some((MechanismType::RSA_PKCS_KEY_PAIR_GEN, 2048)),
        KeyType::Rsa3072 => Some((MechanismType::RSA_PKCS_KEY_PAIR_GEN, 3072)),
        KeyType::Rsa4096 => Some((MechanismType::RSA_PKCS_KEY_PAIR_GEN, 4096)),
        KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87 => None,
    }
}

/// The mechanism's name in the standard.
pub(super) fn name(ckm: MechanismType) -> String {
    match ckm {
        // cryptoki has older names for these two.
        MechanismType::ECC_KEY_PAIR_GEN => "CKM_EC_KEY_PAIR_GEN".to_owned(),
        MechanismType::ECC_EDWARDS_KEY_PAIR_GEN => "CKM_EC_EDWARDS_KEY_PAIR_GEN".to_owned(),
        other => other.to_string(),
    }
}

/// Every mechanism that Keyport asks of a token.
pub(super) const WANTED: [MechanismType; 7] = [
    MechanismType::ECC_KEY_PAIR_GEN,
    MechanismType::ECC_EDWARDS_KEY_PAIR_GEN,
    MechanismType::RSA_PKCS_KEY_PAIR_GEN,
    MechanismType::ECDSA,
    MechanismType::EDDSA,
    MechanismType::RSA_PKCS,
    MechanismType::RSA_PKCS_PSS,
];

fn signing(key_type: KeyType) -> &'static [MechanismType] {
    match key_type.family() {
        Family::Ecdsa { .. } => &[MechanismType::ECDSA],
        Family::EdDsa => &[MechanismType::EDDSA],
        Family::Rsa { .. } => &[MechanismType::RSA_PKCS, MechanismType::RSA_PKCS_PSS],
        Family::MlDsa { .. } => &[],
    }
}

fn ckm_type(mechanism: Mechanism) -> Option<MechanismType> {
    ckm(mechanism).map(|ckm| ckm.mechanism_type())
}

fn pss(hash: Hash) -> PkcsPssParams {
    let (hash_alg, mgf, s_len) = match hash {
        Hash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32_u64),
        Hash::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48),
        Hash::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
    };

    PkcsPssParams { hash_alg, mgf, s_len: s_len.into() }
}

/// What stands before the digest in a DigestInfo, DER (RFC 8017, section 9.2, note 1).
fn digest_info(hash: Hash) -> [u8; 19] {
    // The length of the digest, and the last arc of the hash's identifier.
    let (length, arc) = match hash {
        Hash::Sha256 => (32, 1),
        Hash::Sha384 => (48, 2),
        Hash::Sha512 => (64, 3),
    };

    [0x30, 17 + length, 0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, arc, 5, 0, 4, length]
}

fn is_digest_info(input: &[u8]) -> bool {
    Hash::ALL.into_iter().any(|hash| {
        let digest = input.strip_prefix(&digest_info(hash));
        digest.is_some_and(|digest| digest.len() == hash.digest_len())
    })
}

fn unfit(key_type: KeyType, mechanism: Mechanism) -> Failure {
    unsupported(format!("{mechanism} is not how {key_type} signs through PKCS#11 here"))
}

fn unsupported(message: String) -> Failure {
    Failure::new(FailureKind::Unsupported, message)
}

const IMPLAUSIBLE: u64 = 128;

#[cfg(test)]
mod tests {
    use keyport_core::input::{Digest, Input};

    use super::*;

    fn offers(codes: &[(MechanismType, bool, u64)]) -> Offers {
        let offer = |(ckm, generates, largest): &(MechanismType, bool, u64)| Offer {
            code: **ckm,
            smallest: 0,
            largest: *largest,
            generates: *generates,
            signs: !generates,
        };

        Offers(codes.iter().map(offer).collect())
    }

    #[test]
    fn what_a_token_lacks_is_said_by_name() {
        let only_ec =
            offers(&[(MechanismType::ECC_KEY_PAIR_GEN, true, 384), (MechanismType::ECDSA, false, 384)]);

        assert!(only_ec.generates(KeyType::EcP256).is_ok());
        for (key_type, lacks) in [
            (KeyType::EcP521, "CKM_EC_KEY_PAIR_GEN for 0 to 384 bits"),
            (KeyType::Ed25519, "CKM_EC_EDWARDS_KEY_PAIR_GEN"),
            (KeyType::Rsa2048, "CKM_RSA_PKCS_KEY_PAIR_GEN"),
            (KeyType::MlDsa44, "ml-dsa-44"),
        ] {
            let refused = only_ec.generates(key_type).unwrap_err();
            assert_eq!(refused.kind, FailureKind::Unsupported);
            assert!(refused.message.contains(lacks), "{refused}");
        }
    }

    #[test]
    fn a_token_that_makes_keys_but_cannot_sign_is_refused() {
        let refused = offers(&[(MechanismType::RSA_PKCS_KEY_PAIR_GEN, true, 0)]).generates(KeyType::Rsa2048);

        assert!(refused.unwrap_err().message.contains("CKM_RSA_PKCS or CKM_RSA_PKCS_PSS"));
    }

    #[test]
    fn ed25519ph_is_made_of_the_message_and_never_of_a_digest() {
        let eddsa = offers(&[(MechanismType::EDDSA, false, 0)]);

        assert!(eddsa.signs_with(KeyType::Ed25519, Mechanism::Ed25519phOfMessage).is_ok());
        let refused = eddsa.signs_with(KeyType::Ed25519, Mechanism::Ed25519ph).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unsupported);
        assert!(check(KeyType::Ed25519, Mechanism::Ed25519ph, &[0; 64]).is_err());
        assert!(check(KeyType::EcP256, Mechanism::Ed25519phOfMessage, &[0; 32]).is_err());
    }

    #[test]
    fn every_name_is_the_standards_own() {
        for ckm in WANTED {
            assert!(name(ckm).starts_with("CKM_") && !name(ckm).contains("ECC"), "{}", name(ckm));
        }
    }

    #[test]
    fn digest_infos_of_each_hash_fit_and_nothing_else_does() {
        for hash in Hash::ALL {
            let Input::Digest(digest) = Input::Digest(Digest::of(hash, b"x")) else { unreachable!() };
            let arc = match hash {
                Hash::Sha256 => 1,
                Hash::Sha384 => 2,
                Hash::Sha512 => 3,
            };
            let length = u8::try_from(hash.digest_len()).unwrap();
            let start =
                [0x30, length + 17, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, arc, 5, 0, 4, length];
            let info = [&start, digest.bytes()].concat();

            let fits =
                |input: &[u8]| check(KeyType::Rsa2048, Mechanism::RsaPkcs1v15DigestInfo, input).is_ok();
            assert!(fits(&info));
            assert!(!fits(digest.bytes()) && !fits(&info[1..]));
            for at in 0..start.len() {
                let mut other = info.clone();
                other[at] ^= 1;
                assert!(!fits(&other), "{at}");
            }
        }
    }

    #[test]
    fn ecdsa_takes_a_digest_or_as_much_of_it_as_the_order_has() {
        for (key_type, lengths) in [
            (KeyType::EcP256, [32, 32, 32].as_slice()),
            (KeyType::EcP384, &[32, 48, 48]),
            (KeyType::EcP521, &[32, 48, 64]),
        ] {
            for length in 0..100 {
                let fits = check(key_type, Mechanism::Ecdsa, &vec![0; length]).is_ok();
                assert_eq!(fits, lengths.contains(&length), "{key_type} {length}");
            }
        }
    }
}
