//! A client of contract `v1`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::client::{self, Answer, Target};

/// Asks one gateway.
#[derive(Debug)]
pub(super) struct Client(client::Client);

impl Client {
    /// Prepares to ask; nothing is sent yet.
    pub(super) fn new(target: Target) -> Result<Self> {
        client::Client::new(target).map(Self)
    }

    /// What the gateway answers; null where it says nothing but that it is done.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = self.0.request(method, path).header(CONTENT_TYPE, "application/json");
        let asked = self.0.ask(request.body(Full::from(body))?);

        let Answer { status, body, .. } = tokio::time::timeout(PATIENCE, asked)
            .await
            .context("the gateway does not answer")?
            .with_context(|| format!("cannot ask {}", self.0.authority()))?;
        let answer = match body.is_empty() {
            true => Value::Null,
            false => {
                serde_json::from_slice(&body).context("the answer is not JSON: is this a gateway's v1?")?
            }
        };
        outcome(status, answer)
    }
}

fn outcome(status: StatusCode, answer: Value) -> Result<Value> {
    if status.is_success() {
        return Ok(answer);
    }

    let text = |field| answer.get(field).and_then(Value::as_str).unwrap_or("unknown");
    bail!("{} ({status}, {}, request {})", text("error"), text("code"), text("request_id"))
}

/// Longer than the gateway takes for anything.
const PATIENCE: Duration = Duration::from_secs(150);
