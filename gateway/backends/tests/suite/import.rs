//! What every backend promises of the key pairs that it takes over, if it takes over any.

use std::collections::HashSet;
use std::sync::Arc;

use keyport_core::FailureKind;
use keyport_core::backend::{Generate, Generated, Object};
use keyport_core::import::Material;
use keyport_core::scheme::KeyType;
use keyport_core::secret::Secret;
use tokio::task::JoinSet;

use super::pairs::pair;
use super::{Custodian, is_not_there, its_signatures_verify, object, request, soon};

pub(super) async fn backend(custodian: &Custodian) {
    what_is_not_taken_over_is_unsupported(custodian).await;
    every_signature_of_an_imported_key_verifies(custodian).await;
    importing_again_returns_the_same_pair(custodian).await;
    importing_another_pair_for_the_same_key_id_is_refused(custodian).await;
    importing_at_once_takes_over_one_pair(custodian).await;
    halves_of_two_pairs_are_refused_and_nothing_is_left(custodian).await;
    a_pair_of_another_type_than_was_asked_for_is_refused(custodian).await;
    an_imported_key_is_found_and_destroyed_as_others_are(custodian).await;
}

async fn what_is_not_taken_over_is_unsupported(custodian: &Custodian) {
    for key_type in [KeyType::EcP256, KeyType::EcP384, KeyType::Ed25519] {
        if !custodian.imports.contains(&key_type) {
            let refused = custodian.backend.import(request(key_type), pair(key_type), soon()).await;
            assert_eq!(refused.unwrap_err().kind, FailureKind::Unsupported, "{key_type}");
        }
    }

    let (scalar, point) = (Secret::new(vec![1; 32]), vec![4; 65]);
    let unknown = Material::Ec { key_type: KeyType::EcSecp256k1, scalar, point };
    let refused = custodian.backend.import(request(KeyType::EcSecp256k1), unknown, soon()).await;
    assert_eq!(refused.unwrap_err().kind, FailureKind::Unsupported);
}

async fn every_signature_of_an_imported_key_verifies(custodian: &Custodian) {
    for key_type in custodian.imports.iter().copied() {
        let pair = pair(key_type);
        let (object, made) = custodian.take_over(&pair).await;

        assert!(made.public.der().ends_with(&public(&pair)), "{key_type}");
        its_signatures_verify(custodian, &object, &made).await;
    }
}

async fn importing_again_returns_the_same_pair(custodian: &Custodian) {
    for key_type in custodian.imports.iter().copied() {
        let (request, pair) = (request(key_type), pair(key_type));
        let first = custodian.backend.import(request.clone(), pair.clone(), soon()).await.unwrap();
        let again = custodian.backend.import(request, pair, soon()).await.unwrap();

        assert_eq!((again.native_id, again.public), (first.native_id, first.public));
    }
}

async fn importing_another_pair_for_the_same_key_id_is_refused(custodian: &Custodian) {
    for key_type in one_of_each(custodian) {
        let imported = request(key_type);
        let first = custodian.backend.import(imported.clone(), pair(key_type), soon()).await.unwrap();
        let generated = request(key_type);
        let made = custodian.backend.generate(generated.clone(), soon()).await.unwrap();

        for (request, kept) in [(imported, first), (generated, made)] {
            let refused = custodian.backend.import(request.clone(), pair(key_type), soon()).await;
            assert_eq!(refused.unwrap_err().kind, FailureKind::Exists, "{key_type}");
            let object = object(&request, &kept.native_id);
            assert_eq!(custodian.backend.public_key(&object, soon()).await.unwrap(), kept.public);
        }
    }
}

async fn importing_at_once_takes_over_one_pair(custodian: &Custodian) {
    let Some(key_type) = custodian.imports.first().copied() else { return };
    let request = request(key_type);
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (backend, request) = (Arc::clone(&custodian.backend), request.clone());
        tasks.spawn(async move { backend.import(request, pair(key_type), soon()).await });
    }

    let answers = tasks.join_all().await;
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(refused.clone().all(|failure| failure.kind == FailureKind::Exists));
    assert_eq!(refused.count(), answers.len() - 1);
}

async fn halves_of_two_pairs_are_refused_and_nothing_is_left(custodian: &Custodian) {
    for key_type in one_of_each(custodian) {
        let request = request(key_type);
        let mixed = mixed(pair(key_type), pair(key_type));

        let refused = custodian.backend.import(request.clone(), mixed, soon()).await;
        assert_eq!(refused.unwrap_err().kind, FailureKind::InvalidArgument, "{key_type}");
        let found = custodian.backend.find(&request.tenant, request.key_id, soon()).await.unwrap();
        assert_eq!(found, None);
    }
}

async fn a_pair_of_another_type_than_was_asked_for_is_refused(custodian: &Custodian) {
    let [one, other, ..] = custodian.imports.as_slice() else { return };
    let refused = custodian.backend.import(request(*one), pair(*other), soon()).await;

    assert_eq!(refused.unwrap_err().kind, FailureKind::InvalidArgument);
}

async fn an_imported_key_is_found_and_destroyed_as_others_are(custodian: &Custodian) {
    for key_type in one_of_each(custodian) {
        let (object, _) = custodian.take_over(&pair(key_type)).await;
        let found = custodian.backend.find(&object.tenant, object.key_id, soon()).await.unwrap();
        assert_eq!(found.as_ref(), Some(&object.native_id));

        custodian.backend.destroy(&object, soon()).await.unwrap();
        is_not_there(custodian, &object).await;
    }
}

impl Custodian {
    /// Has a key pair taken over.
    async fn take_over(&self, pair: &Material) -> (Object, Generated) {
        let request: Generate = request(pair.key_type());
        let made = self.backend.import(request.clone(), pair.clone(), soon()).await.unwrap();

        (object(&request, &made.native_id), made)
    }
}

fn one_of_each(custodian: &Custodian) -> Vec<KeyType> {
    let mut families = HashSet::new();
    let first = |key_type: &&KeyType| families.insert(std::mem::discriminant(&key_type.family()));

    custodian.imports.iter().filter(first).copied().collect()
}

/// How a public half ends in a SubjectPublicKeyInfo.
fn public(pair: &Material) -> Vec<u8> {
    match pair {
        Material::Ec { point, .. } => point.clone(),
        Material::Ed25519 { public, .. } => public.clone(),
        // The exponent is an INTEGER of three bytes.
        Material::Rsa(rsa) => [&*rsa.n, &[2, 3], &*rsa.e].concat(),
    }
}

/// The private half of one pair with the public half of another.
fn mixed(private: Material, public: Material) -> Material {
    match (private, public) {
        (Material::Ec { key_type, scalar, .. }, Material::Ec { point, .. }) => {
            Material::Ec { key_type, scalar, point }
        }
        (Material::Ed25519 { seed, .. }, Material::Ed25519 { public, .. }) => {
            Material::Ed25519 { seed, public }
        }
        (Material::Rsa(mut rsa), Material::Rsa(other)) => {
            rsa.n = other.n;
            Material::Rsa(rsa)
        }
        (_, _) => unimplemented!("two pairs of one kind"),
    }
}
