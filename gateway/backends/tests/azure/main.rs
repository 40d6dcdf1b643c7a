//! Azure Key Vault, by a stand-in: what every backend promises, and what it promises alone.

#![expect(
    clippy::indexing_slicing,
    clippy::unimplemented,
    clippy::unwrap_used,
    reason = "clippy's leave for tests does not reach the helpers of a test crate"
)]

#[path = "../awaited/mod.rs"]
mod awaited;
mod certificate;
#[path = "../clock/mod.rs"]
mod clock;
mod crash;
#[path = "../ends/mod.rs"]
mod ends;
#[path = "../front/mod.rs"]
mod front;
mod keys;
mod logins;
mod network;
mod opened;
#[path = "../outage/mod.rs"]
mod outage;
#[path = "../replica/mod.rs"]
mod replica;
mod restoring;
mod state;
#[path = "../suite/mod.rs"]
mod suite;
mod trouble;
mod vendor;

use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Hash, KeyType};

use opened::Opened;
use suite::Custodian;

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_every_backend_promises() {
    for hsm in [false, true] {
        let opened = Opened::with(|connection| connection.hsm = hsm);

        suite::backend(&custodian(&opened)).await;
    }
}

#[tokio::test]
async fn another_vault_has_the_keys_that_backups_of_them_were_restored_to() {
    let (first, second) = (Opened::new(), Opened::new());

    replica::stands_in(&custodian(&first), &custodian(&second), || {
        second.stand_in.restore_backups(&first.stand_in);
    })
    .await;
}

fn custodian(opened: &Opened) -> Custodian {
    let rsa = [Hash::ALL.map(Mechanism::RsaPkcs1v15), Hash::ALL.map(Mechanism::RsaPss)].concat();

    Custodian {
        backend: opened.azure.clone(),
        key_types: vec![
            KeyType::EcP256,
            KeyType::EcP384,
            KeyType::EcP521,
            KeyType::EcSecp256k1,
            KeyType::Rsa2048,
            KeyType::Rsa3072,
            KeyType::Rsa4096,
        ],
        mechanisms: [&[Mechanism::Ecdsa], rsa.as_slice()].concat(),
        messages: 0..=usize::MAX,
        imports: Vec::new(),
        restores: true,
        binds_tenant: false,
    }
}
