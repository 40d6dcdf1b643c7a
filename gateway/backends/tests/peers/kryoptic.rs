//! Kryoptic: a strict token, which gives the points of Edwards curves bare unless it is told otherwise.

use std::fs;
use std::path::Path;
use std::process::Command;

use keyport_backends::pkcs11::{Connection, Pkcs11};
use keyport_core::backend::Backend;
use keyport_core::scheme::KeyType;

use crate::probe::every_offered_type_works;
use crate::suite::{self, soon};
use crate::token::{Kind, Made, Token, run};

#[tokio::test(flavor = "multi_thread")]
async fn kryoptic_keeps_what_every_backend_promises() {
    let Some(token) = Token::new(KRYOPTIC) else { return };

    suite::backend(&token.custodian(token.open().await)).await;
}

#[tokio::test]
async fn a_probe_of_kryoptic_finds_that_every_type_works_that_it_offers() {
    let Some(token) = Token::new(KRYOPTIC) else { return };

    every_offered_type_works(&token).await;
}

#[tokio::test]
async fn a_point_means_the_same_key_bare_and_wrapped() {
    let Some(token) = Token::new(KRYOPTIC) else { return };
    let bare = token.custodian(token.open().await);
    let mut connection = token.connection();
    connection.host.environment.push(("KRYOPTIC_EC_POINT_ENCODING".into(), "DER".into()));
    let wrapped = Pkcs11::open(connection).await.unwrap();

    for key_type in [KeyType::EcP256, KeyType::EcP521, KeyType::Ed25519] {
        let (object, made) = bare.make(key_type).await;
        assert_eq!(wrapped.public_key(&object, soon()).await.unwrap(), made.public, "{key_type}");
    }
}

#[tokio::test]
async fn a_private_key_on_a_strict_token_is_for_signing_only() {
    let Some(token) = Token::new(KRYOPTIC) else { return };
    let custodian = token.custodian(Pkcs11::open(Connection { ..token.connection() }).await.unwrap());
    for key_type in [KeyType::EcP256, KeyType::Ed25519, KeyType::Rsa2048] {
        let (object, _) = custodian.make(key_type).await;

        let listed = token.tool(&["--list-objects", "--type", "privkey", "--id", object.native_id.as_str()]);
        let usage = listed.lines().find(|line| line.trim_start().starts_with("Usage:"));
        assert_eq!(usage.map(str::trim), Some("Usage:      sign"), "{key_type}: {listed}");
    }
}

/// Its build is `.ci/setup-peers`' work.
const KRYOPTIC: Kind = Kind {
    name: "Kryoptic",
    module: concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers/release/libkryoptic_pkcs11.so"),
    package: "it with .ci/setup-peers",
    label: "test",
    pin: "1234",
    key_types: &[
        KeyType::EcP256,
        KeyType::EcP384,
        KeyType::EcP521,
        KeyType::Ed25519,
        KeyType::Rsa2048,
        KeyType::Rsa3072,
        KeyType::Rsa4096,
    ],
    ed25519ph: true,
    make,
};

fn make(folder: &Path) -> Made {
    let configuration = folder.join("kryoptic.conf");
    let database = folder.join("token.sql");
    let text = format!("[[slots]]\nslot = 1\ndbtype = \"sqlite\"\ndbargs = \"{}\"\n", database.display());
    fs::write(&configuration, text).unwrap();

    let environment = vec![("KRYOPTIC_CONF".into(), configuration.into_os_string())];
    let officer = ["--module", KRYOPTIC.module, "--slot", "1", "--so-pin", "56789012"];
    let tool = |arguments: &[&str]| {
        run(Command::new("pkcs11-tool").envs(environment.clone()).args(officer).args(arguments))
    };
    tool(&["--init-token", "--label", KRYOPTIC.label]);
    tool(&["--login", "--login-type", "so", "--init-pin", "--pin", KRYOPTIC.pin]);
    Made { environment, initialisation: None }
}
