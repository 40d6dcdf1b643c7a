//! More signatures than `[connection.rates]` lets through, of a service that refuses nobody.

use std::fs;
use std::path::Path;

use hyper::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{serve, staged};
use crate::harness::{Answer, Client, Hash, Site, token_of};

#[tokio::test(flavor = "multi_thread")]
async fn more_signatures_than_the_rate_are_made_in_turn_or_told_when_to_come_back() {
    let (site, stand_in) = staged();
    slow_down(&site);
    let gateway = serve(&site, &stand_in).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"));
    let webhook = gateway.webhook(&token_of("program"));
    webhook.create("svid", "EC-P256").await;

    let digest = Hash::Sha256.base64(b"hello");
    for (contract, body) in [
        ("webhook", json!({ "digest": digest, "hash_algorithm": "SHA-256" })),
        ("v1", json!({ "digest": digest, "scheme": "ES256" })),
    ] {
        let began = Instant::now();
        let client = webhook.client.with_base(&format!("/{contract}"));
        let heard = signatures(&stand_in.heard());
        let answers = at_once(&client, &body.to_string()).await;

        let (signed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        let most = PER_SECOND + PER_SECOND * began.elapsed().as_secs_f64();
        assert!(
            !signed.is_empty() && f64::from(u32::try_from(signed.len()).unwrap()) <= most,
            "{contract}: {most}"
        );
        assert_eq!(
            signatures(&stand_in.heard()) - heard,
            signed.len(),
            "{contract}: the service was not asked besides"
        );
        assert!(!refused.is_empty(), "{contract}");
        refused.into_iter().for_each(|answer| is_told_when_to_come_back(contract, answer));
    }
}

/// A few signatures in a second, and little time for each.
fn slow_down(site: &Site) {
    let text = fs::read_to_string(site.path("keyport.toml")).unwrap();
    let text = text.replace("sign = 1000", &format!("sign = {PER_SECOND}"));
    let limits = "[listen.limits]\nrequest-timeout = \"4s\"\n\n";

    assert!(text.contains(&format!("sign = {PER_SECOND}")) && !text.contains("[listen.limits]"));
    site.write("keyport.toml", text.replace("[[connection]]", &format!("{limits}[[connection]]")));
}

async fn at_once(client: &Client, body: &str) -> Vec<Answer> {
    let mut asked = JoinSet::new();
    for number in 0..30 {
        let (client, body) = (client.another(), body.to_owned());
        asked.spawn(async move {
            let id = format!("request-{number}");
            client.try_call(Method::POST, "/keys/svid/sign", body, Some(&id)).await.expect("an answer")
        });
    }
    asked.join_all().await
}

/// That an answer is the contract's for it, whatever the time and the request.
fn is_told_when_to_come_back(contract: &str, answer: &Answer) {
    let golden = format!("../../tests/golden/{contract}/throttled.http");
    let golden = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(golden)).unwrap();
    let (head, body) = golden.split_once("\n\n").unwrap();
    let id = answer.header("x-request-id").unwrap();

    assert!(head.starts_with("429 ") && head.contains("\nretry-after: "));
    assert_eq!(answer.expect(429).text(), body.trim_end().replace("request-1", id), "{contract}");
    let seconds: u64 = answer.header("retry-after").expect("a time to come back").parse().unwrap();
    assert!((1..60).contains(&seconds), "{contract}: {seconds}");
}

/// How many of these calls are signatures.
fn signatures(heard: &[String]) -> usize {
    heard.iter().filter(|call| call.ends_with(":asymmetricSign")).count()
}

const PER_SECOND: f64 = 3.0;
