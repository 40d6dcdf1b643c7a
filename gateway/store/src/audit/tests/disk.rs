//! Disks that are full, fail or go away.

use std::fs::{File, OpenOptions};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::Durability;
use super::*;

/// A way of making segments that opens `device` instead while `fails` is set.
fn failing(device: &'static str, fails: &Arc<AtomicBool>) -> Arc<Create> {
    let fails = Arc::clone(fails);
    Arc::new(move |path: &Path| {
        if fails.load(Ordering::Relaxed) {
            OpenOptions::new().write(true).open(device)
        } else {
            OpenOptions::new().write(true).create_new(true).open(path)
        }
    })
}

/// Segments so small that every entry begins one.
fn tiny() -> Options {
    Options { segment_size: 1, ..Options::default() }
}

async fn is_refused_while_it_fails_and_goes_on_later(device: &'static str) {
    let log = Log::new();
    let fails = Arc::new(AtomicBool::new(false));
    let files = log.open_on(tiny(), failing(device, &fails));
    let before = files.append(event()).await.unwrap();

    fails.store(true, Ordering::Relaxed);
    for _ in 0..50 {
        let refused = tokio::time::timeout(Duration::from_secs(5), files.append(event())).await.unwrap();
        assert_eq!(refused.unwrap_err().code(), "unavailable");
    }
    assert!(!files.is_writable());
    assert_eq!(files.durable().seq, before);

    fails.store(false, Ordering::Relaxed);
    while !files.is_writable() {
        // Nobody appends: the log finds out by itself.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    files.append(event()).await.unwrap();
    let report = log.verify(Some(files.durable()));
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.entries, files.durable().seq);
}

#[tokio::test]
async fn a_full_disk_is_refused_at_once_and_the_chain_goes_on_later() {
    is_refused_while_it_fails_and_goes_on_later("/dev/full").await;
}

#[tokio::test]
async fn a_failed_fsync_counts_for_nothing_and_the_chain_goes_on_later() {
    // Takes every write, and refuses to fsync.
    is_refused_while_it_fails_and_goes_on_later("/dev/null").await;
}

#[tokio::test]
async fn a_folder_that_is_gone_is_refused() {
    let log = Log::new();
    let (files, _) = log.open(tiny(), None);
    fs::remove_dir_all(log.0.path()).unwrap();

    let refused = files.append(event()).await.unwrap_err();

    assert_eq!(refused.code(), "unavailable");
    fs::create_dir(log.0.path()).unwrap();
}

#[test]
fn the_disk_fills_in_the_middle_of_a_line() {
    in_a_process_with_small_files("the_disk_fills_in_the_middle_of_a_line", |log| {
        appends_through_failures(log, Durability::Always, Some(Head::START));
    });
}

#[test]
fn the_disk_fills_before_acknowledged_entries_are_on_it() {
    in_a_process_with_small_files("the_disk_fills_before_acknowledged_entries_are_on_it", |log| {
        appends_through_failures(log, Durability::Interval(Duration::from_secs(3600)), None);
    });
}

#[test]
fn a_disk_too_full_to_reserve_room_takes_the_entries_that_fit() {
    in_a_process_with_small_files("a_disk_too_full_to_reserve_room_takes_the_entries_that_fit", |log| {
        appends_until_it_is_full(log);
    });
}

#[tokio::main(flavor = "current_thread")]
async fn appends_until_it_is_full(log: &Log) {
    let (files, _) = log.open(Options::default(), None);
    while files.append(event()).await.is_ok() {}
    files.close();

    let size = log.segments()[0].metadata().unwrap().len();
    assert!(size > 64 * 512 - 1000, "{size}");
    assert!(log.verify(Some(files.durable())).is_sound());
}

/// Appends far more than a file may hold. Each time a segment fails in the middle of a line, and the next begins.
#[tokio::main(flavor = "current_thread")]
async fn appends_through_failures(log: &Log, durability: Durability, saved: Option<Head>) {
    let (files, _) = log.open(Options { durability, ..Options::default() }, saved);
    let (mut places, mut refusals) = (vec![1], 0);
    while places.len() < 2000 {
        match files.append(event()).await {
            Ok(place) => places.push(place),
            Err(_) => {
                refusals += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    files.close();

    let report = log.verify(Some(files.durable()));
    assert!(refusals > 3, "{refusals}");
    assert!(report.is_sound(), "{report:?}");
    let lines = log.lines();
    let is_there = |place: &u64| lines.iter().any(|line| line["seq"] == *place);
    assert!(places.iter().all(is_there), "every acknowledged entry is there");
}

/// Runs `work` in a process of its own, whose files may have at most 64 blocks; a write beyond fails half-way.
fn in_a_process_with_small_files(test: &str, work: impl FnOnce(&Log)) {
    const INSIDE: &str = "KEYPORT_TEST_WITH_SMALL_FILES";
    if std::env::var_os(INSIDE).is_some() {
        return work(&Log::new());
    }

    let output = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact \"audit::tests::disk::$1\" --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
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

#[tokio::test]
async fn what_could_not_be_taken_back_is_set_aside_by_the_next_start() {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);
    files.append(event()).await.unwrap();
    files.close();
    let head = files.durable();
    // A segment that failed after two entries, of which one was not on the disk, and the one that followed it.
    let (first, follows) = (log.segments().remove(0), log.copy());
    let (files, _) = follows.open(tiny(), Some(head));
    files.append(event()).await.unwrap();
    files.close();
    for segment in follows.segments().iter().skip(1) {
        fs::copy(segment, log.0.path().join(segment.file_name().unwrap())).unwrap();
    }
    let mut excess = Vec::new();
    head.append(super::super::line::Line::default(), &mut excess).unwrap();
    excess.extend(b"{\"seq\":4,\"ti");
    std::io::Write::write_all(&mut File::options().append(true).open(first).unwrap(), &excess).unwrap();
    assert!(!log.verify(Some(files.durable())).is_sound());

    let (files, recovery) = log.open(Options::default(), Some(files.durable()));

    assert_eq!(recovery.torn.len(), 1, "{recovery:?}");
    assert_eq!(fs::read(&recovery.torn[0].kept).unwrap(), excess);
    assert!(log.verify(Some(files.durable())).is_sound());
}
