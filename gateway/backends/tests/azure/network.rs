//! The way to a vault, and to who gives out tokens for it.

use std::sync::Arc;

use keyport_backends::azure::{Azure, Connection, Login, Proof};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_stand_ins::azure::StandIn;
use tempfile::TempDir;

use crate::clock::Ahead;
use crate::front;
use crate::opened::{application, connection, write};
use crate::suite::soon;

/// An application with a secret, and the folder that this is in.
struct Secret(TempDir);

impl Secret {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("secret"), "s3cr3t");

        Self(folder)
    }

    /// A connection to the vault at one place, with an authority at another.
    fn connection(&self, vault: &str, authority: &str) -> Connection {
        connection(vault, application(authority, Proof::Secret(self.0.path().join("secret"))))
    }
}

fn open(described: Connection) -> Azure {
    Azure::open(described, Arc::new(Ahead::default())).unwrap()
}

#[tokio::test]
async fn a_vault_and_an_authority_that_nobody_finds_are_unavailable() {
    let (stand_in, secret) = (StandIn::start(), Secret::new());
    let there = stand_in.url();
    for nowhere in ["https://nothing.invalid", "http://127.0.0.9:1"] {
        for described in [secret.connection(nowhere, &there), secret.connection(&there, nowhere)] {
            let failure = open(described).health(soon()).await.unwrap_err();

            assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
            assert!(failure.message.contains("no answer"), "{failure}");
        }
    }
}

#[tokio::test]
async fn only_an_authority_that_is_named_vouches_for_a_vault_and_for_entra() {
    let (stand_in, secret) = (StandIn::start(), Secret::new());
    let there = stand_in.url();

    front::only_who_is_named_vouches(&there, |url, ca| {
        open(Connection { ca: ca.map(Into::into), ..secret.connection(url, &there) })
    })
    .await;
    front::only_who_is_named_vouches(&there, |url, ca| {
        open(Connection { ca: ca.map(Into::into), ..secret.connection(&there, url) })
    })
    .await;
}

#[tokio::test]
async fn nothing_goes_round_the_proxy() {
    let (proxy, secret) = (StandIn::start(), Secret::new());
    let nowhere = "http://127.0.0.9:1";
    let described = Connection { proxy: Some(proxy.url()), ..secret.connection(nowhere, nowhere) };

    open(described).health(soon()).await.unwrap();

    assert_eq!(proxy.heard(), ["POST /directory/oauth2/v2.0/token", SIGN]);
}

#[tokio::test]
async fn a_machines_identity_is_asked_for_directly_and_never_through_the_proxy() {
    let (proxy, machine) = (StandIn::start(), StandIn::start());
    // The first token that is given out there.
    proxy.admit("eyJ0eXAiOiJKV1Qi.0");
    let login = Login::Managed { client: None, metadata: machine.url() };
    let described = Connection { proxy: Some(proxy.url()), ..connection("http://127.0.0.9:1", login) };

    open(described).health(soon()).await.unwrap();

    assert_eq!(machine.heard(), ["GET /metadata/identity/oauth2/token"]);
    assert_eq!(proxy.heard(), [SIGN]);
}

#[tokio::test]
async fn a_proxy_that_is_away_is_not_gone_round() {
    let (stand_in, secret) = (StandIn::start(), Secret::new());
    let proxy = Some("http://127.0.0.9:1".to_owned());
    let described = Connection { proxy, ..secret.connection(&stand_in.url(), &stand_in.url()) };

    let failure = open(described).health(soon()).await.unwrap_err();

    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    assert!(stand_in.heard().is_empty());
}

/// How health is asked.
const SIGN: &str = "POST /keys/keyport-health/none/sign";
