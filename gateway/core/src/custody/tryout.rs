//! A custodian tried out with a key of its own for each type: made, used in every scheme, verified, and destroyed. That is
//! for operators who look before anything is served; no guest has a part in it, and no key of a row.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Mechanism, settled};
use crate::backend::{Backend, Generate, Generated, Object};
use crate::failure::{Failure, FailureKind};
use crate::input::{Digest, Input};
use crate::key::{KeyId, KeyName};
use crate::name::TenantId;
use crate::outside::{Clock, Random};
use crate::scheme::{KeyType, Scheme};
use crate::signature::Signature;

/// A custodian to be tried out.
pub struct Tryout<'a> {
    /// The custodian.
    pub backend: &'a dyn Backend,
    /// Where key-ids come from.
    pub random: &'a dyn Random,
    /// What measures the calls.
    pub clock: &'a dyn Clock,
    /// How long one call may take.
    pub patience: Duration,
}

impl fmt::Debug for Tryout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tryout").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// How one type of key did.
#[derive(Clone, Debug)]
pub struct TestKey {
    /// The type.
    pub key_type: KeyType,
    /// How long it took to make the pair.
    pub made: Result<Duration, Failure>,
    /// How long each signature took that verified; [`FailureKind::Unsupported`] where the custodian has no such scheme.
    pub signed: Vec<(Scheme, Result<Duration, Failure>)>,
    /// Whether it is gone; `None` where there was nothing to destroy.
    pub destroyed: Option<Result<(), Failure>>,
}

impl TestKey {
    /// Whether the custodian has such keys at all: what it does not have is no fault of it.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        !matches!(&self.made, Err(why) if why.kind == FailureKind::Unsupported)
    }

    /// Whether all that the custodian has of it does work.
    #[must_use]
    pub fn works(&self) -> bool {
        let signs = |outcome: &Result<Duration, Failure>| match outcome {
            Ok(_) => true,
            Err(why) => why.kind == FailureKind::Unsupported,
        };

        self.made.is_ok()
            && self.signed.iter().all(|(_, outcome)| signs(outcome))
            && self.signed.iter().any(|(_, outcome)| outcome.is_ok())
            && matches!(self.destroyed, Some(Ok(())))
    }
}

