//! An audit log that was tampered with, and what `keyport audit verify` says of it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{Ended, Hash, Plan, Site, copy, entries, keyport, segments, token_of};

#[tokio::test]
async fn a_log_that_nobody_touched_passes() {
    let site = recorded().await;

    let verified = verify(&site.data()).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
    let verified = verify(&site.data().join("audit")).await;
    assert_eq!(verified.code(), Some(0), "the audit folder itself may be named: {verified:#?}");
}

#[tokio::test]
async fn a_log_can_be_verified_while_it_is_written() {
    let site = recorded().await;
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let load = tokio::spawn(async move {
        let mut turn = 0_u32;
        while webhook.try_sign("recorded", b"m", &format!("while-{turn}")).await.is_ok() {
            turn += 1;
        }
    });

    for _ in 0..5 {
        let verified = verify(&site.data()).await;
        assert_eq!(verified.code(), Some(0), "{verified:#?}");
    }
    gateway.stop().await;
    load.await.unwrap();
}

#[tokio::test]
async fn an_edited_entry_is_found() {
    let site = recorded().await;
    let seq = a_signature_in_the_middle(&site);

    for (from, to) in
        [("\"tds\"", "\"tdt\""), ("\"outcome\":\"ok\"", "\"outcome\":\"no\""), ("\"sign\"", "\"list\"")]
    {
        found(&site, &[seq, seq + 1], |lines| {
            let line = line_of(lines, seq);
            assert!(lines[line].contains(from), "{}", lines[line]);
            lines[line] = lines[line].replacen(from, to, 1);
        })
        .await;
    }
}

#[tokio::test]
async fn a_dropped_entry_is_found() {
    let site = recorded().await;
    let seq = a_signature_in_the_middle(&site);

    found(&site, &[seq, seq + 1], |lines| {
        lines.remove(line_of(lines, seq));
    })
    .await;
}

#[tokio::test]
async fn reordered_entries_are_found() {
    let site = recorded().await;
    let seq = a_signature_in_the_middle(&site);

    found(&site, &[seq, seq + 1], |lines| {
        let line = line_of(lines, seq);
        lines.swap(line, line + 1);
    })
    .await;
}

#[tokio::test]
async fn a_repeated_entry_is_found() {
    let site = recorded().await;
    let seq = a_signature_in_the_middle(&site);

    found(&site, &[seq, seq + 1], |lines| {
        let line = line_of(lines, seq);
        lines.insert(line, lines[line].clone());
    })
    .await;
}

#[tokio::test]
async fn a_line_that_is_no_entry_is_found() {
    let site = recorded().await;
    let seq = a_signature_in_the_middle(&site);

    for garbage in ["", "{}", "not JSON", "{\"seq\":0}", "null"] {
        found(&site, &[seq - 1, seq], |lines| lines.insert(line_of(lines, seq), format!("{garbage}\n")))
            .await;
    }
}

#[tokio::test]
async fn a_missing_last_entry_is_found() {
    let site = recorded().await;
    let last = entries(&site.data()).last().unwrap().seq();

    found(&site, &[last, last - 1], |lines| {
        lines.pop();
    })
    .await;
    // Cut in the middle of a line, as if the file had never been longer.
    found(&site, &[last, last - 1], |lines| {
        let line = lines.pop().unwrap();
        lines.push(line[..line.len() / 2].to_owned());
    })
    .await;
}

#[tokio::test]
async fn missing_segments_are_found() {
    let site = recorded().await;
    let count = segments(&site.data()).len();
    assert!(count >= 3, "there must be several segments to remove one of, not {count}");

    for at in [0, count / 2, count - 1] {
        let (_folder, data) = copy_of(&site);
        fs::remove_file(&segments(&data)[at]).unwrap();
        let verified = verify(&data).await;
        assert_eq!(verified.code(), Some(1), "segment {at} of {count} is gone: {verified:#?}");
    }
}

#[tokio::test]
async fn an_empty_audit_folder_is_found() {
    let site = recorded().await;
    let (_folder, data) = copy_of(&site);
    for segment in segments(&data) {
        fs::remove_file(segment).unwrap();
    }

    let verified = verify(&data).await;
    assert_eq!(verified.code(), Some(1), "{verified:#?}");
}

#[tokio::test]
async fn a_gateway_that_starts_on_a_shortened_log_does_not_hide_it() {
    let site = recorded().await;
    let (_folder, data) = copy_of(&site);
    let segment = segments(&data).pop().unwrap();
    let text = fs::read_to_string(&segment).unwrap();
    let shortened: String = text.split_inclusive('\n').take(text.lines().count() - 1).collect();
    fs::write(&segment, shortened).unwrap();
    fs::remove_dir_all(site.data()).unwrap();
    fs::rename(&data, site.data()).unwrap();

    let gateway = site.start().await;
    assert!(gateway.logged().contains("LOST"), "{}", gateway.logged());
    gateway.stop().await;
    let verified = verify(&site.data()).await;
    assert_eq!(verified.code(), Some(1), "{verified:#?}");
}

/// A folder whose gateway signed a few times, in several segments, and ended in order.
async fn recorded() -> Site {
    let site = Site::new(&Plan { audit: "segment-size = \"4KiB\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("recorded", "EC-P256").await;
    for _ in 0..40 {
        webhook.sign(&key, Hash::Sha256, b"m").await;
    }
    gateway.stop().await;
    site
}

/// A signature that is neither the first nor the last entry of its segment, and followed by another.
fn a_signature_in_the_middle(site: &Site) -> u64 {
    let entries = entries(&site.data());
    let middle = entries
        .windows(4)
        .skip(entries.len() / 2)
        .find(|four| four.iter().all(|entry| entry.is("sign", "ok")));

    middle.expect("four signatures in a row")[1].seq()
}

/// Changes the lines of the segment that has `seqs` with `change`, in a copy, and sees to it that `verify` finds that and names one
/// of `seqs`.
async fn found(site: &Site, seqs: &[u64], change: impl FnOnce(&mut Vec<String>)) {
    let (_folder, data) = copy_of(site);
    let segment = segments(&data)
        .into_iter()
        .rfind(|segment| seqs.iter().any(|seq| fs::read_to_string(segment).unwrap().contains(&marker(*seq))))
        .expect("a segment with these entries");
    let text = fs::read_to_string(&segment).unwrap();
    let mut lines: Vec<_> = text.split_inclusive('\n').map(str::to_owned).collect();
    change(&mut lines);
    fs::write(&segment, lines.concat()).unwrap();

    let verified = verify(&data).await;
    assert_eq!(verified.code(), Some(1), "{verified:#?}");
    let named = seqs.iter().any(|seq| verified.said().contains(&seq.to_string()));
    assert!(named, "none of {seqs:?} is named:\n{}", verified.said());
}

fn line_of(lines: &[String], seq: u64) -> usize {
    lines.iter().position(|line| line.starts_with(&marker(seq))).expect("the entry's line")
}

/// What the line of an entry begins with.
fn marker(seq: u64) -> String {
    format!("{{\"seq\":{seq},")
}

fn copy_of(site: &Site) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(site.path("")).unwrap();
    let data = folder.path().join("data");
    copy(&site.data(), &data);
    (folder, data)
}

async fn verify(folder: &Path) -> Ended {
    keyport(&[&"audit", &"verify", &folder]).await
}
