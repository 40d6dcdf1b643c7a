//! What every adapter of `Keys` promises.

use std::sync::Arc;

use keyport_core::Error;
use keyport_core::key::{Handle, Key, NativeId};
use keyport_core::outside::Timestamp;
use keyport_core::scheme::KeyType;
use keyport_core::store::Keys;

use super::{id, made, name, pending, pending_of, public, tenant};

/// What every store of keys promises.
pub async fn keys<G>(open: impl AsyncFn() -> (G, Arc<dyn Keys>)) {
    macro_rules! promises {
        ($($promise:ident),*) => {
            $({
                let (_guard, keys) = open().await;
                $promise(&keys).await;
            })*
        };
    }

    promises!(
        an_inserted_row_is_found_and_pending,
        every_field_comes_back,
        a_name_has_one_pending_row,
        a_key_id_is_never_reused,
        an_update_needs_the_stored_revision,
        rows_are_replaced_all_or_none,
        a_successor_takes_the_name_in_one_step,
        a_name_has_one_active_row,
        a_registered_row_stays_registered,
        what_a_key_takes_digests_for_stays_so,
        an_object_belongs_to_one_row_over_all_tenants,
        a_destroyed_row_frees_its_object,
        a_destroyed_row_is_listed_until_it_is_recorded,
        rows_are_listed_in_the_order_in_which_they_were_made,
        tenants_are_those_with_rows,
        another_tenant_sees_and_changes_nothing,
        of_two_writers_one_wins
    );
}

async fn insert(keys: &Arc<dyn Keys>, key: &Key) {
    keys.insert(&key.tenant, key).await.unwrap();
}

/// The row as it is now.
async fn stored(keys: &Arc<dyn Keys>, key: &Key) -> Key {
    Key::clone(&keys.key(&key.tenant, key.id).await.unwrap().unwrap())
}

async fn update(keys: &Arc<dyn Keys>, key: Key) -> Key {
    assert!(keys.update(&key.tenant, std::slice::from_ref(&key)).await.unwrap());

    stored(keys, &key).await
}

/// An active key.
async fn active(keys: &Arc<dyn Keys>, key: &Key) -> Key {
    insert(keys, key).await;

    update(keys, made(key, &key.id.to_string()).activated(None, 1, Timestamp(1))).await
}

async fn an_inserted_row_is_found_and_pending(keys: &Arc<dyn Keys>) {
    let key = pending("a", 1);
    insert(keys, &key).await;

    assert_eq!(stored(keys, &key).await, key);
    assert_eq!(keys.active(&key.tenant, &key.name).await.unwrap(), None);
    assert_eq!(keys.list(&key.tenant).await.unwrap(), [Arc::new(key)]);
}

async fn every_field_comes_back(keys: &Arc<dyn Keys>) {
    let key = pending("schlüssel", 1);
    insert(keys, &key).await;
    let active = made(&key, "object").activated(Handle::new(b"handle"), 7, Timestamp(5));

    let stored = update(keys, active.clone()).await;

    assert_eq!(stored, Key { revision: 1, ..active });
    assert_eq!(keys.active(&key.tenant, &key.name).await.unwrap().as_deref(), Some(&stored));
    let released = stored.released(Timestamp(6), Timestamp(9));
    assert_eq!(update(keys, released.clone()).await, Key { revision: 2, ..released });
    assert_eq!(keys.active(&key.tenant, &key.name).await.unwrap(), None);
}

async fn what_a_key_takes_digests_for_stays_so(keys: &Arc<dyn Keys>) {
    let row = Key { key_type: KeyType::Ed25519, ..pending("a", 1) }.taking_digests(true).unwrap();
    insert(keys, &row).await;
    assert_eq!(stored(keys, &row).await, row);
    assert!(update(keys, row.activated(None, 1, Timestamp(1))).await.digest_as_message);
}

