//! Where access tokens come from. Files are read anew for each, so that exchanged ones are taken over.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyport_core::outside::Clock;
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::file::{External, File, Impersonated, Subject, User};
use super::{CredentialsError, jwt, refused};
use crate::cloud::{Issuer, Token, Web, host, posted, said};
use crate::gcp::connection::Credentials;
use crate::http::exchange::Whole;

/// Where access tokens come from.
#[derive(Debug)]
pub(in crate::gcp) struct Source {
    from: From,
    web: Web,
    /// For the metadata server, which is never behind a proxy.
    direct: Web,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum From {
    File(PathBuf),
    Metadata(Url),
}

impl Source {
    /// Reads what there is to read, so that mistakes show at once. Nobody is asked.
    pub(in crate::gcp) fn open(
        credentials: &Credentials,
        (web, direct): (Web, Web),
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialsError> {
        let from = match credentials {
            Credentials::Default { file, folder, metadata: host } => {
                let file = file.clone().or_else(|| written(folder.as_deref()?));
                let host = host.as_deref().unwrap_or("metadata.google.internal");
                file.map_or_else(|| metadata(host), |file| Ok(From::File(file)))?
            }
            Credentials::File(file) => From::File(file.clone()),
            Credentials::Metadata(host) => metadata(host)?,
        };
        if let From::File(file) = &from {
            File::read(file)?;
        }

        Ok(Self { from, web, direct, clock })
    }

    async fn described(&self, file: &File) -> Result<Token, Failure> {
        match file {
            File::AuthorizedUser(user) => self.of_user(user).await,
            File::ExternalAccount(external) => self.of_external(external).await,
            File::ImpersonatedServiceAccount(impersonated) => {
                let Impersonated { service_account_impersonation_url, delegates, source_credentials } =
                    &**impersonated;
                let own = match source_credentials {
                    // Such a token is for Cloud KMS alone, and this one is for the service that impersonates.
                    File::ServiceAccount(_) | File::ImpersonatedServiceAccount(_) => {
                        return Err(refused(NOT_TWICE));
                    }
                    File::AuthorizedUser(user) => self.of_user(user).await?,
                    File::ExternalAccount(external) => self.of_external(external).await?,
                };
                self.impersonated(service_account_impersonation_url, delegates, &own).await
            }
            File::ServiceAccount(account) => living(&account.token(self.clock.wall())?, jwt::LIFE),
        }
    }

    async fn of_user(&self, user: &User) -> Result<Token, Failure> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &user.client_id),
            ("client_secret", text(&user.client_secret)?),
            ("refresh_token", text(&user.refresh_token)?),
        ];

        let request = posted(parsed(&user.token_uri)?, form);
        token(&given(&self.web, request, "Google's token endpoint", "").await?)
    }

    async fn of_external(&self, external: &External) -> Result<Token, Failure> {
        let subject = self.subject(&external.credential_source).await?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", &external.audience),
            ("scope", EVERYTHING),
            ("subject_token_type", &external.subject_token_type),
            ("subject_token", text(&subject)?),
        ];
        let request = posted(parsed(&external.token_url)?, form);
        let own = token(&given(&self.web, request, "Google's token exchange", "").await?)?;

        match &external.service_account_impersonation_url {
            Some(url) => self.impersonated(url, &[], &own).await,
            None => Ok(own),
        }
    }

    /// The token that another identity provider gave the workload.
    async fn subject(&self, subject: &Subject) -> Result<Secret, Failure> {
        let bytes = match (&subject.file, &subject.url) {
            (Some(file), _) => {
                let path = PathBuf::from(file);
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                let read = read.map_err(|broken| Failure::new(FailureKind::Internal, broken.to_string()))?;
                read.map_err(|error| refused(format!("{file}: the subject token cannot be read: {error}")))?
            }
            (None, Some(url)) => {
                given(&self.direct, asked(url, subject)?, "the subject token's server", "").await?.body
            }
            (None, None) => return Err(refused("the credentials name no subject token")),
        };
        if subject.format.kind != "json" {
            return Ok(Secret::new(bytes.trim_ascii().to_vec()));
        }

        let read: Option<Value> = serde_json::from_slice(&bytes).ok();
        let token =
            read.as_ref().and_then(|read| read.get(&subject.format.subject_token_field_name)?.as_str());
        token
            .map(|token| Secret::new(token.as_bytes().to_vec()))
            .ok_or_else(|| refused("there is no subject token where `subject_token_field_name` says"))
    }

    /// A service account's token, for whoever may be it.
    async fn impersonated(&self, url: &str, delegates: &[String], own: &Token) -> Result<Token, Failure> {
        let body =
            json!({ "scope": [SCOPE], "lifetime": format!("{}s", LIFE.as_secs()), "delegates": delegates });
        let mut request = Request::new(Method::POST, parsed(url)?);
        request.headers_mut().insert(AUTHORIZATION, own.header());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.to_string().into());

        let answer = given(&self.web, request, "Google's service that impersonates", "").await?;
        let read: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        living(read.get("accessToken").and_then(Value::as_str).unwrap_or_default(), LIFE)
    }
}

