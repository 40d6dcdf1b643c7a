//! What holds of two custodians that can have the same key: the second calls it by a name of its own, and does with it what the
//! first does. Each test crate hands both to [`stands_in`].

use std::collections::HashSet;

use keyport_core::FailureKind;
use keyport_core::backend::{KeyState, Object};
use keyport_core::key::NativeId;

use crate::suite::{Custodian, its_signatures_verify, soon};

/// `copy` has the second custodian have every key that the first one has.
pub(crate) async fn stands_in(first: &Custodian, second: &Custodian, copy: impl Fn()) {
    a_key_is_there_once_it_is_copied_and_signs_as_itself(first, second, &copy).await;
    a_key_is_destroyed_and_restored_at_each_of_them(first, second, &copy).await;
    a_key_that_only_one_of_them_has_is_destroyed(first, second).await;
    a_key_is_called_the_same_from_wherever_its_name_comes(first, second).await;
}

async fn a_key_is_there_once_it_is_copied_and_signs_as_itself(
    first: &Custodian,
    second: &Custodian,
    copy: impl Fn(),
) {
    let mut families = HashSet::new();
    let is_new = |key_type: &keyport_core::scheme::KeyType| {
        families.insert(std::mem::discriminant(&key_type.family()))
    };
    for key_type in first.key_types.iter().copied().filter(is_new) {
        let (object, made) = first.make(key_type).await;
        let there = counterpart(second, &object);
        assert_ne!(there.native_id, object.native_id);
        let missing = second.backend.public_key(&there, soon()).await.unwrap_err();
        assert_eq!(missing.kind, FailureKind::NotFound, "{missing}");

        copy();
        its_signatures_verify(second, &there, &made).await;
        its_signatures_verify(first, &object, &made).await;
    }
}

async fn a_key_is_destroyed_and_restored_at_each_of_them(
    first: &Custodian,
    second: &Custodian,
    copy: impl Fn(),
) {
    let (object, made) = first.make(first.key_types[0]).await;
    let there = counterpart(second, &object);
    copy();

    for _ in 0..2 {
        second.backend.destroy(&there, soon()).await.unwrap();
        is_destroyed(second, &there).await;
        its_signatures_verify(first, &object, &made).await;
        first.backend.destroy(&object, soon()).await.unwrap();
        is_destroyed(first, &object).await;

        first.backend.restore(&object, soon()).await.unwrap();
        is_destroyed(second, &there).await;
        second.backend.restore(&there, soon()).await.unwrap();
        its_signatures_verify(second, &there, &made).await;
        its_signatures_verify(first, &object, &made).await;
    }
}

/// The second one may not say so at once: the key could be on its way back.
async fn a_key_that_only_one_of_them_has_is_destroyed(first: &Custodian, second: &Custodian) {
    let (object, _) = first.make(first.key_types[0]).await;

    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(601)).await;
    tokio::time::resume();
    second.backend.destroy(&counterpart(second, &object), soon()).await.unwrap();
    first.backend.destroy(&object, soon()).await.unwrap();
    is_destroyed(first, &object).await;
}

async fn a_key_is_called_the_same_from_wherever_its_name_comes(first: &Custodian, second: &Custodian) {
    let (object, _) = first.make(first.key_types[0]).await;
    let there = counterpart(second, &object);

    assert_eq!(counterpart(first, &object).native_id, object.native_id);
    assert_eq!(counterpart(first, &there).native_id, object.native_id);
    assert_eq!(counterpart(second, &there).native_id, there.native_id);
    // What no name was recorded of is called by its key-id everywhere.
    let unrecorded = NativeId::new(object.key_id.to_string());
    for custodian in [first, second] {
        assert_eq!(custodian.backend.counterpart(&unrecorded), unrecorded);
    }
}

async fn is_destroyed(custodian: &Custodian, object: &Object) {
    let state = custodian.backend.state(object, soon()).await.unwrap();

    assert!(matches!(state, KeyState::PendingDeletion(_)), "{state:?}");
}

fn counterpart(custodian: &Custodian, object: &Object) -> Object {
    Object { native_id: custodian.backend.counterpart(&object.native_id), ..object.clone() }
}
