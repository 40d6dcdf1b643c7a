//! An answer, and what is expected of one.

use hyper::StatusCode;
use serde_json::Value;

use super::case::{Verdict, advised, ensure, failed};
use crate::client::Answer;

/// What a server answered to a request.
#[derive(Debug)]
pub(super) struct Reply {
    /// Method and path.
    pub(super) asked: String,
    pub(super) answer: Answer,
}

impl Reply {
    /// The status it must have.
    pub(super) fn expect(&self, status: u16) -> Verdict<&Self> {
        match self.status() == status {
            true => Ok(self),
            false => failed(self.expected(&status.to_string()), self.came()),
        }
    }

    /// An answer that what was asked is done, however much it says.
    pub(super) fn succeeded(&self) -> Verdict {
        ensure(self.is_success(), &self.expected("2xx"), self.came())
    }

    /// A refusal that says whose fault it is: 4xx, and `status` is the one that clients are told to expect.
    pub(super) fn refused(&self, status: u16) -> Verdict {
        if !self.answer.status.is_client_error() {
            return failed(self.expected(&format!("{status}, or another 4xx")), self.came());
        }
        advised(self.expect(status)).map(|_| ())
    }

    /// Whatever the server makes of it, it is no failure of the server's.
    pub(super) fn survived(&self) -> Verdict {
        match self.answer.status.is_server_error() {
            true => failed(self.expected("no 5xx"), self.came()),
            false => Ok(()),
        }
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Verdict<Value> {
        serde_json::from_slice(&self.answer.body)
            .or_else(|error| failed(self.expected("JSON"), format!("{} ({error})", self.came())))
    }

    /// The body as JSON, of an answer with this status.
    pub(super) fn json_with(&self, status: u16) -> Verdict<Value> {
        self.expect(status)?.json()
    }

    /// A body that says what is wrong: an object whose `error` is a text.
    pub(super) fn says_error(&self) -> Verdict {
        let body = self.json()?;
        let said = body.get("error").and_then(Value::as_str).is_some_and(|error| !error.is_empty());

        ensure(said, &self.expected("an object whose `error` is a text"), self.came())
    }

    pub(super) fn status(&self) -> u16 {
        self.answer.status.as_u16()
    }

    pub(super) fn is_success(&self) -> bool {
        self.answer.status.is_success()
    }

    pub(super) fn is(&self, status: StatusCode) -> bool {
        self.answer.status == status
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers.get(name)?.to_str().ok()
    }

    /// The answer in a few words.
    pub(super) fn came(&self) -> String {
        let body = String::from_utf8_lossy(&self.answer.body);
        let mut came = self.status().to_string();
        let mut shown = body.chars();
        let beginning: String = shown.by_ref().take(SHOWN).collect();
        if !beginning.is_empty() {
            came.push(' ');
            came.push_str(&beginning);
        }
        if shown.next().is_some() {
            came.push('…');
        }
        came
    }

    pub(super) fn expected(&self, what: &str) -> String {
        format!("{what} to {}", self.asked)
    }
}

/// A text in JSON.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> Verdict<&'a str> {
    match value.get(field).and_then(Value::as_str) {
        Some(text) => Ok(text),
        None => {
            failed(format!("`{field}` as a text"), value.to_string().chars().take(SHOWN).collect::<String>())
        }
    }
}

/// A list in JSON.
pub(super) fn list<'a>(value: &'a Value, field: &str) -> Verdict<&'a Vec<Value>> {
    match value.get(field).and_then(Value::as_array) {
        Some(list) => Ok(list),
        None => {
            failed(format!("`{field}` as a list"), value.to_string().chars().take(SHOWN).collect::<String>())
        }
    }
}

/// How much of a body is shown.
const SHOWN: usize = 300;
