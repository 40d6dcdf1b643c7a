//! The service's keys, each with an id of the service's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keyport_core::backend::{Backend, Generate, Object};
use keyport_core::custody::Mechanism;
use keyport_core::input::{Digest, Input};
use keyport_core::key::{KeyId, KeyName};
use keyport_core::name::TenantId;
use keyport_core::outside::{Outside, Random};
use keyport_core::scheme::{Hash, KeyType, Scheme};
use keyport_core::{Error, Failure, FailureKind};
use serde::{Deserialize, Serialize};

use super::Refusal;

/// The service's keys.
#[derive(Debug)]
pub(super) struct Keys {
    custodian: Arc<dyn Backend>,
    random: Arc<dyn Random>,
    rows: Mutex<HashMap<String, Row>>,
}

#[derive(Clone, Debug)]
struct Row {
    name: String,
    public_key: String,
    object: Object,
}

/// A key, as the service shows it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    id: String,
    public_key: String,
}

/// The body of a create.
#[derive(Debug, Deserialize)]
pub(super) struct Create {
    name: String,
    r#type: String,
}

/// The body of a request for a signature.
#[derive(Debug, Deserialize)]
pub(super) struct Sign {
    scheme: String,
    digest: Option<String>,
    message: Option<String>,
}

/// The answer to it.
#[derive(Debug, Serialize)]
pub(super) struct Signed {
    signature: String,
}

impl Keys {
    pub(super) fn new(custodian: Arc<dyn Backend>, outside: &Outside) -> Self {
        Self { custodian, random: Arc::clone(&outside.random), rows: Mutex::default() }
    }

    /// The key of a name, and whether it is new.
    pub(super) async fn create(&self, wanted: &Create, deadline: Instant) -> Result<(Shown, bool), Refusal> {
        let key_type = KeyType::ALL.into_iter().find(|known| known.as_str() == wanted.r#type);
        let key_type = key_type.ok_or_else(|| Error::invalid("type", "is no key type, such as ec-p256"))?;
        let of_name = self.rows().iter().find(|(_, row)| row.name == wanted.name).map(shown);
        if let Some(key) = of_name {
            return Ok((key, false));
        }

        let key_id = KeyId::random(&*self.random);
        let tenant: TenantId = TENANT.parse().map_err(Error::internal)?;
        let name = KeyName::new("name", &wanted.name)?;
        let request = Generate { tenant: tenant.clone(), key_id, name, key_type };
        let made = self.custodian.generate(request, deadline).await?;
        let row = Row {
            name: wanted.name.clone(),
            public_key: BASE64_STANDARD.encode(made.public.der()),
            object: Object { tenant, key_id, native_id: made.native_id, key_type },
        };

        let id = format!("key-{key_id}");
        let key = shown((&id, &row));
        self.rows().insert(id, row);
        Ok((key, true))
    }

    pub(super) fn get(&self, id: &str) -> Result<Shown, Refusal> {
        Ok(shown((&id.to_owned(), &self.row(id)?)))
    }

    pub(super) async fn sign(&self, id: &str, wanted: &Sign, deadline: Instant) -> Result<Signed, Refusal> {
        let row = self.row(id)?;
        let known = |scheme: &Scheme| scheme.as_str() == wanted.scheme && scheme.fits(row.object.key_type);
        let scheme = schemes().find(known);
        let scheme = scheme.ok_or_else(|| Error::invalid("scheme", "is none that such a key signs with"))?;
        let mechanism = mechanism(scheme).ok_or_else(|| Error::invalid("scheme", "is not offered"))?;

        let input = input(scheme, wanted)?;
        let rendered = mechanism.render(row.object.key_type, &input);
        let rendered =
            rendered.ok_or_else(|| Error::invalid("scheme", "does not fit what is to be signed"))?;
        let signature = self.custodian.sign(&row.object, mechanism, &rendered, deadline).await?;
        Ok(Signed { signature: BASE64_STANDARD.encode(signature) })
    }

    pub(super) async fn destroy(&self, id: &str, deadline: Instant) -> Result<(), Refusal> {
        let row = self.row(id)?;
        self.custodian.destroy(&row.object, deadline).await?;

        self.rows().remove(id);
        Ok(())
    }

    fn row(&self, id: &str) -> Result<Row, Failure> {
        let row = self.rows().get(id).cloned();

        row.ok_or_else(|| Failure::new(FailureKind::NotFound, "no such key"))
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<String, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown((id, row): (&String, &Row)) -> Shown {
    Shown { id: id.clone(), public_key: row.public_key.clone() }
}

fn schemes() -> impl Iterator<Item = Scheme> {
    let of_hash = |hash| [Scheme::Ecdsa(hash), Scheme::RsaPkcs1v15(hash), Scheme::RsaPss(hash)];

    Hash::ALL.into_iter().flat_map(of_hash).chain([Scheme::Ed25519])
}

/// How the embedded token makes such signatures.
fn mechanism(scheme: Scheme) -> Option<Mechanism> {
    match scheme {
        Scheme::Ecdsa(_) => Some(Mechanism::Ecdsa),
        Scheme::Ed25519 => Some(Mechanism::Ed25519),
        Scheme::RsaPkcs1v15(hash) => Some(Mechanism::RsaPkcs1v15(hash)),
        Scheme::RsaPss(hash) => Some(Mechanism::RsaPss(hash)),
        Scheme::Ed25519ph | Scheme::MlDsa => None,
    }
}

fn input(scheme: Scheme, wanted: &Sign) -> Result<Input, Error> {
    let bytes = |field: &'static str, text: &Option<String>| {
        let text = text.as_deref().ok_or_else(|| Error::invalid(field, "is missing"))?;
        BASE64_STANDARD.decode(text).map_err(|_bad| Error::invalid(field, "is not base64"))
    };

    match scheme.hash() {
        Some(hash) => Ok(Input::Digest(Digest::new("digest", hash, &bytes("digest", &wanted.digest)?)?)),
        None => Ok(Input::Message(bytes("message", &wanted.message)?.into())),
    }
}

/// Whose keys they are in the custodian.
const TENANT: &str = "key-service";
