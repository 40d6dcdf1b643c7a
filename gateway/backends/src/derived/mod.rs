//! Ed25519 keys that are derived from a seed, for development: gateways with the same seed sign alike.
//!
//! A key pair follows from the seed, a scope and the name that the caller gave the key, and lies nowhere. The name it must
//! be: a gateway makes up its key-ids, so that no two gateways have the same. An object's native id is
//! `software:<scope>|<name>`, which tells all that is needed to derive it again, and of which there is one for each name:
//! a key must be destroyed before another can have its name, and is the same key again.

mod seed;

use std::time::Instant;

use async_trait::async_trait;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use keyport_core::backend::{Backend, Generate, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::{Scope, TenantId};
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};

pub use seed::{BadSeed, Seed};

/// Keys that are derived from a seed.
#[derive(Debug)]
pub struct Derived {
    seed: Seed,
    scope: Option<Scope>,
    identity: String,
}

impl Derived {
    /// The keys of `seed`, in this scope, or each tenant's in a scope of the tenant's name.
    pub fn new(seed: Seed, scope: Option<Scope>) -> Result<Self, Failure> {
        let fingerprint =
            seed.fingerprint().map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
        let identity = match &scope {
            Some(scope) => format!("seed {fingerprint}, scope {scope}"),
            None => format!("seed {fingerprint}"),
        };

        Ok(Self { seed, scope, identity })
    }

    /// Which seed and scope these are, without saying anything of the seed.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    fn native_id(&self, tenant: &TenantId, name: &str) -> NativeId {
        let scope = self.scope.as_ref().map_or(tenant.as_str(), Scope::as_str);

        NativeId::new(format!("{PREFIX}{scope}|{name}"))
    }

    fn key_pair(&self, native_id: &NativeId) -> Result<Ed25519KeyPair, Failure> {
        let info = native_id.as_str().strip_prefix(PREFIX).filter(|info| info.contains('|'));
        let info = info.ok_or_else(|| {
            Failure::new(FailureKind::NotFound, format!("{} is no derived key", native_id.as_str()))
        })?;

        self.seed.key_pair(info)
    }
}

#[async_trait]
impl Backend for Derived {
    fn acts_outside(&self) -> bool {
        false
    }

    async fn offers(&self, key_type: KeyType, _deadline: Instant) -> Option<Result<(), Failure>> {
        Some(derived(key_type))
    }

    async fn generate(&self, request: Generate, _deadline: Instant) -> Result<Generated, Failure> {
        derived(request.key_type)?;

        let native_id = self.native_id(&request.tenant, request.name.as_str());
        let public = public(&self.key_pair(&native_id)?)?;
        Ok(Generated { native_id, public })
    }

    /// Nothing is left behind where no native id was recorded.
    async fn find(
        &self,
        _tenant: &TenantId,
        _key_id: KeyId,
        _deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        Ok(None)
    }

    async fn identity(&self, _deadline: Instant) -> Result<Option<String>, Failure> {
        Ok(Some(self.identity.clone()))
    }

    async fn public_key(&self, object: &Object, _deadline: Instant) -> Result<PublicKey, Failure> {
        public(&self.key_pair(&object.native_id)?)
    }

    async fn state(&self, object: &Object, _deadline: Instant) -> Result<KeyState, Failure> {
        Ok(if self.key_pair(&object.native_id).is_ok() { KeyState::Enabled } else { KeyState::Gone })
    }

    async fn sign(
        &self,
        object: &Object,
        mechanism: Mechanism,
        input: &[u8],
        _deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        if mechanism != Mechanism::Ed25519 || object.key_type != KeyType::Ed25519 {
            let message = format!("derived keys do not sign by {mechanism} as {}", object.key_type);
            return Err(Failure::new(FailureKind::Unsupported, message));
        }

        Ok(self.key_pair(&object.native_id)?.sign(input).as_ref().to_vec())
    }

    /// There is nothing to destroy: what is gone is the row that let the key sign.
    async fn destroy(&self, _object: &Object, _deadline: Instant) -> Result<(), Failure> {
        Ok(())
    }

    async fn health(&self, _deadline: Instant) -> Result<(), Failure> {
        Ok(())
    }
}

/// Whether keys of this type are derived.
fn derived(key_type: KeyType) -> Result<(), Failure> {
    if key_type == KeyType::Ed25519 {
        return Ok(());
    }

    Err(Failure::new(FailureKind::Unsupported, format!("only Ed25519 keys are derived, not {key_type}")))
}

fn public(pair: &Ed25519KeyPair) -> Result<PublicKey, Failure> {
    let internal = |error: &dyn std::fmt::Display| {
        Failure::new(FailureKind::Internal, format!("a public key cannot be written: {error}"))
    };
    let der = pair.public_key().as_der().map_err(|error| internal(&error))?;

    PublicKey::from_der(der.as_ref()).map_err(|bad| internal(&bad))
}

const PREFIX: &str = "software:";

#[cfg(test)]
mod tests;
