//! The room that a segment reserves is never taken for entries, nor for damage.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use super::super::{Durability, Retention};
use super::*;

/// Leaves `count` zeros after what `segment` has.
fn leave_room(segment: &Path, count: u64) {
    let file = File::options().write(true).open(segment).unwrap();
    file.set_len(file.metadata().unwrap().len() + count).unwrap();
}

fn size(segment: &Path) -> usize {
    usize::try_from(segment.metadata().unwrap().len()).unwrap()
}

#[tokio::test]
async fn room_is_reserved_while_a_log_is_open_and_given_back_when_it_is_closed() {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);
    files.append(event()).await.unwrap();
    let segment = log.segments().remove(0);
    let reserved = size(&segment);
    assert!(reserved > text(&segment).len() + 100_000, "{reserved}");

    for _ in 0..20 {
        files.append(event()).await.unwrap();
    }
    assert_eq!(size(&segment), reserved, "what is appended needs no more");
    let whole = text(&segment);
    files.close();

    assert_eq!(fs::read_to_string(&segment).unwrap(), whole);
}

#[tokio::test]
async fn more_room_is_reserved_when_it_is_used_up() {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);
    let long = Event { detail: Some("d".repeat(4096)), ..event() };
    for _ in 0..10 {
        files.append_all(vec![long.clone(); 50]).await.unwrap();
    }

    let segment = log.segments().remove(0);
    assert!(size(&segment) > text(&segment).len());
    assert_eq!(files.durable().seq, 501);
    assert!(log.verify(Some(files.durable())).is_sound());
    assert_eq!(log.lines().len(), 501);
}

#[tokio::test]
async fn a_closed_segment_is_full_of_entries_and_has_no_room() {
    let log = Log::new();
    let (files, _) = log.open(small(), None);
    for _ in 0..40 {
        files.append(event()).await.unwrap();
    }

    let mut segments = log.segments();
    segments.pop();
    assert!(segments.len() > 3);
    for segment in segments {
        let whole = fs::read_to_string(&segment).unwrap();
        assert!(whole.len() >= 1000 && whole.ends_with("}\n"), "{whole}");
    }
}

#[tokio::test]
async fn a_log_that_reserves_no_room_or_is_synced_later_can_be_followed_as_it_grows() {
    let durability = Durability::Interval(Duration::from_secs(3600));
    for options in
        [Options { durability, ..Options::default() }, Options { preallocate: false, ..Options::default() }]
    {
        let log = Log::new();
        let (files, _) = log.open(options, None);

        files.append(event()).await.unwrap();

        assert!(fs::read_to_string(log.segments().remove(0)).unwrap().ends_with("}\n"));
    }
}

#[tokio::test]
async fn room_that_a_crash_left_is_no_torn_line() {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);
    files.append(event()).await.unwrap();
    let crashed = log.copy();
    let report = crashed.verify(Some(files.durable()));
    assert!(report.is_sound() && !report.is_torn && report.entries == 2, "{report:?}");

    let (resumed, recovery) = crashed.open(Options::default(), Some(files.durable()));

    assert_eq!(recovery, Recovery { last: 2, ..Recovery::default() });
    assert_eq!(resumed.append(event()).await.unwrap(), 3);
    assert_eq!(crashed.lines().len(), 3);
    assert!(crashed.verify(Some(resumed.durable())).is_sound());
}

#[tokio::test]
async fn a_torn_line_with_room_after_it_is_cut_off_and_kept_without_the_room() {
    let (log, head) = Log::with(Options::default(), 3).await;
    let segment = log.segments().remove(0);
    File::options().append(true).open(&segment).unwrap().write_all(b"{\"seq\":5,\"ti").unwrap();
    leave_room(&segment, 300_000);
    let report = log.verify(Some(head));
    assert!(report.is_sound() && report.is_torn, "{report:?}");

    let (files, recovery) = log.open(Options::default(), Some(head));

    assert_eq!(fs::read(&recovery.torn[0].kept).unwrap(), b"{\"seq\":5,\"ti");
    assert_eq!(recovery.torn[0].bytes, 12);
    assert!(log.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn a_segment_of_nothing_but_room_is_set_aside() {
    let (log, head) = Log::with(Options::default(), 1).await;
    let empty = log.0.path().join("audit-000000000003.jsonl");
    fs::write(&empty, vec![0; 5000]).unwrap();
    assert!(log.verify(Some(head)).is_sound());

    let (files, recovery) = log.open(Options::default(), Some(head));

    assert_eq!((recovery.last, recovery.torn[0].bytes), (2, 0));
    assert!(log.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn room_in_closed_and_archived_segments_does_no_harm_and_the_next_start_takes_it() {
    let archive = TempDir::new().unwrap();
    let retention =
        Retention { archive: Some(archive.path().to_owned()), size: Some(3000), ..Retention::default() };
    let options = Options { retention, ..small() };
    let (log, head) = Log::with(options.clone(), 40).await;
    let archived = segments(archive.path()).unwrap();
    let all = log.segments().into_iter().chain(archived.into_iter().map(|segment| segment.path));
    all.for_each(|segment| leave_room(&segment, 100_000));

    let places = VerifyOptions { archives: vec![archive.path().to_owned()], ..VerifyOptions::default() };
    let report = verify_segments(log.0.path(), &places, Some(head)).unwrap();
    assert!(report.is_sound() && !report.is_torn, "{report:?}");
    assert_eq!((report.first, report.entries), (Some(1), head.seq));

    let (files, recovery) = log.open(options, Some(head));
    assert!(recovery.torn.is_empty());
    assert!(log.segments().iter().all(|segment| size(segment) < 3000));
    files.close();
    assert!(log.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn zeros_in_the_place_of_entries_are_found() {
    let (log, head) = Log::with(Options::default(), 5).await;
    let segment = log.segments().remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    let last = bytes.len() - 300;

    bytes[last..].fill(0);
    fs::write(&segment, &bytes).unwrap();
    let report = log.verify(Some(head));
    assert!(report.problems[0].to_string().ends_with("entries 5 to 6 are missing"), "{report:?}");

    bytes.extend_from_slice(b"\n{}\n");
    fs::write(&segment, &bytes).unwrap();
    assert!(!log.verify(None).is_sound(), "what follows zeros is no room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_sound_at_every_moment_while_it_is_written() {
    let log = Log::new();
    let (files, _) = log.open(Options { segment_size: 1 << 20, ..Options::default() }, None);
    let writing = tokio::spawn(async move {
        for count in 0..120 {
            files.append_all(vec![intent(); count]).await.unwrap();
        }
        files
    });

    while !writing.is_finished() {
        let report = log.verify(None);
        assert!(report.is_sound(), "{report:?}");
        tokio::task::yield_now().await;
    }
    let files = writing.await.unwrap();
    assert!(log.verify(Some(files.durable())).is_sound());
}
