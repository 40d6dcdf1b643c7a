//! Bad days of the server, and of what is between it and the gateway.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use keyport_backends::vault::{Connection, Vault};
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::identity::Authority;
use crate::peer::Bao;
use crate::proxy::{Heard, Proxy, Then};
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_sealed_server_is_unavailable_and_says_so_until_it_is_unsealed() {
    let authority = Authority::new();
    let Some(bao) = Bao::with_tls(&authority).await else { return };
    let vault = Vault::open(Connection { ca: Some(authority.file()), ..bao.connection() }).unwrap();
    let object = make(&vault).await;

    bao.seal().await;
    for outcome in [sign(&vault, &object).await.map(drop), vault.health(soon()).await] {
        let refused = outcome.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unavailable, "{refused}");
        assert!(refused.message.contains("sealed") || refused.message.contains("left alone"), "{refused}");
    }

    bao.unseal().await;
    signs_again(&vault, &object).await;
}

#[tokio::test]
async fn a_quota_of_the_server_throttles_and_calls_that_fit_in_time_are_made() {
    let Some(bao) = Bao::plain().await else { return };
    let vault = bao.open();
    let object = make(&vault).await;
    let quota = json!({ "path": "transit/sign", "rate": 5, "interval": "1s" });
    bao.post("sys/quotas/rate-limit/few", quota).await;

    let deadline = Instant::now() + Duration::from_secs(4);
    let calls = (0..200).map(|_| vault.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline.into_std()));
    let outcomes = join_all(calls).await;

    let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(served >= 5, "{served}");
    for refused in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(refused.kind, FailureKind::Throttled, "{refused}");
    }
}

