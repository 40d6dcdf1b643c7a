//! Key management services, as a test has them.

use super::{Call, Host};
use crate::capability::CloudKms;
use crate::cloud_kms::{self, How, KeySpec};
use crate::types::Result;

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
}

/// A key that a [`Host`] gave out.
#[derive(Debug)]
pub struct Key<'a> {
    host: &'a Host,
    id: String,
    public: Option<Vec<u8>>,
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