async fn a_registered_row_stays_registered(keys: &Arc<dyn Keys>) {
    let row = pending("a", 1);
    let registered = row.registered("token".parse().unwrap(), NativeId::new("0a"), public("0a"));
    insert(keys, &registered).await;
    assert_eq!(stored(keys, &registered).await, registered);
    assert!(update(keys, registered.activated(None, 1, Timestamp(1))).await.registered);

    let again =
        pending_of("other", "b", 2).registered("token".parse().unwrap(), NativeId::new("0a"), public("0a"));
    assert!(matches!(keys.insert(&again.tenant, &again).await, Err(Error::KeyExists)), "its object is taken");
}

async fn a_name_has_one_pending_row(keys: &Arc<dyn Keys>) {
    insert(keys, &pending("a", 1)).await;

    let second = pending("a", 2);
    assert!(matches!(keys.insert(&second.tenant, &second).await, Err(Error::KeyExists)));
    assert_eq!(keys.key(&second.tenant, second.id).await.unwrap(), None);
    insert(keys, &pending_of("other", "a", 3)).await;
}

async fn a_key_id_is_never_reused(keys: &Arc<dyn Keys>) {
    insert(keys, &pending("a", 1)).await;

    for key in [pending("b", 1), pending_of("other", "b", 1)] {
        assert!(matches!(keys.insert(&key.tenant, &key).await, Err(Error::KeyExists)));
    }
}

async fn an_update_needs_the_stored_revision(keys: &Arc<dyn Keys>) {
    let old = pending("a", 1);
    insert(keys, &old).await;
    let new = update(keys, old.planned("token".parse().unwrap())).await;

    assert!(!keys.update(&old.tenant, std::slice::from_ref(&old)).await.unwrap());
    assert!(!keys.update(&old.tenant, &[pending("a", 2)]).await.unwrap(), "there is no such row");
    assert_eq!(stored(keys, &old).await, new);
}

async fn rows_are_replaced_all_or_none(keys: &Arc<dyn Keys>) {
    let (first, second) = (pending("a", 1), pending("b", 2));
    insert(keys, &first).await;
    insert(keys, &second).await;
    let stale = Key { revision: 7, ..second.planned("token".parse().unwrap()) };

    for batch in [[first.planned("token".parse().unwrap()), stale.clone()], [stale, first.clone()]] {
        assert!(!keys.update(&first.tenant, &batch).await.unwrap());
        assert_eq!(stored(keys, &first).await, first);
        assert_eq!(stored(keys, &second).await, second);
    }
}

async fn a_successor_takes_the_name_in_one_step(keys: &Arc<dyn Keys>) {
    let old = active(keys, &pending("a", 1)).await;
    let next = pending("a", 2);
    insert(keys, &next).await;
    let next = made(&next, "next").activated(None, 2, Timestamp(2));

    // In whatever order they are given.
    let batch = [next.clone(), old.released(Timestamp(2), Timestamp(3))];
    assert!(keys.update(&old.tenant, &batch).await.unwrap());

    assert_eq!(keys.active(&old.tenant, &old.name).await.unwrap().unwrap().id, next.id);
    assert_eq!(keys.list(&old.tenant).await.unwrap().len(), 2);
}

async fn a_name_has_one_active_row(keys: &Arc<dyn Keys>) {
    let old = active(keys, &pending("a", 1)).await;
    let next = pending("a", 2);
    insert(keys, &next).await;

    let next = made(&next, "next").activated(None, 2, Timestamp(2));
    assert!(!keys.update(&next.tenant, std::slice::from_ref(&next)).await.unwrap());
    assert_eq!(keys.active(&old.tenant, &old.name).await.unwrap().as_deref(), Some(&old));
}

async fn an_object_belongs_to_one_row_over_all_tenants(keys: &Arc<dyn Keys>) {
    let (mine, theirs) = (pending("a", 1), pending_of("other", "b", 2));
    insert(keys, &mine).await;
    insert(keys, &theirs).await;
    update(keys, made(&mine, "object")).await;

    assert!(!keys.update(&theirs.tenant, &[made(&theirs, "object")]).await.unwrap());
    assert_eq!(stored(keys, &theirs).await, theirs);
    let elsewhere = Key { connection: Some("elsewhere".parse().unwrap()), ..made(&theirs, "object") };
    update(keys, elsewhere).await;
}

