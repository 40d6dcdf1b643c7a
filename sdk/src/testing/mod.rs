//! A gateway for the unit tests of a provider: it answers what it was told to, and records what was asked.

mod cloud_kms;
mod http;
mod pkcs11;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use self::cloud_kms::{CloudKmsCall, Key};
pub use self::pkcs11::{KeyPair, Pkcs11Call};
use crate::capability::{Clock, Level, Log, Random, Settings, SoftToken};
use crate::cloud_kms::KeyState;
use crate::http::{Request, Response};
use crate::types::{Error, KeyType, Mechanism, Result};

/// A call to the embedded token, to a token behind PKCS#11, to a key management service, or to a custodian that speaks HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "each but CloudKms, Http and Pkcs11 is a function of SoftToken with its arguments"
)]
pub enum Call {
    CloudKms(CloudKmsCall),
    Destroy { key_id: String },
    Generate { key_id: String, key_type: KeyType },
    Health,
    Http { connection: Option<String>, request: Request },
    ImportKey { key_id: String, key_type: KeyType, material: String },
    Pkcs11(Pkcs11Call),
    PublicKey { key_id: String },
    Sign { key_id: String, mechanism: Mechanism },
    SignMlDsa { key_id: String },
}

/// A gateway in memory, for one test. A reference to it has every capability.
///
/// Its tokens answer what [`answer`](Self::answer) gave it, in that order; without an answer left they fail,
/// saying so. The clock stands still, and randomness is a counter.
#[derive(Debug, Default)]
pub struct Host {
    answers: RefCell<VecDeque<Result<Vec<u8>>>>,
    responses: RefCell<VecDeque<Result<Response>>>,
    states: RefCell<VecDeque<Result<KeyState>>>,
    calls: RefCell<Vec<Call>>,
    counter: Cell<u8>,
    lines: RefCell<Vec<(Level, String)>>,
    settings: BTreeMap<String, String>,
    time: Duration,
}

impl Host {
    /// A gateway without settings or answers, at 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a token answers to the next call that has no answer yet. Where a call returns no bytes,
    /// those of a success do not matter.
    #[must_use]
    pub fn answer(mut self, answer: Result<Vec<u8>>) -> Self {
        self.answers.get_mut().push_back(answer);
        self
    }

    /// Adds a setting.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the clock, as the time since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn at(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// What the gateway was asked of its tokens, the first call first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }

    /// What was logged, the first line first.
    #[must_use]
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.lines.borrow().clone()
    }

    fn call(&self, call: Call) -> Result<Vec<u8>> {
        let answer = self
            .answers
            .borrow_mut()
            .pop_front()
            .unwrap_or_else(|| Err(Error::internal(format!("the test has no answer for {call:?}"))));
        self.record(call);

        answer
    }

    fn record(&self, call: Call) {
        self.calls.borrow_mut().push(call);
    }
}

impl SoftToken for &Host {
    fn generate(&self, key_id: &str, key_type: KeyType) -> Result<Vec<u8>> {
        self.call(Call::Generate { key_id: key_id.to_owned(), key_type })
    }

    fn import_key(&self, key_id: &str, key_type: KeyType, material: &str) -> Result<Vec<u8>> {
        let (key_id, material) = (key_id.to_owned(), material.to_owned());
        self.call(Call::ImportKey { key_id, key_type, material })
    }

    fn public_key(&self, key_id: &str) -> Result<Vec<u8>> {
        self.call(Call::PublicKey { key_id: key_id.to_owned() })
    }

    fn sign(&self, key_id: &str, mechanism: Mechanism) -> Result<Vec<u8>> {
        self.call(Call::Sign { key_id: key_id.to_owned(), mechanism })
    }

    fn sign_ml_dsa(&self, key_id: &str) -> Result<Vec<u8>> {
        self.call(Call::SignMlDsa { key_id: key_id.to_owned() })
    }

    fn destroy(&self, key_id: &str) -> Result<()> {
        self.call(Call::Destroy { key_id: key_id.to_owned() }).map(drop)
    }

    fn health(&self) -> Result<()> {
        self.call(Call::Health).map(drop)
    }
}

impl Settings for &Host {
    fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).cloned()
    }

    fn settings(&self) -> Vec<(String, String)> {
        self.settings.clone().into_iter().collect()
    }
}

impl Log for &Host {
    fn log(&self, level: Level, message: &str) {
        self.lines.borrow_mut().push((level, message.to_owned()));
    }
}

impl Random for &Host {
    fn random_bytes(&self, count: u32) -> Vec<u8> {
        (0..count)
            .map(|_| {
                let byte = self.counter.get();
                self.counter.set(byte.wrapping_add(1));
                byte
            })
            .collect()
    }
}

impl Clock for &Host {
    fn since_epoch(&self) -> Duration {
        self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_and_then_an_error_that_says_so() {
        let host = Host::new().answer(Ok(vec![1])).answer(Err(Error::not_found("gone")));
        let token = &host;

        assert_eq!(SoftToken::public_key(&token, "a"), Ok(vec![1]));
        assert_eq!(token.destroy("b"), Err(Error::not_found("gone")));
        assert!(token.health().unwrap_err().message.contains("no answer for Health"));
        assert_eq!(
            host.calls(),
            [
                Call::PublicKey { key_id: "a".to_owned() },
                Call::Destroy { key_id: "b".to_owned() },
                Call::Health
            ]
        );
    }

    #[test]
    fn random_bytes_never_repeat_within_a_test() {
        let host = Host::new();

        assert_ne!((&host).random_bytes(8), (&host).random_bytes(8));
    }
}
