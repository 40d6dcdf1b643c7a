//! Finds keys, and says what they are.

use std::time::Instant;

use aws_sdk_kms::primitives::DateTime;
use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeySpec, KeyState, KeyUsageType, MultiRegionKeyType};
use aws_sdk_resourcegroupstagging::types::TagFilter;
use keyport_core::backend::{Generated, Object};
use keyport_core::key::{KeyId, NativeId};
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};

use super::{Aws, arn, now, spec};
use crate::cloud::{Call, not_own};

/// What the service says of a key.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) native_id: NativeId,
    /// `None` where it is no type of this gateway's.
    pub(super) key_type: Option<KeyType>,
    spec: KeySpec,
    pub(super) state: KeyState,
    /// When it is deleted, if that is scheduled.
    pub(super) deletion: Option<DateTime>,
    signs: bool,
    /// Whether the account made it, and not a service for itself.
    is_own: bool,
    /// Whether it is another region's key, replicated here.
    is_replica: bool,
}

impl Facts {
    pub(super) fn of(metadata: KeyMetadata) -> Option<Self> {
        let native_id = NativeId::new(metadata.arn?);
        let spec = metadata.key_spec?;

        arn::is_key(&native_id).then_some(Self {
            native_id,
            key_type: spec::key_type(&spec),
            spec,
            state: metadata.key_state?,
            deletion: metadata.deletion_date,
            signs: metadata.key_usage? == KeyUsageType::SignVerify,
            is_replica: metadata
                .multi_region_configuration
                .and_then(|found| found.multi_region_key_type)
                .is_some_and(|kind| kind == MultiRegionKeyType::Replica),
            is_own: metadata.key_manager.is_none_or(|manager| manager == KeyManagerType::Customer),
        })
    }

    /// Whether it is scheduled for deletion.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.state, KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)
    }

    /// Whether it can be used.
    pub(super) fn is_enabled(&self) -> bool {
        self.state == KeyState::Enabled
    }

    /// That it signs, or in a moment will.
    pub(super) fn check_use(&self) -> Result<KeyType, Failure> {
        let refused =
            |kind, why: String| Err(Failure::new(kind, format!("{}: {why}", self.native_id.as_str())));
        if self.is_leaving() {
            return refused(
                FailureKind::KeyGone,
                "it is scheduled for deletion; cancel that if it was a mistake".to_owned(),
            );
        }
        if self.state == KeyState::Disabled {
            return refused(
                FailureKind::KeyGone,
                "it is disabled; enable it if that was a mistake".to_owned(),
            );
        }
        if !self.is_own {
            return refused(
                FailureKind::Unsupported,
                "it is managed by AWS; make a key of your own".to_owned(),
            );
        }
        if !self.signs {
            let why = "its usage is not SIGN_VERIFY, which is for ever: make another key".to_owned();
            return refused(FailureKind::Unsupported, why);
        }

        match self.key_type {
            Some(key_type) => Ok(key_type),
            None => refused(
                FailureKind::Unsupported,
                format!("this gateway knows no keys of {}", self.spec.as_str()),
            ),
        }
    }
}

impl Aws {
    /// The key that was made for this key-id, if it is not on its way out.
    pub(super) async fn seek(&self, key_id: KeyId, deadline: Instant) -> Result<Option<NativeId>, Failure> {
        let named = self.described(&self.alias(key_id), deadline).await?;
        let is_known = named.is_some();
        if let Some(facts) = named.filter(|facts| !facts.is_leaving()) {
            return Ok(Some(facts.native_id));
        }
        if let Some(facts) = self.nameless(key_id, deadline).await? {
            return Ok(Some(facts.native_id));
        }

        match self.doubts.left(key_id, now()).filter(|_| !is_known) {
            None => Ok(None),
            Some(left) => {
                let message = "the service lists no such key, but may not list yet what it made a moment ago";
                Err(Failure { retry_after: Some(left), ..Failure::new(FailureKind::Unavailable, message) })
            }
        }
    }

    /// The key of this key-id that a crash left without its alias.
    pub(super) async fn nameless(&self, key_id: KeyId, deadline: Instant) -> Result<Option<Facts>, Failure> {
        for key in self.tagged(key_id, deadline).await? {
            let facts = self.described(key.as_str(), deadline).await?;
            if let Some(facts) = facts.filter(|facts| !facts.is_leaving()) {
                return Ok(Some(facts));
            }
        }

        Ok(None)
    }

