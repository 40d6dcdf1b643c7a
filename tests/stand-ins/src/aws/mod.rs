//! AWS KMS, the Security Token Service and the Resource Groups Tagging API, as far as they are documented and a gateway calls
//! them, on one address of this machine.
//!
//! Requests have to be signed, which is checked by `sigv4` and by nothing that the vendor wrote.

mod keys;
mod kms;
mod prehashed;
mod sigv4;
mod sts;
mod tagging;
mod users;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

pub use keys::{Key, Keys, State};
pub use kms::DELETION_DATE;
pub use users::{User, Users};

use crate::{Answer, Asked, Service, wall};

/// The services of an account in one region.
pub type StandIn = crate::StandIn<Account>;

/// An account in one region.
#[derive(Debug)]
pub struct Account {
    region: String,
    keys: Mutex<Keys>,
    users: Mutex<Users>,
    /// Whether the index of tags has not come to anything yet.
    index_lags: AtomicBool,
    /// Seconds that this clock is ahead of everybody else's.
    ahead: AtomicI64,
}

impl StandIn {
    /// The services of [`REGION`], for one user who may do everything.
    #[must_use]
    pub fn start() -> Self {
        Self::start_in(REGION)
    }

    /// Those of another region: with keys of its own, for a user of the same credentials.
    #[must_use]
    pub fn start_in(region: &str) -> Self {
        Self::of(|_| Account {
            region: region.to_owned(),
            keys: Mutex::default(),
            users: Mutex::new(Users::with(ACCESS_KEY, User::with_secret(SECRET))),
            index_lags: AtomicBool::new(false),
            ahead: AtomicI64::new(0),
        })
    }
}

impl Account {
    /// Its keys.
    pub fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap()
    }

    /// Who may call.
    pub fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap()
    }

    /// Whether keys that there are cannot be found by their tags.
    pub fn let_index_lag(&self, lags: bool) {
        self.index_lags.store(lags, Ordering::SeqCst);
    }

    /// Sets the clock of the services so many seconds ahead of everybody else's.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> SystemTime {
        let since = wall().duration_since(UNIX_EPOCH).unwrap().as_secs();

        UNIX_EPOCH + Duration::from_secs(since.saturating_add_signed(self.ahead.load(Ordering::SeqCst)))
    }

    async fn answered(&self, asked: &Asked) -> Result<Answer, Answer> {
        let operation = operation(asked);
        if operation == "AssumeRoleWithWebIdentity" {
            return self.assume_with_token(asked);
        }
        let user = sigv4::check(asked, self.now(), &self.region, &self.users())?;
        self.users().check_leave(&user, &operation)?;

        match operation.as_str() {
            "AssumeRole" => self.assume(asked),
            "GetCallerIdentity" => Ok(sts::identity(self.users().account(&user))),
            "GetResources" => Ok(self.resources(&asked.body)),
            _ => self.kms(&operation, &asked.body).await,
        }
    }

    fn index_lags(&self) -> bool {
        self.index_lags.load(Ordering::SeqCst)
    }
}

impl Service for Account {
    fn call(&self, asked: &Asked) -> String {
        operation(asked)
    }

    async fn answer(&self, asked: &Asked) -> Answer {
        let answer = self.answered(asked).await.unwrap_or_else(|refused| refused);

        answer.with("content-type", "application/x-amz-json-1.1")
    }
}

/// A refusal in the words of the JSON protocol.
#[must_use]
pub fn refusal(status: u16, name: &str, message: &str) -> Answer {
    Answer::json(status, &json!({ "__type": name, "message": message }))
}

/// What is asked for: the target of the JSON protocol, or the action of a form.
fn operation(asked: &Asked) -> String {
    match asked.header("x-amz-target").rsplit_once('.') {
        Some((_, operation)) => operation.to_owned(),
        None => asked.form("Action"),
    }
}

/// The access key of the user who is there from the beginning.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7STANDIN";
/// That user's secret.
pub const SECRET: &str = "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";
/// Where the services are, unless it is said otherwise.
pub const REGION: &str = "eu-central-1";
/// Whose they are.
pub const ACCOUNT: &str = "111122223333";
/// Somebody else's, where another token assumes a role.
pub const FOREIGN: &str = "444455556666";
