//! How keys stand in a vault.

use std::time::{Duration, SystemTime};

use keyport_core::FailureKind;
use keyport_core::backend::{Backend, KeyState, Object};
use keyport_core::key::NativeId;
use keyport_core::outside::Timestamp;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::azure::{Key, PURGE_DATE};
use keyport_stand_ins::wall;

use crate::opened::Opened;
use crate::suite::{object, request, soon};

async fn made() -> (Opened, Object) {
    let (opened, request) = (Opened::new(), request(KeyType::EcP256));
    let made = opened.azure.generate(request.clone(), soon()).await.unwrap();

    (opened, object(&request, &made.native_id))
}

fn change(opened: &Opened, change: impl Fn(&mut Key)) {
    opened.stand_in.keys.lock().unwrap().values_mut().flatten().for_each(change);
}

#[tokio::test]
async fn a_key_stands_as_its_attributes_say_and_asking_changes_nothing() {
    let (opened, object) = made().await;
    // Its native id was recorded, or a crash came first.
    let nameless = Object { native_id: NativeId::new(object.key_id.to_string()), ..object.clone() };
    let before = opened.stand_in.heard().len();

    let now = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let [past, future] =
        [now - Duration::from_secs(60), now + Duration::from_secs(60)].map(|at| at.as_secs());
    for (enabled, nbf, exp, expected) in [
        (false, None, None, KeyState::Disabled),
        (true, Some(future), None, KeyState::Disabled),
        (true, None, Some(past), KeyState::Disabled),
        (false, Some(past), Some(future), KeyState::Disabled),
        (true, Some(past), Some(future), KeyState::Enabled),
        (true, None, None, KeyState::Enabled),
    ] {
        change(&opened, |key| (key.enabled, key.nbf, key.exp) = (enabled, nbf, exp));
        for object in [&object, &nameless] {
            let state = opened.azure.state(object, soon()).await.unwrap();
            assert_eq!(state, expected, "{enabled} {nbf:?} {exp:?}");
        }
    }
    let heard = opened.stand_in.heard().split_off(before);
    assert!(heard.iter().all(|call| call.starts_with("GET ")), "{heard:?}");
}

#[tokio::test]
async fn a_deleted_key_says_until_when_it_can_be_recovered() {
    let (opened, object) = made().await;
    opened.azure.destroy(&object, soon()).await.unwrap();

    let until = KeyState::PendingDeletion(Some(Timestamp(PURGE_DATE * 1000)));
    assert_eq!(opened.azure.state(&object, soon()).await.unwrap(), until);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_on_its_way_back_is_not_called_gone() {
    let (opened, object) = made().await;
    opened.azure.destroy(&object, soon()).await.unwrap();
    *opened.stand_in.slowness.lock().unwrap() = 40;
    let deadline = tokio::time::Instant::now().into_std() + Duration::from_secs(2);
    opened.azure.restore(&object, deadline).await.unwrap_err();

    let unsure = opened.azure.state(&object, soon()).await.unwrap_err();
    assert_eq!(unsure.kind, FailureKind::Unavailable);
    assert!(unsure.message.contains("on its way back"), "{unsure}");

    *opened.stand_in.slowness.lock().unwrap() = 0;
    opened.azure.restore(&object, soon()).await.unwrap();
    assert_eq!(opened.azure.state(&object, soon()).await.unwrap(), KeyState::Enabled);
}

#[tokio::test]
async fn a_key_of_another_vault_is_gone() {
    let (opened, object) = made().await;
    let elsewhere = NativeId::new("https://other.vault.azure.net/keys/a/b");

    let state = opened.azure.state(&Object { native_id: elsewhere, ..object }, soon()).await.unwrap();
    assert_eq!(state, KeyState::Gone);
}
