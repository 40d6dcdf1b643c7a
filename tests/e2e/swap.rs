//! A component is exchanged while requests go on: tried before it serves, watched after it, and taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;

use crate::harness::{
    Ended, Gateway, Hash, Key, Plan, Site, Webhook, digest_of, entries, eventually, hostile_component,
    keyport, tenant, token_of,
};

/// One version of the provider: a component of its own, which does as the setting `mode` says. `more` are further lines.
#[derive(Clone, Copy)]
struct Version<'a> {
    number: u8,
    mode: &'a str,
    more: &'a str,
}

const FIRST: Version<'_> = Version { number: 1, mode: "behave", more: "" };
const SECOND: Version<'_> = Version { number: 2, ..FIRST };

/// The component, which a custom section makes another for each number.
fn component(number: u8) -> Vec<u8> {
    let section = [0, 9, 7, b'v', b'e', b'r', b's', b'i', b'o', b'n', number];

    [hostile_component(), &section].concat()
}

fn digest(number: u8) -> String {
    format!("sha256:{}", digest_of(&component(number)))
}

fn configure(site: &Site, Version { number, mode, more }: Version<'_>) {
    site.write(&format!("v{number}.wasm"), component(number));
    let provider = format!(
        "[[provider]]\nname = \"mine\"\ncomponent = \"file:v{number}.wasm\"\nsha256 = \"{}\"\nsettings = {{ mode = \"{mode}\" }}\n\
         {more}\n[[provider.grant]]\nconnection = \"embedded\"\nuses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\n",
        digest(number),
    );
    site.configure(&Plan::of([provider, tenant("acme", "mine")]));
}

/// A gateway with the first version.
async fn start() -> (Site, Gateway) {
    let site = Site::new(&Plan::soft());
    configure(&site, FIRST);
    let gateway = site.start().await;

    (site, gateway)
}

/// Has the gateway take `version` over.
async fn reload(site: &Site, version: Version<'_>) -> Ended {
    configure(site, version);

    keyport(&[&"reload", &"--config", &site.path("keyport.toml")]).await
}

async fn rollback(site: &Site, more: &[&str]) -> Ended {
    let data = site.data();
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
        vec![&"provider", &"rollback", &"mine", &"--data", &data];
    for argument in more {
        arguments.push(argument);
    }

    keyport(&arguments).await
}

fn went_well(ended: &Ended) {
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
}

fn is_refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is not in {ended:#?}");
    }
}

/// The versions that get calls, as readiness lists them.
async fn serving(gateway: &Gateway, numbers: &[u8]) {
    let (status, ready) = gateway.ask_admin("/readyz").await;
    assert_eq!(status, 200, "{ready}");
    for number in 1..=3 {
        assert_eq!(ready.contains(&digest(number)), numbers.contains(&number), "{number}: {ready}");
    }
}

