//! Servers whose every answer is the same: a case that passes on all of them tries nothing.

use std::collections::BTreeSet;
use std::future::ready;

use hyper::body::Bytes;
use hyper::{Request, Response};
use serde_json::json;

use super::impostor::{Impostor, TOKEN};
use super::{CONTRACTS, names, report};

#[tokio::test]
async fn every_case_fails_on_a_server_that_answers_nonsense() {
    for contract in CONTRACTS {
        let mut kept = Vec::new();
        for nonsense in [broken, content, absent] {
            let server = Impostor::start(move |request| ready(nonsense(&request))).await;
            let ended = server.target(contract, "").run(&[]).await;
            assert_eq!(ended.code(), Some(1), "{ended:#?}");

            let report = report(&ended);
            let names = ["passed", "skipped"].iter().flat_map(|outcome| names(&report, outcome));
            kept.push(names.map(str::to_owned).collect::<BTreeSet<_>>());
        }
        let always = kept.into_iter().reduce(|some, others| &some & &others).expect("three servers");
        assert_eq!(always, BTreeSet::new(), "{contract}");
    }
}

#[tokio::test]
async fn what_an_impostor_repeats_of_the_token_is_not_in_the_report() {
    let server = Impostor::start(|request| ready(content(&request))).await;
    let ended = server.target("webhook", "").run(&[]).await;

    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(ended.stdout.contains("[the token]"), "{ended:#?}");
    assert!(!ended.said().contains(TOKEN), "{ended:#?}");
}

/// Always fails.
fn broken(_request: &Request<Bytes>) -> Response<Bytes> {
    Response::builder().status(500).body(Bytes::from_static(b"<html>")).expect("a response")
}

/// Always content, and repeats what it was told.
fn content(request: &Request<Bytes>) -> Response<Bytes> {
    let values = request.headers().values().map(|value| String::from_utf8_lossy(value.as_bytes()));

    Response::new(Bytes::from(json!({ "echo": values.collect::<Vec<_>>() }).to_string()))
}

/// Never finds anything.
fn absent(_request: &Request<Bytes>) -> Response<Bytes> {
    Response::builder().status(404).body(Bytes::from_static(b"{\"error\":\"no\"}")).expect("a response")
}