impl Tryout<'_> {
    /// Tries a key of this type. Nothing is left of it, unless the custodian fails to destroy it or keeps destroyed keys.
    pub async fn key(&self, key_type: KeyType) -> TestKey {
        let start = self.clock.now();
        let made = match self.request(key_type) {
            Ok(request) => self.make(request).await,
            Err(failure) => Err((failure, None)),
        };
        let (object, made) = match made {
            Ok(made) => made,
            Err((failure, destroyed)) => {
                return TestKey { key_type, made: Err(failure), signed: Vec::new(), destroyed };
            }
        };
        let took = self.clock.now().saturating_duration_since(start);

        let mut signed = Vec::new();
        for scheme in Scheme::ALL.into_iter().filter(|scheme| scheme.fits(key_type)) {
            signed.push((scheme, self.sign(&object, &made, scheme).await));
        }
        let deadline = self.deadline();
        let destroyed = settled(self.clock, deadline, || self.backend.destroy(&object, deadline)).await;
        TestKey { key_type, made: Ok(took), signed, destroyed: Some(destroyed) }
    }

    fn request(&self, key_type: KeyType) -> Result<Generate, Failure> {
        let tenant: TenantId = TENANT.parse().map_err(internal)?;
        let name = KeyName::new("name", &format!("test-{key_type}")).map_err(internal)?;

        Ok(Generate { tenant, key_id: KeyId::random(self.random), name, key_type })
    }

    /// Makes the key; where that fails, whether what there was of it is gone.
    async fn make(
        &self,
        request: Generate,
    ) -> Result<(Object, Generated), (Failure, Option<Result<(), Failure>>)> {
        let made = self.backend.generate(request.clone(), self.deadline()).await;

        match made {
            Ok(made) => Ok((object(&request, &made), made)),
            Err(failure) if failure.kind == FailureKind::Unsupported => Err((failure, None)),
            Err(failure) => Err((failure, self.sweep(&request).await)),
        }
    }

    /// Destroys what a call made that did not come to its end. The custodian may still make it, or not list it yet.
    async fn sweep(&self, request: &Generate) -> Option<Result<(), Failure>> {
        let deadline = self.deadline();

        settled(self.clock, deadline, || self.swept(request, deadline)).await.transpose()
    }

    /// The same at once; `None` where there was nothing.
    async fn swept(&self, request: &Generate, deadline: Instant) -> Result<Option<()>, Failure> {
        let Generate { tenant, key_id, key_type, .. } = request.clone();
        let Some(native_id) = self.backend.find(&tenant, key_id, deadline).await? else { return Ok(None) };

        let object = Object { tenant, key_id, native_id, key_type };
        self.backend.destroy(&object, deadline).await.map(Some)
    }

    /// Signs in the first way that the custodian has. Where it has none, what the last one lacks is told.
    async fn sign(&self, object: &Object, made: &Generated, scheme: Scheme) -> Result<Duration, Failure> {
        let mut lacks = None;
        for mechanism in Mechanism::ALL.into_iter().filter(|mechanism| mechanism.fits(scheme)) {
            match self.sign_by(mechanism, (object, made), scheme).await {
                Err(failure) if failure.kind == FailureKind::Unsupported => lacks = Some(failure),
                outcome => return outcome,
            }
        }

        Err(lacks
            .unwrap_or_else(|| Failure::new(FailureKind::Unsupported, "no mechanism makes such signatures")))
    }

    async fn sign_by(
        &self,
        mechanism: Mechanism,
        (object, made): (&Object, &Generated),
        scheme: Scheme,
    ) -> Result<Duration, Failure> {
        let message = Input::Message(MESSAGE.into());
        let hashed = scheme.hash().map(|hash| Input::Digest(Digest::of(hash, MESSAGE)));
        let rendered = [hashed.as_ref(), Some(&message)]
            .into_iter()
            .flatten()
            .find_map(|input| mechanism.render(object.key_type, input))
            .ok_or_else(|| Failure::new(FailureKind::Internal, "nothing is rendered for this mechanism"))?;

        let start = self.clock.now();
        let signature = self.backend.sign(object, mechanism, &rendered, self.deadline()).await?;
        let took = self.clock.now().saturating_duration_since(start);

        let signature = Signature::new(object.key_type, signature)
            .ok_or_else(|| Failure::new(FailureKind::Internal, "what it answered is no signature"))?;
        if made.public.verifies(scheme, &message, &signature).map_err(internal)? {
            return Ok(took);
        }
        Err(Failure::new(FailureKind::Internal, "the signature does not verify"))
    }

    fn deadline(&self) -> Instant {
        self.clock.now() + self.patience
    }
}

fn object(request: &Generate, made: &Generated) -> Object {
    Object {
        tenant: request.tenant.clone(),
        key_id: request.key_id,
        native_id: made.native_id.clone(),
        key_type: request.key_type,
    }
}

fn internal(error: impl fmt::Display) -> Failure {
    Failure::new(FailureKind::Internal, error.to_string())
}

/// Whose the keys are said to be.
const TENANT: &str = "keyport-probe";
const MESSAGE: &[u8] = b"keyport tries this custodian";

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::testing::World;

    #[derive(Debug)]
    struct Sevens;

    impl Random for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    async fn tried(world: &World, key_type: KeyType) -> TestKey {
        let tryout = Tryout {
            backend: &*world.backend,
            random: &Sevens,
            clock: &*world.clock,
            patience: Duration::from_secs(1),
        };

        tryout.key(key_type).await
    }

    #[tokio::test]
    async fn a_key_that_was_tried_signed_by_every_scheme_and_is_gone() {
        let world = World::new();

        let tried = tried(&world, KeyType::EcP256).await;
        assert!(tried.is_offered() && tried.works(), "{tried:?}");
        assert_eq!(tried.signed.len(), 3);
        assert!(world.backend.objects.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_signature_of_another_key_does_not_work_and_the_key_is_gone_all_the_same() {
        let world = World::new();
        world.backend.confused.store(true, Ordering::Relaxed);

        let tried = tried(&world, KeyType::EcP256).await;
        assert!(!tried.works());
        assert!(tried.signed.iter().all(|(_, signed)| signed.is_err()));
        assert!(matches!(tried.destroyed, Some(Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_custodian_lacks_is_no_fault_and_what_fails_is() {
        let world = World::new();

        for (kind, is_offered) in [(FailureKind::Unsupported, false), (FailureKind::Unavailable, true)] {
            *world.backend.failing.lock().unwrap() = Some(kind);
            let tried = tried(&world, KeyType::EcP256).await;
            assert_eq!((tried.is_offered(), tried.works()), (is_offered, false), "{kind:?}");
        }
    }
}
