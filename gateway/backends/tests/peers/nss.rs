//! NSS softokn, Firefox's own token: told by pReserved where its database is.

use std::fs;
use std::path::Path;
use std::process::Command;

use keyport_core::scheme::KeyType;

use crate::probe::every_offered_type_works;
use crate::suite;
use crate::token::{Kind, Made, Token, run};

#[tokio::test(flavor = "multi_thread")]
async fn nss_keeps_what_every_backend_promises() {
    let Some(token) = Token::new(nss()) else { return };

    suite::backend(&token.custodian(token.open().await)).await;
}

#[tokio::test]
async fn a_probe_of_nss_finds_that_every_type_works_that_it_offers() {
    let Some(token) = Token::new(nss()) else { return };

    every_offered_type_works(&token).await;
}

fn nss() -> Kind {
    Kind {
        name: "NSS",
        module: format!("/usr/lib/{}-linux-gnu/libsoftokn3.so", std::env::consts::ARCH).leak(),
        package: "libnss3 libnss3-tools",
        label: "NSS Certificate DB",
        pin: "nss-pin-1234",
        key_types: &[
            KeyType::EcP256,
            KeyType::EcP384,
            KeyType::EcP521,
            KeyType::Rsa2048,
            KeyType::Rsa3072,
            KeyType::Rsa4096,
        ],
        ed25519ph: false,
        make,
    }
}

fn make(folder: &Path) -> Made {
    let (database, pin) = (format!("sql:{}", folder.display()), folder.join("pin"));
    fs::write(&pin, nss().pin).unwrap();
    run(Command::new("certutil").args(["-N", "-d", &database, "-f"]).arg(pin));

    let initialisation = format!(
        "configdir='{database}' certPrefix='' keyPrefix='' secmod='secmod.db' flags=optimizeSpace updatedir=''"
    );
    Made { initialisation: Some(initialisation), ..Made::default() }
}