#[async_trait]
impl Issuer for Source {
    async fn fetch(&self) -> Result<Token, Failure> {
        match &self.from {
            From::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || File::read(&path)).await;
                let read = read.map_err(|broken| Failure::new(FailureKind::Internal, broken.to_string()))?;
                self.described(&read.map_err(|error| refused(error.to_string()))?).await
            }
            From::Metadata(url) => {
                let mut request = Request::new(Method::GET, url.clone());
                request.headers_mut().insert("metadata-flavor", HeaderValue::from_static("Google"));
                token(&given(&self.direct, request, "the metadata server", ELSEWHERE).await?)
            }
        }
    }

    fn runtime(&self) -> &Handle {
        self.web.runtime()
    }
}

fn metadata(host: &str) -> Result<From, CredentialsError> {
    let bad = || CredentialsError::Metadata(host.to_owned());
    let is_host = !host.is_empty() && !host.contains(['/', '?', '#', '@']);
    let url: Option<Url> = format!("http://{host}{METADATA}?scopes={SCOPE}").parse().ok();

    // A backslash is another slash.
    url.filter(|url| is_host && url.path() == METADATA).map(From::Metadata).ok_or_else(bad)
}

/// What gcloud wrote into its folder, if it did.
fn written(folder: &Path) -> Option<PathBuf> {
    Some(folder.join("application_default_credentials.json")).filter(|file| file.is_file())
}

