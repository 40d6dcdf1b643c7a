//! Servers whose every answer is the same: a case that passes on all of them tries nothing.

use std::collections::BTreeSet;
use std::future::{pending, ready};
use std::process::Stdio;
use std::sync::Arc;

use hyper::body::Bytes;
use hyper::{Request, Response};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::impostor::{Impostor, TOKEN};
use super::{CONTRACTS, names, report};
use crate::harness::within;

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
    assert!(ended.stdout.contains("[the token"), "{ended:#?}");
    let beginning = TOKEN.get(..7).expect("a beginning");
    assert!(!ended.said().contains(beginning), "{ended:#?}");
}

#[tokio::test]
async fn a_run_that_is_interrupted_fails_and_cleans_up() {
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    let server = Impostor::start(move |request| stuck(request, Arc::clone(&told))).await;

    let mut command = server.target("webhook", "").command();
    command.stdout(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    within("a request", asked.notified()).await;
    kill_process(pid, Signal::INT).unwrap();
    let output = within("the run to end", child.wait_with_output()).await.unwrap();

    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(names(&report, "failed"), ["create-ec-p256"], "{report:#}");
    assert_eq!(names(&report, "passed"), ["clean-up"], "{report:#}");
    assert!(names(&report, "skipped").len() >= 35, "{report:#}");
}

/// Never has an answer about keys as a whole, and says when it is asked.
async fn stuck(request: Request<Bytes>, asked: Arc<Notify>) -> Response<Bytes> {
    if request.uri().path() == "/keys" {
        asked.notify_one();
        pending::<()>().await;
    }

    absent(&request)
}

/// Always fails.
fn broken(_request: &Request<Bytes>) -> Response<Bytes> {
    Response::builder().status(500).body(Bytes::from_static(b"<html>")).expect("a response")
}

/// Always content, and repeats what it was told, where a report cuts it.
fn content(request: &Request<Bytes>) -> Response<Bytes> {
    let values = request.headers().values().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let echo = json!({ "": "x".repeat(250), "echo": values.collect::<Vec<_>>() });

    Response::new(Bytes::from(echo.to_string()))
}

/// Never finds anything.
fn absent(_request: &Request<Bytes>) -> Response<Bytes> {
    Response::builder().status(404).body(Bytes::from_static(b"{\"error\":\"no\"}")).expect("a response")
}
