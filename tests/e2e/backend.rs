//! `keyport backend probe` on custodians that are always there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Ended, Hash, Plan, Site, keyport, soft, tenant, token_of};

#[tokio::test]
async fn the_embedded_token_is_tried_out_while_a_gateway_runs_on_it() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("svid", "EC-P256").await;

    let look = probe(&site, "embedded", &[]).await;
    assert_eq!(look.code(), Some(0), "{look:#?}");
    assert!(look.stdout.starts_with("connection `embedded` of kind soft\nhealth     well"), "{look:#?}");
    assert!(says(&look, "offers", "ec-p256", "") && says(&look, "refuses", "ec-secp256k1", "does not offer"));
    let tried = probe(&site, "embedded", &["--sign"]).await;
    assert_eq!(tried.code(), Some(0), "{tried:#?}");
    for (key_type, schemes) in [
        ("ec-p521", "ecdsa(sha-256, sha-384, sha-512)"),
        ("ed25519", "signed and verified ed25519 in"),
        ("rsa-2048", "rsa-pkcs1v15(sha-256, sha-384, sha-512), rsa-pss(sha-256, sha-384, sha-512)"),
    ] {
        assert!(says(&tried, "works", key_type, schemes), "{tried:#?}");
    }
    assert!(says(&tried, "refuses", "ed25519", "ed25519ph: "), "{tried:#?}");

    webhook.sign(&key, Hash::Sha256, b"still served").await;
    assert_eq!(webhook.list().await, [key]);
}

#[tokio::test]
async fn what_cannot_be_opened_fails_by_name() {
    let site = Site::new(&Plan::soft());

    let unknown = probe(&site, "hsm", &[]).await;
    assert_eq!(unknown.code(), Some(1));
    assert!(unknown.stderr.contains("no connection `hsm`; the configuration has embedded"), "{unknown:#?}");
    site.write("master.key", "5a\n");
    let broken = probe(&site, "embedded", &["--sign"]).await;
    assert_eq!((broken.code(), broken.stdout.as_str()), (Some(1), ""), "{broken:#?}");
    assert!(!site.data().exists(), "the data folder was made");
}

#[tokio::test]
async fn keys_of_a_seed_are_tried_out_and_their_identity_does_not_tell_the_seed() {
    let connection = "[[connection]]\nname = \"dev\"\nkind = \"derived\"\nseed = { file = \"seed\" }\n";
    let site = Site::new(&Plan::of([soft("soft"), tenant("acme", "soft"), connection.to_owned()]));
    let seed = "07".repeat(32);
    site.write("seed", format!("{seed}\n"));
    fs::set_permissions(site.path("seed"), fs::Permissions::from_mode(0o600)).unwrap();

    let tried = probe(&site, "dev", &["--sign"]).await;
    assert_eq!(tried.code(), Some(0), "{tried:#?}");
    assert!(says(&tried, "works", "ed25519", "ed25519 in at most"), "{tried:#?}");
    assert!(says(&tried, "refuses", "ec-p256", "only Ed25519 keys are derived"), "{tried:#?}");
    assert!(tried.stdout.contains("identity   ") && !tried.stdout.contains(&seed), "{tried:#?}");
}

#[tokio::test]
async fn of_a_service_that_takes_requests_it_is_said_who_can_try_keys() {
    let connection = "[[connection]]\nname = \"kms\"\nkind = \"http\"\nurl = \"https://kms.example.com\"\n";
    let site = Site::new(&Plan::of([soft("soft"), tenant("acme", "soft"), connection.to_owned()]));

    for more in [&[][..], &["--sign"]] {
        let look = probe(&site, "kms", more).await;
        assert_eq!(look.code(), Some(0), "{look:#?}");
        assert!(look.stdout.contains("keyport provider test"), "{look:#?}");
    }
}

/// That a probe went well and said what is in the golden file of this name, whatever time it took.
pub(crate) fn says_what_is_golden(ended: &Ended, name: &str) {
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    let said: String = ended.stdout.lines().map(|line| format!("{}\n", lasting(line))).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/golden/probe/{name}.txt"));
    if std::env::var_os("KEYPORT_BLESS").is_some() {
        fs::write(&file, &said).unwrap();
    }

    let golden = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(said, golden, "{}: if the new text is better, run with KEYPORT_BLESS=1", file.display());
}

/// A line without what is another at each run: times, and what servers call themselves.
fn lasting(line: &str) -> String {
    let is_time = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let is_uuid = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    let is_place = |word: &str| word.starts_with("http://127.0.0.1:");
    let words =
        line.split(' ').map(|word| if is_time(word) || is_uuid(word) || is_place(word) { "…" } else { word });

    words.collect::<Vec<_>>().join(" ")
}

async fn probe(site: &Site, connection: &str, more: &[&str]) -> Ended {
    let config = site.path("keyport.toml");
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
        vec![&"backend", &"probe", &connection, &"--config", &config];
    arguments.extend(more.iter().map(|argument| -> &dyn AsRef<std::ffi::OsStr> { argument }));

    keyport(&arguments).await
}

/// Whether a line says this of a key type.
fn says(ended: &Ended, word: &str, key_type: &str, more: &str) -> bool {
    ended.stdout.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(word) && words.next() == Some(key_type) && line.contains(more)
    })
}

/// A line for a connection to a service that has no quota.
pub(crate) const UNHURRIED: &str = "rates = { sign = 1000, read = 1000, manage = 1000 }\n";
