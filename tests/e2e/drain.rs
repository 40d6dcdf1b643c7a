//! SIGTERM: what is under way ends well, and nothing new begins.

use std::collections::HashSet;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Hash, Plan, Site, Webhook, Wire, entries, eventually, keyport, token_of};

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_gateway_stops() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    webhook.create("draining", "EC-P256").await;
    let body = json!({"digest": Hash::Sha256.base64(b"m"), "hash_algorithm": "SHA-256"}).to_string();
    let (first, rest) = body.split_at(10);

    let mut wire = Wire::open(&gateway.server).await;
    wire.send(format!(
        "POST /webhook/keys/draining/sign HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nX-Request-Id: drained\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        token_of("acme"),
        body.len()
    ))
    .await;
    // Only a request that is being read is asked for its body.
    assert!(wire.until("100 Continue").await.contains("HTTP/1.1 100"));
    wire.send(first).await;
    gateway.signal(Signal::TERM);
    eventually("new connections to be refused", async || {
        tokio::net::TcpStream::connect(gateway.server.address).await.is_err().then_some(())
    })
    .await;
    wire.send(rest).await;

    let answer = wire.until_closed().await;
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("signature"), "{answer}");
    let ended = gateway.ended().await;
    assert_eq!(ended.code(), Some(0), "{ended:#?}");

    let entries = entries(&site.data());
    assert!(entries.last().unwrap().is("stop", "ok"), "{:?}", entries.last());
    assert!(entries.iter().any(|entry| entry.text("request_id") == "drained" && entry.is("sign", "ok")));
    let verified = keyport(&[&"audit", &"verify", &site.data()]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let clients = [gateway.webhook(&token_of("acme")), gateway.webhook(&token_of("other"))];
    for client in &clients {
        client.list().await;
    }
    let _silent = Wire::open(&gateway.server).await;

    let ended = gateway.stop().await;
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert!(!ended.stderr.contains("cut off"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_in_time() {
    let site = Site::new(&Plan { limits: "drain-timeout = \"300ms\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;
    let mut wire = Wire::open(&gateway.server).await;
    wire.send(format!(
        "POST /webhook/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nExpect: 100-continue\r\n\
         Content-Length: 100\r\n\r\n",
        token_of("acme")
    ))
    .await;
    assert!(wire.until("100 Continue").await.contains("HTTP/1.1 100"));

    let ended = gateway.stop().await;
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert!(entries(&site.data()).last().unwrap().is("stop", "ok"));
}

#[tokio::test]
async fn under_load_every_answer_before_the_end_is_on_record() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    webhook.create("loaded", "EC-P256").await;

    let clients: Vec<_> =
        (0..8).map(|client| tokio::spawn(sign_to_the_end(webhook.another(), client))).collect();
    eventually("some load", async || (entries(&site.data()).len() > 100).then_some(())).await;
    assert_eq!(gateway.stop().await.code(), Some(0));

    let recorded: HashSet<_> = entries(&site.data())
        .into_iter()
        .filter(|entry| entry.is("sign", "ok"))
        .map(|entry| entry.text("request_id").to_owned())
        .collect();
    for client in clients {
        for id in client.await.unwrap() {
            assert!(recorded.contains(&id), "{id} was answered and is not on record");
        }
    }
}

/// Signs until the gateway is gone; the requests that were answered.
async fn sign_to_the_end(webhook: Webhook, client: u32) -> Vec<String> {
    let mut signed = Vec::new();
    for turn in 0_u32.. {
        let id = format!("load-{client}-{turn}");
        match webhook.try_sign("loaded", id.as_bytes(), &id).await {
            Ok(answer) => {
                answer.expect(200);
                signed.push(id);
            }
            Err(_gone) => break,
        }
    }
    signed
}
