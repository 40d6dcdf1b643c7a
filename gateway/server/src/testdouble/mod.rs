//! A provider for the tests of those who use the gateway: it signs with real keys, fails when it is told to, and records
//! what it was asked.
//!
//! It stands before the provider of the embedded token, in the gateway's own code, so that a failure comes from where a
//! provider's would and a delay needs no guest that waits. What a caller sees of one is what the gateway makes of it
//! everywhere. The one thing that cannot fail for good is a destruction: the gateway sees to that itself.

mod calls;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyport_core::key::{Handle, KeyId};
use keyport_core::name::ProviderName;
use keyport_core::outside::Outside;
use keyport_core::provider::{
    Call, CreateKey, Created, Descriptor, ImportKey, KeyRef, Loaded, Provider, Sign,
};
use keyport_core::scheme::{KeyType, Scheme};
use keyport_core::{Failure, FailureKind};

use calls::Asked;
pub(crate) use calls::Calls;

use crate::config::{TestDouble, Work};

/// A provider that fails and waits as `TestDouble` says.
#[derive(Debug)]
struct Double {
    name: ProviderName,
    provider: Arc<dyn Provider>,
    conduct: TestDouble,
    /// How often each operation was asked for.
    asked: Mutex<BTreeMap<Work, u64>>,
    calls: Arc<Calls>,
    outside: Outside,
}

/// Puts a double before a provider. What it is asked is kept in `calls`.
pub(crate) fn double(loaded: Loaded, conduct: TestDouble, calls: Arc<Calls>, outside: Outside) -> Loaded {
    tracing::warn!(
        provider = %loaded.name,
        "TEST DOUBLE: it fails when it is told to and records what it is asked; never use it where keys matter"
    );

    let double = Double {
        name: loaded.name.clone(),
        provider: Arc::clone(&loaded.provider),
        conduct,
        asked: Mutex::default(),
        calls,
        outside,
    };
    let descriptor = Descriptor { name: "testdouble".to_owned(), ..loaded.descriptor };
    Loaded { descriptor, provider: Arc::new(double), ..loaded }
}

impl Double {
    /// Does what was asked, unless it is to fail, and records both.
    async fn serve<T: Send>(
        &self,
        work: Work,
        call: &Call,
        asked: Asked,
        serve: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, Failure> {
        let injected = self.injected(work);
        let recorded = self.calls.begin(Asked { injected: injected.is_some(), ..asked });

        let outcome = match self.wait(work, call).await {
            Err(late) => Err(late),
            Ok(()) => match injected {
                Some(failure) => Err(failure),
                None => serve.await,
            },
        };
        self.calls.end(recorded, outcome.as_ref().err().map(|failure| failure.kind));
        outcome
    }

    /// The failure that this call of an operation is to have. Counts the call.
    fn injected(&self, work: Work) -> Option<Failure> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.entry(work).or_default();
        let failed = before.checked_sub(self.conduct.after);
        *before += 1;

        let kind = *self.conduct.fails.get(&work)?;
        failed.filter(|failed| self.conduct.times.is_none_or(|times| *failed < times))?;
        let retry_after = match kind {
            FailureKind::Throttled | FailureKind::Unavailable => self.conduct.retry_after,
            FailureKind::InvalidArgument
            | FailureKind::NotFound
            | FailureKind::KeyGone
            | FailureKind::Exists
            | FailureKind::Denied
            | FailureKind::Credentials
            | FailureKind::OperatorNeeded
            | FailureKind::Unsupported
            | FailureKind::Internal
            | FailureKind::Other => None,
        };
        Some(Failure { retry_after, ..Failure::new(kind, "the test double was told to fail") })
    }

    /// Waits as long as the operation is to take, and never longer than the call may.
    async fn wait(&self, work: Work, call: &Call) -> Result<(), Failure> {
        let Some(delay) = self.conduct.delays.get(&work) else { return Ok(()) };
        let clock = &self.outside.clock;
        let over = clock.now() + *delay;

        clock.sleep_until(over.min(call.deadline)).await;
        if over < call.deadline {
            Ok(())
        } else {
            Err(Failure::new(
                FailureKind::Unavailable,
                "the test double was told to take longer than there was",
            ))
        }
    }

    fn asked(&self, work: Work, call: &Call, key: KeyId) -> Asked {
        Asked {
            time: self.outside.clock.wall(),
            provider: self.name.clone(),
            tenant: call.tenant.clone(),
            request_id: call.request_id.clone(),
            work,
            key_id: key,
            name: None,
            key_type: None,
            scheme: None,
            injected: false,
        }
    }

    fn about(&self, work: Work, call: &Call, key: &KeyRef, scheme: Option<Scheme>) -> Asked {
        Asked { key_type: key.handle.as_ref().and_then(key_type), scheme, ..self.asked(work, call, key.id) }
    }

    fn about_new(&self, work: Work, call: &Call, key: &CreateKey) -> Asked {
        let asked = self.asked(work, call, key.id);

        Asked { name: Some(key.name.clone()), key_type: Some(key.key_type), ..asked }
    }
}

#[async_trait]
impl Provider for Double {
    async fn create_key(&self, call: Call, request: CreateKey) -> Result<Created, Failure> {
        let (asked, key_type) = (self.about_new(Work::Create, &call, &request), request.key_type);
        let made = self.provider.create_key(call.clone(), request);

        self.serve(Work::Create, &call, asked, made).await.map(|made| marked(made, key_type))
    }

    async fn import_key(&self, call: Call, request: ImportKey) -> Result<Created, Failure> {
        let (asked, key_type) = (self.about_new(Work::Import, &call, &request.key), request.key.key_type);
        let made = self.provider.import_key(call.clone(), request);

        self.serve(Work::Import, &call, asked, made).await.map(|made| marked(made, key_type))
    }

    async fn public_key(&self, call: Call, key: KeyRef) -> Result<Vec<u8>, Failure> {
        self.provider.public_key(call, unmarked(&key)).await
    }

    async fn sign(&self, call: Call, request: Sign) -> Result<Vec<u8>, Failure> {
        let asked = self.about(Work::Sign, &call, &request.key, Some(request.scheme));
        let signed = self.provider.sign(call.clone(), Sign { key: unmarked(&request.key), ..request });

        self.serve(Work::Sign, &call, asked, signed).await
    }

    async fn destroy_key(&self, call: Call, key: KeyRef) -> Result<(), Failure> {
        let asked = self.about(Work::Destroy, &call, &key, None);
        let destroyed = self.provider.destroy_key(call.clone(), unmarked(&key));

        self.serve(Work::Destroy, &call, asked, destroyed).await
    }

    /// Not recorded: it is asked every few seconds, whatever a test does.
    async fn health(&self, call: Call) -> Result<(), Failure> {
        self.wait(Work::Health, &call).await?;
        match self.injected(Work::Health) {
            Some(failure) => Err(failure),
            None => self.provider.health(call).await,
        }
    }
}

/// What was made, with its type as handle: so that the log can say it at each use. The provider behind has none.
fn marked(made: Created, key_type: KeyType) -> Created {
    Created { handle: Some(key_type.as_str().as_bytes().to_vec()), ..made }
}

fn unmarked(key: &KeyRef) -> KeyRef {
    KeyRef { id: key.id, handle: None }
}

fn key_type(handle: &Handle) -> Option<KeyType> {
    str::from_utf8(handle.bytes()).ok()?.parse().ok()
}
