//! Slows down who fails again and again: the failing requests, and nobody else's.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use ipnet::IpNet;
use keyport_core::outside::Outside;
use lru::LruCache;
use tokio::sync::Semaphore;

/// Remembers who failed, for a while and for so many addresses.
#[derive(Debug)]
pub(super) struct Slow {
    proxies: Vec<IpNet>,
    failures: Arc<Mutex<LruCache<IpAddr, Failures>>>,
    waiting: Arc<Semaphore>,
    outside: Outside,
}

impl Slow {
    /// `proxies` are those whose `X-Forwarded-For` counts, `waiting` is how many requests may wait at once: each holds a
    /// connection, and they must not hold them all.
    pub(super) fn new(proxies: Vec<IpNet>, waiting: usize, outside: Outside) -> Self {
        Self {
            proxies,
            failures: Arc::new(Mutex::new(LruCache::new(ADDRESSES))),
            waiting: Arc::new(Semaphore::new(waiting.min(Semaphore::MAX_PERMITS))),
            outside,
        }
    }

    /// The same with other proxies: who failed is remembered, and who waits goes on waiting.
    pub(super) fn with_proxies(&self, proxies: Vec<IpNet>) -> Self {
        Self {
            proxies,
            failures: Arc::clone(&self.failures),
            waiting: Arc::clone(&self.waiting),
            outside: self.outside.clone(),
        }
    }

    /// Where a request comes from: `peer`, or whom the nearest of our own proxies names. What a proxy of somebody
    /// else's says is hearsay.
    pub(super) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_ours = |address: &IpAddr| self.proxies.iter().any(|proxies| proxies.contains(address));
        if !is_ours(&peer) {
            return peer;
        }

        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        let named = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        let mut last = peer;
        for name in named {
            let Ok(address) = name.trim().parse::<IpAddr>() else { break };
            last = address.to_canonical();
            if !is_ours(&last) {
                break;
            }
        }
        last
    }

    /// Waits, the longer the more often `address` failed of late; not beyond `deadline`.
    pub(super) async fn wait(&self, address: IpAddr, deadline: Instant) {
        let now = self.outside.clock.now();
        let delay = self.note(address, now);
        if delay.is_zero() {
            return;
        }
        // Over the bound, a refusal at once is the cheaper one.
        let Ok(_place) = self.waiting.try_acquire() else { return };
        self.outside.clock.sleep_until(deadline.min(now + delay)).await;
    }

    fn note(&self, address: IpAddr, now: Instant) -> Duration {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.get_or_insert_mut(network(address), || Failures { count: 0, since: now });
        failures.add(now);

        match failures.count.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(more) => FIRST.saturating_mul(2_u32.saturating_pow(more)).min(LONGEST),
        }
    }
}

/// How often an address failed; each failure is forgotten after a while.
#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Failures {
    fn add(&mut self, now: Instant) {
        let forgotten = now.saturating_duration_since(self.since).as_secs() / FORGIVEN.as_secs();
        if forgotten > 0 {
            self.count = self.count.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
            self.since = now;
        }
        self.count = (self.count + 1).min(MOST);
    }
}

/// Whoever has one IPv6 address usually has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

const FORWARDED_FOR: &str = "x-forwarded-for";
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(16 * 1024).unwrap();
/// Failures that cost nothing: a restarted client with an old token, a deployment in progress.
const FREE: u32 = 10;
/// More are not counted, so that the worst is forgiven after four minutes.
const MOST: u32 = 60;
const FORGIVEN: Duration = Duration::from_secs(4);
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use tokio::runtime::Handle;

    use super::*;
    use crate::outside::outside;

    fn slow() -> Slow {
        Slow::new(vec!["10.0.0.0/8".parse().unwrap()], 1, outside(Handle::current()))
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_failures_of_one_address_wait_longer_and_longer() {
        let slow = slow();
        let begin = slow.outside.clock.now();
        let deadline = begin + Duration::from_secs(3600);
        let took = || slow.outside.clock.now().duration_since(begin);

        for _ in 0..FREE {
            slow.wait(address(1), deadline).await;
        }
        assert_eq!(took(), Duration::ZERO);
        slow.wait(address(1), deadline).await;
        assert!(took() >= FIRST && took() < 2 * FIRST, "{:?}", took());
        slow.wait(address(2), deadline).await;
        assert!(took() < 2 * FIRST, "somebody else's first failure");
        for _ in 0..20 {
            slow.wait(address(1), deadline).await;
        }
        assert!(took() > LONGEST * 10, "{:?}", took());

        tokio::time::advance(FORGIVEN * MOST).await;
        assert_eq!(slow.note(address(1), slow.outside.clock.now()), Duration::ZERO, "forgiven");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_beyond_the_deadline_of_a_request() {
        let slow = slow();
        let begin = slow.outside.clock.now();
        for _ in 0..100 {
            slow.note(address(1), begin);
        }

        slow.wait(address(1), begin + Duration::from_millis(10)).await;
        assert!(slow.outside.clock.now() <= begin + Duration::from_millis(20));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_may() {
        let slow = slow();
        let begin = slow.outside.clock.now();
        let deadline = begin + LONGEST;
        for _ in 0..100 {
            slow.note(address(1), begin);
        }

        let waited = tokio::join!(slow.wait(address(1), deadline), async {
            slow.wait(address(1), deadline).await;
            slow.outside.clock.now()
        });
        assert_eq!(waited.1, begin, "the second does not wait");
    }

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_are_one() {
        let slow = slow();
        let now = slow.outside.clock.now();
        for last in 0..=FREE {
            slow.note(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, u16::try_from(last).unwrap()).into(), now);
        }

        assert!(!slow.note("2001:db8:0:1::ffff".parse().unwrap(), now).is_zero());
        assert!(slow.note("2001:db8:0:2::1".parse().unwrap(), now).is_zero());
    }

    #[tokio::test]
    async fn only_our_own_proxies_say_whom_they_forward_for() {
        let slow = slow();
        let forwarded = |text: &'static str| {
            HeaderMap::from_iter([(FORWARDED_FOR.parse().unwrap(), HeaderValue::from_static(text))])
        };
        let proxy: IpAddr = [10, 0, 0, 1].into();

        assert_eq!(slow.address(proxy, &forwarded("198.51.100.9, 192.0.2.1")), address(1));
        assert_eq!(slow.address(proxy, &forwarded("192.0.2.1, 10.0.0.2")), address(1));
        assert_eq!(slow.address(address(7), &forwarded("192.0.2.1")), address(7), "a stranger's word");
        assert_eq!(slow.address(proxy, &forwarded("192.0.2.1, nonsense")), proxy);
        assert_eq!(slow.address(proxy, &HeaderMap::new()), proxy);
    }
}
