//! Creates that may be asked for again: the same `Idempotency-Key` gives the same key.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use keyport_core::audit::Operation;
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
pub(crate) struct Remembered {
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
    digest_as_message: bool,
    provider: Option<ProviderName>,
}

impl Remembered {
    /// Remembers nothing yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
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
                let asked = (Operation::Create, Some(request.name));
                return Err(gateway.refused(caller, &context, asked, refusal).await);
            }
        }

        let outcome = gateway.create(caller, context, request).await;
        self.end(caller, &key, outcome)
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
    fn end(&self, caller: &Caller, key: &IdempotencyKey, outcome: Result<Arc<Key>>) -> Result<Arc<Key>> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = callers.entry(of(caller)).or_default();
        let entry = entries.iter_mut().find(|entry| entry.key == *key);

        match (outcome, entry) {
            (Ok(made), Some(entry)) => {
                entry.made = Some(Arc::clone(&made));
                Ok(made)
            }
            // The same request came twice at once, and the other one was just done when this one began.
            (Err(Error::KeyExists), Some(Entry { made: Some(made), .. })) => Ok(Arc::clone(made)),
            // It may still come about.
            (Err(error @ Error::Unavailable { .. }), _) => Err(error),
            (Err(error), _) => {
                entries.retain(|entry| entry.key != *key || entry.made.is_some());
                Err(error)
            }
            (Ok(made), None) => Ok(made),
        }
    }
}

impl Wanted {
    fn of(request: &CreateRequest) -> Self {
        Self {
            name: request.name.clone(),
            key_type: request.source.key_type(),
            digest_as_message: request.digest_as_message,
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

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use keyport_core::outside::{Task, Timestamp};

    use super::*;

    /// Stands where it is set.
    #[derive(Debug)]
    struct Still(Mutex<Instant>);

    impl Clock for Still {
        fn now(&self) -> Instant {
            *self.0.lock().unwrap()
        }

        fn wall(&self) -> Timestamp {
            Timestamp(0)
        }

        fn sleep_until(&self, _: Instant) -> Task {
            Box::pin(std::future::pending())
        }
    }

    fn caller(name: &str) -> Caller {
        Caller { tenant: "acme".parse().unwrap(), name: name.parse().unwrap(), rights: Arc::new([]) }
    }

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey(text.to_owned())
    }

    fn wanted(name: &str) -> Wanted {
        let name = KeyName::new("name", name).unwrap();
        Wanted { name, key_type: KeyType::EcP256, digest_as_message: false, provider: None }
    }

    fn remembered() -> (Arc<Still>, Remembered) {
        let clock = Arc::new(Still(Mutex::new(tokio::time::Instant::now().into_std())));
        let remembered = Remembered::new(Arc::<Still>::clone(&clock));
        (clock, remembered)
    }

    #[test]
    fn key_is_bound_to_its_caller_and_request_for_ten_minutes() {
        let (clock, remembered) = remembered();

        assert!(remembered.begin(&caller("a"), &key("1"), wanted("x")).is_ok());
        assert!(remembered.begin(&caller("a"), &key("1"), wanted("x")).is_ok());
        assert!(remembered.begin(&caller("a"), &key("1"), wanted("y")).is_err());
        assert!(remembered.begin(&caller("b"), &key("1"), wanted("y")).is_ok());
        *clock.0.lock().unwrap() += REMEMBERED;
        assert!(remembered.begin(&caller("a"), &key("1"), wanted("y")).is_ok());
    }

    #[test]
    fn what_was_refused_is_forgotten_and_what_may_come_about_is_not() {
        let (_, remembered) = remembered();
        let (caller, one) = (caller("a"), key("1"));

        for (error, is_free) in [(Error::unavailable("late"), false), (Error::Forbidden, true)] {
            assert!(remembered.begin(&caller, &one, wanted("x")).is_ok());
            assert!(remembered.end(&caller, &one, Err(error)).is_err());
            assert_eq!(remembered.begin(&caller, &one, wanted("y")).is_ok(), is_free);
        }
    }

    #[test]
    fn no_caller_is_remembered_without_bound() {
        let (_, remembered) = remembered();
        for number in 0..10 * MOST {
            remembered.begin(&caller("a"), &key(&number.to_string()), wanted("x")).unwrap();
        }

        let callers = remembered.callers.lock().unwrap();
        assert_eq!(callers.values().map(VecDeque::len).collect::<Vec<_>>(), [MOST]);
    }

    #[test]
    fn header_is_one_short_text() {
        let read = |values: &[&str]| {
            let headers = values.iter().map(|value| {
                (
                    hyper::header::HeaderName::from_static("idempotency-key"),
                    HeaderValue::from_str(value).unwrap(),
                )
            });
            IdempotencyKey::read(&headers.collect())
        };

        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["a b"]).unwrap(), Some(key("a b")));
        for wrong in [&[""][..], &["a", "a"], &["ä"], &[&"x".repeat(256)]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
