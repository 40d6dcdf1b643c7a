//! The data folder on a real disk: the ports' suites, restarts, crashes, erasure, a second process, a full disk.

#![expect(clippy::unwrap_used, reason = "tests, and allow-unwrap-in-tests skips helpers")]
#![expect(unreachable_pub, reason = "the suites are modules of a test")]

mod conformance;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conformance::{id, made, name, pending, tenant};
use keyport_core::audit::{Event, Operation, Outcome};
use keyport_core::outside::{Clock, Task, Timestamp};
use keyport_store::audit::{Options, VerifyOptions, verify};
use keyport_store::{LockError, OpenError, Store};
use tempfile::TempDir;

async fn open(folder: &Path) -> Store {
    Store::open(folder, Arc::new(SystemClock)).await.unwrap()
}

async fn fresh() -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;

    (folder, store)
}

/// The folder as a crash at this moment would leave it.
fn copy(folder: &Path) -> TempDir {
    let copied = TempDir::new().unwrap();
    let status = Command::new("cp").arg("-r").arg(folder.join(".")).arg(copied.path()).status().unwrap();
    assert!(status.success());

    copied
}

/// Whether a file in the folder contains these bytes.
fn is_in_a_file(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .any(|path| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes))
}

#[tokio::test]
async fn sqlite_keeps_what_a_store_of_keys_promises() {
    conformance::keys(async || {
        let (folder, store) = fresh().await;
        let keys = store.keys();
        ((folder, store), keys)
    })
    .await;
}

#[tokio::test]
async fn sqlite_keeps_what_a_store_of_sealed_material_promises() {
    conformance::sealed_keys(async || {
        let (folder, store) = fresh().await;
        let sealed = store.sealed();
        ((folder, store), sealed)
    })
    .await;
}

