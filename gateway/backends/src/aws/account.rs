//! Whose the credentials are.

use std::time::Instant;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::error::SdkError;
use aws_sdk_sts::config::{Builder, IdentityCache};
use keyport_core::{Failure, FailureKind};
use tokio::time::error::Elapsed;
use tokio::time::timeout_at;

use super::Aws;
use crate::cloud::Call;

impl Aws {
    /// The account that the credentials are of, and the region. Whoever serves no account yet serves this one from now on.
    pub(super) async fn account(&self, deadline: Instant) -> Result<String, Failure> {
        let (account, _) = self.owner(deadline).await?;
        self.bound.get_or_init(|| account.clone());

        Ok(account)
    }

    /// Does what is only right in the account of this connection's keys. Credentials may be exchanged while it is done: then what came
    /// of it is believed only if the new ones are of that account as well.
    pub(super) async fn in_account<T>(
        &self,
        deadline: Instant,
        act: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.check_account(deadline).await?;
        let outcome = act.await;
        self.check_account(deadline).await?;

        outcome
    }

    /// Another account knows none of the keys, and would say so: they would be taken for lost, or made anew. Credentials are looked at
    /// once, and so are those that take their place.
    pub(super) async fn check_account(&self, deadline: Instant) -> Result<(), Failure> {
        let Some(bound) = self.bound.get() else { return Ok(()) };
        let mut checked = timeout_at(deadline.into(), self.checked.lock()).await.map_err(late)?;
        let serving = self.credentials.serving();
        if serving.is_some_and(|serving| checked.as_deref() == Some(serving.access_key_id())) {
            return Ok(());
        }

        let (account, credentials) = self.owner(deadline).await?;
        if account != *bound {
            let message = format!(
                "the credentials are of {account}, and this connection's keys are in {bound}; mend `region` or the \
                 credentials, or, where this one has every key, start with --rebind and the connection's name"
            );
            return Err(Failure::new(FailureKind::OperatorNeeded, message));
        }
        *checked = Some(credentials.access_key_id().to_owned());
        Ok(())
    }

    /// The account and the region, and the credentials that say so.
    async fn owner(&self, deadline: Instant) -> Result<(String, Credentials), Failure> {
        let send = || {
            let (kept, asked) = (self.credentials.clone(), self.sts.get_caller_identity());
            async move {
                let credentials = kept.current().await.map_err(without)?;
                let with = Builder::new().identity_cache(IdentityCache::no_cache());
                let with = with.credentials_provider(credentials.clone());
                asked.customize().config_override(with).send().await.map(|told| (told, credentials))
            }
        };
        let (told, credentials) = self.call(Call::read(deadline), send).await?;
        let account = told.account.ok_or_else(|| self.lie("says no account"))?;

        Ok((format!("aws:{account}:{}", self.region), credentials))
    }
}

fn late(_: Elapsed) -> Failure {
    Failure::new(FailureKind::Unavailable, "another call still asks whose the credentials are")
}

/// A call that is not made because there are no credentials for it.
fn without<E>(failure: Failure) -> SdkError<E> {
    SdkError::construction_failure(CredentialsError::provider_error(failure))
}
