//! What the gateway proves with who it is: read anew at each login.

use std::path::Path;

use keyport_core::{Failure, FailureKind};
use reqwest::Client;
use reqwest::header::HeaderValue;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

use super::connection::{Login, OpenError};
use super::server::{Ask, Server};
use crate::secret_file;

/// What is shown to the server.
#[derive(Debug)]
pub(super) enum Proof {
    /// A token, which can be used at once.
    Token(HeaderValue),
    /// What a token is given for.
    Login {
        /// The request.
        ask: Box<Ask>,
        /// The client that must send it, and everything else after it; `None` where any may.
        client: Option<Client>,
    },
}

/// A token that the server gave, and for how long.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) token: HeaderValue,
    pub(super) time: Duration,
    pub(super) is_renewable: bool,
}

impl Login {
    /// Reads what belongs to it.
    pub(super) fn proof(&self, server: &Server) -> Result<Proof, OpenError> {
        let (mount, client, body, secret) = match self {
            Self::Token(token) => return Ok(Proof::Token(header("the token", token.expose())?)),
            Self::TokenFile(file) => {
                let token = secret_file::read(file, "the token", LONGEST)?;
                return Ok(Proof::Token(header(&file.display().to_string(), token.trim().as_bytes())?));
            }
            Self::AppRole { mount, role_id, secret_id } => {
                let secret = |file| secret_file::read(file, "the secret id", LONGEST);
                let secret_id = secret_id.as_deref().map(secret).transpose()?;
                let secret_id = secret_id.map(|text| Zeroizing::new(text.trim().to_owned()));
                let body = json!({ "role_id": role_id, "secret_id": secret_id.as_deref() });
                (mount, None, body, secret_id)
            }
            Self::Certificate { mount, role, certificate, key } => {
                let client = server.client(Some(identity(certificate, key)?))?;
                (mount, Some(client), json!({ "name": role }), None)
            }
            Self::Jwt { mount, role, token } => {
                let statement = Zeroizing::new(statement(token)?.trim().to_owned());
                (mount, None, json!({ "role": role, "jwt": statement.as_str() }), Some(statement))
            }
        };

        Ok(Proof::Login { ask: Box::new(Ask::login(mount, &absent(body), secret)), client })
    }
}

impl Given {
    /// What a login or a renewal answered.
    pub(super) fn from_answer(body: Vec<u8>) -> Result<Self, Failure> {
        let body = Zeroizing::new(body);
        let unclear = |message: &str| Failure::new(FailureKind::Internal, message);
        let Answered { auth } =
            serde_json::from_slice(&body).map_err(|_bad| unclear("the answer to a login has no `auth`"))?;
        let token = Zeroizing::new(auth.client_token);
        if token.is_empty() {
            let message =
                "the login wants a second factor, which a program does not have: mend the server's MFA";
            return Err(Failure::new(FailureKind::Credentials, message));
        }

        Ok(Self {
            token: header("the token", token.as_bytes())
                .map_err(|_bad| unclear("the server gave a token that cannot be sent"))?,
            time: Duration::from_secs(auth.lease_duration),
            is_renewable: auth.renewable,
        })
    }
}

#[derive(Deserialize)]
struct Answered {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    lease_duration: u64,
    renewable: bool,
}

/// Without the fields that are null: the server would take them for empty text.
fn absent(body: Value) -> Value {
    match body {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            other
        }
    }
}

fn header(whose: &str, token: &[u8]) -> Result<HeaderValue, OpenError> {
    let bad = || OpenError::Credential(whose.to_owned());
    let mut value = HeaderValue::from_bytes(token).map_err(|_bad| bad())?;
    if token.is_empty() || !token.is_ascii() {
        return Err(bad());
    }

    value.set_sensitive(true);
    Ok(value)
}

fn identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), OpenError> {
    let unreadable = |path: &Path, cause| OpenError::Certificate { path: path.into(), cause };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|cause| unreadable(certificate, cause))?;
    let pem = secret_file::read(key, "the private key", LONGEST)?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|cause| unreadable(key, cause))?;

    Ok((chain, key))
}

/// A platform puts it there, with an owner and a mode of the platform's choice (a service account's token is root's).
fn statement(file: &Path) -> Result<Zeroizing<String>, OpenError> {
    let unreadable = |cause| OpenError::File { path: file.into(), cause };
    let text = Zeroizing::new(std::fs::read_to_string(file).map_err(unreadable)?);
    if text.trim().is_empty() {
        return Err(OpenError::Credential(file.display().to_string()));
    }

    Ok(text)
}

/// Bytes of a file with a secret.
const LONGEST: usize = 64 << 10;