    /// Every key that bears this key-id as a tag of this gateway's, as far as the account's index has come.
    pub(super) async fn tagged(&self, key_id: KeyId, deadline: Instant) -> Result<Vec<NativeId>, Failure> {
        let filter = |key: &str, value: String| TagFilter::builder().key(key).values(value).build();
        let asked = self.tagging.get_resources().resource_type_filters("kms");
        let asked = asked.tag_filters(filter(KEY_ID, key_id.to_string()));
        let asked = asked.tag_filters(filter(GATEWAY, self.prefix.as_str().to_owned()));

        let mut keys = Vec::new();
        let mut next = None;
        for _ in 0..MOST_PAGES {
            let page = asked.clone().set_pagination_token(next.take());
            let told = self.call(Call::read(deadline), || page.clone().send()).await?;
            let arns = told.resource_tag_mapping_list.unwrap_or_default().into_iter();
            let page = arns.filter_map(|mapping| mapping.resource_arn).map(NativeId::new);
            keys.extend(page.filter(arn::is_key));
            // The service may answer with an empty page, and go on.
            next = told.pagination_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(keys);
            }
        }

        Err(self.lie("lists more keys of one key-id than anybody made"))
    }

    /// That nothing is deleted which was not made for this key-id, of what the account's index does not list for it.
    pub(super) async fn check_own(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        let Object { key_id, native_id, .. } = object;
        let named = self.described(&self.alias(*key_id), deadline).await?;
        if named.is_some_and(|facts| facts.native_id == *native_id) {
            return Ok(());
        }
        let facts = self.described(arn::id(native_id), deadline).await?;
        // A replica shares neither alias nor tags with its primary key, which is where it can be told whose it is.
        if facts.is_none_or(|facts| facts.is_replica || facts.is_leaving()) {
            return Ok(());
        }

        match self.doubts.left(*key_id, now()) {
            None => Err(not_own(native_id.as_str())),
            Some(left) => {
                let message = "the service may not list yet for which key-id this key was made";
                Err(Failure { retry_after: Some(left), ..Failure::new(FailureKind::Unavailable, message) })
            }
        }
    }

    /// What the service says of the key of this name, if there is one.
    pub(super) async fn described(&self, name: &str, deadline: Instant) -> Result<Option<Facts>, Failure> {
        let asked = self.kms.describe_key().key_id(name);
        let told = match self.call(Call::read(deadline), || asked.clone().send()).await {
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(None),
            told => told?,
        };

        let facts = told.key_metadata.and_then(Facts::of);
        facts.map(Some).ok_or_else(|| self.lie("describes a key without its facts"))
    }

    /// The key that an operator names: by ARN, key id or alias.
    pub(super) async fn named(&self, reference: &str, deadline: Instant) -> Result<Generated, Failure> {
        let is_name = !reference.is_empty() && !reference.contains(|char: char| char.is_whitespace());
        let elsewhere = arn::region(reference).is_some_and(|region| region != self.region);
        if !is_name || elsewhere {
            let message = format!(
                "`{reference}`: write the ARN of a key in {}, its key id, or alias/ and its alias",
                self.region
            );
            return Err(Failure::new(FailureKind::InvalidArgument, message));
        }

        let facts = self.described(reference, deadline).await?;
        let facts = facts.ok_or_else(|| {
            Failure::new(FailureKind::NotFound, format!("there is no key `{reference}` in {}", self.region))
        })?;
        let key_type = facts.check_use()?;
        let public = self.public(&facts.native_id, key_type, deadline).await?;
        Ok(Generated { native_id: facts.native_id, public })
    }

    /// The public half of a key of this type.
    pub(super) async fn public(
        &self,
        key: &NativeId,
        key_type: KeyType,
        deadline: Instant,
    ) -> Result<PublicKey, Failure> {
        if let Some(public) = self.publics.get(key) {
            return Ok(public);
        }
        let asked = self.kms.get_public_key().key_id(key.as_str());
        let told = self.call(Call::read(deadline), || asked.clone().send()).await?;
        if !arn::is_meant(key, told.key_id.as_deref()) {
            return Err(self.lie("answered with another key's public half"));
        }

        let der = told.public_key.unwrap_or_default().into_inner();
        let public = PublicKey::from_der(&der).ok().filter(|public| public.key_type() == key_type);
        let public = public.ok_or_else(|| self.lie("answered with a public half of another type"))?;
        self.publics.put(key.clone(), public.clone());
        Ok(public)
    }

    pub(super) fn alias(&self, key_id: KeyId) -> String {
        format!("alias/{}-{key_id}", self.prefix.as_str())
    }
}

/// Tags that a key of this gateway's is known by.
pub(super) const KEY_ID: &str = "keyport:key-id";
pub(super) const GATEWAY: &str = "keyport:gateway";
/// Of the index's list for one key-id.
const MOST_PAGES: usize = 20;
