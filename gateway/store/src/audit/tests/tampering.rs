//! What was done to a log, and what the verification says.

use super::*;

/// What somebody does to a log, and what the first problem then says.
async fn finds(tamper: impl Fn(&mut Vec<String>), said: &str) {
    let (log, head) = Log::with(Options::default(), 8).await;
    let path = log.segments().remove(0);
    let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();

    tamper(&mut lines);
    fs::write(&path, lines.into_iter().map(|line| line + "\n").collect::<String>()).unwrap();

    let report = log.verify(Some(head));
    assert!(!report.is_sound());
    let problem = report.problems[0].to_string();
    assert!(problem.ends_with(said), "{problem}");
}

/// Gives the lines from `from` on the `prev` that fits, as somebody would who knows how the log works.
fn chain_again(lines: &mut [String], from: usize) {
    for at in from..lines.len() {
        let prev = hex::encode(Head::of(0, lines[at - 1].as_bytes()).hash);
        let end = lines[at].len() - 66;
        lines[at] = format!("{}{prev}\"}}", &lines[at][..end]);
    }
}

#[tokio::test]
async fn an_untouched_log_is_sound() {
    let (log, head) = Log::with(Options::default(), 8).await;

    let report = log.verify(Some(head));

    assert!(report.is_sound());
    assert_eq!((report.first, report.last, report.head), (Some(1), Some(9), Some(9)));
}

#[tokio::test]
async fn an_edited_entry_is_named() {
    finds(|lines| lines[3] = lines[3].replace("sign", "list"), ".jsonl:4: entry 4 was altered").await;
}

#[tokio::test]
async fn an_edited_last_entry_is_named() {
    finds(|lines| lines[8] = lines[8].replace("sign", "list"), ".jsonl:9: entry 9 was altered").await;
}

#[tokio::test]
async fn an_edited_first_entry_is_named() {
    finds(
        |lines| lines[0] = lines[0].replace("\"prev\":\"0", "\"prev\":\"1"),
        ".jsonl:1: entry 1 was altered",
    )
    .await;
}

#[tokio::test]
async fn an_edited_entry_shows_even_if_the_rest_was_chained_again() {
    let tamper = |lines: &mut Vec<String>| {
        lines[3] = lines[3].replace("sign", "list");
        chain_again(lines, 4);
    };

    finds(tamper, ".jsonl:9: entry 9 was altered").await;
}

#[tokio::test]
async fn a_dropped_entry_is_named() {
    finds(|lines| drop(lines.remove(3)), ".jsonl:4: entry 4 is missing").await;
}

#[tokio::test]
async fn dropped_last_entries_are_named() {
    finds(|lines| lines.truncate(7), ": entries 8 to 9 are missing").await;
}

#[tokio::test]
async fn an_emptied_log_is_named() {
    finds(Vec::clear, ": entries 1 to 9 are missing").await;
}

#[tokio::test]
async fn dropped_first_entries_are_named() {
    finds(|lines| drop(lines.drain(..2)), "the name says that entry 1 is first, but entry 3 is").await;
}

#[tokio::test]
async fn entries_that_changed_places_are_named() {
    finds(|lines| lines.swap(3, 4), ".jsonl:4: entry 4 is missing").await;
    let reordered = |lines: &mut Vec<String>| {
        let moved = lines.remove(3);
        lines.insert(6, moved);
        lines.remove(3);
    };
    finds(reordered, ".jsonl:4: entries 4 to 5 are missing").await;
}

#[tokio::test]
async fn a_repeated_entry_is_named() {
    finds(|lines| lines.insert(4, lines[3].clone()), ".jsonl:5: entry 4 appears again").await;
    finds(|lines| lines.insert(6, lines[3].clone()), ".jsonl:7: entry 4 stands after entry 6").await;
}

#[tokio::test]
async fn a_line_that_is_no_entry_is_named() {
    finds(|lines| lines[3] = "{}".to_owned(), ".jsonl:4: not an entry, where entry 4 is expected").await;
    finds(|lines| lines.insert(3, String::new()), ".jsonl:4: not an entry, where entry 4 is expected").await;
}

#[tokio::test]
async fn a_missing_segment_is_named() {
    let (log, head) = Log::with(small(), 40).await;
    let names: Vec<u64> = segments(log.0.path()).unwrap().iter().map(|segment| segment.first).collect();

    for (at, first) in names.iter().enumerate() {
        let copy = log.copy();
        fs::remove_file(copy.segments().remove(at)).unwrap();
        let last = names.get(at + 1).map_or(head.seq, |next| next - 1);

        let report = copy.verify(Some(head));

        let said = format!("entries {first} to {last} are missing");
        assert!(report.problems[0].to_string().ends_with(&said), "{report:?}");
        assert_eq!(report.problem_count, 1);
    }
}

#[tokio::test]
async fn a_renamed_segment_is_named() {
    let (log, head) = Log::with(Options::default(), 3).await;
    fs::rename(log.segments().remove(0), log.0.path().join("audit-000000000002.jsonl")).unwrap();

    assert!(!log.verify(Some(head)).is_sound());
}

#[tokio::test]
async fn problems_are_counted_beyond_those_that_are_described() {
    let (log, head) = Log::with(Options::default(), 60).await;
    let path = log.segments().remove(0);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"sign\"", "\"list\"")).unwrap();

    let report = log.verify(Some(head));

    assert_eq!((report.problems.len(), report.problem_count), (20, 60));
}

#[tokio::test]
async fn a_torn_last_line_is_tolerated_only_after_the_head() {
    let (log, head) = Log::with(Options::default(), 3).await;
    let path = log.segments().remove(0);
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() - 10]).unwrap();

    let report = log.verify(Some(head));
    assert!(report.is_torn);
    assert!(report.problems[0].to_string().ends_with("entry 4 is missing"), "{report:?}");

    let before = Head { seq: 2, hash: Head::of(2, text.split(|byte| *byte == b'\n').nth(1).unwrap()).hash };
    assert!(log.verify(Some(before)).is_sound());
}
