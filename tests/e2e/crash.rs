//! `kill -9` under load, at moments that nobody chose.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use keyport_core::key::State;
use serde_json::json;

use crate::dev::token;
use crate::harness::{
    Gateway, Hash, Key, Plan, Site, Stored, Webhook, destroyed, entries, eventually, keyport, token_of,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_forgets_nothing_that_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let answered = Answered::default();
    // Reproducible, as far as a race can be: the moments are the same each time.
    let mut moments = Moments(0x2545_f491_4f6c_dd1d);

    for round in 0..ROUNDS {
        let gateway = Gateway::dev(&data).await;
        let webhook = gateway.webhook(&token(&data));
        every_answered_key_is_there(&webhook, &answered).await;

        let load = Load::start(round, &webhook, &answered);
        tokio::time::sleep(moments.next()).await;
        gateway.kill().await;
        load.ended().await;
    }

    let half_done = Stored::of_a_copy(&data).await.half_done();
    assert!(!half_done.is_empty(), "no crash came in between; there must be more of them");
    let gateway = Gateway::dev(&data).await;
    let webhook = gateway.webhook(&token(&data));
    every_answered_key_is_there(&webhook, &answered).await;
    every_name_can_be_used(&webhook, &answered).await;
    are_destroyed(&data, &half_done).await;
    assert_eq!(gateway.stop().await.code(), Some(0));

    let verified = keyport(&[&"audit", &"verify", &data]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
    every_answer_is_on_record(&data, &answered);
    no_row_and_no_material_is_orphaned(&data).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_waiting_for_the_disk_a_killed_gateway_forgets_nothing_either() {
    let audit = "sync = \"interval\"\ninterval = \"5s\"\nsegment-size = \"16KiB\"".to_owned();
    let site = Site::new(&Plan { audit, ..Plan::soft() });
    let answered = Answered::default();
    let mut moments = Moments(0x9e37_79b9_7f4a_7c15);

    for round in 0..3 {
        let gateway = site.start().await;
        let webhook = gateway.webhook(&token_of("acme"));
        every_answered_key_is_there(&webhook, &answered).await;
        let load = Load::start(round, &webhook, &answered);
        tokio::time::sleep(moments.next()).await;
        gateway.kill().await;
        load.ended().await;
    }

    // What a crash tore is mended by the next start, and that is all that is wrong with it.
    site.start().await.stop().await;
    let verified = keyport(&[&"audit", &"verify", &site.data()]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
    every_answer_is_on_record(&site.data(), &answered);
}

/// What the gateway said it did, over all its lives.
#[derive(Clone, Default)]
struct Answered(Arc<Mutex<Answers>>);

#[derive(Default)]
struct Answers {
    /// Keys whose create was answered and whose release was never asked for.
    keys: BTreeMap<String, Key>,
    /// Names whose release was answered.
    released: BTreeSet<String>,
    /// Names whose create was asked for.
    asked: BTreeSet<String>,
    /// The requests that were answered with a signature.
    signed: BTreeSet<String>,
    /// The requests that were answered with a key.
    created: BTreeSet<String>,
}

impl Answered {
    fn with<T>(&self, work: impl FnOnce(&mut Answers) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

/// Clients that create, sign and release until the gateway is gone.
struct Load(Vec<tokio::task::JoinHandle<()>>);

impl Load {
    fn start(round: u32, webhook: &Webhook, answered: &Answered) -> Self {
        let clients = (0..CLIENTS).map(|client| {
            let client = Client {
                name: format!("{round}-{client}"),
                webhook: webhook.another(),
                answered: answered.clone(),
            };
            tokio::spawn(async move {
                // It ends when there are no more answers.
                drop(client.run().await);
            })
        });
        Self(clients.collect())
    }

    async fn ended(self) {
        for client in self.0 {
            client.await.unwrap();
        }
    }
}

struct Client {
    name: String,
    webhook: Webhook,
    answered: Answered,
}

impl Client {
    async fn run(&self) -> anyhow::Result<()> {
        for turn in 0_u32.. {
            let name = format!("key-{}-{turn}", self.name);
            let key = self.create(&name).await?;
            for signature in 0..SIGNATURES {
                self.sign(&key, &format!("sign-{}-{turn}-{signature}", self.name)).await?;
            }
            if turn % 3 == 0 {
                self.release(&key).await?;
            }
        }
        Ok(())
    }

    async fn create(&self, name: &str) -> anyhow::Result<Key> {
        let id = format!("create-{name}");
        let body = json!({"key_id": name, "key_type": "EC-P256"}).to_string();
        self.answered.with(|answers| answers.asked.insert(name.to_owned()));

        let answer = self.webhook.client.try_call(Method::POST, "/keys", body, Some(&id)).await?;
        let answer = answer.expect(201).json();
        let text = |field: &str| answer[field].as_str().unwrap().to_owned();
        let key = Key { name: name.to_owned(), public: text("public_key"), fingerprint: text("fingerprint") };
        self.answered.with(|answers| {
            answers.created.insert(id);
            answers.keys.insert(name.to_owned(), key.clone());
        });
        Ok(key)
    }

    async fn sign(&self, key: &Key, id: &str) -> anyhow::Result<()> {
        self.webhook.try_sign(&key.name, id.as_bytes(), id).await?.expect(200);
        self.answered.with(|answers| answers.signed.insert(id.to_owned()));
        Ok(())
    }

    async fn release(&self, key: &Key) -> anyhow::Result<()> {
        let path = format!("/keys/{}/release", key.name);
        // Until it is answered nobody knows which.
        self.answered.with(|answers| answers.keys.remove(&key.name));

        self.webhook.client.try_call(Method::POST, &path, "", None).await?.expect(200);
        self.answered.with(|answers| answers.released.insert(key.name.clone()));
        Ok(())
    }
}

async fn every_answered_key_is_there(webhook: &Webhook, answered: &Answered) {
    let listed: BTreeMap<_, _> =
        webhook.list().await.into_iter().map(|key| (key.name.clone(), key)).collect();

    let (keys, released) = answered.with(|answers| (answers.keys.clone(), answers.released.clone()));
    for (name, key) in &keys {
        assert_eq!(listed.get(name), Some(key), "{name} was answered and is gone");
    }
    for name in released {
        assert!(!listed.contains_key(&name), "{name} was released and is back");
    }
    // Every one of them signs; the last ones are those that the crash may have hurt.
    for key in keys.values().rev().take(20) {
        webhook.sign(key, Hash::Sha256, b"after a crash").await;
    }
}

/// Whatever became of the creates that were never answered: their names are free.
async fn every_name_can_be_used(webhook: &Webhook, answered: &Answered) {
    let unanswered = answered.with(|answers| {
        let created = |name: &String| answers.created.contains(&format!("create-{name}"));
        answers.asked.iter().filter(|name| !created(name)).cloned().collect::<Vec<_>>()
    });
    for name in unanswered {
        let key = webhook.create(&name, "EC-P256").await;
        webhook.sign(&key, Hash::Sha256, b"again").await;
    }
}

/// Waits until the gateway has destroyed these keys.
async fn are_destroyed(data: &Path, ids: &BTreeSet<String>) {
    eventually("what was half done to be undone", async || ids.is_subset(&destroyed(data)).then_some(()))
        .await;
}

fn every_answer_is_on_record(data: &Path, answered: &Answered) {
    let recorded = |operation: &str| -> BTreeSet<String> {
        entries(data)
            .into_iter()
            .filter(|entry| entry.is(operation, "ok"))
            .map(|entry| entry.text("request_id").to_owned())
            .collect()
    };

    let (signed, created) = answered.with(|answers| (answers.signed.clone(), answers.created.clone()));
    assert!(signed.len() > 20, "there was no load: {} signatures", signed.len());
    let missing: Vec<_> = signed.difference(&recorded("sign")).cloned().collect();
    assert!(missing.is_empty(), "answered and not on record: {missing:?}");
    let missing: Vec<_> = created.difference(&recorded("create")).cloned().collect();
    assert!(missing.is_empty(), "answered and not on record: {missing:?}");
}

async fn no_row_and_no_material_is_orphaned(data: &Path) {
    let stored = Stored::read(data).await;

    for state in [State::Pending, State::Destroying] {
        assert_eq!(stored.ids(state), BTreeSet::new(), "rows are left {state:?}");
    }
    let kept: BTreeSet<_> = stored.ids(State::Active).union(&stored.ids(State::Released)).cloned().collect();
    assert_eq!(stored.sealed, kept, "sealed material and rows are not the same keys");
    let unrecorded: Vec<_> = stored.keys.iter().filter(|key| key.event.is_none()).collect();
    assert!(unrecorded.is_empty(), "rows whose last change is not on record: {unrecorded:?}");
}

/// Moments to kill at: xorshift64 (Marsaglia 2003).
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;

        Duration::from_millis(20 + self.0 % 400)
    }
}

const ROUNDS: u32 = 8;
const CLIENTS: u32 = 6;
const SIGNATURES: u32 = 3;
