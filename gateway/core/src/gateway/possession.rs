//! What the gateway checks itself where custody sees only requests: that a new key is there, and that signatures are its own.

use std::sync::Arc;

use super::Gateway;
use crate::caller::Caller;
use crate::custody::Seen;
use crate::failure::{Failure, FailureKind};
use crate::input::{Digest, Input};
use crate::key::{Handle, Key};
use crate::outside::Random;
use crate::policy;
use crate::provider::{Call, Created, Loaded, Sign, spki};
use crate::scheme::Scheme;
use crate::signature::Signature;
use crate::{Error, Result};

use super::Context;
use super::create::handle;
use super::sign::{key_ref, meaning};

impl Gateway {
    /// The row of a new key that its provider described, once that key has signed a challenge.
    ///
    /// Custody saw requests and no key, so the provider's word for the public half is taken, and then held against what
    /// the custodian can do: whoever is not able to sign with it cannot have it served.
    pub(super) async fn proven(
        &self,
        (caller, context): (&Caller, &Context),
        loaded: &Loaded,
        made: Key,
        created: Created,
    ) -> Result<(Key, Option<Handle>)> {
        let Some(native_id) = made.native_id.clone() else {
            return Err(Error::internal("the provider made nothing that custody knows a name of"));
        };
        let public = spki(&created.public_key).map_err(Error::internal)?;
        if public.key_type() != made.key_type {
            return Err(Error::internal("the provider answered with a key of another type"));
        }
        let handle = handle(created).map_err(Error::internal)?;
        let key = Key { handle: handle.clone(), ..made.made(native_id, public) };

        let scheme = loaded.descriptor.scheme_of(key.key_type).ok_or(Error::Unsupported)?;
        let input = challenge(scheme, &*self.outside.random);
        let key = Arc::new(key);
        let operation = policy::challenge(Arc::clone(&key), scheme, input.clone());
        let open = self.custody.open(operation, loaded, context.deadline);
        let call = Call {
            operation: open.id(),
            tenant: caller.tenant.clone(),
            request_id: Some(context.request_id.clone()),
            deadline: context.deadline,
        };
        let sign = Sign { key: key_ref(&key), scheme, input: input.clone() };
        let answer = loaded.provider.sign(call, sign).await;
        let (seen, _) = open.close();
        verified(&key, (scheme, &input), answer, seen)
            .map_err(|error| Error::internal(format!("the new key does not sign: {}", error.detail())))?;

        Ok((Key { handle: None, ..Arc::unwrap_or_clone(key) }, handle))
    }
}

/// The provider's answer, if it is the key's signature.
pub(super) fn verified(
    key: &Key,
    (scheme, input): (Scheme, &Input),
    answer: Result<Vec<u8>, Failure>,
    seen: Seen,
) -> Result<Signature> {
    let answer = answer.map_err(|failure| meaning(seen.failure.unwrap_or(failure)))?;
    let public = key.public.as_ref().ok_or_else(|| Error::internal("a key without a public half"))?;
    let signature = Signature::new(key.key_type, answer);
    let signature = signature
        .ok_or_else(|| Error::internal("the provider answered no signature of a key of this type"))?;

    if public.verifies(scheme, input, &signature)? {
        Ok(signature)
    } else {
        Err(meaning(Failure::new(
            FailureKind::Internal,
            "the provider answered with a signature that is not the key's",
        )))
    }
}

/// Something that nobody else asks a signature of.
fn challenge(scheme: Scheme, random: &dyn Random) -> Input {
    let mut nonce = [0; 32];
    random.fill(&mut nonce);
    let message = [CHALLENGE, &nonce].concat();

    match scheme.hash() {
        Some(hash) => Input::Digest(Digest::of(hash, &message)),
        None => Input::Message(message.into()),
    }
}

