//! What is answered to who wants an access token, and what it means that there is none.

use std::time::Duration;

use keyport_core::{Failure, FailureKind};
use serde_json::Value;

use super::status::retry_after;
use crate::cloud::{Token, said};
use crate::http::exchange::Whole;

/// Who gives out access tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Giver {
    /// Microsoft Entra, to applications.
    Entra,
    /// A machine's metadata service, to whatever runs there.
    Metadata,
}

impl Giver {
    /// The access token in the answer of `who` (RFC 6749, section 5.1). Of an error only its word and Entra's number are repeated.
    pub(super) fn token(self, answer: &Whole, who: &str) -> Result<Token, Failure> {
        let read: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status == 200 {
            return told(&read).ok_or_else(|| refused("the answer holds no access token"));
        }

        let (status, word, number) = (answer.status, field(&read, "error"), number(&read));
        let words = said(&format!("status {status} {word} {number}"));
        let message = format!("{who} gave no access token ({words})");
        if self.may_pass(status, word) {
            let retry_after = retry_after(answer);
            let message = match (self, status) {
                // So does whoever is there on the machines of others.
                (Self::Metadata, 404 | 410) => format!("{message}: if that lasts, {}", self.mend(number)),
                _ => message,
            };
            return Err(Failure { retry_after, ..Failure::new(FailureKind::Unavailable, message) });
        }
        Err(refused(format!("{message}: {}", self.mend(number))))
    }

    /// Whether there may be a token later, whatever the login is.
    fn may_pass(self, status: u16, word: &str) -> bool {
        let is_passing = match self {
            Self::Entra => matches!(word, "server_error" | "temporarily_unavailable"),
            // It answers so while it is updated.
            Self::Metadata => matches!(status, 404 | 410),
        };

        is_passing || matches!(status, 408 | 429) || status >= 500
    }

    /// What to do. Microsoft may number otherwise some day: then it is less.
    fn mend(self, number: &str) -> &'static str {
        if self == Self::Metadata {
            return "this machine has no such identity: assign it one, or mend `client`; off Azure's machines, use another `login.method`";
        }

        match number {
            "AADSTS90002" | "AADSTS900023" => "`tenant` is no directory there",
            "AADSTS53003" => "the directory's rules of conditional access do not let this machine in",
            "AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS700213" => {
                "the application trusts no such token: the issuer, subject and audience of a federated credential must be \
                 the token's"
            }
            "AADSTS500011" => "the directory does not know `resource`",
            "AADSTS700016" => "`tenant` has no application `client`",
            "AADSTS700024" => {
                "the assertion's time is not now: mend this machine's clock, or have the federated token renewed"
            }
            "AADSTS700027" => "the application does not have this certificate: upload it in its registration",
            "AADSTS7000112" => "the application is disabled in the directory",
            "AADSTS7000215" => {
                "the secret is not the application's: write its value, and not its id, into the file"
            }
            "AADSTS7000222" => "the secret has expired: make the next one in the application's registration",
            _ => "the login is wrong, expired or revoked",
        }
    }
}

/// A login that is not taken.
pub(super) fn refused(message: impl Into<String>) -> Failure {
    Failure { code: 401, ..Failure::new(FailureKind::Credentials, message) }
}

fn told(read: &Value) -> Option<Token> {
    // The metadata service writes numbers as text.
    let life = read.get("expires_in");
    let life =
        life.and_then(|life| life.as_u64().or_else(|| life.as_str()?.parse().ok())).unwrap_or_default();

    Token::living(field(read, "access_token"), Duration::from_secs(life))
}

/// Entra's number for an error, if the description begins with one.
fn number(read: &Value) -> &str {
    let first = field(read, "error_description").split([':', ' ']).next();

    first.filter(|word| word.starts_with("AADSTS")).unwrap_or_default()
}

fn field<'a>(read: &'a Value, name: &str) -> &'a str {
    read.get(name).and_then(Value::as_str).unwrap_or_default()
}
