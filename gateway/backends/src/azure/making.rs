//! Makes keys, each once, and tells which version of a key is this gateway's.

use std::collections::BTreeMap;
use std::time::Instant;

use keyport_core::backend::Generate;
use keyport_core::{Failure, FailureKind};
use serde_json::{Value, json};

use super::operations::lie;
use super::wire::Bundle;
use super::{Azure, OWN, key, now};
use crate::cloud::{Call, Retry};

impl Azure {
    /// The key to be made, as the vault wants it described; `None` where it has no such type.
    pub(super) fn described(&self, request: &Generate) -> Option<Value> {
        let mut described = key::described(request.key_type, self.hsm)?;
        let more = self.tags.iter().map(|(name, template)| {
            (name.clone(), template.fill(request, |char| !char.is_control(), LONGEST_TAG))
        });
        let own = [
            (format!("{OWN}-gateway"), self.prefix.clone()),
            (format!("{OWN}-key-id"), request.key_id.to_string()),
        ];
        let tags: BTreeMap<_, _> = own.into_iter().chain(more).collect();

        let fields = described.as_object_mut()?;
        fields.insert("key_ops".to_owned(), json!(["sign", "verify"]));
        fields.insert("tags".to_owned(), json!(tags));
        Some(described)
    }

    /// The key of a key-id, which is made if it is not there.
    pub(super) async fn make(
        &self,
        request: &Generate,
        described: &Value,
        deadline: Instant,
    ) -> Result<Bundle, Failure> {
        let _turn = self.turns.take(request.key_id, deadline).await?;
        let name = self.name(request.key_id);
        if let Some(found) = self.first(&name, deadline).await? {
            return Ok(found);
        }

        let raised = self.doubts.raise(request.key_id, now());
        let made = self.service.create(Call::manage(Retry::Never, deadline), &name, described).await;
        self.doubts.note(&raised, &made, now());
        let unheard = match made {
            Err(failure) if failure.kind != FailureKind::Unavailable => return Err(failure),
            // It may have been made.
            Err(failure) => Some(failure),
            Ok(_) => None,
        };
        self.settle(deadline).await?;
        let missing = || lie("a key that was made is not there");
        self.first(&name, deadline).await?.ok_or_else(|| unheard.unwrap_or_else(missing))
    }

    /// The version that is this gateway's: the first. Others are of gateways that made the key at the same time, or of somebody
    /// who rotated it.
    pub(super) async fn first(&self, name: &str, deadline: Instant) -> Result<Option<Bundle>, Failure> {
        let latest = match self.service.key(Call::read(deadline), name).await {
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(None),
            latest => latest?,
        };
        let versions = self.service.versions(Call::read(deadline), name).await?;
        let first = versions.iter().min_by_key(|version| (version.attributes.created, version.kid.as_str()));
        let Some(first) = first.filter(|first| first.kid != latest.key.kid) else { return Ok(Some(latest)) };

        let version = self.reference(&first.kid).ok_or_else(|| lie("a version is called as none is"))?;
        self.service.key(Call::read(deadline), &version).await.map(Some)
    }

    /// Waits until what is made from now on is younger than what was made before.
    async fn settle(&self, deadline: Instant) -> Result<(), Failure> {
        let until = tokio::time::Instant::now() + self.settling;
        if until > deadline.into() {
            let message = "the key is made, and which version of it is the first is not settled yet";
            return Err(Failure::new(FailureKind::Unavailable, message));
        }

        tokio::time::sleep_until(until).await;
        Ok(())
    }
}

/// Characters of what a tag says.
const LONGEST_TAG: usize = 256;
