//! What keys are called, labelled and destroyed as, and which ones an operator can name.

use std::time::Duration;

use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Generate, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::{KeyName, NativeId};
use keyport_core::scheme::{Hash, KeyType};

use crate::ring::{RING, Ring};
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_key_is_named_by_its_key_id_and_labelled_for_people() {
    let ring = Ring::with(|connection| connection.destroy_after = Some(Duration::from_secs(3 * 86_400)));
    let request =
        Generate { name: KeyName::new("name", "JWT Signer/ä").unwrap(), ..request(KeyType::EcP256) };
    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();

    let name = format!("{RING}/cryptoKeys/keyport-{}", request.key_id);
    assert_eq!(made.native_id.as_str(), format!("{name}/cryptoKeyVersions/1"));
    let keys = ring.stand_in.keys.lock().unwrap();
    let described = &keys[&name].described;
    assert_eq!(described["destroyScheduledDuration"], "259200s");
    assert_eq!(
        described["labels"],
        serde_json::json!({
            "keyport-gateway": "keyport",
            "keyport-key-id": request.key_id.to_string(),
            "tenant": "conformance",
            "key": "jwt-signer--",
        })
    );
}

#[tokio::test]
async fn the_account_is_told_by_the_key_ring() {
    assert_eq!(Ring::new().gcp.identity(soon()).await.unwrap().as_deref(), Some(RING));
}

#[tokio::test]
async fn a_key_whose_native_id_was_never_recorded_is_found_by_its_key_id() {
    let ring = Ring::new();
    let request = request(KeyType::EcP256);
    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
    let unrecorded = object(&request, &NativeId::new(request.key_id.to_string()));

    assert_eq!(ring.gcp.public_key(&unrecorded, soon()).await.unwrap(), made.public);
    ring.gcp.destroy(&unrecorded, soon()).await.unwrap();
    assert_eq!(ring.stand_in.states(), ["DESTROY_SCHEDULED"]);
}

#[tokio::test]
async fn a_key_of_another_ring_is_never_touched() {
    let ring = Ring::new();
    let request = request(KeyType::EcP256);
    let foreign = "projects/acme/locations/europe-west3/keyRings/theirs/cryptoKeys/k/cryptoKeyVersions/1";
    let object = object(&request, &NativeId::new(foreign));

    let refused = ring.gcp.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::NotFound);
    ring.gcp.destroy(&object, soon()).await.unwrap();
    assert_eq!(ring.gcp.locate(foreign, soon()).await.unwrap_err().kind, FailureKind::InvalidArgument);
    assert!(ring.stand_in.heard().is_empty());
}

#[tokio::test]
async fn a_key_that_was_made_for_another_or_by_somebody_else_is_not_destroyed() {
    let (ring, request) = (Ring::new(), request(KeyType::EcP256));
    let anothers = ring.gcp.generate(crate::suite::request(KeyType::EcP256), soon()).await.unwrap().native_id;
    let own = ring.gcp.generate(request.clone(), soon()).await.unwrap().native_id;
    let somebodys = format!("{RING}/cryptoKeys/other-{}/cryptoKeyVersions/1", request.key_id);
    let rotated = own.as_str().replace("Versions/1", "Versions/2");
    let heard = ring.stand_in.heard().len();

    for foreign in [anothers.as_str(), &somebodys, &rotated] {
        let object = object(&request, &NativeId::new(foreign));
        let refused = ring.gcp.destroy(&object, soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Denied);
        assert!(refused.message.contains("was not made for this key"), "{refused}");
    }
    assert_eq!((ring.stand_in.heard().len(), ring.stand_in.states()), (heard, vec!["ENABLED"; 2]));
}