fn asked(url: &str, subject: &Subject) -> Result<Request, Failure> {
    let mut request = Request::new(Method::GET, parsed(url)?);
    for (name, value) in &subject.headers {
        let name = name.parse::<HeaderName>().ok();
        let field = name.zip(HeaderValue::from_bytes(value.expose()).ok());
        let (name, mut value) = field.ok_or_else(|| refused("a field in `headers` is none"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }

    Ok(request)
}

fn parsed(url: &str) -> Result<Url, Failure> {
    url.parse().map_err(|_bad| refused("the credentials name a URL that is none"))
}

/// What `who`, at the request's host, gives.
async fn given(web: &Web, request: Request, who: &str, mend: &str) -> Result<Whole, Failure> {
    let who = format!("{who} {}", host(request.url()));
    let answer = web.ask_for_token(request, &who, mend).await?;

    granted(&answer, &who)
        .map_err(|refused| Failure { message: format!("{}{mend}", refused.message), ..refused })?;
    Ok(answer)
}

/// An access token, as OAuth 2.0 answers it (RFC 6749, section 5.1).
fn token(answer: &Whole) -> Result<Token, Failure> {
    let read: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let life = read.get("expires_in").and_then(Value::as_u64).unwrap_or_default();

    living(read.get("access_token").and_then(Value::as_str).unwrap_or_default(), Duration::from_secs(life))
}

fn living(token: &str, life: Duration) -> Result<Token, Failure> {
    Token::living(token, life).ok_or_else(|| refused("the answer holds no access token"))
}

/// What an endpoint says that gives no token: whoever is overloaded may give one later. Only the word for the error is
/// repeated.
fn granted(answer: &Whole, who: &str) -> Result<(), Failure> {
    let status = answer.status;
    if status == 200 {
        return Ok(());
    }

    let read: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = read.get("error").and_then(|error| error.as_str().or_else(|| error.get("status")?.as_str()));
    let error = said(error.unwrap_or("nothing more")).chars().take(100).collect::<String>();
    let message = format!("{who} gave no access token (status {status}: {error})");
    if status == 429 || status >= 500 {
        return Err(Failure::new(FailureKind::Unavailable, message));
    }
    Err(refused(format!("{message}: the credentials are wrong, expired or revoked")))
}

fn text(secret: &Secret) -> Result<&str, Failure> {
    std::str::from_utf8(secret.expose()).map_err(|_bytes| refused("a secret is no text"))
}

/// What the gateway's own tokens are for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloudkms";
/// What exchanged ones are for, which may have to impersonate.
const EVERYTHING: &str = "https://www.googleapis.com/auth/cloud-platform";
const LIFE: Duration = Duration::from_secs(3600);
const METADATA: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const ELSEWHERE: &str = "; off Google's machines, write [connection.credentials] with file = \"key.json\"";
const NOT_TWICE: &str =
    "a service account's key impersonates nobody here: name that account's own credentials";

/// What holds of every answer to who wants an access token: see [`cloud::fuzz`](crate::cloud::fuzz).
#[cfg(any(fuzzing, test))]
pub(in crate::gcp) fn fuzz(answer: &[u8]) {
    for answer in crate::cloud::fuzz::answers(answer) {
        if let Err(failure) = granted(&answer, "the metadata server").and_then(|()| token(&answer)) {
            crate::cloud::fuzz::told(&failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_metadata_server_is_a_host_and_nothing_more() {
        for host in ["metadata.google.internal", "127.0.0.1:8080", "[fd00::1]:80"] {
            let Ok(From::Metadata(url)) = metadata(host) else { panic!("{host} is one") };
            assert_eq!(url.path(), METADATA);
        }
        for other in ["", "h/x", "h\\x", "h?x", "h#x", "me@h", "h:x", "h h"] {
            assert!(matches!(metadata(other), Err(CredentialsError::Metadata(_))), "{other}");
        }
    }

    #[test]
    fn what_a_subject_tokens_server_is_shown_is_not_printed() {
        let subject = json!({ "url": "https://h/t", "headers": { "Authorization": "Bearer hunter2" } });
        let request = asked("https://h/t", &serde_json::from_value(subject).unwrap()).unwrap();

        assert_eq!(request.headers()[AUTHORIZATION], "Bearer hunter2");
        assert!(!format!("{request:?}").contains("hunter2"), "{request:?}");
    }

    #[test]
    fn a_refusal_of_many_lines_is_cut_to_one() {
        let body = json!({ "error": format!("so\nbe\u{1b}it{}", "x".repeat(1000)) }).to_string();
        let answer = Whole { status: 400, headers: Default::default(), body: body.into() };
        let failure = granted(&answer, "the metadata server").unwrap_err();

        assert!(failure.message.contains("(status 400: so be itxx"), "{failure}");
        crate::cloud::fuzz::told(&failure);
    }

    proptest! {
        #[test]
        fn whatever_is_answered_the_operator_reads_a_line_of_it(answer in crate::cloud::fuzz::refusal()) {
            fuzz(&answer);
        }

        #[test]
        fn whoever_is_asked_is_the_host_that_was_named(host in "(\\PC|[a-z0-9.:@/?#\\[\\]\\\\]){0,20}") {
            let Ok(From::Metadata(url)) = metadata(&host) else { return Ok(()) };

            prop_assert_eq!((url.path(), url.username(), url.password()), (METADATA, "", None));
        }
    }
}
