//! Files of credentials, as Google's tools write them.

use std::collections::BTreeMap;
use std::path::Path;

use keyport_core::secret::Secret;
use serde::{Deserialize, Deserializer};

use super::CredentialsError;
use crate::secret_file;

/// What such a file describes.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum File {
    /// Of a person: what `gcloud auth application-default login` writes.
    AuthorizedUser(Box<User>),
    /// Of a workload elsewhere: workload identity federation.
    ExternalAccount(Box<External>),
    /// Of somebody who may be a service account.
    ImpersonatedServiceAccount(Box<Impersonated>),
    /// Of a service account: its key.
    ServiceAccount(Box<Account>),
}

#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) client_email: String,
    pub(super) private_key_id: String,
    #[serde(deserialize_with = "secret")]
    pub(super) private_key: Secret,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) client_id: String,
    #[serde(deserialize_with = "secret")]
    pub(super) client_secret: Secret,
    #[serde(deserialize_with = "secret")]
    pub(super) refresh_token: Secret,
    #[serde(default = "token_uri")]
    pub(super) token_uri: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Impersonated {
    pub(super) service_account_impersonation_url: String,
    #[serde(default)]
    pub(super) delegates: Vec<String>,
    pub(super) source_credentials: File,
}

#[derive(Debug, Deserialize)]
pub(super) struct External {
    pub(super) audience: String,
    pub(super) subject_token_type: String,
    #[serde(default = "sts")]
    pub(super) token_url: String,
    pub(super) service_account_impersonation_url: Option<String>,
    pub(super) credential_source: Subject,
}

/// Where the token is that another identity provider gave the workload.
#[derive(Debug, Deserialize)]
pub(super) struct Subject {
    pub(super) file: Option<String>,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) format: Format,
}

/// How it is written there.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Format {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) subject_token_field_name: String,
}

impl File {
    /// Reads one.
    pub(super) fn read(file: &Path) -> Result<Self, CredentialsError> {
        let text = secret_file::read(file, "the credentials", LONGEST)?;
        let read: Self = serde_json::from_str(&text).map_err(|error| CredentialsError::Malformed {
            file: file.into(),
            // Where, and not what: serde's message may quote a secret.
            cause: format!("see line {}, column {}", error.line(), error.column()),
        })?;

        read.check(file)?;
        Ok(read)
    }

    /// What can be told without asking anybody.
    fn check(&self, file: &Path) -> Result<(), CredentialsError> {
        match self {
            Self::ExternalAccount(external) => {
                let subject = &external.credential_source;
                if subject.file.is_some() == subject.url.is_some() {
                    return Err(CredentialsError::Kind {
                        file: file.into(),
                        kind: "an identity of AWS's, of a certificate or of a program's",
                        mend: "federate a token in a file or at a URL",
                    });
                }
                Ok(())
            }
            Self::ImpersonatedServiceAccount(impersonated) => impersonated.source_credentials.check(file),
            Self::AuthorizedUser(_) | Self::ServiceAccount(_) => Ok(()),
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    Ok(Secret::new(String::deserialize(deserializer)?.into_bytes()))
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

fn sts() -> String {
    "https://sts.googleapis.com/v1/token".to_owned()
}

/// Bytes of a file.
const LONGEST: usize = 64 << 10;