/// Signatures that go on from many connections until they are told to end.
struct Load {
    tasks: JoinSet<()>,
    made: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Load {
    async fn start(gateway: &Gateway) -> Self {
        let webhook = gateway.webhook(&token_of("acme"));
        let key = webhook.create("steady", "EC-P256").await;
        let (made, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (webhook, key, made, over) =
                (webhook.another(), key.clone(), Arc::clone(&made), Arc::clone(&over));
            tasks.spawn(async move { sign_on(&webhook, &key, (&made, &over)).await });
        }

        Self { tasks, made, over }
    }

    /// Waits until as many signatures were made again.
    async fn goes_on(&self) {
        let before = self.made.load(Ordering::Relaxed);
        eventually("more signatures", async || {
            (self.made.load(Ordering::Relaxed) >= before + ENOUGH).then_some(())
        })
        .await;
    }

    /// Ends; any signature that failed fails the test.
    async fn end(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.made.load(Ordering::Relaxed)
    }
}

async fn sign_on(webhook: &Webhook, key: &Key, (made, over): (&AtomicU64, &AtomicBool)) {
    while !over.load(Ordering::Relaxed) {
        webhook.sign(key, Hash::Sha256, b"all the time").await;
        made.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn swaps_rollbacks_and_canaries_lose_no_request() {
    let (site, gateway) = start().await;
    let load = Load::start(&gateway).await;

    for _ in 0..3 {
        load.goes_on().await;
        went_well(&reload(&site, SECOND).await);
        serving(&gateway, &[2]).await;
        load.goes_on().await;
        went_well(&rollback(&site, &[]).await);
        load.goes_on().await;
        went_well(&rollback(&site, &["--readmit"]).await);
        load.goes_on().await;
        went_well(&reload(&site, FIRST).await);
        serving(&gateway, &[1]).await;
    }
    let canary = format!(
        "canary = {{ component = \"file:v2.wasm\", sha256 = \"{}\", weight = 30 }}",
        digest_of(&component(2))
    );
    went_well(&reload(&site, Version { more: &canary, ..FIRST }).await);
    load.goes_on().await;
    gateway_serves_both(&site, &gateway).await;
    went_well(&reload(&site, FIRST).await);
    serving(&gateway, &[1]).await;
    load.goes_on().await;

    assert!(load.end().await >= 14 * ENOUGH);
    let failed = entries(&site.data()).into_iter().filter(|entry| entry.is("sign", "failed")).count();
    assert_eq!(failed, 0);
}

async fn gateway_serves_both(site: &Site, gateway: &Gateway) {
    eventually("a probe of both versions", async || {
        let (_, ready) = gateway.ask_admin("/readyz").await;
        (ready.contains(&digest(1)) && ready.contains(&digest(2))).then_some(())
    })
    .await;

    let signed = entries(&site.data()).into_iter().filter(|entry| entry.is("sign", "ok"));
    let last: Vec<_> = signed.map(|entry| entry.text("component").to_owned()).collect();
    let last = &last[last.len() - 100..];
    let by_canary = last.iter().filter(|component| **component == digest(2)).count();
    // Requests that were in flight at the same time are recorded in another order than they were picked in.
    assert!((20..=40).contains(&by_canary), "{by_canary} of 100");
}

#[tokio::test]
async fn what_a_rollback_did_is_told_recorded_and_kept() {
    let (site, gateway) = start().await;
    let nothing = rollback(&site, &[]).await;
    is_refused(&nothing, &["nothing is changed", "no version before the one that serves"]);
    is_refused(&rollback(&site, &["--readmit"]).await, &["no version of provider `mine` was withdrawn"]);

    went_well(&reload(&site, SECOND).await);
    let rolled_back = rollback(&site, &[]).await;
    went_well(&rolled_back);
    for words in [&digest(1), "is at", "the configuration still names", &digest(2)] {
        assert!(rolled_back.stdout.contains(words), "`{words}` is not in {rolled_back:#?}");
    }
    serving(&gateway, &[1]).await;
    is_refused(&rollback(&site, &[]).await, &["no version before"]);
    let recorded = entries(&site.data()).into_iter().rfind(|entry| entry.is("configure", "ok")).unwrap();
    let detail = format!("provider `mine` is back at {} from {}, rolled back by uid", digest(1), digest(2));
    assert!(recorded.text("detail").contains(&detail), "{recorded:?}");

    // A certificate that is renewed by a timer must not bring back what an operator took away.
    let reloaded = reload(&site, SECOND).await;
    went_well(&reloaded);
    assert!(reloaded.stdout.contains("provider `mine` is back at"), "{reloaded:#?}");
    serving(&gateway, &[1]).await;

    let unknown = keyport(&[&"provider", &"rollback", &"yours", &"--data", &site.data()]).await;
    is_refused(&unknown, &["there is no provider `yours`"]);
}

#[tokio::test]
async fn a_version_that_does_not_sign_with_the_probe_key_never_serves() {
    let (site, gateway) = start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("probe", "EC-P256").await;
    let swap = "swap = { probe-key = { tenant = \"acme\", key = \"probe\" } }";

    for mode in ["forge", "panic-sign", "loop"] {
        let refused = reload(&site, Version { mode, more: swap, ..SECOND }).await;
        let words = ["nothing is changed", "does not take", &digest(2), "the probe key `probe`"];
        is_refused(&refused, &words);
        serving(&gateway, &[1]).await;
    }
    webhook.sign(&key, Hash::Sha256, b"as before").await;

    let other = "swap = { probe-key = { tenant = \"acme\", key = \"prob\" } }";
    is_refused(
        &reload(&site, Version { more: other, ..SECOND }).await,
        &["`prob` of tenant `acme`: no such key"],
    );
    went_well(&reload(&site, Version { more: swap, ..SECOND }).await);
    serving(&gateway, &[2]).await;
    let probes =
        entries(&site.data()).into_iter().filter(|entry| entry.text("detail").contains("probe of a new"));
    let outcomes: Vec<_> = probes.map(|entry| entry.text("outcome").to_owned()).collect();
    assert_eq!(outcomes, ["failed", "failed", "failed", "ok"]);
}

#[tokio::test]
async fn a_version_that_fails_in_its_first_minutes_goes_back_by_itself() {
    let (site, gateway) = start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("key", "EC-P256").await;
    went_well(&reload(&site, Version { mode: "forge", ..SECOND }).await);

    let mut failures = 0;
    while webhook.ask_to_sign(&key.name, Hash::Sha256, b"?").await.status == 500 {
        failures += 1;
    }
    assert_eq!(failures, 5);
    for _ in 0..20 {
        webhook.sign(&key, Hash::Sha256, b"as before").await;
    }
    serving(&gateway, &[1]).await;
    assert!(gateway.logged().contains("as it failed too often"), "{}", gateway.logged());
    eventually("the event", async || {
        let back = |detail: &str| detail.contains("is back at") && detail.contains("failed too often");
        entries(&site.data()).iter().any(|entry| back(entry.text("detail"))).then_some(())
    })
    .await;

    // An operator who knows better has it serve again, and it is watched again.
    went_well(&rollback(&site, &["--readmit"]).await);
    assert_eq!(webhook.ask_to_sign(&key.name, Hash::Sha256, b"?").await.status, 500);
}

#[tokio::test]
async fn a_canary_and_its_provider_do_not_change_at_once() {
    let (site, gateway) = start().await;
    site.write("v3.wasm", component(3));
    let canary = |weight| {
        let sha256 = digest_of(&component(3));
        format!("canary = {{ component = \"file:v3.wasm\", sha256 = \"{sha256}\", weight = {weight} }}")
    };

    let both = reload(&site, Version { more: &canary(10), ..SECOND }).await;
    is_refused(&both, &["provider `mine` has a canary"]);
    went_well(&reload(&site, Version { more: &canary(10), ..FIRST }).await);
    went_well(&reload(&site, Version { more: &canary(20), ..FIRST }).await);
    let loads = gateway.logged().matches("provider loaded").count();
    assert_eq!(loads, 2, "a canary of another weight is the same canary");
    let (wrong, line) = (reload(&site, Version { more: &canary(100), ..FIRST }).await, "from 1 to 99");
    assert_eq!(wrong.code(), Some(2), "{wrong:#?}");
    assert!(wrong.stderr.contains(line), "{wrong:#?}");
}

const CONNECTIONS: usize = 8;
/// Signatures between two changes.
const ENOUGH: u64 = 200;
