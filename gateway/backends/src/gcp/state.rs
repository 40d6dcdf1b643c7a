//! How a version stands, in the words of every service.

use keyport_core::backend::KeyState;

use super::wire::{State, Version};

impl Version {
    pub(super) fn standing(&self) -> KeyState {
        match self.state {
            State::Enabled => KeyState::Enabled,
            State::Disabled => KeyState::Disabled,
            State::PendingGeneration => KeyState::Pending,
            State::DestroyScheduled => {
                let time = self.destroy_time.as_deref();
                let time = time.and_then(|time| humantime::parse_rfc3339(time).ok());
                KeyState::PendingDeletion(time.map(Into::into))
            }
            State::Destroyed | State::GenerationFailed => KeyState::Gone,
            State::Other => KeyState::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use keyport_core::outside::Timestamp;
    use serde_json::json;

    use super::*;

    fn standing(state: &str, destroy_time: Option<&str>) -> KeyState {
        let version = json!({ "name": "k", "state": state, "destroyTime": destroy_time });

        serde_json::from_value::<Version>(version).unwrap().standing()
    }

    #[test]
    fn every_state_of_googles_is_one_of_the_services_words() {
        for (state, expected) in [
            ("ENABLED", KeyState::Enabled),
            ("DISABLED", KeyState::Disabled),
            ("PENDING_GENERATION", KeyState::Pending),
            ("PENDING_IMPORT", KeyState::Pending),
            ("DESTROY_SCHEDULED", KeyState::PendingDeletion(None)),
            ("DESTROYED", KeyState::Gone),
            ("GENERATION_FAILED", KeyState::Gone),
            ("IMPORT_FAILED", KeyState::Gone),
            ("PENDING_EXTERNAL_DESTRUCTION", KeyState::Gone),
            ("EXTERNAL_DESTRUCTION_FAILED", KeyState::Gone),
            ("CRYPTO_KEY_VERSION_STATE_UNSPECIFIED", KeyState::Unavailable),
            ("ANOTHER", KeyState::Unavailable),
        ] {
            assert_eq!(standing(state, None), expected, "{state}");
        }
    }

    #[test]
    fn the_time_of_destruction_is_read_to_the_millisecond_and_none_where_it_is_no_time() {
        let until = |time| standing("DESTROY_SCHEDULED", Some(time));

        let expected = KeyState::PendingDeletion(Some(Timestamp(1_800_000_000_123)));
        assert_eq!(until("2027-01-15T08:00:00.123456789Z"), expected);
        for bad in ["", "soon", "2027-01-15", "2027-13-15T08:00:00Z"] {
            assert_eq!(until(bad), KeyState::PendingDeletion(None), "{bad}");
        }
    }
}
