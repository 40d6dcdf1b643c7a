//! An object that somebody destroys behind the gateway's back.

use super::stage::{Stage, api};
use super::token::Half;
use crate::harness::api::text;
use crate::harness::{entry_of, eventually};

#[tokio::test]
async fn a_key_whose_object_is_gone_fails_alone() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");
    let (lost, kept) = (api.create("lost", "ec-p256").await, api.create("kept", "ec-p256").await);
    for key in [&lost, &kept] {
        api.sign(key).await;
    }

    for half in Half::BOTH {
        stage.token.delete(half, text(&lost, "id")).await;
    }
    for turn in 0..3 {
        let id = format!("lost-{turn}");
        let answer = api.ask_to_sign_as("lost", &id).await;
        assert_eq!(answer.expect(503).header("retry-after"), None, "trying again is of no use");
        assert_eq!(answer.json()["code"], "key_lost");
        let events = entry_of(&stage.data(), &id);
        assert!(events.last().is_some_and(|event| event.is("sign", "failed")), "{events:#?}");
        api.sign(&kept).await;
    }
    let (ready, body) = gateway.ask_admin("/readyz").await;
    assert_eq!(ready, 200, "one key's trouble is not the gateway's: {body}");

    // Nothing is left to destroy, and that is success.
    api.release("lost").await;
    eventually("the key to be given up", async || {
        (api.0.get("/keys/lost").await.status == 404).then_some(())
    })
    .await;
    api.sign(&kept).await;
    assert_eq!(stage.token.ids(Half::Private).await, [text(&kept, "id").to_owned()].into());
}

#[tokio::test]
async fn a_key_that_is_made_anew_under_the_name_of_a_lost_one_signs() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");
    let lost = api.create("svid", "ec-p256").await;
    for half in Half::BOTH {
        stage.token.delete(half, text(&lost, "id")).await;
    }
    api.ask_to_sign("svid").await.expect(503);

    let webhook = gateway.webhook(&crate::harness::token_of("acme"));
    let key = webhook.create("svid", "EC-P256").await;
    webhook.sign(&key, crate::harness::Hash::Sha256, b"m").await;
}
