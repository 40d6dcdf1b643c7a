//! Guests that misbehave, behind the whole gateway: an error and an event, never a wrong signature, and nobody else
//! notices.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Method;
use keyport_core::key::State;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::harness::{
    Answer, Gateway, Hash, Key, Plan, Site, Stored, Webhook, digest_of, entries, entry_of, eventually,
    hostile, hostile_component, keyport, openssl_accepts, soft, tenant, token_of, verifies,
};

/// A way to misbehave, and what callers may read then.
struct Case {
    mode: &'static str,
    settings: &'static [(&'static str, &'static str)],
    statuses: &'static [u16],
}

const fn case(mode: &'static str, statuses: &'static [u16]) -> Case {
    Case { mode, settings: &[], statuses }
}

const fn of_kind(kind: &'static [(&'static str, &'static str)], statuses: &'static [u16]) -> Case {
    Case { mode: "error-kinds", settings: kind, statuses }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_misbehaves_in_sign_brings_about_nothing() {
    let stage = Stage::set(IN_SIGN).await;
    let bystander = Bystander::begin(&stage.gateway);

    for (number, case) in IN_SIGN.iter().enumerate() {
        let webhook = stage.webhook(number);
        let key = webhook.create("own", "EC-P256").await;
        for turn in 0..2 {
            let id = format!("{}-{number}-{turn}", case.mode);
            let answer = webhook.try_sign("own", b"m", &id).await.unwrap();
            stage.is_an_error_on_record(case, &answer, &id, "sign");
        }
        assert_eq!(webhook.listed("own").await, Some(key), "{}: the key is still there", case.mode);
    }
    bystander.noticed_nothing().await;

    // As long as it misbehaved, nothing happened to the keys: honest again, they sign.
    let cases = IN_SIGN.len();
    let site = stage.end().await;
    site.configure(&Plan::of(stage_sections(IN_SIGN, &[("mode", "behave")])));
    let gateway = site.start().await;
    for number in 0..cases {
        let webhook = gateway.webhook(&token_of(&name(number)));
        let key = webhook.listed("own").await.unwrap();
        webhook.sign(&key, Hash::Sha256, b"honest again").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_uses_up_what_there_is_hurts_itself_alone() {
    let stage = Stage::set(EXHAUSTING).await;
    let bystander = Bystander::begin(&stage.gateway);

    for (number, case) in EXHAUSTING.iter().enumerate() {
        let webhook = stage.webhook(number);
        let key = webhook.create("own", "EC-P256").await;
        let ids = (0..4).map(|turn| format!("{}-{number}-{turn}", case.mode));
        let asked: Vec<_> = ids.map(|id| tokio::spawn(ask(webhook.another(), id))).collect();
        for asked in asked {
            let (answer, id) = asked.await.unwrap();
            match answer.status {
                // What it was refused was not essential to it.
                200 if case.statuses.contains(&200) => is_right(&key, &answer),
                _ => drop(stage.is_an_error_on_record(case, &answer, &id, "sign")),
            }
        }
    }
    bystander.noticed_nothing().await;
    assert!(
        stage.gateway.logged().len() < 4 << 20,
        "the log was flooded: {} bytes",
        stage.gateway.logged().len()
    );
    let (_, page) = stage.gateway.ask_admin("/metrics").await;
    assert!(page.contains("keyport_provider_limit_hits_total"), "{page}");
    stage.end().await;
}

/// Asks for a signature by the key `own`, in a request that is called `id`.
async fn ask(webhook: Webhook, id: String) -> (Answer, String) {
    (webhook.try_sign("own", b"m", &id).await.unwrap(), id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_misbehaves_in_create_leaves_no_key() {
    let stage = Stage::set(IN_CREATE).await;
    let bystander = Bystander::begin(&stage.gateway);

    let mut undone = BTreeSet::new();
    for (number, case) in IN_CREATE.iter().enumerate() {
        let webhook = stage.webhook(number);
        for turn in 0..2 {
            let id = format!("{}-{number}-{turn}", case.mode);
            let body = json!({"key_id": "own", "key_type": "EC-P256"}).to_string();
            let answer = webhook.client.try_call(Method::POST, "/keys", body, Some(&id)).await.unwrap();
            let entry = stage.is_an_error_on_record(case, &answer, &id, "create");
            undone.insert(entry);
        }
        assert_eq!(webhook.list().await, [], "{}", case.mode);
        webhook.ask_to_sign("own", Hash::Sha256, b"m").await.expect(404);
    }
    bystander.noticed_nothing().await;

    undone.remove("");
    eventually("what was made to be destroyed", async || {
        let entries = entries(&stage.site.data());
        let destroyed: BTreeSet<_> = entries
            .iter()
            .filter(|entry| entry.is("destroy", "ok"))
            .map(|entry| entry.text("key_id"))
            .collect();
        undone.iter().all(|id| destroyed.contains(id.as_str())).then_some(())
    })
    .await;
    let site = stage.end().await;
    let stored = Stored::read(&site.data()).await;
    assert_eq!(stored.sealed, stored.ids(State::Active), "material is left of keys that never were");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_fails_is_reported_by_the_kind_of_its_failure_alone() {
    let stage = Stage::set(FAILING).await;

    for (number, case) in FAILING.iter().enumerate() {
        let webhook = stage.webhook(number);
        let id = format!("{}-{number}", case.settings[0].1);
        let body = json!({"key_id": "own", "key_type": "EC-P256"}).to_string();
        let answer = webhook.client.try_call(Method::POST, "/keys", body, Some(&id)).await.unwrap();

        stage.is_an_error_on_record(case, &answer, &id, "create");
        let retries = answer.header("retry-after").is_some();
        let passes = matches!(case.settings[0].1, "throttled" | "unavailable");
        assert_eq!(retries, passes, "{id}: {:?}", answer.headers);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_misbehaves_in_health_or_destroy_is_worked_around() {
    let stage = Stage::set(ELSEWHERE).await;
    let bystander = Bystander::begin(&stage.gateway);

    for (number, case) in ELSEWHERE.iter().enumerate() {
        let webhook = stage.webhook(number);
        let key = webhook.create("own", "EC-P256").await;
        webhook.sign(&key, Hash::Sha256, b"m").await;
        webhook.release("own").await.expect(200);
        assert_eq!(webhook.listed("own").await, None, "{}", case.mode);
    }
    bystander.noticed_nothing().await;

    let (status, body) = stage.gateway.ask_admin("/readyz").await;
    assert_eq!(status, 200, "no provider here is required: {body}");
    assert_eq!(body.matches("\"healthy\":false").count(), SICK, "{body}");
    // Their grace is over at once, and custody destroys what a guest does not.
    eventually("their keys to be destroyed", async || {
        let entries = entries(&stage.site.data());
        let destroyed = entries.iter().filter(|entry| entry.is("destroy", "ok")).count();
        (destroyed >= ELSEWHERE.len()).then_some(())
    })
    .await;
    stage.end().await;
}

#[tokio::test]
async fn a_guest_that_cannot_say_what_it_is_is_not_loaded() {
    let site = Site::new(&Plan::of([
        soft("soft"),
        hostile("mute", &[("mode", "panic-describe")], ""),
        tenant("acme", "soft"),
    ]));

    let ended = site.refuses().await;
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(ended.said().contains("`mute`"), "{}", ended.said());
}

#[tokio::test]
async fn a_stale_signature_is_never_given_out() {
    for (instances, works_again) in [("fresh", true), ("reuse", false)] {
        let site = Site::new(&Plan::of([
            hostile("stale", &[("mode", "stale")], &format!("instances = \"{instances}\"")),
            tenant("acme", "stale"),
        ]));
        let gateway = site.start().await;
        let webhook = gateway.webhook(&token_of("acme"));
        let key = webhook.create("own", "EC-P256").await;

        webhook.sign(&key, Hash::Sha256, b"first").await;
        let second = webhook.ask_to_sign("own", Hash::Sha256, b"second").await;
        if works_again {
            second.expect(200);
            is_signature(&key, b"second", &second);
        } else {
            second.expect(500);
        }
    }
}

#[tokio::test]
async fn a_fresh_instance_remembers_nothing() {
    let site =
        Site::new(&Plan::of([hostile("counts", &[("mode", "keep-state")], ""), tenant("acme", "counts")]));
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    webhook.create("own", "EC-P256").await;
    for _ in 0..3 {
        webhook.ask_to_sign("own", Hash::Sha256, b"m").await.expect(500);
    }

    assert!(gateway.logged().contains("call 1 of this instance"), "{}", gateway.logged());
    assert!(!gateway.logged().contains("call 2 of this instance"), "{}", gateway.logged());
}

#[tokio::test]
async fn openssl_accepts_what_an_honest_guest_from_a_file_signs() {
    if !crate::harness::tool("openssl").await {
        return;
    }
    let site = Site::new(&Plan::of([hostile("honest", &[("mode", "behave")], ""), tenant("acme", "honest")]));
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("own", "EC-P384").await;

    let signature = webhook.sign(&key, Hash::Sha512, b"m").await;
    assert!(openssl_accepts(&key.public, Hash::Sha512, b"m", &signature).await);
}

/// A gateway with one tenant and one misbehaving provider for each case, and a tenant beside them whose provider is
/// honest.
struct Stage {
    site: Site,
    gateway: Gateway,
}

impl Stage {
    async fn set(cases: &[Case]) -> Self {
        let site = Site::new(&Plan::of([soft("soft"), tenant("bystander", "soft")]));
        let gateway = site.start().await;
        gateway.webhook(&token_of("bystander")).create("victim", "EC-P256").await;
        gateway.stop().await;

        let entries = entries(&site.data());
        let victim = entries.iter().find(|entry| entry.is("create", "ok")).unwrap().text("key_id").to_owned();
        let settings = [("object", victim.as_str()), ("handle", victim.as_str())];
        site.configure(&Plan::of(stage_sections(cases, &settings)));
        let gateway = site.start().await;
        Self { site, gateway }
    }

    fn webhook(&self, number: usize) -> Webhook {
        self.gateway.webhook(&token_of(&name(number)))
    }

    /// The answer is an error that this case may bring about, and one that says nothing of the guest's; the log has it
    /// with the component that it was. Answers the key-id that the log has.
    fn is_an_error_on_record(&self, case: &Case, answer: &Answer, id: &str, operation: &str) -> String {
        assert!(case.statuses.contains(&answer.status), "{id}: {} {}", answer.status, answer.text());
        assert_ne!(answer.status, 200, "{id}");
        let told = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(TOLD.contains(&told.as_str()), "{id} tells callers: {told}");

        let entries = entry_of(&self.site.data(), id);
        let [entry] = entries.as_slice() else { panic!("{id} has not one event but {entries:?}") };
        assert_eq!(entry.text("operation"), operation, "{id}");
        assert!(matches!(entry.text("outcome"), "failed" | "refused"), "{id}: {}", entry.0);
        assert_eq!(entry.text("component"), format!("sha256:{}", digest_of(hostile_component())), "{id}");
        entry.text("key_id").to_owned()
    }

    /// Ends it in order, and sees to it that the log is whole and that nobody but its owner used the victim's key.
    async fn end(self) -> Site {
        let ended = self.gateway.stop().await;
        assert_eq!(ended.code(), Some(0), "{ended:#?}");
        assert!(!ended.stderr.contains("thread '"), "the gateway itself panicked: {}", ended.stderr);

        let verified = keyport(&[&"audit", &"verify", &self.site.data()]).await;
        assert_eq!(verified.code(), Some(0), "{verified:#?}");
        for entry in entries(&self.site.data()) {
            let is_the_victims = entry.text("key") == "victim";
            assert!(!is_the_victims || entry.text("tenant") == "bystander", "{}", entry.0);
        }
        self.site
    }
}

/// Providers and tenants for `cases`, each with these settings in addition to its own.
fn stage_sections(cases: &[Case], more: &[(&str, &str)]) -> Vec<String> {
    let mut sections = vec![soft("soft"), tenant("bystander", "soft")];
    for (number, case) in cases.iter().enumerate() {
        let mut settings = vec![("mode", case.mode)];
        settings.extend_from_slice(case.settings);
        settings.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        settings.extend_from_slice(more);

        let name = name(number);
        sections.push(hostile(&name, &settings, ""));
        sections.push(tenant(&name, &name).replacen("provider =", "grace = \"0s\"\nprovider =", 1));
    }
    sections
}

/// The tenant and the provider of a case.
fn name(number: usize) -> String {
    format!("case-{number}")
}

/// A tenant that signs all the while.
pub(crate) struct Bystander {
    over: Arc<AtomicBool>,
    signs: JoinHandle<u32>,
}

impl Bystander {
    /// Begins with its key `victim`, which is there.
    pub(crate) fn begin(gateway: &Gateway) -> Self {
        let over = Arc::<AtomicBool>::default();
        let webhook = gateway.webhook(&token_of("bystander"));
        let signs = tokio::spawn(Self::sign(webhook, Arc::clone(&over)));

        Self { over, signs }
    }

    async fn sign(webhook: Webhook, over: Arc<AtomicBool>) -> u32 {
        let key = webhook.listed("victim").await.expect("its key");
        let mut count = 0;
        while !over.load(Ordering::Relaxed) || count < 10 {
            webhook.sign(&key, Hash::Sha256, b"all is well").await;
            count += 1;
            tokio::time::sleep(BETWEEN_SIGNATURES).await;
        }
        count
    }

    /// Ends it: every signature was right.
    pub(crate) async fn noticed_nothing(self) {
        self.over.store(true, Ordering::Relaxed);
        let count = self.signs.await.expect("every signature is right");
        assert!(count >= 10);
    }
}

#[track_caller]
fn is_right(key: &Key, answer: &Answer) {
    is_signature(key, b"m", answer);
}

#[track_caller]
fn is_signature(key: &Key, message: &[u8], answer: &Answer) {
    let signature = crate::harness::signature(answer);
    assert!(verifies(&key.public, Hash::Sha256, message, &signature), "a wrong signature was given out");
}

const IN_SIGN: &[Case] = &[
    case("sign-twice", FAILS),
    case("other-object", FAILS),
    case("wrong-mechanism", FAILS),
    case("destroy-in-sign", FAILS),
    case("generate-in-sign", FAILS),
    case("forge", &[500]),
    Case { mode: "forge", settings: &[("length", "0")], statuses: &[500] },
    Case { mode: "forge", settings: &[("length", "63")], statuses: &[500] },
    case("tamper", &[500]),
    case("swap-handle", FAILS),
    case("panic-sign", &[500]),
    case("keep-state", &[500]),
];

const EXHAUSTING: &[Case] = &[
    case("loop", &[429, 503]),
    case("recurse", &[500, 429, 503]),
    case("recurse-in-memory", &[500, 429, 503]),
    case("grow-memory", &[200, 500, 429, 503]),
    case("flood-log", &[200, 429, 503]),
    case("huge-result", FAILS_OR_WAITS),
    case("huge-argument", &[200, 500, 429, 503]),
    case("random-bomb", FAILS_OR_WAITS),
];

const IN_CREATE: &[Case] = &[
    case("big-handle", &[500]),
    case("create-nothing", &[500]),
    case("create-twice", FAILS),
    case("import-in-create", FAILS),
    case("other-public-key", FAILS),
    case("own-public-key", &[500]),
    case("panic-create", &[500]),
    case("sign-in-create", FAILS),
];

const FAILING: &[Case] = &[
    of_kind(&[("kind", "invalid-argument")], &[500]),
    of_kind(&[("kind", "not-found")], &[503]),
    of_kind(&[("kind", "key-gone")], &[503]),
    of_kind(&[("kind", "exists")], &[500]),
    of_kind(&[("kind", "denied")], &[503]),
    of_kind(&[("kind", "credentials")], &[503]),
    of_kind(&[("kind", "operator-needed")], &[503]),
    of_kind(&[("kind", "unsupported")], &[422]),
    of_kind(&[("kind", "throttled")], &[429]),
    of_kind(&[("kind", "unavailable")], &[503]),
    of_kind(&[("kind", "internal")], &[500]),
    of_kind(&[("kind", "other")], &[500]),
];

const ELSEWHERE: &[Case] = &[
    case("panic-health", &[]),
    case("sign-in-health", &[]),
    case("slow-health-loop", &[]),
    case("panic-destroy", &[]),
    case("panic-public-key", &[]),
    case("sign-in-describe", &[]),
];

/// How many of them have no health to speak of.
const SICK: usize = 3;

/// A misuse of the gateway is the provider's mistake or its configuration's.
const FAILS: &[u16] = &[500, 503];
const FAILS_OR_WAITS: &[u16] = &[500, 503, 429];

const BETWEEN_SIGNATURES: Duration = Duration::from_millis(5);

/// All that callers may read of a provider's troubles.
const TOLD: [&str; 5] = [
    "a dependency did not answer",
    "internal error",
    "not offered by this provider",
    "slow down",
    "temporarily unable to sign",
];
