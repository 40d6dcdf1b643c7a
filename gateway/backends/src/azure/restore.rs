//! Recovers a deleted key, for as long as the vault keeps it.
//!
//! Recovering goes on at the vault after it has answered, and so does deleting: the key is looked at until it is there. Every
//! version comes back with it, and is enabled if it was.

use std::time::Instant;

use keyport_core::backend::Object;
use keyport_core::{Failure, FailureKind};

use super::{Azure, name_of, now};
use crate::cloud::{Call, MOMENT, Patience, Retry};

impl Azure {
    /// Has the key of a version sign again, unless it was purged.
    pub(super) async fn recovered(&self, version: &str, deadline: Instant) -> Result<(), Failure> {
        let name = name_of(version);
        let mut patience = Patience::until(deadline);
        let mut is_asked = false;
        loop {
            if self.is_there(version, deadline).await? {
                self.revived.forget(name);
                return Ok(());
            }
            if !is_asked {
                is_asked = self.is_recovering(name, version, deadline).await?;
            }

            let message = format!("`{name}` is still being recovered, or deleted");
            patience.wait(Failure::new(FailureKind::Unavailable, message)).await?;
        }
    }

    /// Refuses to believe that a key is not there, neither deleted nor otherwise, while it may be on its way back, or still be
    /// made: then nothing would delete it again. Only a key whose native id is known can have been recovered.
    pub(super) async fn check_gone(
        &self,
        object: &Object,
        name: &str,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let is_early = now().saturating_duration_since(self.opened) < MOMENT;
        let is_recorded = object.native_id.as_str() != object.key_id.to_string();
        let unmade = self.doubts.check_gone(object, now());
        let is_recovering = self.revived.is_in_doubt(name, now()) || is_early && is_recorded;
        let is_believed = unmade.is_ok() && !is_recovering;
        if is_believed || self.service.deleted(Call::read(deadline), name).await?.is_some() {
            return Ok(());
        }

        unmade?;
        let message = format!("`{name}` is nowhere now, and may be on its way back: it is looked for again");
        Err(Failure::new(FailureKind::Unavailable, message))
    }

    /// Whether the version can be used; it fails where that is up to an operator.
    async fn is_there(&self, version: &str, deadline: Instant) -> Result<bool, Failure> {
        match self.service.key(Call::read(deadline), version).await {
            Ok(bundle) if bundle.attributes.enabled => Ok(true),
            Ok(_) => {
                let message =
                    format!("`{version}` was disabled before it was deleted: enable it in the vault");
                Err(Failure::new(FailureKind::OperatorNeeded, message))
            }
            Err(failure) if failure.kind == FailureKind::NotFound || is_changing(&failure) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Has the vault begin to recover a key; whether it has, or has to be asked again.
    async fn is_recovering(&self, name: &str, version: &str, deadline: Instant) -> Result<bool, Failure> {
        self.revived.note(name, now());
        match self.service.recover(Call::manage(Retry::Safe, deadline), name).await {
            Ok(()) => Ok(true),
            Err(failure) if is_changing(&failure) => Ok(false),
            // Neither deleted nor, still, there.
            Err(failure) if failure.kind == FailureKind::NotFound => {
                if self.is_there(version, deadline).await? {
                    return Ok(true);
                }
                self.revived.forget(name);
                Err(purged(name))
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Whether the vault is about to delete or to recover the key (409): then it can be asked again.
pub(super) fn is_changing(failure: &Failure) -> bool {
    failure.code == CONFLICT
}

fn purged(name: &str) -> Failure {
    let message = format!("`{name}` was purged, or is not deleted yet: the vault has nothing to recover");

    Failure::new(FailureKind::KeyGone, message)
}

const CONFLICT: u32 = 409;
