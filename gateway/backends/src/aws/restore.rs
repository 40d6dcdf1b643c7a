//! Takes the deletion of a key back, for as long as the service waits with it.
//!
//! That is two calls: a key whose deletion is cancelled is disabled, and has to be enabled. Each try looks first how far the one
//! before came, so that it can be made again after a crash between them. The key kept its alias and its tags.

use std::time::Instant;

use keyport_core::backend::Object;
use keyport_core::key::NativeId;
use keyport_core::{Failure, FailureKind};

use super::{Aws, arn, now};
use crate::cloud::{Call, Retry};

impl Aws {
    /// Has the key sign again, unless it is deleted.
    pub(super) async fn bring_back(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        let key = &object.native_id;
        self.publics.forget(key);
        let facts = self.described(key.as_str(), deadline).await?.ok_or_else(|| deleted(key))?;

        if facts.is_leaving() {
            self.cancel_deletion(key, deadline).await?;
        }
        if !facts.is_enabled() {
            self.come_about(deadline, || self.enable(key, deadline)).await?;
        }
        // The service has it for whoever asks when the key can be used.
        let public = || self.public(key, object.key_type, deadline);
        self.come_about(deadline, public).await?;
        self.returns.end(key);
        Ok(())
    }

    async fn cancel_deletion(&self, key: &NativeId, deadline: Instant) -> Result<(), Failure> {
        let asked = self.kms.cancel_key_deletion().key_id(arn::id(key));
        self.returns.begin(key, now());
        match self.call(Call::manage(Retry::Safe, deadline), || asked.clone().send()).await {
            // Another call came first, or this one before its answer was lost.
            Err(failure) if failure.kind == FailureKind::KeyGone => Ok(()),
            Err(failure) if failure.kind == FailureKind::NotFound => Err(deleted(key)),
            cancelled => cancelled.map(drop),
        }
    }

    async fn enable(&self, key: &NativeId, deadline: Instant) -> Result<(), Failure> {
        let asked = self.kms.enable_key().key_id(arn::id(key));

        self.call(Call::manage(Retry::Safe, deadline), || asked.clone().send()).await.map(drop)
    }
}

fn deleted(key: &NativeId) -> Failure {
    let message = format!("{}: the time in which its deletion could be cancelled is over", key.as_str());

    Failure::new(FailureKind::KeyGone, message)
}
