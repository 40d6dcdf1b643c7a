//! Logs that a crash left behind, or that lost entries.

use std::fs::File;
use std::io::Write;

use super::super::Gap;
use super::*;

fn append_bytes(path: &PathBuf, bytes: &[u8]) {
    File::options().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_log_that_was_closed_goes_on_and_nothing_was_found() {
    let (log, head) = Log::with(Options::default(), 3).await;

    let (files, recovery) = log.open(Options::default(), Some(head));

    assert_eq!(recovery, Recovery { last: 4, ..Recovery::default() });
    assert_eq!(files.append(event()).await.unwrap(), 5);
    assert_eq!(log.segments().len(), 1);
    assert!(log.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_kept_and_on_record() {
    let (log, head) = Log::with(Options::default(), 3).await;
    append_bytes(&log.segments()[0], b"{\"seq\":5,\"time\":\"2026-");
    let report = log.verify(Some(head));
    assert!(report.is_sound() && report.is_torn, "{report:?}");

    let (files, recovery) = log.open(Options::default(), Some(head));

    assert_eq!(fs::read(&recovery.torn[0].kept).unwrap(), b"{\"seq\":5,\"time\":\"2026-");
    let entry = log.lines().pop().unwrap();
    assert_eq!(
        (&entry["seq"], &entry["operation"], &entry["reason"]),
        (&5.into(), &"repair".into(), &"torn".into())
    );
    let report = log.verify(Some(files.durable()));
    assert!(report.is_sound() && !report.is_torn, "{report:?}");
}

#[tokio::test]
async fn blocks_that_never_reached_the_disk_end_the_log() {
    let (log, _) = Log::with(Options::default(), 5).await;
    let text = fs::read(&log.segments()[0]).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let head = Head::of(4, lines[3].strip_suffix(b"\n").unwrap());
    // The block of entry 5 was not written, the block of entry 6 was.
    let torn = [lines[0], lines[1], lines[2], lines[3], &vec![0; lines[4].len()], lines[5]].concat();
    fs::write(&log.segments()[0], torn).unwrap();

    let (files, recovery) = log.open(Options::default(), Some(head));

    assert_eq!(recovery.last, 4);
    assert_eq!(files.durable().seq, 5, "the entry that says so");
    assert!(log.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn a_copy_at_any_moment_opens_again() {
    let (log, end) = Log::with(small(), 12).await;
    let last = log.segments().pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let durable = Head { seq: segments(log.0.path()).unwrap().pop().unwrap().first - 1, ..end };
    let durable = head_of(&log, durable.seq);

    for length in 0..=whole.len() {
        let copy = log.copy();
        let torn = copy.segments().pop().unwrap();
        File::options().write(true).open(torn).unwrap().set_len(u64::try_from(length).unwrap()).unwrap();

        opens_again(&copy, durable, length).await;
    }
    for length in 0..=whole.len() {
        let copy = log.copy();
        // The room for what did not reach the disk is there, and nothing is in it.
        let torn = [&whole[..length], &vec![0; whole.len() + 700 - length]].concat();
        fs::write(copy.segments().pop().unwrap(), torn).unwrap();

        opens_again(&copy, durable, length).await;
    }
}

async fn opens_again(log: &Log, durable: Head, length: usize) {
    let (files, recovery) = log.open(small(), Some(durable));
    files.append(event()).await.unwrap();

    let report = log.verify(Some(files.durable()));
    assert!(report.is_sound() && !report.is_torn && report.first == Some(1), "{length}: {report:?}");
    for torn in recovery.torn {
        let kept = fs::read(&torn.kept).unwrap();
        assert_eq!(kept.len(), usize::try_from(torn.bytes).unwrap());
        assert_ne!(kept.last(), Some(&0), "{length}: room is not kept");
    }
}

/// The place of entry `seq`.
fn head_of(log: &Log, seq: u64) -> Head {
    let text: String = log.segments().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let line = text.lines().nth(usize::try_from(seq).unwrap() - 1).unwrap();

    Head::of(seq, line.as_bytes())
}

#[tokio::test]
async fn open_intents_are_closed_as_unknown_wherever_they_are() {
    let log = Log::new();
    let (files, _) = log.open(small(), None);
    let lost = files.append(intent()).await.unwrap();
    let done = files.append(intent()).await.unwrap();
    files.append(Event { intent: Some(done), ..event() }).await.unwrap();
    for _ in 0..20 {
        files.append(event()).await.unwrap();
    }
    let late = files.append(intent()).await.unwrap();
    let crashed = log.copy();
    assert!(crashed.segments().len() > 2);

    let (_, recovery) = crashed.open(small(), Some(files.durable()));

    assert_eq!(recovery.unknown, [lost, late]);
    let lines = crashed.lines();
    let closing = lines.iter().find(|line| line["intent"] == lost).unwrap();
    assert_eq!(closing["outcome"], "unknown");
    assert_eq!(closing["recovered"], true);
    assert_eq!(closing["request_id"], "r-1");
    assert_eq!(closing["tenant"], "acme");
    let (files, recovery) = crashed.open(small(), None);
    assert_eq!(recovery.unknown, [0; 0], "once is enough");
    assert!(crashed.verify(Some(files.durable())).is_sound());
}

#[tokio::test]
async fn a_log_that_lost_its_end_goes_on_after_the_gap_which_shows_for_ever() {
    let (log, head) = Log::with(Options::default(), 5).await;
    let path = log.segments().remove(0);
    let whole = fs::read_to_string(&path).unwrap();
    let kept: String = whole.lines().take(4).map(|line| format!("{line}\n")).collect();
    fs::write(&path, &kept).unwrap();

    let (files, recovery) = log.open(Options::default(), Some(head));

    assert_eq!(recovery.gap, Some(Gap::Missing { last: 4, head: 6 }));
    assert_eq!(files.append(event()).await.unwrap(), 8);
    let report = log.verify(Some(files.durable()));
    assert_eq!(report.problem_count, 1);
    assert!(report.problems[0].to_string().ends_with("entries 5 to 6 are missing"), "{report:?}");

    let healed = whole + fs::read_to_string(&path).unwrap().strip_prefix(&kept).unwrap();
    fs::write(&path, healed).unwrap();
    assert!(log.verify(Some(files.durable())).is_sound(), "what was lost fits in again");
}

#[tokio::test]
async fn a_log_that_was_removed_goes_on_after_the_gap() {
    let head = Head { seq: 41, hash: [7; 32] };
    let log = Log::new();

    let (files, recovery) = log.open(Options::default(), Some(head));

    assert_eq!(recovery.gap, Some(Gap::Missing { last: 0, head: 41 }));
    let report = log.verify(Some(files.durable()));
    assert!(report.problems[0].to_string().ends_with("entries 1 to 41 are missing"), "{report:?}");
}

#[tokio::test]
async fn a_last_entry_that_was_replaced_is_noticed_at_start() {
    let (log, head) = Log::with(Options::default(), 2).await;
    let path = log.segments().remove(0);
    let text = fs::read_to_string(&path).unwrap();
    let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(&path, format!("{before}\n{}\n", last.replace("sign", "list"))).unwrap();

    let (files, recovery) = log.open(Options::default(), Some(head));

    assert_eq!(recovery.gap, Some(Gap::Altered { seq: 3 }));
    assert!(!log.verify(Some(files.durable())).is_sound());
}