#[tokio::test]
async fn rows_are_the_same_after_a_restart() {
    let (folder, store) = fresh().await;
    let (keys, acme) = (store.keys(), tenant("acme"));
    for number in 0..10 {
        let key = pending(&format!("k{number}"), number);
        keys.insert(&acme, &key).await.unwrap();
        if number % 2 == 0 {
            let active = made(&key, &number.to_string()).activated(None, 1, Timestamp(1));
            assert!(keys.update(&acme, &[active]).await.unwrap());
        }
    }
    let gone = pending("gone", 99);
    keys.insert(&acme, &gone).await.unwrap();
    assert!(keys.update(&acme, &[gone.destroyed(Timestamp(1)).recorded(1)]).await.unwrap());
    let listed = keys.list(&acme).await.unwrap();
    store.close().await;
    drop(store);

    let keys = open(folder.path()).await.keys();

    assert_eq!(listed.len(), 10);
    assert_eq!(keys.list(&acme).await.unwrap(), listed);
    assert_eq!(keys.active(&acme, &name("k2")).await.unwrap().unwrap().id, id(2));
    assert_eq!(keys.active(&acme, &name("k3")).await.unwrap(), None);
    assert!(keys.key(&acme, gone.id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_connection_stays_bound_to_its_custodian_until_it_is_bound_anew() {
    let (folder, store) = fresh().await;
    let (hsm, other) = ("hsm".parse().unwrap(), "other".parse().unwrap());
    assert_eq!(store.pins().pinned(&hsm).await.unwrap(), None);

    store.pins().pin(&hsm, "vendor/model/1").await.unwrap();
    drop(store);
    let store = open(folder.path()).await;
    assert_eq!(store.pins().pinned(&hsm).await.unwrap().as_deref(), Some("vendor/model/1"));
    store.pins().pin(&hsm, "vendor/model/2").await.unwrap();
    assert_eq!(store.pins().pinned(&hsm).await.unwrap().as_deref(), Some("vendor/model/2"));
    assert_eq!(store.pins().pinned(&other).await.unwrap(), None);
}

#[tokio::test]
async fn a_refused_pin_is_remembered_until_one_is_taken() {
    let (folder, store) = fresh().await;
    let hsm = "hsm".parse().unwrap();
    assert_eq!(store.pins().refused_pin(&hsm).await.unwrap(), None);

    for hash in [b"one", b"two"] {
        store.pins().set_refused_pin(&hsm, Some((b"salt".to_vec(), hash.to_vec()))).await.unwrap();
    }
    drop(store);
    let store = open(folder.path()).await;
    assert_eq!(store.pins().refused_pin(&hsm).await.unwrap(), Some((b"salt".to_vec(), b"two".to_vec())));
    store.pins().set_refused_pin(&hsm, None).await.unwrap();
    assert_eq!(store.pins().refused_pin(&hsm).await.unwrap(), None);
}

#[tokio::test]
async fn what_was_answered_survives_a_crash_at_any_moment() {
    let (folder, store) = fresh().await;
    let (keys, sealed, acme) = (store.keys(), store.sealed(), tenant("acme"));

    for number in 0..12 {
        let key = pending(&format!("k{number}"), number);
        keys.insert(&acme, &key).await.unwrap();
        sealed.put(&acme, key.id, format!("sealed {number}").as_bytes()).await.unwrap();
        let expected = keys.list(&acme).await.unwrap();

        let crashed = copy(folder.path());
        let again = open(crashed.path()).await;

        assert_eq!(again.keys().list(&acme).await.unwrap(), expected);
        assert!(again.sealed().get(&acme, key.id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_half_of_a_write() {
    let (folder, store) = fresh().await;
    let (keys, acme) = (store.keys(), tenant("acme"));

    for number in 0..50 {
        let key = pending(&format!("k{number}"), number);
        // Dropped at its first wait.
        tokio::time::timeout(Duration::ZERO, keys.insert(&acme, &key)).await.unwrap_or(Ok(())).unwrap();
    }
    keys.insert(&acme, &pending("last", 1000)).await.unwrap();

    let listed = keys.list(&acme).await.unwrap();
    store.close().await;
    drop(store);
    assert_eq!(open(folder.path()).await.keys().list(&acme).await.unwrap(), listed);
}

#[tokio::test]
async fn erased_material_is_in_no_file() {
    let (folder, store) = fresh().await;
    let (sealed, acme) = (store.sealed(), tenant("acme"));
    // Of the sizes of sealed elliptic curve and RSA keys, so that pages split and overflow.
    let material =
        |number: u32| format!("<material {number}>").repeat(if number.is_multiple_of(3) { 200 } else { 12 });
    for number in 0..150 {
        sealed.put(&acme, id(number), material(number).as_bytes()).await.unwrap();
    }
    assert!(is_in_a_file(folder.path(), b"<material 7>"));

    for step in 0..150 {
        let number = step * 37 % 150;
        sealed.delete(&acme, id(number)).await.unwrap();
        assert!(!is_in_a_file(folder.path(), format!("<material {number}>").as_bytes()), "{number}");
    }
}

#[tokio::test]
async fn material_that_was_resealed_is_in_no_file() {
    let (folder, store) = fresh().await;
    let sealed = store.sealed();
    for number in 0..20 {
        sealed.put(&tenant("acme"), id(number), "<old>".repeat(100).as_bytes()).await.unwrap();
    }

    sealed.reseal(b"mark", &|_, _, old| Ok(vec![b'x'; old.len()])).await.unwrap();

    assert!(!is_in_a_file(folder.path(), b"<old>"));
}

#[tokio::test]
async fn a_second_process_is_told_that_the_folder_is_taken() {
    let (folder, store) = fresh().await;

    let refused = Store::open(folder.path(), Arc::new(SystemClock)).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Folder(LockError::Taken { path, .. }) if path == folder.path()));
    let holder = format!("process {}", std::process::id());
    assert!(refused.to_string().ends_with(&holder), "{refused}");

    drop(store);
    open(folder.path()).await;
}

#[tokio::test]
async fn nobody_else_may_read_the_folder() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("a/keyport");
    let store = open(&folder).await;
    store.keys().insert(&tenant("acme"), &pending("a", 1)).await.unwrap();
    store.audit(Options::default()).await.unwrap();

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("audit")), 0o700);
    for file in ["lock", "keyport.db", "keyport.db-wal", "keyport.db-shm", "audit/audit-000000000001.jsonl"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("keyport.db"), "this is no database, but long enough to be one".repeat(100))
        .unwrap();

    let refused = Store::open(folder.path(), Arc::new(SystemClock)).await.unwrap_err();

    assert!(matches!(refused, OpenError::Database { .. }), "{refused}");
}

fn event() -> Event {
    Event::new(Timestamp(1_792_000_000_123), Operation::Sign, Outcome::Ok)
}

#[tokio::test]
async fn the_log_is_verified_while_it_is_written() {
    let (folder, store) = fresh().await;
    let (log, _) = store.audit(Options::default()).await.unwrap();

    for place in [folder.path().to_owned(), folder.path().join("audit")] {
        let seq = log.append(event()).await.unwrap();
        let report = verify(&place, VerifyOptions::default()).await.unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.last, Some(seq));
    }
}

#[tokio::test]
async fn a_missing_last_entry_shows_after_an_orderly_end() {
    let (folder, store) = fresh().await;
    let (log, _) = store.audit(Options::default()).await.unwrap();
    for _ in 0..3 {
        log.append(event()).await.unwrap();
    }
    store.close().await;
    let path = folder.path().join("audit/audit-000000000001.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let (kept, _) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(&path, format!("{kept}\n")).unwrap();

    let report = verify(folder.path(), VerifyOptions::default()).await.unwrap();
    assert_eq!(report.head, Some(4));
    assert!(report.problems[0].to_string().ends_with("entry 4 is missing"), "{report:?}");

    drop(store);
    let (_, recovery) = open(folder.path()).await.audit(Options::default()).await.unwrap();
    assert!(recovery.gap.is_some());
}

#[tokio::test]
async fn a_log_without_its_database_is_verified_as_far_as_it_can_be() {
    let (folder, store) = fresh().await;
    let (log, _) = store.audit(Options::default()).await.unwrap();
    log.append(event()).await.unwrap();
    let elsewhere = copy(&folder.path().join("audit"));

    let report = verify(elsewhere.path(), VerifyOptions::default()).await.unwrap();

    assert!(report.is_sound() && report.head.is_none(), "{report:?}");
    let nothing = TempDir::new().unwrap();
    assert!(verify(nothing.path(), VerifyOptions::default()).await.is_err());
}

#[test]
fn a_full_disk_is_said_to_be_unavailable_and_loses_nothing() {
    const INSIDE: &str = "KEYPORT_TEST_WITH_SMALL_FILES";
    if std::env::var_os(INSIDE).is_some() {
        return fills_the_disk();
    }

    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg("a_full_disk_is_said_to_be_unavailable_and_loses_nothing")
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::main]
async fn fills_the_disk() {
    let (folder, store) = fresh().await;
    let (keys, sealed, acme) = (store.keys(), store.sealed(), tenant("acme"));

    let (mut rows, mut material, mut refusals, mut number) = (Vec::new(), Vec::new(), 0, 0);
    while refusals < 20 {
        number += 1;
        match keys.insert(&acme, &pending(&format!("k{number}"), number)).await {
            Ok(()) => rows.push(id(number)),
            Err(refused) => {
                assert_eq!(refused.code(), "unavailable", "{refused:?}");
                refusals += 1;
            }
        }
        match sealed.put(&acme, id(number), &[7; 3000]).await {
            Ok(()) => material.push(id(number)),
            Err(refused) => {
                assert_eq!(refused.code(), "unavailable", "{refused:?}");
                refusals += 1;
            }
        }
    }

    let listed = keys.list(&acme).await.unwrap();
    assert_eq!(listed.iter().map(|key| key.id).collect::<Vec<_>>(), rows);
    store.close().await;
    drop(store);
    let again = open(folder.path()).await;
    assert_eq!(again.keys().list(&acme).await.unwrap(), listed);
    for id in material {
        assert!(again.sealed().get(&acme, id).await.unwrap().is_some());
    }
}

#[derive(Debug)]
struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        std::time::SystemTime::now().into()
    }

    fn sleep_until(&self, deadline: Instant) -> Task {
        Box::pin(tokio::time::sleep_until(deadline.into()))
    }
}
