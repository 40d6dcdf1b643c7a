//! How a key stands, in the words of every service.

use std::time::{Duration, Instant};

use keyport_core::backend::{KeyState, Object};
use keyport_core::outside::Timestamp;
use keyport_core::{Failure, FailureKind};

use super::restore::is_changing;
use super::wire::{Attributes, Deleted};
use super::{Azure, name_of};
use crate::cloud::Call;

impl Azure {
    /// How the vault says that the object stands.
    pub(super) async fn standing(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        let Some(version) = self.version(object) else { return Ok(KeyState::Gone) };
        let name = name_of(&version);
        let found = if version == name {
            self.first(name, deadline).await
        } else {
            self.service.key(Call::read(deadline), &version).await.map(Some)
        };

        match found {
            Ok(Some(bundle)) => Ok(bundle.attributes.standing(self.clock.wall())),
            Err(failure) if is_changing(&failure) => Ok(KeyState::Pending),
            Err(failure) if failure.kind != FailureKind::NotFound => Err(failure),
            Ok(None) | Err(_) => self.missing(object, name, deadline).await,
        }
    }

    /// How a key stands that is not among those that can be used.
    async fn missing(&self, object: &Object, name: &str, deadline: Instant) -> Result<KeyState, Failure> {
        match self.service.deleted(Call::read(deadline), name).await {
            Ok(Some(deleted)) => Ok(deleted.standing()),
            Ok(None) => {
                self.check_gone(object, name, deadline).await?;
                Ok(KeyState::Gone)
            }
            Err(failure) if is_changing(&failure) => Ok(KeyState::Pending),
            Err(failure) => Err(failure),
        }
    }
}

impl Attributes {
    fn standing(&self, now: Timestamp) -> KeyState {
        let is_early = self.nbf.is_some_and(|from| now < seconds(from));
        let is_late = self.exp.is_some_and(|until| now >= seconds(until));

        if self.enabled && !is_early && !is_late { KeyState::Enabled } else { KeyState::Disabled }
    }
}

impl Deleted {
    fn standing(&self) -> KeyState {
        KeyState::PendingDeletion(self.scheduled_purge_date.map(seconds))
    }
}

fn seconds(since_1970: u64) -> Timestamp {
    Timestamp(0).plus(Duration::from_secs(since_1970))
}
