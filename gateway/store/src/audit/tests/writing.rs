//! Entries as they are written.

use std::time::Duration;

use keyport_core::key::KeyName;

use super::super::{Durability, Retention};
use super::*;

#[tokio::test]
async fn a_line_has_its_fields_in_order_and_leaves_out_what_is_absent() {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);
    let event = Event {
        caller: Some("spire".parse().unwrap()),
        contract: Some("webhook"),
        key: Some(KeyName::new("key_id", "x509-\"CA\"").unwrap()),
        key_id: Some("000102030405060708090a0b0c0d0e0f".parse().unwrap()),
        provider: Some("soft".parse().unwrap()),
        scheme: Some(keyport_core::scheme::Scheme::Ed25519),
        attempts: 2,
        outcome: Outcome::Failed,
        reason: Some("unavailable"),
        intent: Some(1),
        recovered: true,
        detail: Some("späť".to_owned()),
        ..intent()
    };

    assert_eq!(files.append(event).await.unwrap(), 2);

    let text = text(&log.segments().remove(0));
    let mut lines = text.lines();
    let first = lines.next().unwrap();
    assert!(
        first.ends_with(&format!(r#""outcome":"ok","oldest":1,"prev":"{}"}}"#, "0".repeat(64))),
        "{first}"
    );
    let prev = hex::encode(Head::of(1, first.as_bytes()).hash);
    let expected = format!(
        r#"{{"seq":2,"time":"2026-10-14T17:46:40.123Z","request_id":"r-1","tenant":"acme","caller":"spire","contract":"webhook","operation":"sign","key":"x509-\"CA\"","key_id":"000102030405060708090a0b0c0d0e0f","provider":"soft","scheme":"ed25519","attempts":2,"outcome":"failed","reason":"unavailable","intent":1,"recovered":true,"detail":"späť","prev":"{prev}"}}"#
    );
    assert_eq!(lines.next(), Some(expected.as_str()));
    assert_eq!(lines.next(), None);
}

#[tokio::test]
async fn entries_that_arrive_together_have_places_of_their_own() {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);
    let files = Arc::new(files);

    let appends: Vec<_> = (0..500)
        .map(|_| {
            let files = Arc::clone(&files);
            tokio::spawn(async move { files.append(event()).await.unwrap() })
        })
        .collect();
    let mut places = Vec::new();
    for append in appends {
        places.push(append.await.unwrap());
    }

    places.sort_unstable();
    assert_eq!(places, (2..=501).collect::<Vec<_>>());
    assert_eq!(files.durable().seq, 501);
    assert!(log.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn events_that_are_appended_at_once_stand_one_after_the_other() {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);

    let (alone, together, last) = tokio::join!(
        files.append(event()),
        files.append_all(vec![intent(), event(), event()]),
        files.append(event())
    );

    assert_eq!((alone.unwrap(), together.unwrap(), last.unwrap()), (2, 3, 6));
    assert_eq!(log.lines()[2]["outcome"], "intent");
    assert!(log.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn a_time_beyond_the_calendar_and_a_long_detail_are_shortened() {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);

    files
        .append(Event { time: Timestamp(u64::MAX), detail: Some("ä".repeat(5000)), ..event() })
        .await
        .unwrap();

    let line = log.lines().remove(1);
    assert_eq!(line["time"], "9999-12-31T23:59:59.999Z");
    assert_eq!(line["detail"].as_str().unwrap().len(), 4096);
}

#[tokio::test]
async fn a_full_segment_is_followed_by_the_next_in_one_chain() {
    let (log, head) = Log::with(small(), 40).await;

    let segments = log.segments().len();
    let report = log.verify(Some(head));

    assert!(segments > 4, "{segments}");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.first, report.entries, report.segments), (Some(1), head.seq, segments));
}

#[tokio::test]
async fn retention_removes_the_oldest_segments_and_says_so() {
    let retention = Retention { size: Some(3000), ..Retention::default() };
    let (log, head) = Log::with(Options { retention, ..small() }, 60).await;

    let report = log.verify(Some(head));
    assert!(report.is_sound(), "{report:?}");
    assert!(report.first > Some(1) && report.segments <= 5, "{report:?}");

    fs::remove_file(log.segments().remove(0)).unwrap();
    assert!(!log.verify(Some(head)).is_sound(), "one more than retention removed is missed");
}

#[tokio::test]
async fn what_somebody_else_removed_is_still_missed_after_a_restart_and_the_next_segments() {
    let (log, head) = Log::with(small(), 40).await;
    fs::remove_file(log.segments().remove(0)).unwrap();

    let (files, _) = log.open(small(), Some(head));
    for _ in 0..40 {
        files.append(event()).await.unwrap();
    }

    assert!(!log.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn the_archive_has_what_retention_removed() {
    let archive = TempDir::new().unwrap();
    let retention = Retention {
        age: Some(Duration::ZERO),
        archive: Some(archive.path().join("old")),
        ..Retention::default()
    };
    let (log, head) = Log::with(Options { retention, ..small() }, 60).await;

    let options = VerifyOptions { archives: vec![archive.path().join("old")], ..VerifyOptions::default() };
    let report = verify_segments(log.0.path(), &options, Some(head)).unwrap();

    assert!(log.verify(Some(head)).first > Some(1));
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.first, report.entries), (Some(1), head.seq));
}

#[tokio::test]
async fn with_an_interval_entries_are_answered_at_once_and_reach_the_disk_later() {
    let log = Log::new();
    let durability = Durability::Interval(Duration::from_millis(5));
    let (files, _) = log.open(Options { durability, ..Options::default() }, None);

    let seq = files.append(event()).await.unwrap();
    assert_eq!(log.lines().len(), 2, "the operating system has it");
    while files.durable().seq < seq {
        tokio::task::yield_now().await;
    }

    assert!(log.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn a_closed_log_refuses() {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);
    assert!(files.is_writable());

    files.close();

    assert!(!files.is_writable());
    let refused = files.append(event()).await.unwrap_err();
    assert_eq!(refused.code(), "unavailable");
}
