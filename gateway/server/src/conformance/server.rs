//! The server that is tried: asking it, and keeping in mind what was made there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http_body_util::Full;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use keyport_core::outside::Random;
use keyport_core::secret::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::answer::Reply;
use super::case::{Verdict, ensure, failed};
use super::contract::Contract;
use crate::client::{Client, Connection};

/// A server, and a caller of it that may make keys.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) contract: Contract,
    pub(super) client: Client,
    /// What the caller presents, if that is a token.
    pub(super) token: Option<Secret>,
    prefix: String,
    named: RefCell<BTreeSet<String>>,
    kept: RefCell<BTreeMap<String, Value>>,
    leaks: RefCell<Vec<String>>,
}

impl Server {
    /// Keys get names that begin in a way nobody else's do.
    pub(super) fn new(
        (contract, client): (Contract, Client),
        token: Option<Secret>,
        random: &dyn Random,
    ) -> Self {
        let mut bytes = [0; 6];
        random.fill(&mut bytes);
        let prefix = format!("keyport-test-{}", hex::encode(bytes));

        Self {
            contract,
            client,
            token,
            prefix,
            named: RefCell::default(),
            kept: RefCell::default(),
            leaks: RefCell::default(),
        }
    }

    /// A key's name, which is given up when the run is over.
    pub(super) fn name(&self, end: &str) -> String {
        let name = format!("{}-{end}", self.prefix);
        self.named.borrow_mut().insert(name.clone());
        name
    }

    /// What every name of this run begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Keeps in mind what a key was answered with that several cases use.
    pub(super) fn keep(&self, name: &str, answer: Value) {
        self.kept.borrow_mut().insert(name.to_owned(), answer);
    }

    /// What a key was answered with that an earlier case made.
    pub(super) fn kept(&self, name: &str) -> Option<Value> {
        self.kept.borrow().get(name).cloned()
    }

    /// Makes a key on P-256 and says its name.
    pub(super) async fn create(&self, end: &str) -> Verdict<String> {
        let name = self.name(end);
        let created = self.post("/keys", &self.contract.create(&name)).await?;

        // What an earlier case of this run made will do as well.
        ensure(
            created.status() == self.contract.created() || created.status() == 409,
            &created.expected(&self.contract.created().to_string()),
            created.came(),
        )?;
        Ok(name)
    }

    /// Asks for a key that may take a while to make, as RSA does: whoever asks again joins the first.
    pub(super) async fn create_patiently(&self, body: &Value) -> Verdict<Reply> {
        for _ in 0..TRIES {
            let asked = (Method::POST, "/keys");
            match self.try_ask(&self.client, asked, &[], body.to_string()).await {
                Ok(reply) if reply.status() != 503 => return Ok(reply),
                Ok(_) | Err(_) => {}
            }
        }
        self.post("/keys", body).await
    }

    /// Asks a key on P-256 for a signature.
    pub(super) async fn sign(&self, name: &str) -> Verdict<Reply> {
        self.post(&format!("{}/sign", key_path(name)), &self.contract.sign()).await
    }

    /// Gives a key up.
    pub(super) async fn give_up(&self, name: &str) -> Verdict<Reply> {
        let (method, path) = self.contract.give_up(&segment(name));
        self.ask(method, &path, "").await
    }

    pub(super) async fn get(&self, path: &str) -> Verdict<Reply> {
        self.ask(Method::GET, path, "").await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Verdict<Reply> {
        self.ask(Method::POST, path, body.to_string()).await
    }

    /// Any request; there must be an answer to it.
    pub(super) async fn ask(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Verdict<Reply> {
        self.ask_as(&self.client, (method, path), &[], body).await
    }

    /// Any request, with other credentials and further headers; there must be an answer to it.
    pub(super) async fn ask_as(
        &self,
        client: &Client,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Verdict<Reply> {
        let asked = format!("{method} {path}");

        match self.try_ask(client, (method, path), headers, body).await {
            Ok(reply) => Ok(reply),
            Err(error) => failed(format!("an answer to {asked}"), error),
        }
    }

    /// Any request, to which there may be no answer; then it is said why.
    pub(super) async fn try_ask(
        &self,
        client: &Client,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, String> {
        let asking = async {
            let mut connection = client.connect().await.map_err(|error| format!("{error:#}"))?;
            self.ask_over(&mut connection, client, (method, path), (headers, body.into())).await
        };

        tokio::time::timeout(PATIENCE, Box::pin(asking))
            .await
            .unwrap_or_else(|_late| Err(format!("nothing within {PATIENCE:?}")))
    }

    /// The same over a connection that is there.
    pub(super) async fn ask_over(
        &self,
        connection: &mut Connection,
        client: &Client,
        (method, path): (Method, &str),
        (headers, body): (&[(&str, &str)], Bytes),
    ) -> Result<Reply, String> {
        let asked = format!("{method} {}", path.chars().take(80).collect::<String>());
        let mut request = client.request(method, path);
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == CONTENT_TYPE.as_str()) {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;

        let answer = connection.ask(request).await.map_err(|error| format!("{error:#}"))?;
        let mut reply = Reply { asked, answer };
        if self.watch(&reply) {
            // Before a part of it is shown, which may end in the midst of the token.
            let body = self.redacted(&String::from_utf8_lossy(&reply.answer.body));
            reply.answer.body = body.into();
        }
        Ok(reply)
    }

    /// Answers so far that had something in them that no answer may have.
    pub(super) fn leaks(&self) -> Vec<String> {
        self.leaks.borrow().clone()
    }

    /// Without the token, should somebody have repeated it.
    pub(super) fn redacted(&self, text: &str) -> String {
        match self.token.as_ref().and_then(|token| std::str::from_utf8(token.expose()).ok()) {
            Some(token) if !token.is_empty() => text.replace(token, "[the token]"),
            Some(_) | None => text.to_owned(),
        }
    }

    /// Gives up every key that may have been made. The names of those that the server did not let go.
    pub(super) async fn clean_up(&self) -> Vec<String> {
        let named = self.named.borrow().clone();
        let mut left = Vec::new();
        for name in named {
            match self.give_up(&name).await {
                // Refused for what it is: it was never made, or is given up already.
                Ok(reply) if reply.is_success() || matches!(reply.status(), 400 | 404 | 409) => {}
                Ok(_) | Err(_) => left.push(name),
            }
        }
        left
    }

    /// Whether the token is in an answer; that and other leaks are kept in mind.
    fn watch(&self, Reply { asked, answer }: &Reply) -> bool {
        let contains = |wanted: &[u8]| {
            let is_there = |bytes: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
            is_there(&answer.body) || answer.headers.values().any(|value| is_there(value.as_bytes()))
        };
        let token = self.token.as_ref().map(Secret::expose).filter(|token| !token.is_empty());

        let repeats_token = token.is_some_and(contains);
        if repeats_token {
            self.leaks.borrow_mut().push(format!("the token in the answer to {asked}"));
        }
        if contains(b"PRIVATE KEY-----") {
            self.leaks.borrow_mut().push(format!("a private key in the answer to {asked}"));
        }
        repeats_token
    }
}

/// Where a key is: its name as one path segment.
pub(super) fn key_path(name: &str) -> String {
    format!("/keys/{}", segment(name))
}

fn segment(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

/// How often a key is asked for again that is not there yet.
const TRIES: usize = 3;
/// The longest that a request may take: as long as clients of these contracts wait.
const PATIENCE: Duration = Duration::from_secs(10);
