//! A crash between any two calls: afterwards there is one key, or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyport_backends::vault::{Connection, Vault};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;

use crate::peer::Bao;
use crate::proxy::{Heard, Proxy, Then};
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_crash_at_any_call_of_create_leaves_one_key_that_is_found() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;

    // No engine, the engine, the key.
    for (at, then) in deaths(3) {
        let mount = format!("m{at}-{}", matches!(then, Then::HangAfter));
        let open = || {
            Vault::open(Connection { mount: mount.clone(), create_mount: true, ..by(&bao, &proxy) }).unwrap()
        };
        let request = request(KeyType::EcP256);
        let victim = open();
        victim.health(soon()).await.unwrap();
        dies(&proxy, at, then, victim.generate(request.clone(), soon())).await;
        drop(victim);

        let (reopened, keys) = (open(), bao.keys(&mount).await);
        let found = reopened.find(&request.tenant, request.key_id, soon()).await.unwrap();
        assert_eq!(found.is_some(), keys.len() == 1, "{at}: {keys:?}");
        let made = reopened.generate(request.clone(), soon()).await.unwrap();
        assert!(found.is_none_or(|found| found == made.native_id));
        assert_eq!(bao.keys(&mount).await, [format!("keyport-{}", request.key_id)]);
        reopened.destroy(&object(&request, &made.native_id), soon()).await.unwrap();
        assert!(bao.keys(&mount).await.is_empty());
    }
}

#[tokio::test]
async fn a_crash_at_any_call_of_destroy_leaves_a_key_that_is_found_or_none() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;

    for (at, then) in deaths(2) {
        let open = || Vault::open(by(&bao, &proxy)).unwrap();
        let request = request(KeyType::EcP256);
        let victim = open();
        let made = victim.generate(request.clone(), soon()).await.unwrap();
        let object = object(&request, &made.native_id);
        dies(&proxy, at, then, victim.destroy(&object, soon())).await;
        drop(victim);

        let (reopened, keys) = (open(), bao.keys("transit").await);
        let found = reopened.find(&request.tenant, request.key_id, soon()).await.unwrap();
        assert_eq!(found.is_some(), keys.len() == 1, "{at}: {keys:?}");
        reopened.destroy(&object, soon()).await.unwrap();
        reopened.destroy(&object, soon()).await.unwrap();
        assert!(bao.keys("transit").await.is_empty());
    }
}

#[tokio::test]
async fn a_key_that_the_server_may_still_make_is_not_taken_for_none() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;
    let open = |doubt| Vault::open(Connection { doubt, ..by(&bao, &proxy) }).unwrap();
    let (request, other) = (request(KeyType::EcP256), open(Duration::ZERO));
    let unrecorded = object(&request, &NativeId::new(request.key_id.to_string()));
    // What was refused is not made later, though this gateway has just begun.
    let vault = open(DOUBT);
    proxy.says(|heard: &Heard| match &*heard.method {
        "POST" if heard.path.starts_with("transit/keys/") => Then::Answer(400, "", "{\"errors\":[\"no\"]}"),
        _ => Then::Pass,
    });
    vault.generate(request.clone(), soon()).await.unwrap_err();
    assert_eq!(vault.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);

    proxy.says(|heard: &Heard| match &*heard.method {
        "POST" if heard.path.starts_with("transit/keys/") => Then::Answer(504, "", ""),
        _ => Then::Pass,
    });
    let refused = vault.generate(request.clone(), soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    proxy.says(|_| Then::Pass);
    for vault in [vault, open(DOUBT)] {
        let found = vault.find(&request.tenant, request.key_id, soon()).await.unwrap_err();
        let destroyed = vault.destroy(&unrecorded, soon()).await.unwrap_err();
        let standing = vault.state(&unrecorded, soon()).await.unwrap_err();
        for unsure in [found, destroyed, standing] {
            assert_eq!(unsure.kind, FailureKind::Unavailable, "{unsure}");
            assert!(unsure.retry_after.is_some_and(|left| left <= DOUBT), "{unsure}");
        }

        // It comes, by the hand of another gateway here.
        let made = other.generate(request.clone(), soon()).await.unwrap();
        vault.destroy(&unrecorded, soon()).await.unwrap();
        assert!(bao.keys("transit").await.is_empty());
        vault.destroy(&object(&request, &made.native_id), soon()).await.unwrap();
    }
    assert_eq!(other.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
}

/// Before each of so many calls arrives, and after it did.
fn deaths(calls: usize) -> impl Iterator<Item = (usize, Then)> {
    (0..calls).flat_map(|at| [Then::Hang, Then::HangAfter].map(|then| (at, then)))
}

/// Runs `work` until its call number `at` hangs, and no further.
async fn dies<T>(proxy: &Proxy, at: usize, then: Then, work: impl Future<Output = T>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    proxy.says(move |heard: &Heard| {
        let is_its = !heard.path.starts_with("auth/") && counted.fetch_add(1, Ordering::SeqCst) == at;
        if is_its { then.clone() } else { Then::Pass }
    });

    tokio::select! {
        _ = work => panic!("it made only {} calls", calls.load(Ordering::SeqCst)),
        () = proxy.hanging.notified() => {}
    }
    proxy.says(|_| Then::Pass);
}

fn by(bao: &Bao, proxy: &Proxy) -> Connection {
    Connection { address: proxy.url(), ..bao.connection() }
}

const DOUBT: Duration = Duration::from_secs(30);
