//! A vault's service: one function for each of its operations that is called, and the checks of what comes back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyport_core::{Failure, FailureKind};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::status;
use super::wire::{Bundle, Signed};
use crate::cloud::{Call, Rest};

/// The way to a vault.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) rest: Rest,
    /// Without a slash at its end.
    pub(super) vault: String,
}

impl Service {
    /// Makes a key, or one version more of it where there is one of this name.
    pub(super) async fn create(&self, call: Call, name: &str, key: &Value) -> Result<Bundle, Failure> {
        let bundle = self.ask(call, Method::POST, &format!("{name}/create"), Some(key)).await?;

        self.checked(name, bundle)
    }

    /// A key's version, or its latest.
    pub(super) async fn key(&self, call: Call, name: &str) -> Result<Bundle, Failure> {
        let bundle = self.ask(call, Method::GET, name, None).await?;

        self.checked(name, bundle)
    }

    /// Signs a digest. An ECDSA signature is r and s (RFC 7518, section 3.4).
    pub(super) async fn sign(
        &self,
        call: Call,
        version: &str,
        (algorithm, digest): (&str, &[u8]),
    ) -> Result<Vec<u8>, Failure> {
        let body = json!({ "alg": algorithm, "value": URL_SAFE_NO_PAD.encode(digest) });
        let signed: Signed = self.ask(call, Method::POST, &format!("{version}/sign"), Some(&body)).await?;
        if signed.kid != self.kid(version) {
            return Err(lie(&format!("`{version}` was asked, and another key answered")));
        }

        URL_SAFE_NO_PAD
            .decode(signed.value.trim_end_matches('='))
            .map_err(|_bad| lie("a signature is no base64url"))
    }

    /// Deletes a key with every version of it. Until the vault purges it, it can be recovered.
    pub(super) async fn delete(&self, call: Call, name: &str) -> Result<(), Failure> {
        self.ask::<Value>(call, Method::DELETE, name, None).await?;

        Ok(())
    }

    /// Begins to recover a deleted key, with every version of it.
    pub(super) async fn recover(&self, call: Call, name: &str) -> Result<(), Failure> {
        let path = format!("/deletedkeys/{name}/recover");
        let bundle = self.ask(call, Method::POST, &path, None).await?;

        self.checked(name, bundle).map(drop)
    }

    /// Whether a key is deleted and can be recovered.
    pub(super) async fn is_deleted(&self, call: Call, name: &str) -> Result<bool, Failure> {
        match self.ask::<Bundle>(call, Method::GET, &format!("/deletedkeys/{name}"), None).await {
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(false),
            found => Ok(self.checked(name, found?).is_ok()),
        }
    }

    /// What the vault calls this key or version.
    pub(super) fn kid(&self, name: &str) -> String {
        format!("{}/keys/{name}", self.vault)
    }

    fn checked(&self, name: &str, bundle: Bundle) -> Result<Bundle, Failure> {
        let asked = self.kid(name);
        let is_version = |rest: &str| rest.strip_prefix('/').is_some_and(|version| !version.is_empty());
        if bundle.key.kid == asked || bundle.key.kid.strip_prefix(&asked).is_some_and(is_version) {
            return Ok(bundle);
        }

        Err(lie(&format!("`{name}` was asked, and another key answered")))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        call: Call,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        // A path is below `/keys/`, unless it begins at the root.
        let place = if path.starts_with('/') { format!("{}{path}", self.vault) } else { self.kid(path) };
        let url = format!("{place}?api-version={VERSION}");
        let answer = self.rest.ask(call, (method, &url), body, status::failure).await?;

        serde_json::from_slice(&answer).map_err(|error| lie(&format!("not what a vault answers: {error}")))
    }
}

/// What cannot be believed.
pub(super) fn lie(message: &str) -> Failure {
    tracing::error!(message, "an answer of Azure Key Vault cannot be believed");

    Failure::new(FailureKind::Internal, message)
}

const VERSION: &str = "7.4";
