//! A vault's service: one function for each of its operations that is called, and the checks of what comes back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyport_core::{Failure, FailureKind};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::status;
use super::wire::{Bundle, Deleted, Page, Signed, Version};
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

    /// The versions of a key, in no order.
    pub(super) async fn versions(&self, call: Call, name: &str) -> Result<Vec<Version>, Failure> {
        let mut versions = Vec::new();
        let mut next = Some(self.url(&format!("{name}/versions")));
        for _ in 0..MOST_PAGES {
            let Some(url) = next else { return Ok(versions) };
            let page: Page = self.asked(call, (Method::GET, &url), None).await?;
            if !page.value.iter().all(|version| self.is_of(name, &version.kid)) {
                return Err(other(name));
            }
            versions.extend(page.value);
            // The token for the vault goes nowhere else.
            next = page.next_link.filter(|link| !link.is_empty());
            if next.as_ref().is_some_and(|link| !self.is_here(link)) {
                return Err(lie("the rest of a key's versions is elsewhere"));
            }
        }

        Err(lie(&format!("`{name}` has more versions than any key")))
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
            return Err(other(version));
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

    /// A key that is deleted and can be recovered, if it is one.
    pub(super) async fn deleted(&self, call: Call, name: &str) -> Result<Option<Deleted>, Failure> {
        let found: Deleted = match self.ask(call, Method::GET, &format!("/deletedkeys/{name}"), None).await {
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(None),
            found => found?,
        };

        if self.is_of(name, &found.key.kid) { Ok(Some(found)) } else { Err(other(name)) }
    }

    /// What the vault calls this key or version.
    pub(super) fn kid(&self, name: &str) -> String {
        format!("{}/keys/{name}", self.vault)
    }

    fn checked(&self, name: &str, bundle: Bundle) -> Result<Bundle, Failure> {
        if self.is_of(name, &bundle.key.kid) {
            return Ok(bundle);
        }

        Err(other(name))
    }

    /// Whether the vault calls this key so, or a version of it.
    fn is_of(&self, name: &str, kid: &str) -> bool {
        let is_version = |rest: &str| rest.strip_prefix('/').is_some_and(|version| !version.is_empty());

        kid.strip_prefix(&self.kid(name)).is_some_and(|rest| rest.is_empty() || is_version(rest))
    }

    /// Whether a URL is one of this vault's.
    fn is_here(&self, link: &str) -> bool {
        let origin = |text: &str| text.parse::<Url>().ok().map(|url| url.origin());

        origin(link).is_some_and(|there| Some(there) == origin(&self.vault))
    }

    /// Where a path is: below `/keys/`, unless it begins at the root.
    fn url(&self, path: &str) -> String {
        let place = if path.starts_with('/') { format!("{}{path}", self.vault) } else { self.kid(path) };

        format!("{place}?api-version={VERSION}")
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        call: Call,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        self.asked(call, (method, &self.url(path)), body).await
    }

    async fn asked<T: DeserializeOwned>(
        &self,
        call: Call,
        to: (Method, &str),
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let answer = self.rest.ask(call, to, body, status::failure).await?;

        serde_json::from_slice(&answer).map_err(|error| lie(&format!("not what a vault answers: {error}")))
    }
}

/// An answer about another key than this.
fn other(name: &str) -> Failure {
    lie(&format!("`{name}` was asked, and another key answered"))
}

/// What cannot be believed.
pub(super) fn lie(message: &str) -> Failure {
    tracing::error!(message, "an answer of Azure Key Vault cannot be believed");

    Failure::new(FailureKind::Internal, message)
}

const VERSION: &str = "7.4";
/// Of 25 versions each.
const MOST_PAGES: usize = 100;
