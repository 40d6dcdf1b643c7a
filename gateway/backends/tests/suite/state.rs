//! What every backend promises when it is asked how a key stands.

use keyport_core::backend::{KeyState, Object};
use keyport_core::key::NativeId;

use super::{Custodian, its_signatures_verify, key_id, soon};

/// The promises.
pub(super) async fn backend(custodian: &Custodian) {
    what_signs_is_enabled_and_stays_as_it_is(custodian).await;
    what_was_never_made_is_gone(custodian).await;
    what_was_destroyed_is_gone_or_waits_to_be(custodian).await;
}

async fn what_signs_is_enabled_and_stays_as_it_is(custodian: &Custodian) {
    for key_type in custodian.one_of_each_family() {
        let (object, made) = custodian.make(key_type).await;

        for _ in 0..2 {
            assert_eq!(state(custodian, &object).await, KeyState::Enabled, "{key_type}");
        }
        its_signatures_verify(custodian, &object, &made).await;
    }
}

async fn what_was_never_made_is_gone(custodian: &Custodian) {
    let (like, _) = custodian.make(custodian.key_types[0]).await;
    let key_id = key_id();
    let object = Object { key_id, native_id: NativeId::new(key_id.to_string()), ..like };

    for _ in 0..2 {
        assert_eq!(state(custodian, &object).await, KeyState::Gone);
    }
    assert_eq!(custodian.backend.find(&object.tenant, key_id, soon()).await.unwrap(), None);
}

async fn what_was_destroyed_is_gone_or_waits_to_be(custodian: &Custodian) {
    let (object, _) = custodian.make(custodian.key_types[0]).await;
    custodian.backend.destroy(&object, soon()).await.unwrap();

    let destroyed = state(custodian, &object).await;
    if !custodian.restores {
        return assert_eq!(destroyed, KeyState::Gone);
    }
    assert!(matches!(destroyed, KeyState::PendingDeletion(_)), "{destroyed:?}");

    custodian.backend.restore(&object, soon()).await.unwrap();
    assert_eq!(state(custodian, &object).await, KeyState::Enabled);
}

async fn state(custodian: &Custodian, object: &Object) -> KeyState {
    custodian.backend.state(object, soon()).await.unwrap()
}
