//! Google Cloud KMS, by a stand-in: what every backend promises, and what it promises alone.

#![expect(
    clippy::indexing_slicing,
    clippy::unimplemented,
    clippy::unwrap_used,
    reason = "clippy's leave for tests does not reach the helpers of a test crate"
)]

#[path = "../awaited/mod.rs"]
mod awaited;
#[path = "../clock/mod.rs"]
mod clock;
mod crash;
mod credentials;
#[path = "../ends/mod.rs"]
mod ends;
#[path = "../front/mod.rs"]
mod front;
mod keys;
mod network;
mod opening;
#[path = "../outage/mod.rs"]
mod outage;
#[path = "../replica/mod.rs"]
mod replica;
mod restoring;
mod ring;
mod state;
#[path = "../suite/mod.rs"]
mod suite;
mod trouble;
mod vendor;

use keyport_backends::gcp::{Protection, Rsa};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Hash, KeyType};

use ring::{RING, Ring};

/// Those that sign in one way, at every level of protection.
const OTHERS: [KeyType; 6] = [
    KeyType::EcP256,
    KeyType::EcP384,
    KeyType::Ed25519,
    KeyType::MlDsa44,
    KeyType::MlDsa65,
    KeyType::MlDsa87,
];
const RSA: [KeyType; 3] = [KeyType::Rsa2048, KeyType::Rsa3072, KeyType::Rsa4096];

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_every_backend_promises() {
    let raw = Hash::ALL.map(Mechanism::RsaPkcs1v15).to_vec();
    let mechanisms = [raw, vec![Mechanism::RsaPkcs1v15DigestInfo]].concat();
    let ring = Ring::new();
    *ring.stand_in.pending.lock().unwrap() = 1;

    suite::backend(&ring.custodian(&[&OTHERS[..], &RSA].concat(), &mechanisms)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_them_in_an_hsm_with_another_scheme_of_rsa() {
    let ring = Ring::with(|connection| {
        connection.protection = Protection::Hsm;
        connection.rsa = Rsa::PssSha256;
    });
    let key_types = [&OTHERS[..], &[KeyType::EcSecp256k1], &RSA].concat();

    suite::backend(&ring.custodian(&key_types, &[Mechanism::RsaPss(Hash::Sha256)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_them_with_rsa_keys_of_4096_bits_and_sha_512() {
    for (rsa, mechanism) in [
        (Rsa::Pkcs1Sha512, Mechanism::RsaPkcs1v15(Hash::Sha512)),
        (Rsa::PssSha512, Mechanism::RsaPss(Hash::Sha512)),
    ] {
        let ring = Ring::with(|connection| connection.rsa = rsa);

        suite::backend(&ring.custodian(&[&OTHERS[..], &[KeyType::Rsa4096]].concat(), &[mechanism])).await;
    }
}

#[tokio::test]
async fn another_ring_has_the_keys_that_were_imported_into_both() {
    let elsewhere = RING.replace("europe-west3", "europe-west4");
    let (first, second) = (Ring::new(), Ring::with(|connection| connection.key_ring = elsewhere.clone()));
    let mechanisms = Hash::ALL.map(Mechanism::RsaPkcs1v15);
    let custodian = |ring: &Ring| ring.custodian(&[&OTHERS[..], &RSA].concat(), &mechanisms);

    replica::stands_in(&custodian(&first), &custodian(&second), || {
        second.stand_in.import(&elsewhere, &first.stand_in);
    })
    .await;
}
