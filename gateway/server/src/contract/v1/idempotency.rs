//! Creates that may be asked for again: the same `Idempotency-Key` gives the same key.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use keyport_core::caller::Caller;
use keyport_core::gateway::{Context, CreateRequest};
use keyport_core::key::{Key, KeyName};
use keyport_core::name::{CallerName, ProviderName, TenantId};
use keyport_core::outside::Clock;
use keyport_core::scheme::KeyType;
use keyport_core::{Error, Gateway, Result};

/// What a caller calls one create, however often it asks: 1 to 255 printable ASCII characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The header `Idempotency-Key`, if it is there.
    pub(super) fn read(headers: &HeaderMap) -> Result<Option<Self>> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Error::invalid(HEADER, "must be there once"));
        }

        match value.to_str() {
            Ok(text) if (1..=255).contains(&text.len()) => Ok(Some(Self(text.to_owned()))),
            Ok(_) | Err(_) => Err(Error::invalid(HEADER, "must be 1 to 255 printable ASCII characters")),
        }
    }
}

/// The creates of the last ten minutes that had an idempotency key, within a bound for each caller.
#[derive(Debug)]
pub(super) struct Remembered {
    clock: Arc<dyn Clock>,
    callers: Mutex<HashMap<(TenantId, CallerName), VecDeque<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    key: IdempotencyKey,
    wanted: Wanted,
    /// Once it is there. Until then the gateway joins creates of the same name and type.
    made: Option<Arc<Key>>,
    begun: Instant,
}

/// What must be the same for two requests to be the same.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Wanted {
    name: KeyName,
    key_type: KeyType,
    provider: Option<ProviderName>,
}

impl Remembered {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, callers: Mutex::default() }
    }

    /// Has `gateway` make the key, unless a request with the same idempotency key already brought it about.
    pub(super) async fn create(
        &self,
        gateway: &Arc<Gateway>,
        caller: &Arc<Caller>,
        (context, request): (Context, CreateRequest),
        key: Option<IdempotencyKey>,
    ) -> Result<Arc<Key>> {
        let Some(key) = key else { return gateway.create(caller, context, request).await };
        let wanted = Wanted::of(&request);
        match self.begin(caller, &key, wanted) {
            Ok(Some(made)) => return Ok(made),
            Ok(None) => {}
            Err(refusal) => {
                let asked = (keyport_core::audit::Operation::Create, Some(request.name));
                return Err(gateway.refused(caller, &context, asked, refusal).await);
            }
        }

        let made = gateway.create(caller, context, request).await;
        self.end(caller, &key, &made);
        made
    }

    /// What came of the create of this key, if it came about. Remembers that it was begun.
    fn begin(&self, caller: &Caller, key: &IdempotencyKey, wanted: Wanted) -> Result<Option<Arc<Key>>> {
        let now = self.clock.now();
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = callers.entry(of(caller)).or_default();
        entries.retain(|entry| now.saturating_duration_since(entry.begun) < REMEMBERED);

        if let Some(entry) = entries.iter().find(|entry| entry.key == *key) {
            return match entry.wanted == wanted {
                true => Ok(entry.made.clone()),
                false => Err(Error::invalid(HEADER, "was used for another request")),
            };
        }
        if entries.len() >= MOST {
            entries.pop_front();
        }
        entries.push_back(Entry { key: key.clone(), wanted, made: None, begun: now });
        Ok(None)
    }

    /// Notes what came of it. What was refused may be asked for again.
    fn end(&self, caller: &Caller, key: &IdempotencyKey, outcome: &Result<Arc<Key>>) {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entries) = callers.get_mut(&of(caller)) else { return };

        match outcome {
            Ok(made) => {
                if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
                    entry.made = Some(Arc::clone(made));
                }
            }
            // It may still come about.
            Err(Error::Unavailable { .. }) => {}
            Err(_) => entries.retain(|entry| entry.key != *key || entry.made.is_some()),
        }
    }
}

impl Wanted {
    fn of(request: &CreateRequest) -> Self {
        Self {
            name: request.name.clone(),
            key_type: request.source.key_type(),
            provider: request.provider.clone(),
        }
    }
}

fn of(caller: &Caller) -> (TenantId, CallerName) {
    (caller.tenant.clone(), caller.name.clone())
}

const HEADER: &str = "Idempotency-Key";
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// Idempotency keys of one caller; the oldest is forgotten for a new one.
const MOST: usize = 256;