#[tokio::test]
async fn a_key_that_was_destroyed_is_not_made_again() {
    let (ring, request) = (Ring::new(), request(KeyType::EcP256));
    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
    let object = object(&request, &made.native_id);
    ring.gcp.destroy(&object, soon()).await.unwrap();

    let refused = ring.gcp.generate(request, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::KeyGone, "{refused}");
    ring.gcp.destroy(&object, soon()).await.unwrap();
    ring.stand_in.put_all("DESTROYED");
    ring.gcp.destroy(&object, soon()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_is_waited_for_until_it_can_sign_and_until_it_can_be_destroyed() {
    let ring = Ring::new();
    *ring.stand_in.pending.lock().unwrap() = 5;
    let request = request(KeyType::EcP256);
    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
    let object = object(&request, &made.native_id);
    ring.gcp.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();

    for key in ring.stand_in.keys.lock().unwrap().values_mut() {
        (key.state, key.pending) = ("PENDING_GENERATION", 5);
    }
    ring.gcp.destroy(&object, soon()).await.unwrap();
    assert_eq!(ring.stand_in.states(), ["DESTROY_SCHEDULED"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_never_ready_is_given_up_by_the_deadline() {
    let ring = Ring::new();
    *ring.stand_in.pending.lock().unwrap() = u32::MAX;
    let began = tokio::time::Instant::now();
    let deadline = began.into_std() + Duration::from_secs(5);

    let refused = ring.gcp.generate(request(KeyType::EcP256), deadline).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(refused.message.contains("still being made"), "{refused}");
    assert!(began.elapsed() <= Duration::from_secs(5));
}

#[tokio::test]
async fn a_key_that_failed_to_be_made_is_no_key() {
    let (ring, request) = (Ring::new(), request(KeyType::EcP256));
    ring.gcp.generate(request.clone(), soon()).await.unwrap();
    ring.stand_in.put_all("GENERATION_FAILED");

    assert_eq!(ring.gcp.generate(request.clone(), soon()).await.unwrap_err().kind, FailureKind::Other);
    assert_eq!(ring.gcp.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
}

#[tokio::test]
async fn a_disabled_key_is_there_and_gone_for_signing() {
    let (ring, request) = (Ring::new(), request(KeyType::EcP256));
    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
    ring.stand_in.put_all("DISABLED");
    let object = object(&request, &made.native_id);

    let refused = ring.gcp.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
    assert_eq!(
        (refused.kind, ring.gcp.code_name(refused.code)),
        (FailureKind::KeyGone, Some("FAILED_PRECONDITION"))
    );
    assert!(refused.message.contains("DISABLED"), "{refused}");
    assert_eq!(ring.gcp.find(&request.tenant, request.key_id, soon()).await.unwrap(), Some(made.native_id));
}

#[tokio::test]
async fn a_key_that_is_there_already_is_taken_over_by_the_name_of_its_version() {
    let ring = Ring::with(|connection| connection.prefix = "other".to_owned());
    let made = ring.gcp.generate(request(KeyType::Rsa2048), soon()).await.unwrap();
    let version = made.native_id.as_str();

    let located = ring.gcp.locate(version, soon()).await.unwrap();
    assert_eq!((located.native_id.as_str(), located.public), (version, made.public));
    let key = version.trim_end_matches("/cryptoKeyVersions/1");
    assert_eq!(ring.gcp.locate(key, soon()).await.unwrap_err().kind, FailureKind::InvalidArgument);
    let none = ring.gcp.locate(&version.replace("other-", "none-"), soon()).await.unwrap_err();
    assert_eq!(none.kind, FailureKind::NotFound);

    for state in ["DISABLED", "DESTROY_SCHEDULED", "PENDING_IMPORT"] {
        ring.stand_in.put_all(state);
        assert_eq!(ring.gcp.locate(version, soon()).await.unwrap_err().kind, FailureKind::KeyGone, "{state}");
    }
    ring.stand_in.put_all("ENABLED");
    ring.stand_in.keys.lock().unwrap().values_mut().for_each(|key| key.algorithm = "HMAC_SHA256".into());
    assert_eq!(ring.gcp.locate(version, soon()).await.unwrap_err().kind, FailureKind::Unsupported);
}

#[tokio::test]
async fn an_rsa_key_signs_by_its_own_scheme_whatever_is_configured_now() {
    let ring = Ring::with(|connection| connection.rsa = keyport_backends::gcp::Rsa::PssSha256);
    let request = request(KeyType::Rsa2048);
    let made = ring.gcp.generate(request.clone(), soon()).await.unwrap();
    let object = object(&request, &made.native_id);
    let sign = |object: Object, mechanism| {
        let gcp = ring.gcp.clone();
        async move { gcp.sign(&object, mechanism, &[7; 32], soon()).await }
    };

    sign(object.clone(), Mechanism::RsaPss(Hash::Sha256)).await.unwrap();
    let refused = sign(object.clone(), Mechanism::RsaPkcs1v15(Hash::Sha256)).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unsupported);
    assert!(refused.message.contains("RSA_SIGN_PSS_2048_SHA256"), "{refused}");

    // What it remembers of a key is asked for again once it was told to forget it.
    let before = ring.stand_in.heard().len();
    sign(object.clone(), Mechanism::RsaPss(Hash::Sha256)).await.unwrap();
    assert_eq!(ring.stand_in.heard().len(), before + 1);
    ring.gcp.forget(&object).await;
    sign(object, Mechanism::RsaPss(Hash::Sha256)).await.unwrap();
    assert_eq!(ring.stand_in.heard().len(), before + 3);
}

#[tokio::test]
async fn it_is_well_where_it_may_sign() {
    let ring = Ring::new();
    ring.gcp.health(soon()).await.unwrap();
    ring.stand_in.lacking.lock().unwrap().push("cloudkms.cryptoKeyVersions.useToSign");

    let refused = ring.gcp.health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Denied);
    assert!(refused.message.contains("cloudkms.cryptoKeyVersions.useToSign"), "{refused}");
}
