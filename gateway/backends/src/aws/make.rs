//! Makes keys, each once.

use std::time::Instant;

use aws_sdk_kms::error::BuildError;
use aws_sdk_kms::types::{KeyUsageType, Tag};
use keyport_core::backend::{Generate, Generated, Object};
use keyport_core::key::{KeyId, NativeId};
use keyport_core::{Failure, FailureKind};

use super::find::{Facts, GATEWAY, KEY_ID};
use super::{Aws, arn, now, spec};
use crate::cloud::{Call, Patience, Raised, Retry, is_answer};

impl Aws {
    /// The key of a key-id: the one that is there, or a new one.
    pub(super) async fn make(&self, request: &Generate, deadline: Instant) -> Result<Generated, Failure> {
        spec::made(request.key_type)?;
        let _turn = self.turns.take(request.key_id, deadline).await?;

        if let Some(facts) = self.described(&self.alias(request.key_id), deadline).await? {
            return self.taken(&facts, request, deadline).await;
        }
        let Some(facts) = self.nameless(request.key_id, deadline).await? else {
            return self.make_anew(request, deadline).await;
        };
        check_type(&facts, request)?;
        facts.check_use()?;
        match self.name(&facts.native_id, request.key_id, deadline).await? {
            None => self.ready(&facts.native_id, request, deadline).await,
            Some(other) => self.yielded(&facts.native_id, &other, request, deadline).await,
        }
    }

    /// A new key with its alias. One that cannot have it is given up.
    async fn make_anew(&self, request: &Generate, deadline: Instant) -> Result<Generated, Failure> {
        let (key, raised) = self.create(request, deadline).await?;

        match self.name(&key, request.key_id, deadline).await {
            Ok(None) => self.ready(&key, request, deadline).await,
            Ok(Some(other)) => self.yielded(&key, &other, request, deadline).await,
            Err(why) if is_answer(&why) => match self.given_up(&key, request, deadline).await {
                Ok(Some(named)) => Ok(named),
                Ok(None) => {
                    self.doubts.withdraw(&raised, now());
                    Err(why)
                }
                Err(left) => Err(still_there(&key, &why, &left)),
            },
            Err(why) => Err(why),
        }
    }

    /// Gives a key its alias; answers what has it already, which another gateway may have made meanwhile.
    async fn name(&self, key: &NativeId, key_id: KeyId, deadline: Instant) -> Result<Option<Facts>, Failure> {
        let alias = self.alias(key_id);
        let asked = self.kms.create_alias().alias_name(&alias).target_key_id(key.as_str());
        let named = self
            .come_about(deadline, || self.call(Call::manage(Retry::Safe, deadline), || asked.clone().send()));

        match named.await {
            Ok(_) => Ok(None),
            Err(failure) if failure.kind == FailureKind::Exists => {
                self.come_about(deadline, || self.there(&alias, deadline)).await.map(Some)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The key that has the alias; `key` is one too many if it is another.
    async fn yielded(
        &self,
        key: &NativeId,
        named: &Facts,
        request: &Generate,
        deadline: Instant,
    ) -> Result<Generated, Failure> {
        if named.native_id != *key {
            self.schedule_deletion(key, false, deadline).await?;
        }

        self.taken(named, request, deadline).await
    }

    /// Has a new key deleted that cannot be named here. Another gateway, which found it by its tags, may name it all the same: then
    /// it stays, and is answered.
    async fn given_up(
        &self,
        key: &NativeId,
        request: &Generate,
        deadline: Instant,
    ) -> Result<Option<Generated>, Failure> {
        let alias = self.alias(request.key_id);
        if let Some(named) = self.described(&alias, deadline).await? {
            return self.yielded(key, &named, request, deadline).await.map(Some);
        }
        // The service may not know it everywhere yet.
        self.come_about(deadline, || self.there(key.as_str(), deadline)).await?;
        self.schedule_deletion(key, false, deadline).await?;
        let named = self.described(&alias, deadline).await?;
        if named.is_none_or(|named| named.native_id != *key) {
            return Ok(None);
        }

        let Generate { tenant, key_id, key_type, .. } = request.clone();
        self.bring_back(&Object { tenant, key_id, native_id: key.clone(), key_type }, deadline).await?;
        self.ready(key, request, deadline).await.map(Some)
    }

    async fn there(&self, name: &str, deadline: Instant) -> Result<Facts, Failure> {
        self.described(name, deadline)
            .await?
            .ok_or_else(|| Failure::new(FailureKind::NotFound, format!("{name} leads nowhere")))
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

    /// A new key, which is in doubt until it is found by its alias.
    async fn create(&self, request: &Generate, deadline: Instant) -> Result<(NativeId, Raised), Failure> {
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
        let raised = self.doubts.raise(request.key_id, now());
        let told = self.call(Call::manage(Retry::Never, deadline), || asked.clone().send()).await;
        if told.as_ref().is_err_and(is_answer) {
            self.doubts.withdraw(&raised, now());
        }
        let told = told.map_err(unmade)?;

        let key = told.key_metadata.and_then(|metadata| metadata.arn).map(NativeId::new);
        let key = key.filter(arn::is_key).ok_or_else(|| self.lie("made a key and does not say which"))?;
        Ok((key, raised))
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

/// A key that was made in vain is still there.
fn still_there(key: &NativeId, why: &Failure, left: &Failure) -> Failure {
    let message = format!(
        "{}; {} was made for it and stays, as it cannot be deleted: {}",
        why.message,
        key.as_str(),
        left.message
    );

    Failure { message, ..why.clone() }
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
