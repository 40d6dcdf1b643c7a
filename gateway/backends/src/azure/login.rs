//! Access tokens of Microsoft Entra, from wherever the login says.
//!
//! Microsoft's own crate for this is in beta, and brings clients of HTTP of its own.

use std::fmt::Display;
use std::sync::Arc;

use async_trait::async_trait;
use keyport_core::outside::{Clock, Timestamp};
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};
use reqwest::header::HeaderValue;
use reqwest::{Method, Request, Url};
use tokio::runtime::Handle;

use super::certificate::Certificate;
use super::connection::{Login, OpenError, Proof};
use super::granted::{Giver, refused};
use crate::cloud::{Issuer, Token, Web, host, posted};
use crate::http;
use crate::http::exchange::Whole;
use crate::secret_file;

/// Where access tokens come from.
#[derive(Debug)]
pub(super) struct Source {
    from: From,
    /// What they are for.
    resource: String,
    web: Web,
    /// Dates what an application says of itself.
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum From {
    Application(Arc<Application>),
    Managed(Url),
}

#[derive(Debug)]
struct Application {
    /// Where it asks for tokens.
    url: Url,
    client: String,
    proof: Proof,
}

impl Source {
    /// Reads what there is to read, so that mistakes show at once. Nobody is asked. The metadata service is asked `direct`ly.
    pub(super) fn open(
        login: &Login,
        resource: &str,
        (web, direct): (Web, Web),
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let resource = resource.to_owned();
        match login {
            Login::Application { authority, tenant, client, proof } => {
                match proof {
                    Proof::Certificate { certificate, key } => drop(Certificate::read(certificate, key)?),
                    // A platform may bring it later.
                    Proof::Federated(_) => (),
                    Proof::Secret(file) => drop(secret_file::read(file, SECRET, LONGEST)?),
                }
                let bad = || OpenError::Authority(authority.clone());
                let base = http::base(authority).map_err(|_bad| bad())?;
                if !is_word(tenant) || !is_word(client) {
                    return Err(OpenError::Identity);
                }
                let url = format!("{}/{tenant}/oauth2/v2.0/token", base.as_str().trim_end_matches('/'));
                let url = url.parse().map_err(|_bad| bad())?;
                let application = Application { url, client: client.clone(), proof: proof.clone() };
                Ok(Self { from: From::Application(Arc::new(application)), resource, web, clock })
            }
            Login::Managed { client, metadata } => {
                let bad = || OpenError::Metadata(metadata.clone());
                let mut url: Url = metadata.parse().map_err(|_bad| bad())?;
                if !matches!(url.scheme(), "http" | "https") {
                    return Err(bad());
                }
                url.set_path("/metadata/identity/oauth2/token");
                url.query_pairs_mut()
                    .append_pair("api-version", "2018-02-01")
                    .append_pair("resource", &resource);
                if let Some(client) = client {
                    url.query_pairs_mut().append_pair("client_id", client);
                }
                Ok(Self { from: From::Managed(url), resource, web: direct, clock })
            }
        }
    }

    async fn of_application(&self, application: &Arc<Application>) -> Result<Whole, Failure> {
        let (reader, now) = (Arc::clone(application), self.clock.wall());
        let proven = tokio::task::spawn_blocking(move || reader.proven(now)).await;
        let proven = proven.map_err(|broken| Failure::new(FailureKind::Internal, broken.to_string()))??;
        let text = std::str::from_utf8(proven.expose()).map_err(|_bytes| refused("a secret is no text"))?;

        let Application { url, client, proof } = &**application;
        let scope = format!("{}/.default", self.resource);
        let asked = [("grant_type", "client_credentials"), ("client_id", client), ("scope", &scope)];
        let proof = match proof {
            Proof::Secret(_) => vec![("client_secret", text)],
            Proof::Certificate { .. } | Proof::Federated(_) => {
                vec![("client_assertion_type", ASSERTION), ("client_assertion", text)]
            }
        };
        let request = posted(url.clone(), asked.into_iter().chain(proof));
        self.web.ask_for_token(request, &entra(url), "").await
    }
}

impl Application {
    /// What proves that it is this one. Reads files.
    fn proven(&self, now: Timestamp) -> Result<Secret, Failure> {
        let proven = match &self.proof {
            Proof::Certificate { certificate, key } => {
                let certificate = Certificate::read(certificate, key).map_err(why)?;
                certificate.assertion(&self.client, &self.url, now)?.into_bytes()
            }
            Proof::Federated(file) => {
                let unreadable =
                    |error| format!("{}: the federated token cannot be read: {error}", file.display());
                std::fs::read(file).map_err(|error| refused(unreadable(error)))?.trim_ascii().to_vec()
            }
            Proof::Secret(file) => {
                let text = secret_file::read(file, SECRET, LONGEST).map_err(why)?;
                text.trim().as_bytes().to_vec()
            }
        };

        Ok(Secret::new(proven))
    }
}

#[async_trait]
impl Issuer for Source {
    async fn fetch(&self) -> Result<Token, Failure> {
        match &self.from {
            From::Application(application) => {
                let answer = self.of_application(application).await?;
                Giver::Entra.token(&answer, &entra(&application.url))
            }
            From::Managed(url) => {
                let mut request = Request::new(Method::GET, url.clone());
                request.headers_mut().insert("metadata", HeaderValue::from_static("true"));
                let who = format!("the metadata service {}", host(url));
                let answer = self.web.ask_for_token(request, &who, ELSEWHERE).await?;
                Giver::Metadata.token(&answer, &who)
            }
        }
    }

    fn runtime(&self) -> &Handle {
        self.web.runtime()
    }
}

fn entra(url: &Url) -> String {
    format!("Entra at {}", host(url))
}

fn why(error: impl Display) -> Failure {
    refused(error.to_string())
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

const ELSEWHERE: &str = "; off Azure's machines, use another `login.method`";
const SECRET: &str = "the application's secret";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Bytes of a secret.
const LONGEST: usize = 16 << 10;
