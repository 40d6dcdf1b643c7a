//! How a key stands, in the words of every service.

use std::time::Instant;

use aws_sdk_kms::types::KeyState as Named;
use keyport_core::Failure;
use keyport_core::backend::{KeyState, Object};
use keyport_core::outside::Timestamp;

use super::find::Facts;
use super::{Aws, arn};

impl Aws {
    /// How the service says that the object stands. One whose ARN was never recorded is looked for by its key-id.
    pub(super) async fn standing(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        // Another account would call every key gone.
        let facts = self.in_account(deadline, self.facts(object, deadline)).await?;

        Ok(facts.map_or(KeyState::Gone, |facts| facts.standing()))
    }

    /// What the service says of the object, also where it is about to be deleted.
    async fn facts(&self, object: &Object, deadline: Instant) -> Result<Option<Facts>, Failure> {
        if arn::is_key(&object.native_id) {
            return self.described(object.native_id.as_str(), deadline).await;
        }

        match self.described(&self.alias(object.key_id), deadline).await? {
            Some(facts) if facts.is_leaving() => {
                Ok(self.nameless(object.key_id, deadline).await?.or(Some(facts)))
            }
            Some(facts) => Ok(Some(facts)),
            None => match self.seek(object.key_id, deadline).await? {
                Some(key) => self.described(key.as_str(), deadline).await,
                None => Ok(None),
            },
        }
    }
}

impl Facts {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the client's list of them is not closed")]
    fn standing(&self) -> KeyState {
        match self.state {
            // The primary key of several regions becomes another: both sign meanwhile.
            Named::Enabled | Named::Updating => KeyState::Enabled,
            Named::Disabled => KeyState::Disabled,
            Named::Creating | Named::PendingImport => KeyState::Pending,
            Named::PendingDeletion | Named::PendingReplicaDeletion => {
                let millis = self.deletion.and_then(|date| date.to_millis().ok());
                KeyState::PendingDeletion(millis.and_then(|millis| u64::try_from(millis).ok()).map(Timestamp))
            }
            // Its key store is disconnected, or the vendor's client is older than the word.
            _ => KeyState::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::primitives::DateTime;
    use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyUsageType};

    use super::*;

    fn standing(state: Named, deletion: Option<DateTime>) -> KeyState {
        let metadata = KeyMetadata::builder()
            .key_id("a")
            .arn("arn:aws:kms:eu-central-1:111122223333:key/a")
            .key_spec(KeySpec::EccNistP256)
            .key_usage(KeyUsageType::SignVerify)
            .key_state(state)
            .set_deletion_date(deletion)
            .build();

        Facts::of(metadata.unwrap()).unwrap().standing()
    }

    #[test]
    fn every_state_of_the_services_is_one_of_the_services_words() {
        for (state, expected) in [
            ("Creating", KeyState::Pending),
            ("Disabled", KeyState::Disabled),
            ("Enabled", KeyState::Enabled),
            ("PendingDeletion", KeyState::PendingDeletion(None)),
            ("PendingImport", KeyState::Pending),
            ("PendingReplicaDeletion", KeyState::PendingDeletion(None)),
            ("Unavailable", KeyState::Unavailable),
            ("Updating", KeyState::Enabled),
            ("Another", KeyState::Unavailable),
        ] {
            assert_eq!(standing(Named::from(state), None), expected, "{state}");
        }
        assert!(Named::values().len() == 8, "the client knows more of them: {:?}", Named::values());
    }

    #[test]
    fn the_time_of_deletion_is_read_to_the_millisecond_and_none_before_1970() {
        let until = |date| standing(Named::PendingDeletion, Some(date));

        let expected = KeyState::PendingDeletion(Some(Timestamp(1_800_000_000_500)));
        assert_eq!(until(DateTime::from_secs_f64(1_800_000_000.5)), expected);
        for bad in [DateTime::from_secs(-1), DateTime::from_secs(i64::MAX)] {
            assert_eq!(until(bad), KeyState::PendingDeletion(None), "{bad:?}");
        }
    }
}
