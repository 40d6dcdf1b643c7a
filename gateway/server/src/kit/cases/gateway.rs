//! The whole way that a caller's request takes, through the gateway.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keyport_core::Gateway;
use keyport_core::caller::{Caller, Right, Verb};
use keyport_core::gateway::{Context, CreateRequest, How, OnDuplicate, SignRequest, Source};
use keyport_core::key::{Key, KeyId, KeyName, State};
use keyport_core::scheme::{KeyType, Scheme};

use crate::kit::subject::{Kit, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure};

cases! {
    "gateway-creates-and-signs",
    "The gateway takes its keys and its signatures: they are what custody saw made." => creates_and_signs;
    "gateway-signs-many-at-once",
    "The gateway has it sign sixteen inputs in one request." => signs_many_at_once;
    "gateway-replaces-a-key",
    "A name moves from one of its keys to the next. Both are there, the first can be restored, and each signs as itself." => replaces_a_key;
    "gateway-destroys-what-is-deleted",
    "A key that a caller deletes is destroyed at its custodian." => destroys_what_is_deleted;
    "gateway-finds-it-healthy",
    "The gateway's own probe finds it healthy." => finds_it_healthy;
}

/// A gateway that serves one caller with the component.
struct Served<'a> {
    kit: &'a Kit,
    gateway: &'a Arc<Gateway>,
    caller: Arc<Caller>,
    key_type: KeyType,
}

async fn creates_and_signs(kit: &Kit) -> Verdict {
    let served = Served::new(kit).await?;
    let key = served.create("created", OnDuplicate::Conflict).await?;
    served.signs(&key).await?;

    served.delete(&key).await
}

async fn signs_many_at_once(kit: &Kit) -> Verdict {
    let served = Served::new(kit).await?;
    let key = served.create("many", OnDuplicate::Conflict).await?;
    let scheme = kit.scheme(served.key_type)?;
    let request =
        |number| SignRequest { name: key.name.clone(), how: How::Scheme(scheme), input: ordinary(number) };
    let requests = (0..16).map(request).collect();
    let signed = served.gateway.sign_all(&served.caller, served.context()?, requests).await?;

    let public = key.public.as_ref().ok_or_else(|| Broken::failed("a public half", "none"))?;
    for (number, signed) in (0..).zip(signed) {
        verifies(public, scheme, &ordinary(number), signed?.signature.bytes())?;
    }
    served.delete(&key).await
}

async fn replaces_a_key(kit: &Kit) -> Verdict {
    let served = Served::new(kit).await?;
    let old = served.create("replaced", OnDuplicate::Conflict).await?;
    let before = served.signed(&old, 1).await?;
    let new = served.create("replaced", OnDuplicate::Replace).await?;
    ensure(old.public != new.public, "another key", || "the same key".to_owned())?;

    let listed = served.gateway.keys(&served.caller, served.context()?).await?;
    let row = listed.iter().find(|key| key.id == old.id);
    let is_kept = row.is_some_and(|row| row.state == State::Released && row.public == old.public);
    ensure(is_kept, "the key that was replaced, released", || format!("{row:?}"))?;
    before.is_by_one_alone((&old, &new))?;
    served.signed(&new, 2).await?.is_by_one_alone((&new, &old))?;

    served.gateway.release(&served.caller, served.context()?, new.name.clone()).await?;
    served.gateway.restore(&served.caller, served.context()?, (old.name.clone(), old.id)).await?;
    served.signed(&old, 3).await?.is_by_one_alone((&old, &new))?;
    served.delete(&old).await
}

async fn destroys_what_is_deleted(kit: &Kit) -> Verdict {
    let served = Served::new(kit).await?;
    let key = served.create("deleted", OnDuplicate::Conflict).await?;
    served.delete(&key).await?;

    let rows = kit.stage.keys.list(&key.tenant).await?;
    let row = rows.iter().find(|row| row.id == key.id);
    ensure(row.is_none(), "a key that is destroyed", || format!("one that is {:?}", row.map(|row| row.state)))
}

async fn finds_it_healthy(kit: &Kit) -> Verdict {
    let served = Served::new(kit).await?;
    served.gateway.probe().await;

    let health = served.gateway.readiness().providers;
    let errors: Vec<_> = health.into_iter().filter_map(|health| health.error).collect();
    ensure(errors.is_empty(), "health", || errors.join("; "))
}

/// A signature of an input that is told apart from others by its number.
struct Signed {
    scheme: Scheme,
    number: u32,
    signature: Vec<u8>,
}

impl Signed {
    fn verifies(&self, key: &Key) -> Verdict {
        let public = key.public.as_ref().ok_or_else(|| Broken::failed("a public half", "none"))?;

        verifies(public, self.scheme, &ordinary(self.number), &self.signature)
    }

    /// Fails unless it is one key's and not the other's.
    fn is_by_one_alone(&self, (key, other): (&Key, &Key)) -> Verdict {
        self.verifies(key)?;

        ensure(self.verifies(other).is_err(), "a signature by one key of the name", || {
            "one that verifies with another's public half".to_owned()
        })
    }
}

impl<'a> Served<'a> {
    async fn new(kit: &'a Kit) -> Result<Self, Broken> {
        let key_type = kit.cheapest().await?;
        let tenant = Kit::GATEWAY.parse().map_err(|error| Broken::failed("a tenant", format!("{error}")))?;
        let everything = "*".parse().map_err(|never| Broken::failed("a pattern", format!("{never}")))?;
        let rights = Arc::new([Right {
            verbs: Verb::ALL.into_iter().collect::<BTreeSet<_>>(),
            keys: vec![everything],
            key_types: None,
        }]);
        let name = "kit".parse().map_err(|error| Broken::failed("a caller", format!("{error}")))?;
        let caller = Arc::new(Caller { tenant, name, rights });

        Ok(Self { kit, gateway: &kit.gateway, caller, key_type })
    }

    fn context(&self) -> Result<Context, Broken> {
        let request_id = KeyId::random(&*self.kit.stage.outside.random).to_string().parse();
        let request_id = request_id.map_err(|error| Broken::failed("a request", format!("{error}")))?;

        Ok(Context { request_id, contract: "kit", deadline: self.kit.soon() })
    }

    async fn create(&self, name: &str, on_duplicate: OnDuplicate) -> Result<Arc<Key>, Broken> {
        let request = CreateRequest {
            name: KeyName::new("name", name)?,
            source: Source::Generate(self.key_type),
            digest_as_message: false,
            provider: None,
            on_duplicate,
        };

        Ok(self.gateway.create(&self.caller, self.context()?, request).await?)
    }

    /// Has a key sign, and fails unless its public half verifies that.
    async fn signs(&self, key: &Key) -> Verdict {
        self.signed(key, 0).await.map(drop)
    }

    /// The same with the input of this number; answers the signature.
    async fn signed(&self, key: &Key, number: u32) -> Result<Signed, Broken> {
        let scheme = self.kit.scheme(self.key_type)?;
        let request =
            SignRequest { name: key.name.clone(), how: How::Scheme(scheme), input: ordinary(number) };
        let signed = self.gateway.sign(&self.caller, self.context()?, request).await?;

        let signed = Signed { scheme, number, signature: signed.signature.bytes().to_vec() };
        signed.verifies(key)?;
        Ok(signed)
    }

    /// Deletes a key, and has everything destroyed whose time has come.
    async fn delete(&self, key: &Key) -> Verdict {
        let (caller, name) = (&self.caller, key.name.clone());
        self.gateway.delete(caller, self.context()?, name, Duration::ZERO).await?;

        Ok(self.gateway.reap().await?)
    }
}
