//! Accounts of AWS KMS in the backend's terms.

#[cfg(test)]
#[cfg(feature = "aws")]
pub(super) use with::described;
#[cfg(feature = "aws")]
pub(super) use with::{check, opened};
#[cfg(not(feature = "aws"))]
pub(super) use without::{check, opened};

#[cfg(feature = "aws")]
mod with {
    use std::sync::Arc;

    use anyhow::{Context, Result, ensure};
    use keyport_backends::aws::{Aws, Connection, DeletionWindow, Endpoints, Role, Source, rates};
    use keyport_backends::secret_file;
    use keyport_core::backend::Backend;
    use keyport_core::name::ConnectionName;

    use super::super::custodians::Purpose;
    use super::super::pin::one_line;
    use super::super::rates::taken;
    use crate::config::{self, AwsCredentials, SecretSource};

    /// Whether the account could be asked. Nothing is sent.
    pub(in crate::assemble) fn check(name: &ConnectionName, account: &config::Aws) -> Result<()> {
        opened(name, account, None, Purpose::Try).map(drop)
    }

    /// An account's backend, which must be the one that `identity` tells. Nothing is sent.
    pub(in crate::assemble) fn opened(
        name: &ConnectionName,
        account: &config::Aws,
        identity: Option<String>,
        purpose: Purpose,
    ) -> Result<Arc<dyn Backend>> {
        Ok(Arc::new(Aws::open(described(name, account, identity, purpose)?)?))
    }

    pub(in crate::assemble) fn described(
        name: &ConnectionName,
        account: &config::Aws,
        identity: Option<String>,
        purpose: Purpose,
    ) -> Result<Connection> {
        let places = account.endpoints.clone();
        let tags = account.tags.iter().map(|(name, text)| Ok((name.clone(), text.parse()?)));

        Ok(Connection {
            name: name.to_string(),
            region: account.region.clone(),
            identity,
            prefix: account.prefix.parse()?,
            endpoints: Endpoints {
                kms: places.kms,
                sts: places.sts,
                tagging: places.tagging,
                fips: places.fips,
                dual_stack: places.dual_stack,
            },
            credentials: source(&account.credentials)?,
            role: account.role.clone().map(|role| Role { arn: role.arn, external_id: role.external_id }),
            ca: account.ca.clone(),
            proxy: account.proxy.clone(),
            multi_region: account.multi_region,
            deletion_window: DeletionWindow::days(account.deletion_days)
                .context("keys can be saved for 7 to 30 days")?,
            verify: account.verify,
            rates: taken(account.rates, rates()),
            description: account.description.parse()?,
            tags: tags.collect::<Result<_>>()?,
            settling: account.settling,
            first: purpose == Purpose::Try,
        })
    }

    fn source(credentials: &AwsCredentials) -> Result<Source> {
        Ok(match credentials {
            AwsCredentials::Chain => Source::Chain,
            AwsCredentials::Key { id, secret } => {
                let secret = match secret {
                    SecretSource::Environment(secret) => secret.clone(),
                    SecretSource::File(file) => {
                        one_line(&secret_file::read(file, "the secret access key", LONGEST)?)
                    }
                };
                ensure!(!secret.expose().is_empty(), "the secret access key is empty");
                Source::Static { access_key_id: id.clone(), secret_access_key: secret, session_token: None }
            }
            AwsCredentials::Profile(profile) => Source::Profile(profile.clone()),
            AwsCredentials::WebIdentity { role_arn, token } => {
                Source::WebIdentity { role_arn: role_arn.clone(), token_file: token.clone() }
            }
        })
    }

    /// Bytes that are read of a file: a secret has 40.
    const LONGEST: usize = 1024;
}

#[cfg(not(feature = "aws"))]
mod without {
    use std::sync::Arc;

    use anyhow::{Result, bail};
    use keyport_core::backend::Backend;
    use keyport_core::name::ConnectionName;

    use super::super::custodians::Purpose;
    use crate::config;

    pub(in crate::assemble) fn check(_name: &ConnectionName, _account: &config::Aws) -> Result<()> {
        bail!(NOT_BUILT)
    }

    pub(in crate::assemble) fn opened(
        _name: &ConnectionName,
        _account: &config::Aws,
        _identity: Option<String>,
        _purpose: Purpose,
    ) -> Result<Arc<dyn Backend>> {
        bail!(NOT_BUILT)
    }

    const NOT_BUILT: &str =
        "this keyport was built without connections of kind \"aws\": build it with `--features aws`";
}
