//! What every backend promises of keys that it destroyed.

use keyport_core::FailureKind;
use keyport_core::backend::Object;
use keyport_core::key::NativeId;

use super::{Custodian, LOST, is_not_there, its_signatures_verify, key_id, soon};

/// The promises: those of a custodian that keeps what it destroyed, or that of one that does not.
pub(super) async fn backend(custodian: &Custodian) {
    assert_eq!(custodian.backend.restores(), custodian.restores);
    if !custodian.restores {
        return what_was_destroyed_stays_so(custodian).await;
    }

    what_was_destroyed_comes_back_as_it_was(custodian).await;
    what_was_never_destroyed_is_left_as_it_is(custodian).await;
    what_was_never_made_does_not_come_back(custodian).await;
}

async fn what_was_destroyed_stays_so(custodian: &Custodian) {
    let (object, _) = custodian.make(custodian.key_types[0]).await;
    custodian.backend.destroy(&object, soon()).await.unwrap();

    let refused = custodian.backend.restore(&object, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unsupported);
    is_not_there(custodian, &object).await;
}

async fn what_was_destroyed_comes_back_as_it_was(custodian: &Custodian) {
    for key_type in custodian.one_of_each_family() {
        let (object, made) = custodian.make(key_type).await;

        for _ in 0..2 {
            custodian.backend.destroy(&object, soon()).await.unwrap();
            is_not_there(custodian, &object).await;

            custodian.backend.restore(&object, soon()).await.unwrap();
            its_signatures_verify(custodian, &object, &made).await;
            let found = custodian.backend.find(&object.tenant, object.key_id, soon()).await.unwrap();
            assert_eq!(found.as_ref(), Some(&object.native_id));
        }
    }
}

async fn what_was_never_destroyed_is_left_as_it_is(custodian: &Custodian) {
    let (object, made) = custodian.make(custodian.key_types[0]).await;

    for _ in 0..2 {
        custodian.backend.restore(&object, soon()).await.unwrap();
    }
    its_signatures_verify(custodian, &object, &made).await;
}

async fn what_was_never_made_does_not_come_back(custodian: &Custodian) {
    let (like, _) = custodian.make(custodian.key_types[0]).await;
    let key_id = key_id();
    let object = Object { key_id, native_id: NativeId::new(key_id.to_string()), ..like };

    let refused = custodian.backend.restore(&object, soon()).await.unwrap_err();
    assert!(LOST.contains(&refused.kind), "{refused}");
}
