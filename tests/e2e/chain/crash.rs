//! A gateway that is killed while a server makes a key for it.

use hyper::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::front::{Back, front, remote_kms};
use super::liar::Lie;
use super::lies::Stage;
use super::{MESSAGES, ids};
use crate::harness::{Stored, entries, eventually, token_of};
use crate::remote_kms::client::RemoteKms;

#[tokio::test]
async fn a_key_whose_maker_was_killed_is_found_and_destroyed_by_the_next_start() {
    let stage = Stage::open().await;
    stage.liar.tell(Lie::Hold);
    let kms = remote_kms(&stage.gateway);
    let asking = tokio::spawn(create(kms, "a".to_owned()));
    eventually("the server to make a key", async || (!stage.liar.keys().is_empty()).then_some(())).await;
    let made = stage.liar.keys().remove(0);
    let Stage { liar, site, gateway, .. } = stage;
    gateway.kill().await;
    asking.abort();

    liar.tell(Lie::None);
    let gateway = site.start().await;
    eventually("the key to be destroyed", async || liar.keys().is_empty().then_some(())).await;
    assert!(liar.asked().contains(&format!("DELETE /keys/{made}")));
    eventually("that to be on record", async || {
        entries(&site.data())
            .iter()
            .any(|entry| entry.is("destroy", "ok") && entry.text("key_id") == made)
            .then_some(())
    })
    .await;
    let kms = remote_kms(&gateway);
    kms.create("a", "ES256").await;
    kms.ask_to_sign("a", "ES256", b"m").await.expect(200);
    gateway.stop().await;

    assert_eq!(Stored::read(&site.data()).await.keys.len(), 1);
    assert_eq!(liar.keys().len(), 1);
}

#[tokio::test]
async fn kills_under_load_leave_no_key_at_the_back_that_the_front_does_not_have() {
    let back = Back::start().await;
    let site = front(&back, MESSAGES);

    for round in 0..ROUNDS {
        let gateway = site.start().await;
        let mut asking = JoinSet::new();
        for turn in 0..AT_ONCE {
            asking.spawn(create(remote_kms(&gateway), format!("{round}-{turn}")));
        }
        // Some are made by now, some are being made, and some are not begun.
        asking.join_next().await.unwrap().unwrap();
        gateway.kill().await;
        asking.join_all().await;
    }

    let gateway = site.start().await;
    let client = gateway.server.client().with_token(&token_of("acme")).with_base("/v1");
    let kept = ids(&client).await;
    assert!(kept.len() >= ROUNDS, "an answered key is lost: {kept:?}");
    eventually("the rest to be gone", async || (back.names().await == ids(&client).await).then_some(()))
        .await;
    assert_eq!(ids(&client).await, kept);
}

/// Asks for a key. There may be nobody to answer.
async fn create(kms: RemoteKms, kid: String) {
    let body = json!({"kid": kid}).to_string();

    drop(kms.client.try_call(Method::POST, "/keys", body, None).await);
}

const ROUNDS: usize = 4;
const AT_ONCE: usize = 8;
