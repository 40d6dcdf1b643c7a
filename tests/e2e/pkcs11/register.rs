//! Pairs that were on the token before: taken up by those who are granted them, and never destroyed.

use super::stage::{Stage, Way, api, provider};
use super::token::{Half, Token};
use crate::harness::api::{tenant, text};
use crate::harness::{entries, eventually};

#[tokio::test]
async fn what_was_there_is_taken_up_by_label_and_by_id_and_outlives_its_key() {
    let Some(stage) = stage(&["id:*", "label:*"]).await else { return };
    stage.token.generate("0a", "root ca").await;
    stage.token.generate("0b0c", "issuing").await;
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");

    let root = api.register("root", "label:root ca").await;
    let issuing = api.register("issuing", "id:0b0c").await;
    for key in [&root, &issuing] {
        api.sign(key).await;
    }

    api.release("root").await;
    eventually("the key to be given up", async || {
        entries(&stage.data()).iter().any(|entry| entry.is("destroy", "ok")).then_some(())
    })
    .await;
    api.ask_to_sign("root").await.expect(404);
    for half in Half::BOTH {
        let there = stage.token.ids(half).await;
        assert!(there.contains("0a") && there.contains("0b0c"), "{half:?}: {there:?}");
    }
    // It can be taken up once more, and is the same.
    assert_eq!(api.register("root", "id:0a").await["public_key"], root["public_key"]);
}

#[tokio::test]
async fn a_label_of_several_objects_is_refused_and_the_id_of_one_is_not() {
    let Some(stage) = stage(&["id:*", "label:*"]).await else { return };
    stage.token.generate("0a", "twin").await;
    stage.token.generate("0b", "twin").await;
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");

    let refused = api.ask_to_register("a", "label:twin").await;
    let refused = refused.expect(400).json();
    assert!(text(&refused, "error").contains("several"), "{refused}");
    for nothing in ["label:nobody", "id:ff", "twin", "id:", "id:xy"] {
        let status = api.ask_to_register("a", nothing).await.status;
        assert!(matches!(status, 400 | 403), "{nothing}: {status}");
    }
    let key = api.register("a", "id:0b").await;
    api.sign(&key).await;
}

#[tokio::test]
async fn what_is_not_granted_is_refused_whether_it_is_there_or_not() {
    let Some(stage) = stage(&["label:acme-*", "id:0a*"]).await else { return };
    stage.token.generate("0a01", "acme-root").await;
    stage.token.generate("0b01", "globex-root").await;
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");

    for object in ["label:globex-root", "id:0b01", "label:nobody", "id:0c", "label:*", "id:*"] {
        let refused = api.ask_to_register("a", object).await;
        assert_eq!(text(&refused.expect(403).json(), "code"), "forbidden", "{object}");
    }
    let key = api.register("a", "label:acme-root").await;
    api.sign(&key).await;
}

#[tokio::test]
async fn an_object_is_one_keys_over_all_tenants_and_nobody_hears_whose() {
    let Some(stage) = stage(&["id:*", "label:*"]).await else { return };
    stage.token.generate("0a", "root").await;
    let gateway = stage.start().await;
    let (acme, globex) = (api(&gateway, "acme"), api(&gateway, "globex"));
    let key = acme.register("root", "id:0a").await;
    let made = acme.create("made", "ec-p256").await;

    for object in ["id:0a", "label:root", &format!("id:{}", text(&made, "id"))] {
        let refused = globex.ask_to_register("mine", object).await;
        let said = refused.expect(400).text();
        assert!(said.contains("is a key's already") && !said.contains("acme"), "{object}: {said}");
    }
    globex.ask_to_sign("root").await.expect(404);
    globex.ask_to_sign("mine").await.expect(404);
    acme.sign(&key).await;
    acme.sign(&made).await;
}

/// Two tenants whose provider is granted these objects.
async fn stage(objects: &[&str]) -> Option<Stage> {
    let sections = vec![provider("hsm", objects), tenant("acme", "hsm"), tenant("globex", "hsm")];

    Stage::set(Token::new().await?, &Way::straight(), sections)
}
