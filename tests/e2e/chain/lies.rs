//! Servers that answer what is not so: nothing of it leaves the gateway, and nothing of it stays.

use super::front::{in_front_of, present, remote_kms};
use super::liar::{Liar, Lie};
use crate::harness::{Answer, Gateway, Site, entries, eventually};
use crate::remote_kms::client::RemoteKms;

#[tokio::test]
async fn a_signature_that_is_not_the_keys_never_leaves() {
    let stage = Stage::open().await;
    stage.kms.create("a", "ES256").await;

    for lie in [Lie::OtherKey, Lie::OtherMessage] {
        stage.liar.tell(lie.clone());
        let refused = stage.sign().await;
        assert_eq!(
            (refused.status, refused.json()["error"].as_str()),
            (500, Some("internal error")),
            "{lie:?}"
        );
    }
    let recorded = entries(&stage.site.data());
    assert_eq!(recorded.iter().filter(|entry| entry.is("sign", "failed")).count(), 2);
    let logged = "a signature that is not the key's";
    eventually("the log to tell", async || stage.gateway.logged().contains(logged).then_some(())).await;
    stage.tells_the_truth_again().await;
}

#[tokio::test]
async fn a_key_that_does_not_sign_its_challenge_is_none_and_is_taken_back() {
    let stage = Stage::open().await;

    for lie in [Lie::OtherHalf, Lie::OtherKey, Lie::PrivateHalf] {
        stage.liar.tell(lie.clone());
        stage.kms.ask_to_create("a", "ES256").await.expect(500);
        eventually("the key to be taken back", async || stage.liar.keys().is_empty().then_some(())).await;
        assert_eq!(stage.count().await, 0, "{lie:?}");
    }
    stage.liar.tell(Lie::None);
    stage.kms.create("a", "ES256").await;
    stage.sign().await.expect(200);
}

#[tokio::test]
async fn what_a_server_says_is_for_the_operator_and_what_it_means_for_the_caller() {
    let stage = Stage::open().await;
    stage.kms.create("a", "ES256").await;
    let said =
        |status, headers| Lie::Answer(status, headers, format!("{{\"error\":\"{TELL_TALE} {status}\"}}"));

    for (status, headers, answered, retry_after) in [
        (302, &[("location", "http://127.0.0.1:1/elsewhere")][..], 503, Some("1")),
        (400, &[], 500, None),
        (401, &[], 503, None),
        (403, &[], 503, None),
        (404, &[], 503, None),
        (409, &[], 503, None),
        (429, &[("retry-after", "7")], 429, Some("7")),
        (500, &[], 503, Some("1")),
        (503, &[("retry-after", "9")], 503, Some("9")),
    ] {
        let before = stage.liar.asked().len();
        stage.liar.tell(said(status, headers));
        let refused = stage.sign().await;
        assert_eq!((refused.status, refused.header("retry-after")), (answered, retry_after), "{status}");
        assert!(!refused.text().contains(TELL_TALE), "{status}: {}", refused.text());
        assert_eq!(stage.liar.asked().len(), before + 1, "{status} was asked again");
        // That there is too much to do is no news.
        if status == 429 {
            continue;
        }
        let logged = format!("answered {status}: {TELL_TALE} {status}");
        eventually("the log to tell", async || stage.gateway.logged().contains(&logged).then_some(())).await;
    }
    stage.tells_the_truth_again().await;
}

#[tokio::test]
async fn answers_that_are_none_are_failures_and_no_more() {
    let stage = Stage::open().await;
    stage.kms.create("a", "ES256").await;
    let garbage = |text: &str| Lie::Answer(200, &[], text.to_owned());

    for (lie, answered) in [
        (garbage(""), 500),
        (garbage("nonsense"), 500),
        (garbage("{\"signature\":7}"), 500),
        (garbage("{\"signature\":\"AAAA\"}"), 500),
        (garbage(&"[".repeat(60_000)), 500),
        (garbage(&" ".repeat(10 << 20)), 500),
        (Lie::Echo, 500),
        (Lie::HangUp, 503),
        (Lie::Hold, 503),
    ] {
        stage.liar.tell(lie.clone());
        let refused = stage.sign().await;
        assert_eq!(refused.status, answered, "{}: {}", brief(&lie), refused.text());
    }
    assert!(!stage.gateway.logged().contains("the-token-of-front"));
    stage.tells_the_truth_again().await;
}

#[tokio::test]
async fn a_create_that_was_cut_short_leaves_no_key() {
    let stage = Stage::open().await;

    for lie in [Lie::HangUp, Lie::Hold, Lie::Answer(200, &[], "{}".to_owned()), Lie::Echo] {
        stage.liar.tell(lie.clone());
        let refused = stage.kms.ask_to_create("a", "ES256").await;
        assert!(matches!(refused.status, 500 | 503), "{lie:?}: {}", refused.text());
        // It was made all the same.
        eventually("the key to be taken back", async || stage.liar.keys().is_empty().then_some(())).await;
    }
    let made = stage.liar.asked().iter().filter(|asked| *asked == "POST /keys").count();
    assert_eq!(made, 4, "each create is asked for once");
    stage.liar.tell(Lie::None);
    stage.kms.create("a", "ES256").await;
    assert_eq!(stage.count().await, 1);
}

#[tokio::test]
async fn der_is_made_into_what_the_contract_has() {
    let stage = Stage::open().await;
    stage.liar.tell(Lie::Der);

    stage.kms.create("a", "ES256").await;
    let signed = stage.sign().await;
    assert_eq!(signed.expect(200).json()["signature"].as_str().unwrap().len(), 86);
}

/// A gateway whose keys a liar has.
pub(super) struct Stage {
    pub(super) liar: Liar,
    pub(super) site: Site,
    pub(super) gateway: Gateway,
    pub(super) kms: RemoteKms,
}

impl Stage {
    pub(super) async fn open() -> Self {
        let liar = Liar::start().await;
        let site = Site::new(&in_front_of(&liar.url, "timeout = \"500ms\"", ""));
        present(&site);
        let gateway = site.start().await;
        let kms = remote_kms(&gateway);

        Self { liar, site, gateway, kms }
    }

    async fn sign(&self) -> Answer {
        self.kms.ask_to_sign("a", "ES256", b"a message").await
    }

    /// How many keys callers see.
    async fn count(&self) -> u64 {
        self.kms.client.get("/health").await.json()["keyCount"].as_u64().unwrap()
    }

    async fn tells_the_truth_again(&self) {
        self.liar.tell(Lie::None);
        self.sign().await.expect(200);
    }
}

fn brief(lie: &Lie) -> String {
    format!("{lie:?}").chars().take(60).collect()
}

const TELL_TALE: &str = "a word of the server's own";