#[tokio::test]
async fn how_long_a_server_wants_to_be_left_alone_is_heard() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = by(&bao, &proxy);
    let object = make(&vault).await;
    proxy.says(|_| Then::Answer(429, "retry-after: 20\r\n", r#"{"errors":["quota exceeded"]}"#));

    let deadline = Instant::now() + Duration::from_secs(10);
    let refused = vault.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline.into_std()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Throttled, "{refused}");
    assert_eq!(refused.retry_after, Some(Duration::from_secs(20)));
    let before = proxy.count("transit/sign");
    let refused = vault.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline.into_std()).await.unwrap_err();
    assert_eq!((refused.kind, proxy.count("transit/sign")), (FailureKind::Throttled, before), "{refused}");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_a_signature_comes_of_it() {
    for trouble in [
        Then::Answer(500, "", r#"{"errors":["internal error"]}"#),
        Then::Answer(502, "", "<html>bad gateway</html>"),
        Then::Answer(503, "", ""),
        Then::Answer(412, "", r#"{"errors":["required index state not present"]}"#),
        Then::Answer(429, "", r#"{"errors":["quota exceeded"]}"#),
        Then::Reset,
        Then::BreakOff,
    ] {
        let Some((bao, proxy)) = between().await else { return };
        let vault = by(&bao, &proxy);
        let object = make(&vault).await;
        proxy.says(at_first(2, trouble.clone()));

        let signed = sign(&vault, &object).await;
        assert!(signed.is_ok(), "{trouble:?}: {signed:?}");
        assert_eq!(proxy.count("transit/sign"), 3, "{trouble:?}");
    }
}

#[tokio::test]
async fn a_server_that_goes_on_failing_is_unavailable_and_is_left_alone() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = by(&bao, &proxy);
    let object = make(&vault).await;
    proxy.says(|_| Then::Answer(500, "", r#"{"errors":["internal error"]}"#));

    for _ in 0..20 {
        let deadline = Instant::now() + Duration::from_millis(200);
        let refused = vault.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline.into_std()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unavailable, "{refused}");
    }
    assert!(proxy.count("transit/sign") < 10, "{}", proxy.count("transit/sign"));
    proxy.says(|_| Then::Pass);
    signs_again(&vault, &object).await;
}

#[tokio::test]
async fn a_call_that_hangs_ends_by_its_deadline() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = by(&bao, &proxy);
    let object = make(&vault).await;
    proxy.says(|_| Then::Hang);

    let (began, deadline) = (Instant::now(), Instant::now() + Duration::from_millis(500));
    let refused = vault.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline.into_std()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_lie_and_garbage_are_never_taken_for_a_signature() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = by(&bao, &proxy);
    let object = make(&vault).await;

    for lie in [
        Then::Lie(|answer| answer.replace("vault:v1:", "vault:v2:")),
        Then::Lie(|answer| answer.replace("\"key_version\":1", "\"key_version\":3")),
        Then::Lie(|answer| answer.replace("vault:v1:", "")),
        Then::Lie(|answer| answer.replace("vault:v1:", "vault:v1:!")),
        Then::Answer(200, "", "{}"),
        Then::Answer(200, "", "<html>welcome</html>"),
        Then::Answer(200, "", ""),
        Then::Answer(204, "", ""),
        Then::Answer(418, "", "teapot"),
    ] {
        let told = lie.clone();
        proxy.says(move |_| told.clone());
        let refused = sign(&vault, &object).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Internal, "{lie:?}: {refused}");
    }
}

#[tokio::test]
async fn a_node_that_sends_clients_elsewhere_gets_nobodys_token_sent_there() {
    let Some((bao, proxy)) = between().await else { return };
    let elsewhere = Proxy::before(&bao).await;
    let vault = by(&bao, &proxy);
    let object = make(&vault).await;
    let location: &'static str =
        Box::leak(format!("location: http://{}/v1/transit/sign/x\r\n", elsewhere.address).into_boxed_str());
    proxy.says(move |_| Then::Answer(307, location, ""));

    let refused = sign(&vault, &object).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::OperatorNeeded, "{refused}");
    assert!(elsewhere.heard().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_nowhere_and_a_server_that_nobody_vouches_for_are_told_apart() {
    let authority = Authority::new();
    let Some(bao) = Bao::with_tls(&authority).await else { return };
    let nowhere = Connection { address: "https://vault.invalid".to_owned(), ..bao.connection() };
    let nowhere = Connection { ca: Some(authority.file()), ..nowhere };
    let another = Authority::new();
    let stranger = Connection { ca: Some(another.file()), ..bao.connection() };

    let refused = Vault::open(nowhere).unwrap().health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable, "{refused}");
    let refused = Vault::open(stranger).unwrap().health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::OperatorNeeded, "{refused}");
    assert!(refused.message.ends_with("name the authority that vouches for it in `ca`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_signatures_at_once_are_made_over_a_bounded_number_of_connections() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = Arc::new(by(&bao, &proxy));
    let object = make(&vault).await;

    let mut signing = JoinSet::new();
    for _ in 0..1000 {
        let (vault, object) = (Arc::clone(&vault), object.clone());
        signing.spawn(async move { sign(&vault, &object).await.unwrap() });
    }
    assert_eq!(signing.join_all().await.len(), 1000);
    let most = proxy.most_at_once();
    assert!((2..=64).contains(&most), "{most} at once");
}

#[tokio::test]
async fn a_server_that_does_not_describe_what_it_made_and_knows_it_only_later_is_asked_again() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = by(&bao, &proxy);
    let mut early = 2;
    proxy.says(move |heard| match heard.method.as_str() {
        "POST" if heard.path.starts_with("transit/keys/") => Then::Lie(|_| String::new()),
        "GET" if heard.path.starts_with("transit/keys/") && early > 0 => {
            early -= 1;
            Then::Answer(404, "", r#"{"errors":[]}"#)
        }
        _ => Then::Pass,
    });

    let object = make(&vault).await;
    sign(&vault, &object).await.unwrap();
    assert_eq!(proxy.count("transit/keys/"), 4);
}

#[tokio::test]
async fn an_engine_that_is_not_there_right_after_it_was_mounted_is_waited_for() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = mounting(&bao, &proxy, "later");
    let mut asked = 0;
    proxy.says(move |heard| {
        asked += usize::from(heard.path.starts_with("later/keys/"));
        let is_early = heard.path.starts_with("later/keys/") && asked == 2;
        if is_early { Then::Answer(404, "", NO_ROUTE) } else { Then::Pass }
    });

    make(&vault).await;
    assert_eq!((proxy.count("sys/mounts/"), proxy.count("later/keys/")), (1, 3));
}

#[tokio::test]
async fn an_engine_that_somebody_else_mounted_meanwhile_is_used() {
    let Some((bao, proxy)) = between().await else { return };
    let transit = json!({ "type": "transit" });
    let (status, taken) = bao.admin(Method::POST, "sys/mounts/transit", transit.clone()).await;
    assert!(status == 400 && taken.to_string().contains("path is already in use"), "{status} {taken}");

    // What OpenBao says itself, the same in other words, what a conflict is called elsewhere, and OpenBao's after no answer.
    for (at, (then, times)) in [
        (Then::Pass, 1),
        (Then::Answer(400, "", r#"{"errors":["existing mount at later/"]}"#), 1),
        (Then::Answer(409, "", r#"{"errors":["conflict"]}"#), 1),
        (Then::Answer(504, "", ""), 2),
    ]
    .into_iter()
    .enumerate()
    {
        let mount = format!("later-{at}");
        bao.post(&format!("sys/mounts/{mount}"), transit.clone()).await;
        let (mut is_early, mut mounted) = (true, at_first(1, then.clone()));
        proxy.says(move |heard| match heard.path.split('/').nth(1) {
            Some("mounts") => mounted(heard),
            Some("keys") if std::mem::take(&mut is_early) => Then::Answer(404, "", NO_ROUTE),
            _ => Then::Pass,
        });

        let vault = mounting(&bao, &proxy, &mount);
        let object = make(&vault).await;
        sign(&vault, &object).await.unwrap();
        assert_eq!(proxy.count(&format!("sys/mounts/{mount}")), times, "{then:?}");
        assert_eq!(bao.keys(&mount).await.len(), 1, "{then:?}");
    }
}

#[tokio::test]
async fn an_engine_that_may_not_be_mounted_is_the_operators_matter() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = mounting(&bao, &proxy, "later");

    for (refusal, kind) in [
        (Then::Answer(400, "", r#"{"errors":["unknown type"]}"#), FailureKind::InvalidArgument),
        (Then::Answer(403, "", r#"{"errors":["permission denied"]}"#), FailureKind::Denied),
    ] {
        proxy.says(move |heard| match heard.path.starts_with("sys/mounts/") {
            true => refusal.clone(),
            false => Then::Pass,
        });
        let refused = vault.generate(request(KeyType::EcP256), soon()).await.unwrap_err();
        assert_eq!(refused.kind, kind, "{refused}");
    }
    assert_eq!(bao.keys("later").await, Vec::<String>::new());
}

#[tokio::test]
async fn who_finds_no_place_among_the_requests_in_time_is_throttled() {
    let Some((bao, proxy)) = between().await else { return };
    let connection = Connection { address: proxy.url(), in_flight: NonZeroUsize::MIN, ..bao.connection() };
    let vault = Vault::open(connection).unwrap();
    let object = make(&vault).await;
    proxy.says(at_first(1, Then::Hang));

    let in_a_moment = (Instant::now() + Duration::from_millis(300)).into_std();
    let (first, second) = tokio::join!(
        vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon_enough()),
        vault.sign(&object, Mechanism::Ecdsa, &[7; 32], in_a_moment),
    );
    assert_eq!(first.unwrap_err().kind, FailureKind::Unavailable);
    assert_eq!(second.unwrap_err().kind, FailureKind::Throttled);
    sign(&vault, &object).await.unwrap();
}

#[tokio::test]
async fn signatures_have_places_however_many_keys_are_being_made() {
    let Some((bao, proxy)) = between().await else { return };
    let in_flight = NonZeroUsize::new(4).unwrap();
    let vault = Vault::open(Connection { address: proxy.url(), in_flight, ..bao.connection() }).unwrap();
    let object = make(&vault).await;
    proxy.says(|heard| match heard.method == "POST" && heard.path.starts_with("transit/keys/") {
        true => Then::Hang,
        false => Then::Pass,
    });

    let making = (0..4).map(|_| vault.generate(request(KeyType::EcP256), soon_enough()));
    let signing = async {
        proxy.hanging.notified().await;
        sign(&vault, &object).await.unwrap();
    };
    tokio::select! {
        made = join_all(making) => panic!("{made:?}"),
        () = signing => (),
    }
}

#[tokio::test]
async fn a_proxy_that_is_configured_is_used_for_everything() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = Vault::open(Connection { proxy: Some(proxy.url()), ..bao.connection() }).unwrap();
    let object = make(&vault).await;
    sign(&vault, &object).await.unwrap();

    for path in ["auth/token/lookup-self", "transit/keys/", "transit/sign/"] {
        assert_eq!(proxy.count(path), 1, "{path}");
    }
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_is_for_the_operator() {
    let Some((bao, proxy)) = between().await else { return };
    proxy.says(|_| Then::Answer(407, "", ""));
    let vault = Vault::open(Connection { proxy: Some(proxy.url()), ..bao.connection() }).unwrap();

    let refused = vault.health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::OperatorNeeded, "{refused}");
    assert!(refused.message.contains("the proxy wants a login"), "{refused}");
}

#[tokio::test]
async fn every_request_says_what_is_signed_and_with_which_hash() {
    let Some((bao, proxy)) = between().await else { return };
    let vault = by(&bao, &proxy);
    let object = make(&vault).await;
    sign(&vault, &object).await.unwrap();

    let heard = proxy.heard();
    let Heard { body, headers, .. } =
        heard.iter().find(|heard| heard.path.starts_with("transit/sign/")).unwrap();
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert_eq!(
        body,
        json!({
            "input": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "prehashed": true, "hash_algorithm": "sha2-256",
            "marshaling_algorithm": "asn1", "key_version": 1,
        })
    );
    assert_eq!(headers["x-vault-request"], "true");
}

/// So often `then`, and after that everything passes.
fn at_first(times: usize, then: Then) -> impl FnMut(&Heard) -> Then {
    let mut left = times;
    move |_| {
        let is_its = left > 0;
        left = left.saturating_sub(1);
        if is_its { then.clone() } else { Then::Pass }
    }
}

async fn between() -> Option<(Bao, Proxy)> {
    let bao = Bao::plain().await?;
    let proxy = Proxy::before(&bao).await;

    Some((bao, proxy))
}

fn by(bao: &Bao, proxy: &Proxy) -> Vault {
    Vault::open(Connection { address: proxy.url(), ..bao.connection() }).unwrap()
}

/// The same with an engine that is mounted with the first key.
fn mounting(bao: &Bao, proxy: &Proxy, mount: &str) -> Vault {
    let at =
        Connection { address: proxy.url(), mount: mount.to_owned(), create_mount: true, ..bao.connection() };

    Vault::open(at).unwrap()
}

async fn make(vault: &Vault) -> Object {
    let request = request(KeyType::EcP256);
    let made = vault.generate(request.clone(), soon()).await.unwrap();

    object(&request, &made.native_id)
}

async fn sign(vault: &Vault, object: &Object) -> Result<Vec<u8>, keyport_core::Failure> {
    vault.sign(object, Mechanism::Ecdsa, &[7; 32], soon_enough()).await
}

async fn signs_again(vault: &Vault, object: &Object) {
    let began = Instant::now();
    while let Err(failure) = sign(vault, object).await {
        assert!(began.elapsed() < Duration::from_secs(30), "{failure}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn soon_enough() -> std::time::Instant {
    (Instant::now() + Duration::from_secs(10)).into_std()
}

const NO_ROUTE: &str = r#"{"errors":["no handler for route \"later/keys/x\". route entry not found."]}"#;
