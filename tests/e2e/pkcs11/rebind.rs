//! Another token under the same name: its objects are other keys, and nobody takes it for the one that was there.

use std::fs;

use super::stage::{Stage, api, kill_child};
use super::token::Half;
use crate::harness::{entries, eventually};

#[tokio::test]
async fn another_token_of_the_same_name_is_refused_until_it_has_every_key() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let kept = api(&gateway, "acme").create("kept", "ec-p256").await;
    gateway.stop().await;
    stage.replace_token().await;

    let said = stage.refuses().await;
    assert!(said.contains("this connection's keys are on") && said.contains("--rebind"), "{said}");
    let said = stage.refuses_with(&["--rebind", "hsm"]).await;
    assert!(said.contains("keys are missing there: key `kept` of tenant `acme`"), "{said}");
    let said = stage.refuses_with(&["--rebind", "hms"]).await;
    assert!(said.contains("there is no connection `hms`"), "{said}");

    stage.put_token_back();
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");
    api.sign(&kept).await;
    api.release("kept").await;
    eventually("the key to be destroyed", async || {
        entries(&stage.data()).iter().any(|entry| entry.is("destroy", "ok")).then_some(())
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_token_that_has_every_key_there_is_takes_the_others_place_for_good() {
    let Some(stage) = Stage::usual().await else { return };
    stage.start().await.stop().await;
    stage.replace_token().await;
    stage.refuses().await;

    let gateway = stage.start_with(&["--rebind", "hsm"]).await;
    let key = api(&gateway, "acme").create("a", "ec-p256").await;
    gateway.stop().await;
    let gateway = stage.start().await;
    api(&gateway, "acme").sign(&key).await;
    gateway.stop().await;

    stage.put_token_back();
    stage.refuses().await;
}

#[tokio::test]
async fn a_token_that_is_swapped_while_the_gateway_runs_serves_nobody_until_it_is_put_back() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");
    let key = api.create("a", "ec-p256").await;

    stage.replace_token().await;
    kill_child(&gateway);
    eventually("the other token to be refused", async || {
        gateway.logged().contains("this connection's keys are on").then_some(())
    })
    .await;
    api.ask_to_sign("a").await.expect(503);
    api.ask_to_create("b", "ec-p256").await.expect(503);
    assert!(stage.token.ids(Half::Private).await.is_empty(), "nothing was made on the other token");

    stage.put_token_back();
    eventually("the token to serve again", async || (api.ask_to_sign("a").await.status == 200).then_some(()))
        .await;
    api.sign(&key).await;
}

impl Stage {
    /// Puts another token in the place of the one that is there, with the same label and PIN.
    async fn replace_token(&self) {
        fs::rename(self.token.path("tokens"), self.token.path("tokens.away")).expect("a folder");
        fs::create_dir(self.token.path("tokens")).expect("a folder");
        self.token.add(super::token::LABEL).await;
    }

    fn put_token_back(&self) {
        fs::remove_dir_all(self.token.path("tokens")).expect("a folder");
        fs::rename(self.token.path("tokens.away"), self.token.path("tokens")).expect("a folder");
    }
}
