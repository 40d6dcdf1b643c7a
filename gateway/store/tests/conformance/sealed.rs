//! What every adapter of `SealedKeys` promises.

use std::sync::Arc;

use keyport_core::Error;
use keyport_core::store::SealedKeys;

use super::{id, tenant};

/// What every store of sealed material promises.
pub async fn sealed_keys<G>(open: impl AsyncFn() -> (G, Arc<dyn SealedKeys>)) {
    macro_rules! promises {
        ($($promise:ident),*) => {
            $({
                let (_guard, sealed) = open().await;
                $promise(&*sealed).await;
            })*
        };
    }

    promises!(
        what_was_put_comes_back_until_it_is_erased,
        nothing_is_overwritten,
        another_tenant_sees_and_changes_nothing,
        a_mark_and_all_material_change_together,
        a_failed_reseal_changes_nothing
    );
}

async fn what_was_put_comes_back_until_it_is_erased(sealed: &dyn SealedKeys) {
    let acme = tenant("acme");
    assert_eq!(sealed.get(&acme, id(1)).await.unwrap(), None);

    sealed.put(&acme, id(1), b"sealed").await.unwrap();
    assert_eq!(sealed.get(&acme, id(1)).await.unwrap().as_deref(), Some(&b"sealed"[..]));

    sealed.delete(&acme, id(1)).await.unwrap();
    assert_eq!(sealed.get(&acme, id(1)).await.unwrap(), None);
    sealed.delete(&acme, id(1)).await.unwrap();
}

async fn nothing_is_overwritten(sealed: &dyn SealedKeys) {
    let acme = tenant("acme");
    sealed.put(&acme, id(1), b"first").await.unwrap();

    assert!(matches!(sealed.put(&acme, id(1), b"second").await, Err(Error::KeyExists)));
    assert_eq!(sealed.get(&acme, id(1)).await.unwrap().as_deref(), Some(&b"first"[..]));
}

async fn another_tenant_sees_and_changes_nothing(sealed: &dyn SealedKeys) {
    let (acme, other) = (tenant("acme"), tenant("other"));
    sealed.put(&acme, id(1), b"mine").await.unwrap();

    assert_eq!(sealed.get(&other, id(1)).await.unwrap(), None);
    sealed.put(&other, id(1), b"theirs").await.unwrap();
    sealed.delete(&other, id(1)).await.unwrap();

    assert_eq!(sealed.get(&acme, id(1)).await.unwrap().as_deref(), Some(&b"mine"[..]));
}

async fn a_mark_and_all_material_change_together(sealed: &dyn SealedKeys) {
    assert_eq!(sealed.mark().await.unwrap(), None);
    assert_eq!(sealed.reseal(b"one", &|_, _, bytes| Ok(bytes.to_vec())).await.unwrap(), 0);
    assert_eq!(sealed.mark().await.unwrap().as_deref(), Some(&b"one"[..]));
    sealed.put(&tenant("acme"), id(1), b"a").await.unwrap();
    sealed.put(&tenant("other"), id(2), b"b").await.unwrap();

    let count = sealed
        .reseal(b"two", &|tenant, id, bytes| {
            Ok(format!("{tenant} {id} {}", String::from_utf8_lossy(bytes)).into_bytes())
        })
        .await
        .unwrap();

    assert_eq!(count, 2);
    assert_eq!(sealed.mark().await.unwrap().as_deref(), Some(&b"two"[..]));
    let resealed = sealed.get(&tenant("other"), id(2)).await.unwrap().unwrap();
    assert_eq!(resealed, format!("other {} b", id(2)).as_bytes());
}

async fn a_failed_reseal_changes_nothing(sealed: &dyn SealedKeys) {
    sealed.reseal(b"one", &|_, _, bytes| Ok(bytes.to_vec())).await.unwrap();
    for number in 1..4 {
        sealed.put(&tenant("acme"), id(number), b"old").await.unwrap();
    }

    let failed = sealed
        .reseal(b"two", &|_, key, _| if key == id(2) { Err(Error::KeyNotFound) } else { Ok(b"new".to_vec()) })
        .await;

    assert!(matches!(failed, Err(Error::KeyNotFound)));
    assert_eq!(sealed.mark().await.unwrap().as_deref(), Some(&b"one"[..]));
    for number in 1..4 {
        assert_eq!(sealed.get(&tenant("acme"), id(number)).await.unwrap().as_deref(), Some(&b"old"[..]));
    }
}