/// What every challenge begins with, so that none is a message of another protocol.
const CHALLENGE: &[u8] = b"Keyport: this key is in my possession.\0";

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use crate::Error;
    use crate::audit::Operation;
    use crate::gateway::OnDuplicate;
    use crate::key::State;
    use crate::testing::service::{ServiceWorld, Trick};

    async fn made(names: bool) -> ServiceWorld {
        let world = ServiceWorld::of_service(names);
        world.create("demo", OnDuplicate::Conflict).await.unwrap();

        world
    }

    #[tokio::test]
    async fn a_key_behind_requests_signs_once_it_has_proven_that_it_can() {
        for names in [false, true] {
            let world = ServiceWorld::of_service(names);
            let key = world.create("demo", OnDuplicate::Conflict).await.unwrap();

            let native_id = key.native_id.as_ref().unwrap().as_str().to_owned();
            assert!(world.backend.keys.lock().unwrap().contains_key(&native_id));
            assert_eq!(
                world.backend.requests.load(Ordering::Relaxed),
                2,
                "one for the key, one for the challenge"
            );
            world.sign("demo").await.unwrap();
            assert_eq!(world.events(Operation::Create), ["intent", "ok"]);
            assert_eq!(world.events(Operation::Sign), ["intent", "ok"]);
        }
    }

    #[tokio::test]
    async fn a_key_that_does_not_sign_the_challenge_is_none() {
        for trick in [Trick::OtherPublicKey, Trick::CreatesNothing, Trick::Forges] {
            let world = ServiceWorld::of_service(true);
            world.play(trick);

            world.create("demo", OnDuplicate::Conflict).await.unwrap_err();
            assert!(world.backend.keys.lock().unwrap().is_empty(), "{trick:?} left a key");
            assert!(
                world.keys.0.lock().unwrap().iter().all(|row| row.state == State::Destroyed),
                "{trick:?}"
            );
        }

        let world = ServiceWorld::of_service(false);
        world.backend.cannot_sign.store(true, Ordering::Relaxed);
        world.create("demo", OnDuplicate::Conflict).await.unwrap_err();
        assert!(world.backend.keys.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn no_signature_leaves_that_is_not_the_keys_own() {
        let world = made(false).await;
        world.play(Trick::Forges);

        let refused = world.sign("demo").await.unwrap_err();
        assert!(refused.detail().contains("not the key's"), "{}", refused.detail());
    }

    #[tokio::test]
    async fn a_request_that_the_operation_does_not_cover_is_not_sent() {
        for trick in [Trick::OtherKey, Trick::CreatesAtSign] {
            let world = made(true).await;
            let before = world.backend.requests.load(Ordering::Relaxed);
            world.play(trick);

            assert!(matches!(world.sign("demo").await, Err(Error::Misconfigured(_))), "{trick:?}");
            assert_eq!(world.backend.requests.load(Ordering::Relaxed), before, "{trick:?} was sent");
        }
    }

    #[tokio::test]
    async fn a_request_is_sent_no_oftener_than_it_may() {
        let world = made(true).await;
        let before = world.backend.requests.load(Ordering::Relaxed);
        world.play(Trick::SignsTwice);

        world.sign("demo").await.unwrap_err();
        assert_eq!(world.backend.requests.load(Ordering::Relaxed), before + 1);
    }

    #[tokio::test]
    async fn a_key_counts_as_destroyed_once_the_custodian_has_answered_so() {
        let world = made(true).await;
        world
            .gateway
            .delete(
                &world.caller,
                world.context(),
                crate::testing::key_name("demo"),
                std::time::Duration::ZERO,
            )
            .await
            .unwrap();

        world.play(Trick::KeepsKeys);
        world.gateway.reap().await.unwrap();
        assert_eq!(world.keys.0.lock().unwrap()[0].state, State::Destroying);

        world.play(Trick::None);
        world.clock.advance(std::time::Duration::from_secs(3600));
        world.gateway.reap().await.unwrap();
        assert_eq!(world.keys.0.lock().unwrap()[0].state, State::Destroyed);
        assert!(world.backend.keys.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_whose_guest_was_stopped_is_still_known_by_its_name_and_destroyed() {
        let world = std::sync::Arc::new(ServiceWorld::of_service(true));
        let held = world.backend.gate.lock().await;
        let creator = world.clone();
        let creating = tokio::spawn(async move { creator.create("demo", OnDuplicate::Conflict).await });
        while world.backend.requests.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        world.clock.advance(std::time::Duration::from_secs(600));
        creating.await.unwrap().unwrap_err();

        drop(held);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        world.clock.advance(std::time::Duration::from_secs(3600));
        world.gateway.reap().await.unwrap();
        assert!(world.backend.keys.lock().unwrap().is_empty(), "an orphan");
    }
}
