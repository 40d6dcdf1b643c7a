//! `kill -9` of the gateway while it makes keys on a token.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::Method;
use keyport_core::key::State;
use serde_json::json;

use super::stage::{Stage, api, child};
use super::token::Half;
use crate::harness::api::Api;
use crate::harness::{Stored, destroyed, eventually, keyport};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_while_it_makes_keys_leaves_no_orphan_on_the_token() {
    let Some(stage) = Stage::usual().await else { return };

    let mut answered = BTreeSet::new();
    for (round, moment) in MOMENTS.into_iter().enumerate() {
        let gateway = stage.start().await;
        let clients = (0..CLIENTS)
            .map(|client| tokio::spawn(create(api(&gateway, "acme"), format!("{round}-{client}"))));
        let clients: Vec<_> = clients.collect();
        tokio::time::sleep(moment).await;
        gateway.kill().await;
        for client in clients {
            answered.extend(client.await.unwrap());
        }
    }
    assert!(answered.len() > CLIENTS, "there was no load: {} keys", answered.len());

    let half_made = Stored::of_a_copy(&stage.data()).await.half_done();
    assert!(!half_made.is_empty(), "no crash came in between; there must be more of them");
    let gateway = stage.start().await;
    eventually("what was half made to be destroyed", async || {
        half_made.is_subset(&destroyed(&stage.data())).then_some(())
    })
    .await;
    let listed = listed(&api(&gateway, "acme")).await;
    assert!(listed.is_superset(&answered), "an answered key is gone");
    for half in Half::BOTH {
        // Another program that lists objects while some are being destroyed may leave one out that is there.
        let words = format!("the token to have both halves of what is listed, and no more: {half:?}");
        eventually(&words, async || (stage.token.ids(half).await == listed).then_some(())).await;
    }
    assert_eq!(gateway.stop().await.code(), Some(0));

    let stored = Stored::read(&stage.data()).await;
    assert_eq!(stored.ids(State::Active), listed);
    for state in [State::Pending, State::Destroying, State::Released] {
        assert_eq!(stored.ids(state), BTreeSet::new(), "{state:?}");
    }
    let verified = keyport(&[&"audit", &"verify", &stage.data()]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
}

#[tokio::test]
async fn the_child_dies_with_the_gateway() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let child = child(&gateway).expect("a process for the library");

    gateway.kill().await;
    eventually("the child to end", async || rustix::process::test_kill_process(child).is_err().then_some(()))
        .await;
}

/// Creates keys until the gateway is gone; answers the ids of those that were answered.
async fn create(api: Api, name: String) -> Vec<String> {
    let mut ids = Vec::new();
    for turn in 0_u32.. {
        let body = json!({ "name": format!("{name}-{turn}"), "type": "ec-p256" }).to_string();
        match api.0.try_call(Method::POST, "/keys", body, None).await {
            Ok(answer) => {
                let key = answer.expect(201).json();
                ids.push(key["id"].as_str().unwrap().to_owned());
            }
            Err(_gone) => break,
        }
    }
    ids
}

/// The ids of a tenant's active keys.
async fn listed(api: &Api) -> BTreeSet<String> {
    let (mut ids, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page = api.0.get(&format!("/keys?limit=100{cursor}")).await.expect(200).json();
        let keys = page["keys"].as_array().unwrap();
        ids.extend(keys.iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

/// When to kill it, counted from its first request.
const MOMENTS: [Duration; 6] = [
    Duration::from_millis(60),
    Duration::from_millis(115),
    Duration::from_millis(170),
    Duration::from_millis(233),
    Duration::from_millis(290),
    Duration::from_millis(410),
];
const CLIENTS: usize = 8;
