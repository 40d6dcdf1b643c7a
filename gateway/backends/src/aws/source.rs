//! Where credentials come from.

use std::path::PathBuf;

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::Client as Sts;
use aws_sdk_sts::types::Credentials as Issued;
use keyport_core::{Failure, FailureKind};

use super::connection::{OpenError, Role, Source};
use super::error::{causes, failure, within};
use super::wire::Wire;

/// Where credentials are got from, as often as they are needed: files and variables are read again each time.
#[derive(Debug)]
pub(super) enum Origin {
    /// What a test says, each after a while, and then nothing.
    #[cfg(test)]
    Script(std::time::Duration, std::sync::Mutex<std::collections::VecDeque<Result<Credentials, Failure>>>),
    /// A role, with the credentials that the client has.
    Role(Sts, Role),
    Static(Credentials),
    /// What only the vendor's own code knows to look up: the default chain, or one profile.
    Vendor {
        wire: Wire,
        region: Region,
        profile: Option<String>,
    },
    WebIdentity {
        sts: Sts,
        role_arn: String,
        token_file: PathBuf,
    },
}

impl Origin {
    /// What the configuration says; `sts` has no credentials.
    pub(super) fn of(source: &Source, sts: Sts, wire: Wire, region: Region) -> Result<Self, OpenError> {
        Ok(match source {
            Source::Chain => Self::Vendor { wire, region, profile: None },
            Source::Profile(profile) => Self::Vendor { wire, region, profile: Some(profile.clone()) },
            Source::Static { access_key_id, secret_access_key, session_token } => {
                let secret = text(secret_access_key.expose())?;
                let token = session_token.as_ref().map(|token| text(token.expose())).transpose()?;
                Self::Static(Credentials::new(access_key_id, secret, token, None, "configuration"))
            }
            Source::WebIdentity { role_arn, token_file } => {
                Self::WebIdentity { sts, role_arn: role_arn.clone(), token_file: token_file.clone() }
            }
        })
    }

    pub(super) async fn get(&self) -> Result<Credentials, Failure> {
        match self {
            #[cfg(test)]
            Self::Script(pause, answers) => {
                let next = answers.lock().unwrap().pop_front();
                if !pause.is_zero() {
                    tokio::time::sleep(*pause).await;
                }
                match next {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
            Self::Role(sts, role) => assumed(sts, role).await,
            Self::Static(credentials) => Ok(credentials.clone()),
            Self::Vendor { wire, region, profile } => vendor(wire, region, profile.as_deref()).await,
            Self::WebIdentity { sts, role_arn, token_file } => identified(sts, role_arn, token_file).await,
        }
    }
}

async fn vendor(wire: &Wire, region: &Region, profile: Option<&str>) -> Result<Credentials, Failure> {
    let config = ProviderConfig::default().with_region(Some(region.clone())).with_http_client(wire.clone());
    let got = match profile {
        Some(profile) => {
            let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config);
            provider.build().provide_credentials().await
        }
        None => {
            let chain = DefaultCredentialsChain::builder().configure(config).region(region.clone());
            chain.build().await.provide_credentials().await
        }
    };

    got.map_err(|error| missing(&error))
}

async fn assumed(sts: &Sts, role: &Role) -> Result<Credentials, Failure> {
    let asked = sts.assume_role().role_arn(&role.arn).role_session_name(SESSION);
    let told = asked.set_external_id(role.external_id.clone()).send().await;

    issued(told.map_err(|error| refused(&role.arn, failure(&error)))?.credentials)
}

async fn identified(sts: &Sts, role_arn: &str, token_file: &PathBuf) -> Result<Credentials, Failure> {
    let token = tokio::fs::read_to_string(token_file).await.map_err(|error| {
        let message = format!("the web identity token {} cannot be read: {error}", token_file.display());
        Failure::new(FailureKind::Credentials, message)
    })?;
    let asked = sts.assume_role_with_web_identity().role_arn(role_arn).role_session_name(SESSION);
    let told = asked.web_identity_token(token.trim()).send().await;

    issued(told.map_err(|error| refused(role_arn, failure(&error)))?.credentials)
}

fn issued(issued: Option<Issued>) -> Result<Credentials, Failure> {
    let issued = issued.ok_or_else(|| {
        Failure::new(FailureKind::Internal, "the Security Token Service issued no credentials")
    })?;
    let expiry = issued.expiration.try_into().map_err(|_bad| {
        Failure::new(
            FailureKind::Internal,
            "the Security Token Service issued credentials that expire at no time",
        )
    })?;

    Ok(Credentials::new(
        issued.access_key_id,
        issued.secret_access_key,
        Some(issued.session_token),
        Some(expiry),
        "role",
    ))
}

fn refused(role_arn: &str, mut failure: Failure) -> Failure {
    failure.message = format!("the role {role_arn} cannot be assumed: {}", failure.message);

    failure
}

fn missing(error: &CredentialsError) -> Failure {
    if let Some(failure) = within(error) {
        return failure;
    }

    let is_late = matches!(error, CredentialsError::ProviderTimedOut(_));
    let kind = if is_late { FailureKind::Unavailable } else { FailureKind::Credentials };
    let message = format!("there are no AWS credentials where they are looked for: {error}{}", causes(error));
    Failure::new(kind, message)
}

fn text(secret: &[u8]) -> Result<String, OpenError> {
    String::from_utf8(secret.to_vec()).map_err(|_bad| OpenError::Secret)
}

/// What the account's records of calls (CloudTrail) show.
const SESSION: &str = "keyport";