async fn a_destroyed_row_frees_its_object(keys: &Arc<dyn Keys>) {
    let (old, new) = (pending("a", 1), pending("b", 2));
    insert(keys, &old).await;
    insert(keys, &new).await;
    let old = update(keys, made(&old, "object")).await;

    let batch = [made(&new, "object"), old.destroyed(Timestamp(2))];

    assert!(keys.update(&old.tenant, &batch).await.unwrap());
}

async fn a_destroyed_row_is_listed_until_it_is_recorded(keys: &Arc<dyn Keys>) {
    let key = active(keys, &pending("a", 1)).await;

    let key = update(keys, key.destroyed(Timestamp(2))).await;
    assert_eq!(keys.list(&key.tenant).await.unwrap().len(), 1);

    let key = update(keys, key.recorded(9)).await;
    assert_eq!(keys.list(&key.tenant).await.unwrap(), []);
    assert_eq!(stored(keys, &key).await.event, Some(9), "its key-id still says what became of it");
    assert_eq!(keys.key(&tenant("other"), key.id).await.unwrap(), None);
}

async fn rows_are_listed_in_the_order_in_which_they_were_made(keys: &Arc<dyn Keys>) {
    for number in [5, 3, 9, 1] {
        insert(keys, &pending(&format!("k{number}"), number)).await;
    }
    update(keys, pending("k3", 3).planned("token".parse().unwrap())).await;

    let listed = keys.list(&tenant("acme")).await.unwrap();

    assert_eq!(listed.iter().map(|key| key.id).collect::<Vec<_>>(), [5, 3, 9, 1].map(id));
}

async fn tenants_are_those_with_rows(keys: &Arc<dyn Keys>) {
    assert_eq!(keys.tenants().await.unwrap(), []);
    let key = pending("a", 1);
    insert(keys, &key).await;
    insert(keys, &pending_of("other", "a", 2)).await;

    let mut tenants = keys.tenants().await.unwrap();
    tenants.sort();
    assert_eq!(tenants, [tenant("acme"), tenant("other")]);

    let key = update(keys, key.destroyed(Timestamp(2))).await;
    update(keys, key.recorded(3)).await;
    assert_eq!(keys.tenants().await.unwrap(), [tenant("other")]);
}

async fn another_tenant_sees_and_changes_nothing(keys: &Arc<dyn Keys>) {
    let mine = active(keys, &pending("a", 1)).await;
    let other = tenant("other");

    assert_eq!(keys.active(&other, &name("a")).await.unwrap(), None);
    assert_eq!(keys.key(&other, mine.id).await.unwrap(), None);
    assert_eq!(keys.list(&other).await.unwrap(), []);

    let stolen = Key { tenant: other.clone(), ..mine.released(Timestamp(2), Timestamp(3)) };
    assert!(!keys.update(&other, std::slice::from_ref(&stolen)).await.unwrap());
    assert!(keys.update(&other, &[mine.released(Timestamp(2), Timestamp(3))]).await.is_err());
    assert!(keys.update(&mine.tenant, &[stolen]).await.is_err());
    assert!(keys.insert(&other, &pending("b", 2)).await.is_err());
    assert_eq!(stored(keys, &mine).await, mine);
}

async fn of_two_writers_one_wins(keys: &Arc<dyn Keys>) {
    let key = pending("a", 1);
    insert(keys, &key).await;

    let race = |number: u64| {
        let (keys, key) = (Arc::clone(keys), key.recorded(number));
        tokio::spawn(async move { keys.update(&key.tenant, std::slice::from_ref(&key)).await.unwrap() })
    };
    let racers: Vec<_> = (0..8).map(race).collect();
    let mut winners = 0;
    for racer in racers {
        winners += u32::from(racer.await.unwrap());
    }

    assert_eq!(winners, 1);
    assert_eq!(stored(keys, &key).await.revision, 1);
}
