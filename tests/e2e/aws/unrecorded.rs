//! Keys that the service made or deleted, and of which no row says so.

use hyper::Method;
use keyport_stand_ins::Fault;
use keyport_stand_ins::aws::{ACCESS_KEY, SECRET, User, refusal};
use serde_json::json;

use super::{Stage, client};
use crate::harness::killed::Lives;
use crate::harness::{Stored, entries, eventually, within};

impl Stage {
    /// Waits until every key is about to be deleted.
    async fn has_none_alive(&self) {
        eventually("no key alive", async || (self.service.keys().alive() == 0).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_while_it_makes_a_key_leaves_none_alive() {
    for call in ["CreateKey", "CreateAlias"] {
        let stage = Stage::set();
        let gateway = stage.start(SECRET).await;

        // Killed when the service has done it, and nobody knows.
        stage.service.faults().add(call, 1, Fault::HangAfter);
        let v1 = client(&gateway);
        let asking =
            tokio::spawn(async move { drop(v1.try_call(Method::POST, "/keys", asked(), None).await) });
        within("the service to be asked", stage.service.faults().has_hung()).await;
        gateway.kill().await;
        drop(asking.await);
        assert_eq!(stage.service.keys().alive(), 1, "{call}");

        let _gateway = stage.start(SECRET).await;
        stage.has_none_alive().await;
        stage.recorded("destroy").await;
        stage.every_call_is_in_the_policy();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_while_it_destroys_a_key_leaves_none_alive() {
    let stage = Stage::set();
    let lives = Lives {
        custodian: &stage.service,
        start: async || stage.start(SECRET).await,
        alive: async || stage.service.keys().alive(),
        caller: "acme",
        data: stage.site.path("keyport-data"),
    };

    let moments = vec![("GetResources", Fault::HangBefore), ("ScheduleKeyDeletion", Fault::HangBefore)];
    lives.destroy_what_they_began_to(moments).await;
    stage.every_call_is_in_the_policy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_when_a_key_is_destroyed_leaves_it_so_and_believes_it_later() {
    let stage = Stage::set();
    let gateway = stage.start(SECRET).await;
    let v1 = client(&gateway);
    v1.post("/keys", asked()).await.expect(201);
    stage.service.faults().add("ScheduleKeyDeletion", 1, Fault::HangAfter);
    v1.call(Method::DELETE, "/keys/a", "").await.expect(204);
    within("the service to be asked", stage.service.faults().has_hung()).await;
    gateway.kill().await;

    // Somebody may have had it restored a moment before: for ten minutes nobody says that it is gone.
    let gateway = stage.start(SECRET).await;
    let data = stage.site.path("keyport-data");
    eventually("the key to be looked for", async || {
        entries(&data).iter().any(|entry| entry.is("destroy", "failed")).then_some(())
    })
    .await;
    assert_eq!(stage.service.keys().alive(), 0);
    client(&gateway).post("/keys/a/sign", r#"{ "message": "bWVzc2FnZQ==" }"#).await.expect(409);
    assert_eq!(gateway.stop().await.code(), Some(0));
    assert_eq!(Stored::read(&data).await.half_done().len(), 1, "the next gateway asks again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_never_gets_its_alias_is_destroyed() {
    let stage = Stage::set();
    let refused = refusal(400, "LimitExceededException", "there are too many aliases");
    let mut user = User::with_secret(SECRET);
    user.denied.insert("CreateAlias");
    stage.service.users().add(ACCESS_KEY, user);
    let gateway = stage.start(SECRET).await;

    let refused_by_policy = client(&gateway).post("/keys", asked()).await;
    assert!(refused_by_policy.status >= 400, "{}", refused_by_policy.text());
    stage.has_none_alive().await;

    stage.service.users().add(ACCESS_KEY, User::with_secret(SECRET));
    stage.service.faults().always("CreateAlias", Fault::Answer(refused));
    let refused = client(&gateway).post("/keys", asked()).await;
    assert!(refused.status >= 400, "{}", refused.text());
    stage.has_none_alive().await;
    assert_eq!(stage.service.keys().all().len(), 2, "both were made");
}

fn asked() -> String {
    json!({ "name": "a", "type": "ec-p256" }).to_string()
}
