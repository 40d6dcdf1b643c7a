//! Makes keys, each once.

use std::time::Instant;

use aws_sdk_kms::error::BuildError;
use aws_sdk_kms::types::{KeyUsageType, Tag};
use keyport_core::backend::{Generate, Generated};
use keyport_core::key::{KeyId, NativeId};
use keyport_core::{Failure, FailureKind};

use super::find::{Facts, GATEWAY, KEY_ID};
use super::{Aws, arn, now, spec};
use crate::cloud::{Call, Patience, Retry};

impl Aws {
    /// The key of a key-id: the one that is there, or a new one.
    pub(super) async fn make(&self, request: &Generate, deadline: Instant) -> Result<Generated, Failure> {
        spec::made(request.key_type)?;
        let _turn = self.turns.take(request.key_id, deadline).await?;

        if let Some(facts) = self.described(&self.alias(request.key_id), deadline).await? {
            return self.taken(&facts, request, deadline).await;
        }
        let key = match self.nameless(request.key_id, deadline).await? {
            Some(facts) => {
                check_type(&facts, request)?;
                facts.check_use()?;
                facts.native_id
            }
            None => self.create(request, deadline).await?,
        };
        self.name(&key, request, deadline).await
    }

    /// Gives a key its alias, unless another one, which another gateway made meanwhile, has it: then that is the key.
    async fn name(
        &self,
        key: &NativeId,
        request: &Generate,
        deadline: Instant,
    ) -> Result<Generated, Failure> {
        let alias = self.alias(request.key_id);
        let asked = self.kms.create_alias().alias_name(&alias).target_key_id(key.as_str());
        let named = self
            .come_about(deadline, || self.call(Call::manage(Retry::Safe, deadline), || asked.clone().send()));
        match named.await {
            Ok(_) => self.ready(key, request, deadline).await,
            Err(failure) if failure.kind == FailureKind::Exists => {
                let facts = self.come_about(deadline, || self.there(&alias, deadline)).await?;
                if facts.native_id != *key {
                    self.schedule_deletion(key, false, deadline).await?;
                }
                self.taken(&facts, request, deadline).await
            }
            Err(failure) => Err(failure),
        }
    }

    async fn there(&self, alias: &str, deadline: Instant) -> Result<Facts, Failure> {
        self.described(alias, deadline)
            .await?
            .ok_or_else(|| Failure::new(FailureKind::NotFound, format!("{alias} leads nowhere")))
    }

    /// The key that is there already.
    async fn taken(
        &self,
        facts: &Facts,
        request: &Generate,
        deadline: Instant,
    ) -> Result<Generated, Failure> {
        check_type(facts, request)?;
        facts.check_use()?;

        self.ready(&facts.native_id, request, deadline).await
    }

    /// A key with its public half, which the service has when it can sign.
    async fn ready(
        &self,
        key: &NativeId,
        request: &Generate,
        deadline: Instant,
    ) -> Result<Generated, Failure> {
        let public = self.come_about(deadline, || self.public(key, request.key_type, deadline)).await?;

        Ok(Generated { native_id: key.clone(), public })
    }

    async fn create(&self, request: &Generate, deadline: Instant) -> Result<NativeId, Failure> {
        let tags =
            self.tags(request).map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
        let asked = self
            .kms
            .create_key()
            .key_spec(spec::made(request.key_type)?)
            .key_usage(KeyUsageType::SignVerify)
            .description(self.description.fill(request, |char| !char.is_control(), LONGEST_DESCRIPTION))
            .multi_region(self.multi_region)
            .set_tags(Some(tags));
        self.doubts.raise(request.key_id, now());
        let told = self.call(Call::manage(Retry::Never, deadline), || asked.clone().send()).await;
        let told = told.map_err(unmade)?;

        let key = told.key_metadata.and_then(|metadata| metadata.arn).map(NativeId::new);
        key.filter(arn::is_key).ok_or_else(|| self.lie("made a key and does not say which"))
    }

    fn tags(&self, request: &Generate) -> Result<Vec<Tag>, BuildError> {
        let tag = |key: &str, value: String| Tag::builder().tag_key(key).tag_value(value).build();
        let own = [tag(KEY_ID, request.key_id.to_string()), tag(GATEWAY, self.prefix.as_str().to_owned())];
        let others =
            self.tags.iter().map(|(key, value)| tag(key, value.fill(request, is_taggable, LONGEST_TAG)));

        own.into_iter().chain(others).collect()
    }

    /// What the service does not know yet of a key that was just made or brought back, or does not do with it yet: asked again,
    /// ever later.
    pub(super) async fn come_about<T, F>(
        &self,
        deadline: Instant,
        mut step: impl FnMut() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut patience = Patience::until(deadline);
        loop {
            let failure = match step().await {
                Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::KeyGone) => {
                    failure
                }
                outcome => return outcome,
            };
            let message = format!("the key is there and cannot be used yet: {}", failure.message);
            patience.wait(Failure { kind: FailureKind::Unavailable, message, ..failure }).await?;
        }
    }
}

fn check_type(facts: &Facts, request: &Generate) -> Result<(), Failure> {
    if facts.key_type == Some(request.key_type) {
        return Ok(());
    }

    Err(exists(request.key_id, facts))
}

fn exists(key_id: KeyId, facts: &Facts) -> Failure {
    let message =
        format!("{} was made for key-id {key_id}, and is of another type", facts.native_id.as_str());

    Failure::new(FailureKind::Exists, message)
}

/// Where the service makes no keys of a type, as in a region that has it later than others, it finds fault with the word for it.
fn unmade(failure: Failure) -> Failure {
    if failure.kind == FailureKind::InvalidArgument && failure.message.contains("at 'keySpec'") {
        return Failure { kind: FailureKind::Unsupported, ..failure };
    }

    failure
}

/// What the service takes in a tag's value.
fn is_taggable(char: char) -> bool {
    char.is_alphanumeric() || " +-=._:/@".contains(char)
}

const LONGEST_TAG: usize = 256;
const LONGEST_DESCRIPTION: usize = 8192;
