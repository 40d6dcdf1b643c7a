//! What an entry costs. Prints a table:
//! `cargo test -p keyport-store --release --lib cost -- --ignored --nocapture`

#![expect(clippy::print_stdout, reason = "the table")]

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use super::*;

#[test]
#[ignore = "measures; run it alone, in release"]
fn cost_of_an_entry() {
    println!(
        "{:>8} {:>10} {:>10} {:>14} {:>14} {:>11} {:>14}",
        "waiters", "entries/s", "median µs", "bare fsync µs", "µs CPU writer", "µs CPU all", "writer's calls"
    );
    for waiters in [1, 16, 64].into_iter().cycle().take(3 * 3) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(table_row(waiters));
    }
}

async fn table_row(waiters: usize) {
    let log = Log::new();
    let (files, _) = log.open(Options::default(), None);
    let files = Arc::new(files);
    let bare_before = forced_write(&log);
    appends(&files, waiters, TIME / 10).await;

    let (began, before) = (SystemClock.now(), cpu());
    let mut took = appends(&files, waiters, TIME).await;
    let (elapsed, after) = (began.elapsed(), cpu());

    let bare = bare_before.midpoint(forced_write(&log));
    took.sort_unstable();
    let entries = f64::from(u32::try_from(took.len()).unwrap());
    let [writer, all, calls] =
        [0, 1, 2].map(|at| f64::from(u32::try_from((after[at] - before[at]) / 100).unwrap()) / entries);
    println!(
        "{waiters:8} {:10.0} {:10.0} {bare:14.0} {:14.1} {:11.1} {:14.2}",
        entries / elapsed.as_secs_f64(),
        took[took.len() / 2].as_secs_f64() * 1e6,
        writer / 10.0,
        all / 10.0,
        calls * 100.0,
    );
}

/// Lets `waiters` append for this time, each with some work in between; how long each entry took.
async fn appends(files: &Arc<AuditFiles>, waiters: usize, time: Duration) -> Vec<Duration> {
    let until = SystemClock.now() + time;
    let tasks: Vec<_> = (0..waiters)
        .map(|_| {
            let files = Arc::clone(files);
            tokio::spawn(async move {
                let mut took = Vec::new();
                while SystemClock.now() < until {
                    std::hint::black_box(digest(&SHA256, &[0; 80 << 10]));
                    let began = SystemClock.now();
                    files.append(entry()).await.unwrap();
                    took.push(began.elapsed());
                }
                took
            })
        })
        .collect();

    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.unwrap());
    }
    took
}

/// An entry of ordinary length.
fn entry() -> Event {
    Event { outcome: Outcome::Ok, detail: Some("d".repeat(150)), ..intent() }
}

/// The median of appending as much as one entry to a file and forcing it to the disk, in microseconds.
fn forced_write(log: &Log) -> f64 {
    let mut file = File::create(log.0.path().join("bare")).unwrap();
    let mut took: Vec<_> = (0..300)
        .map(|_| {
            let began = SystemClock.now();
            file.write_all(&[b'a'; 400]).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();

    took.sort_unstable();
    took[took.len() / 2].as_secs_f64() * 1e6
}

/// The CPU time of the writing thread and of the whole process so far, in nanoseconds, and how often the writing
/// thread called `write`: for entries, and to wake those who wait for them.
fn cpu() -> [u64; 3] {
    let (mut writer, mut all, mut calls) = (0, 0, 0);
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let spent = fs::read_to_string(path.join("schedstat")).unwrap();
        let spent: u64 = spent.split(' ').next().unwrap().parse().unwrap();
        if fs::read_to_string(path.join("comm")).unwrap().trim() == "audit" {
            writer += spent;
            let io = fs::read_to_string(path.join("io")).unwrap();
            calls +=
                io.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap().parse::<u64>().unwrap();
        }
        all += spent;
    }

    [writer, all, calls]
}

const TIME: Duration = Duration::from_millis(700);
