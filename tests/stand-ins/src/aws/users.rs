//! Who may call, and what.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use super::{ACCOUNT, refusal};
use crate::Answer;

/// Somebody with an access key.
#[derive(Clone, Debug)]
pub struct User {
    pub(super) secret: String,
    /// What it must show besides, where its credentials are temporary.
    pub token: Option<String>,
    pub(super) expires: Option<SystemTime>,
    /// Whose user it is.
    pub account: String,
    /// Operations that no policy allows.
    pub denied: BTreeSet<&'static str>,
}

impl User {
    /// Somebody who may do everything.
    #[must_use]
    pub fn with_secret(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            token: None,
            expires: None,
            account: ACCOUNT.to_owned(),
            denied: BTreeSet::new(),
        }
    }
}

/// Everybody, by access key.
#[derive(Debug)]
pub struct Users {
    users: HashMap<String, User>,
    /// For how many seconds the credentials of a role hold.
    pub lifetime: u64,
    /// Whether any are issued.
    pub issues: bool,
}

impl Users {
    pub(super) fn with(access_key: &str, user: User) -> Self {
        Self { users: HashMap::from([(access_key.to_owned(), user)]), lifetime: 3600, issues: true }
    }

    /// From now on this is somebody.
    pub fn add(&mut self, access_key: &str, user: User) {
        self.users.insert(access_key.to_owned(), user);
    }

    /// From now on this is nobody.
    pub fn remove(&mut self, access_key: &str) {
        self.users.remove(access_key);
    }

    pub(super) fn get(&self, access_key: &str) -> Option<&User> {
        self.users.get(access_key)
    }

    /// The account of an access key.
    pub(super) fn account(&self, access_key: &str) -> &str {
        &self.users[access_key].account
    }

    /// Temporary credentials for a role of this account: access key, secret, token.
    pub(super) fn issue(&mut self, now: SystemTime, account: &str) -> (String, User) {
        let access_key = format!("ASIASTANDIN{:09}", self.users.len());
        let user = User {
            token: Some(format!("token-of-{access_key}")),
            account: account.to_owned(),
            expires: Some(now + std::time::Duration::from_secs(self.lifetime)),
            ..User::with_secret(&format!("secret-of-{access_key}"))
        };

        self.add(&access_key, user.clone());
        (access_key, user)
    }

    pub(super) fn check_leave(&self, access_key: &str, operation: &str) -> Result<(), Answer> {
        if !self.users[access_key].denied.contains(operation) {
            return Ok(());
        }

        let message = format!(
            "User: arn:aws:iam::{ACCOUNT}:user/gateway is not authorized to perform: kms:{operation} because no identity-based policy allows the kms:{operation} action"
        );
        Err(refusal(400, "AccessDeniedException", &message))
    }
}
