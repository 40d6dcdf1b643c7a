//! Key management services, as a test has them.

use super::{Call, Host};
use crate::capability::CloudKms;
use crate::cloud_kms::{self, How, KeySpec, KeyState};
use crate::types::{Error, Result};

/// A call to a key management service.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each is a function of CloudKms or of its keys, with its arguments")]
pub enum CloudKmsCall {
    CreateKey {
        connection: Option<String>,
        id: String,
        spec: KeySpec,
    },
    /// A key was let go of.
    Drop {
        id: String,
    },
    FindKey {
        connection: Option<String>,
        id: String,
    },
    PublicKey {
        id: String,
    },
    ScheduleDeletion {
        id: String,
    },
    ServiceHealth {
        connection: Option<String>,
    },
    Sign {
        id: String,
        how: How,
    },
    State {
        id: String,
    },
}

/// A key that a [`Host`] gave out.
#[derive(Debug)]
pub struct Key<'a> {
    host: &'a Host,
    id: String,
    public: Option<Vec<u8>>,
}

impl Host {
    /// Adds how a key of a service stands, for the next call that asks and has no answer yet.
    #[must_use]
    pub fn stands(mut self, state: Result<KeyState>) -> Self {
        self.states.get_mut().push_back(state);
        self
    }
}

impl<'a> CloudKms for &'a Host {
    type Key = Key<'a>;

    /// Takes no answer: no service is asked.
    fn find_key(&self, connection: Option<&str>, id: &str) -> Result<Key<'a>> {
        let (connection, id) = (connection.map(str::to_owned), id.to_owned());
        self.record(Call::CloudKms(CloudKmsCall::FindKey { connection, id: id.clone() }));

        Ok(Key { host: self, id, public: None })
    }

    /// Takes an answer, which is then the new key's public half.
    fn create_key(&self, connection: Option<&str>, id: &str, spec: KeySpec) -> Result<Key<'a>> {
        let (connection, id) = (connection.map(str::to_owned), id.to_owned());
        let call = CloudKmsCall::CreateKey { connection, id: id.clone(), spec };

        Ok(Key { public: Some(self.call(Call::CloudKms(call))?), host: self, id })
    }

    fn service_health(&self, connection: Option<&str>) -> Result<()> {
        let connection = connection.map(str::to_owned);

        self.call(Call::CloudKms(CloudKmsCall::ServiceHealth { connection })).map(drop)
    }
}

impl cloud_kms::Key for Key<'_> {
    fn public_key(&self) -> Result<Vec<u8>> {
        let call = Call::CloudKms(CloudKmsCall::PublicKey { id: self.id.clone() });

        match &self.public {
            Some(public) => {
                self.host.record(call);
                Ok(public.clone())
            }
            None => self.host.call(call),
        }
    }

    fn state(&self) -> Result<KeyState> {
        let call = Call::CloudKms(CloudKmsCall::State { id: self.id.clone() });
        let state = self.host.states.borrow_mut().pop_front();
        let state =
            state.unwrap_or_else(|| Err(Error::internal(format!("the test has no state for {call:?}"))));
        self.host.record(call);

        state
    }

    fn sign(&self, how: How) -> Result<Vec<u8>> {
        self.host.call(Call::CloudKms(CloudKmsCall::Sign { id: self.id.clone(), how }))
    }

    fn schedule_deletion(&self) -> Result<()> {
        let call = CloudKmsCall::ScheduleDeletion { id: self.id.clone() };

        self.host.call(Call::CloudKms(call)).map(drop)
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        self.host.record(Call::CloudKms(CloudKmsCall::Drop { id: std::mem::take(&mut self.id) }));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cloud_kms::Key as _;

    #[test]
    fn a_key_stands_as_the_test_says_and_then_nobody_knows() {
        let leaving = KeyState::PendingDeletion(Some(Duration::from_secs(9)));
        let host = Host::new().stands(Ok(KeyState::Enabled)).stands(Ok(leaving));
        let key = (&host).find_key(None, "a").unwrap();

        assert_eq!([key.state(), key.state()], [Ok(KeyState::Enabled), Ok(leaving)]);
        assert!(key.state().unwrap_err().message.contains("no state for"));
        let asked = Call::CloudKms(CloudKmsCall::State { id: "a".to_owned() });
        assert_eq!(host.calls()[1..], [asked.clone(), asked.clone(), asked]);
    }
}
