//! The whole way that a caller's request takes, through the gateway.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keyport_core::Gateway;
use keyport_core::caller::{Caller, Right, Verb};
use keyport_core::gateway::{Context, CreateRequest, How, OnDuplicate, SignRequest, Source};
use keyport_core::key::{Key, KeyId, KeyName};
use keyport_core::scheme::KeyType;

use crate::kit::subject::{Kit, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure};

cases! {
    "gateway-creates-and-signs",
    "The gateway takes its keys and its signatures: they are what custody saw made." => creates_and_signs;
    "gateway-signs-many-at-once",
    "The gateway has it sign sixteen inputs in one request." => signs_many_at_once;
    "gateway-replaces-a-key",
    "A name moves from one of its keys to the next, and the new one signs." => replaces_a_key;
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
    let new = served.create("replaced", OnDuplicate::Replace).await?;

    ensure(old.public != new.public, "another key", || "the same key".to_owned())?;
    served.signs(&new).await?;
    served.delete(&new).await
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

    async fn signs(&self, key: &Key) -> Verdict {
        let scheme = self.kit.scheme(self.key_type)?;
        let input = ordinary(0);
        let request = SignRequest { name: key.name.clone(), how: How::Scheme(scheme), input: input.clone() };
        let signed = self.gateway.sign(&self.caller, self.context()?, request).await?;

        let public = key.public.as_ref().ok_or_else(|| Broken::failed("a public half", "none"))?;
        verifies(public, scheme, &input, signed.signature.bytes())
    }

    /// Deletes a key, and has everything destroyed whose time has come.
    async fn delete(&self, key: &Key) -> Verdict {
        let (caller, name) = (&self.caller, key.name.clone());
        self.gateway.delete(caller, self.context()?, name, Duration::ZERO).await?;

        Ok(self.gateway.reap().await?)
    }
}
