//! A disk that is full, or read-only: refusals, at once, and no signature that is not on record.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, geteuid, prlimit};
use tokio::process::Command;
use tokio::time::Instant;

use crate::dev::token;
use crate::harness::{
    Ended, Gateway, Hash, KEYPORT, Plan, Site, entries, eventually, keyport, run, token_of, tool,
};

#[tokio::test]
async fn while_the_disk_is_full_nothing_is_signed_and_afterwards_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev_on_a_small_disk(&data).await;
    let webhook = gateway.webhook(&token(&data));
    let key = webhook.create("on-a-full-disk", "EC-P256").await;
    webhook.sign(&key, Hash::Sha256, b"before").await;
    let mut answered = HashSet::new();

    for round in 0..2 {
        fill_the_disk(&gateway, true);
        for turn in 0..20 {
            let id = format!("full-{round}-{turn}");
            let begun = Instant::now();
            let answer = webhook.try_sign(&key.name, b"full", &id).await.unwrap();
            assert_eq!(answer.expect(503).json()["code"], "unavailable");
            assert!(answer.header("retry-after").is_some());
            assert!(begun.elapsed() < QUICKLY, "it took {:?}", begun.elapsed());
        }
        webhook.ask_to_create("no-room", "EC-P256").await.expect(503);
        let (status, body) = gateway.ask_admin("/readyz").await;
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("\"audit_writable\":false"), "{body}");
        assert_eq!(gateway.ask_admin("/healthz").await.0, 200, "the process itself is well");

        fill_the_disk(&gateway, false);
        let mut turn = 0;
        eventually("signatures again", async || {
            turn += 1;
            let id = format!("after-{round}-{turn}");
            let answer = webhook.try_sign(&key.name, b"after", &id).await.unwrap();
            (answer.status == 200).then(|| answered.insert(id))
        })
        .await;
        assert_eq!(gateway.ask_admin("/readyz").await.0, 200);
        webhook.sign(&key, Hash::Sha256, b"after").await;
    }

    let new = webhook.create("no-room", "EC-P256").await;
    webhook.sign(&new, Hash::Sha256, b"after").await;
    assert_eq!(gateway.stop().await.code(), Some(0));
    let verified = keyport(&[&"audit", &"verify", &data]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
    the_record_says_what_was_answered(&data, &answered);
}

#[tokio::test]
async fn while_the_log_cannot_be_continued_nothing_is_signed_and_afterwards_it_is() {
    let site = Site::new(&Plan { audit: "segment-size = \"4KiB\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("no-folder", "EC-P256").await;
    let (folder, elsewhere) = (site.data().join("audit"), site.path("elsewhere"));
    let mut answered = HashSet::new();

    // The open segment goes on; the next one has no place.
    std::fs::rename(&folder, &elsewhere).unwrap();
    for turn in 0.. {
        let id = format!("before-{turn}");
        let answer = webhook.try_sign(&key.name, b"m", &id).await.unwrap();
        if answer.status != 200 {
            answer.expect(503);
            break;
        }
        answered.insert(id);
    }
    assert_eq!(gateway.ask_admin("/readyz").await.0, 503);

    std::fs::rename(&elsewhere, &folder).unwrap();
    eventually("signatures again", async || {
        let id = format!("after-{}", answered.len());
        let answer = webhook.try_sign(&key.name, b"m", &id).await.unwrap();
        (answer.status == 200).then(|| answered.insert(id))
    })
    .await;
    assert_eq!(gateway.ask_admin("/readyz").await.0, 200);
    gateway.stop().await;
    let verified = keyport(&[&"audit", &"verify", &site.data()]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
    the_record_says_what_was_answered(&site.data(), &answered);
}

#[tokio::test]
async fn listing_needs_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev_on_a_small_disk(&data).await;
    let webhook = gateway.webhook(&token(&data));
    let key = webhook.create("listed", "EC-P256").await;

    fill_the_disk(&gateway, true);
    assert_eq!(webhook.list().await, [key]);
}

#[tokio::test]
async fn on_a_read_only_disk_no_gateway_starts_and_the_log_can_still_be_read() {
    if !may_mount().await {
        return;
    }
    let site = Site::new(&Plan::soft());
    let (data, file) = (site.data(), site.path("keyport.toml"));
    let fresh = mounted(TMPFS, &site, &[&"serve", &"--config", &file]).await;
    is_told_as_read_only(&fresh);
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "the mount point itself");

    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("kept", "EC-P256").await;
    webhook.sign(&key, Hash::Sha256, b"m").await;
    assert_eq!(gateway.stop().await.code(), Some(0));

    is_told_as_read_only(&mounted(BIND, &site, &[&"serve", &"--config", &file]).await);
    let verified = mounted(BIND, &site, &[&"audit", &"verify", &data]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");

    let gateway = site.start().await;
    gateway.webhook(&token_of("acme")).sign(&key, Hash::Sha256, b"as if nothing had been").await;
}

#[track_caller]
fn is_told_as_read_only(ended: &Ended) {
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("Read-only file system"), "{ended:#?}");
    assert!(!ended.stdout.contains("ready"), "{ended:#?}");
}

/// Runs `keyport` with `arguments` where the data folder is mounted as `mount` says, for it alone.
async fn mounted(mount: &str, site: &Site, arguments: &[&dyn AsRef<OsStr>]) -> Ended {
    std::fs::create_dir_all(site.data()).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", &format!("{mount}; shift; exec \"$@\""), "sh"]);
    command.arg(site.data()).arg(KEYPORT).args(arguments);
    run(command).await
}

/// Whether file systems can be mounted. Where they cannot, the test that needs it says so and passes, except where `CI`
/// is set: there it fails.
async fn may_mount() -> bool {
    let allowed = geteuid().is_root() && tool("unshare").await && {
        let mut command = Command::new("unshare");
        command.args(["--mount", "true"]);
        run(command).await.code() == Some(0)
    };
    assert!(allowed || std::env::var_os("CI").is_none(), "nothing can be mounted, and CI skips nothing");
    if !allowed {
        eprintln!("skipped: only root can mount a read-only disk");
    }
    allowed
}

fn the_record_says_what_was_answered(data: &std::path::Path, answered: &HashSet<String>) {
    let recorded: HashSet<_> = entries(data)
        .into_iter()
        .filter(|entry| entry.is("sign", "ok"))
        .map(|entry| entry.text("request_id").to_owned())
        .collect();

    assert!(answered.is_subset(&recorded), "{answered:?} were answered, {recorded:?} are on record");
    let refused: Vec<_> = recorded.iter().filter(|id| id.starts_with("full-")).collect();
    assert!(refused.is_empty(), "refused, and on record as signed: {refused:?}");
}

/// No file can become any longer, or they can again.
fn fill_the_disk(gateway: &Gateway, full: bool) {
    let limit = Rlimit { current: full.then_some(1), maximum: None };
    prlimit(Some(gateway.pid()), Resource::Fsize, limit).unwrap();
}

/// What is in the folder already, read-only.
const BIND: &str = r#"mount --bind "$1" "$1"; mount -o remount,bind,ro "$1""#;
/// An empty disk, read-only.
const TMPFS: &str = r#"mount -t tmpfs -o ro tmpfs "$1""#;
const QUICKLY: Duration = Duration::from_secs(2);
