//! What guests get that are granted WASI, and what they do not get.

mod guest;

use std::time::Duration;

use keyport_core::FailureKind;
use keyport_host::{Bound, HostOptions, Instances, Limits, Need, Source};

use crate::support::{Bench, SIGNATURE, call, call_within, now, sign, source};
use guest::{GET_STDOUT, HELLO, SLEEP, WRITE, granted, guest, guest_with, logged, said, saying, slept};

/// A guest that writes to its standard output when it signs.
pub(crate) fn speaking() -> Vec<u8> {
    guest(&[GET_STDOUT, WRITE].concat(), HELLO)
}

#[tokio::test]
async fn a_guest_of_wasi_is_refused_without_the_grant_and_told_the_line() {
    let refused = Bench::new().refusal(source("python", speaking())).await;

    assert_eq!(
        refused.to_string(),
        "provider `python` imports `wasi:io/error@0.2.0`, `wasi:io/streams@0.2.0`, \
         `wasi:cli/stdout@0.2.0`, which need:\n\nwasi = true   # in its [[provider]]\n"
    );
}

#[tokio::test]
async fn no_grant_gives_sockets_or_http_and_the_refusal_says_what_to_do_instead() {
    let socket = r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func (result i32)))"#;
    let http = r#"(import "wasi:http/types@0.2.0" "http-error-code" (func (result i32)))"#;

    for (import, refused, instead) in [
        (socket, "`wasi:sockets/network@0.2.0`, `wasi:sockets/instance-network@0.2.0`", "--stub-wasi"),
        (http, "`wasi:http/types@0.2.0`", "have it send its requests by `keyport:provider/http`"),
    ] {
        let refusal = Bench::new().refusal(granted(guest(import, ""))).await.to_string();

        assert!(refusal.contains(&format!("imports {refused}, which no grant gives: ")), "{refusal}");
        assert!(refusal.contains(instead), "{refusal}");
    }
}

#[tokio::test]
async fn a_look_says_that_a_component_needs_wasi() {
    let imports = [GET_STDOUT, WRITE].concat();
    let looked = Bench::new()
        .host
        .inspect("looked".parse().unwrap(), guest(&imports, HELLO), Limits::default())
        .await
        .unwrap();

    for import in &looked.imports {
        let needs = import.name.starts_with("wasi:").then_some(Need::Wasi);
        assert!(import.is_known && import.needs == needs, "{import:?}");
    }
    assert_eq!(looked.loaded.unwrap().descriptor.offers.len(), 1);
}

/// Lists are an address and a length, of which each would be where the other one is if there were any.
#[tokio::test]
async fn there_is_no_environment_no_argument_no_input_and_no_file() {
    let imports = r#"
        (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
        (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
        (import "wasi:cli/environment@0.2.0" "initial-cwd" (func $folder (param i32)))
        (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
        (import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]input-stream.read" (func $read (param i32 i64 i32)))"#;
    let asked = "
        (call $environment (i32.const 512)) (i32.store (i32.const 512) (i32.const 0))
        (call $arguments (i32.const 520)) (i32.store (i32.const 520) (i32.const 0))
        (call $directories (i32.const 528)) (i32.store (i32.const 528) (i32.const 0))
        (call $folder (i32.const 536))
        (call $read (call $stdin) (i64.const 100) (i32.const 552))";
    let loaded = Bench::new().load(granted(guest(imports, asked))).await;

    let answer = loaded.provider.sign(call("a"), sign()).await.unwrap();

    assert_eq!(answer[..24], [0; 24], "lists of nothing");
    assert_eq!(answer[24], 0, "no folder");
    assert_eq!((answer[40], answer[44]), (1, 1), "an error: the stream is closed");
}

/// A guest has no folder to begin at, and a folder that it makes up is none.
#[tokio::test]
async fn a_file_of_the_gateways_cannot_be_opened() {
    let imports = r#"(import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at"
        (func $open (param i32 i32 i32 i32 i32 i32 i32)))"#;
    let opened =
        "(call $open (i32.const 3) (i32.const 0) (i32.const 256) (i32.const 11) (i32.const 0) (i32.const 1)
        (i32.const 512))";
    let loaded = Bench::new().load(granted(guest(imports, opened))).await;

    let failure = loaded.provider.sign(call("a"), sign()).await.unwrap_err();

    assert!(failure.message.contains("unknown handle index 3"), "{failure}");
}

#[tokio::test]
async fn what_a_guest_writes_is_lines_in_the_log_that_cannot_be_forged() {
    let written = ["one\n\u{1b}[2Jt\u{202e}".as_bytes(), b"wo\r\n\nthree"];
    let log = logged("forging", saying("stdout", &written, ""), (Instances::Fresh, 1)).await;

    let fields = r#"provider="forging" tenant="a" request="request""#;
    let line = |text| format!(" INFO keyport::guest: {text} {fields}");
    assert_eq!(log, ["one", "\\u{1b}[2Jt\\u{202e}wo\\r", "three"].map(line));
}

#[tokio::test]
async fn what_a_guest_writes_before_it_fails_is_heard() {
    let log =
        logged("failing", saying("stderr", &[b"it was\nthe key"], "unreachable"), (Instances::Fresh, 1))
            .await;

    assert_eq!(said(&log), [" WARN keyport::guest: it was", " WARN keyport::guest: the key"]);
}

#[tokio::test]
async fn a_line_that_does_not_end_goes_on_in_the_next_between_two_characters() {
    let (characters, part) = ("ä".repeat(500), &"ä".as_bytes()[..1]);
    let written = [b"x", characters.as_bytes(), characters.as_bytes(), part];

    let log = logged("endless", saying("stdout", &written, ""), (Instances::Fresh, 1)).await;

    let lines = [format!("x{}", "ä".repeat(511)), format!("{}\u{fffd}", "ä".repeat(489))];
    assert_eq!(said(&log), lines.map(|line| format!(" INFO keyport::guest: {line}")));
}

/// The guest asks for its standard output once, and keeps it.
#[tokio::test]
async fn an_instance_that_is_reused_writes_each_line_in_its_own_call() {
    let written = "(if (i32.eqz (global.get $kept)) (then (global.set $kept (call $stdout))))
        (call $write (global.get $kept) (i32.const 600) (i32.const 3) (i32.const 576))";
    let parts = r#"(global $kept (mut i32) (i32.const 0)) (data (i32.const 600) "yes")"#;
    let imports = [GET_STDOUT, WRITE].concat();

    let log = logged("reused", guest_with(&imports, written, parts), (Instances::REUSE, 2)).await;

    let line = r#" INFO keyport::guest: yes provider="reused" tenant="a" request="request""#;
    assert_eq!(log, [line, line]);
}

#[tokio::test]
async fn a_guest_that_floods_its_output_is_not_heard_and_does_not_notice() {
    let bench = Bench::new();
    let imports = [GET_STDOUT, WRITE].concat();

    for (text, times, unheard) in [("a line\\n", 5000, 4800), (&*"x".repeat(1000), 2000, 1700)] {
        let bytes = text.replace("\\n", "\n").len();
        let written = format!(
            "(local $out i32) (local $times i32)
            (local.set $out (call $stdout))
            (loop $more
                (call $write (local.get $out) (i32.const 8192) (i32.const {bytes}) (i32.const 576))
                (local.set $times (i32.add (local.get $times) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $times) (i32.const {times}))))"
        );
        let parts = format!(r#"(data (i32.const 8192) "{text}")"#);
        let flooding = bench.load(granted(guest_with(&imports, &written, &parts))).await;

        flooding.provider.sign(call("a"), sign()).await.unwrap();
        let hits = bench.hits(&flooding, Bound::Log);
        assert!(hits >= unheard, "{hits}");
    }
}

/// It traps if a clock shows a part of a millisecond, or if it can wait for one.
#[tokio::test]
async fn a_guest_cannot_tell_a_part_of_a_millisecond() {
    let imports = r#"
        (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.0" "resolution" (func $resolution (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-instant" (func $when (param i64) (result i32)))
        (import "wasi:io/poll@0.2.0" "[method]pollable.ready" (func $ready (param i32) (result i32)))
        (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))"#;
    let told = "
        (local $now i64) (local $times i32)
        (loop $more
            (local.set $now (call $now))
            (if (i64.ne (i64.rem_u (local.get $now) (i64.const 1000000)) (i64.const 0)) (then unreachable))
            (call $wall (i32.const 576))
            (if (i32.rem_u (i32.load (i32.const 584)) (i32.const 1000000)) (then unreachable))
            (i32.store (i32.const 576) (call $when (i64.add (local.get $now) (i64.const 1))))
            (loop $wait (br_if $wait (i32.eqz (call $ready (i32.load (i32.const 576))))))
            (if (i64.lt_u (call $now) (i64.add (local.get $now) (i64.const 1000000))) (then unreachable))
            (br_if $more (i32.lt_u (local.tee $times (i32.add (local.get $times) (i32.const 1))) (i32.const 20))))
        (i64.store (i32.const 512) (call $resolution))";
    let loaded = Bench::new().load(granted(guest(imports, told))).await;

    let answer = loaded.provider.sign(call("a"), sign()).await.unwrap();

    assert_eq!(answer[..8], 1_000_000_u64.to_le_bytes());
}

#[tokio::test]
async fn a_guest_that_sleeps_holds_no_thread_uses_no_cpu_time_and_ends_at_its_deadline() {
    let bench = Bench::with(HostOptions { instances: 16, threads: 1, ..HostOptions::default() });
    let sleeping = bench.load(granted(guest(SLEEP, &slept(-1)))).await;
    let fine = bench.hostile("behave").await;
    let began = now();

    let asleep = sleeping.provider.sign(call_within("a", Duration::from_millis(300)), sign());
    let awake = async {
        for _ in 0..5 {
            assert_eq!(fine.provider.sign(call("b"), sign()).await.unwrap(), SIGNATURE);
        }
        began.elapsed()
    };
    let (failure, awake) = tokio::join!(asleep, awake);

    let failure = failure.unwrap_err();
    assert_eq!((failure.kind, &*failure.message), (FailureKind::Unavailable, "bound `deadline` was hit"));
    assert!(awake < began.elapsed(), "it waited for the sleeper");
    assert!(bench.stats(&sleeping).cpu < Duration::from_millis(100));
}

#[tokio::test]
async fn a_guest_that_sleeps_for_a_while_goes_on_after_it() {
    let bench = Bench::new();
    let sleeping = bench.load(granted(guest(SLEEP, &slept(30_000_000)))).await;
    let began = now();

    sleeping.provider.sign(call("a"), sign()).await.unwrap();

    assert!(began.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn a_guest_that_asks_for_resources_without_end_is_stopped() {
    let bench = Bench::new();
    let imports = [SLEEP, GET_STDOUT].concat();

    for asked in ["(call $stdout)", "(call $sleep (i64.const 1))"] {
        let greedy =
            bench.load(granted(guest(&imports, &format!("(loop $more (drop {asked}) (br $more))")))).await;
        let failure = greedy.provider.sign(call("a"), sign()).await.unwrap_err();

        assert_eq!(failure.message, "bound `resources` was hit", "{asked}");
    }
}

/// It polls lists of one pollable, over and over.
#[tokio::test]
async fn a_guest_that_polls_without_end_is_stopped() {
    let bench = Bench::new();
    let imports = format!(r#"{SLEEP} (import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))"#);

    for (count, expected) in [(32, "bound `cpu` was hit"), (4096, "bound `resources` was hit")] {
        let polled = format!(
            "(local $at i32) (local $ready i32)
            (local.set $ready (call $sleep (i64.const 0)))
            (loop $fill
                (i32.store (i32.add (i32.const 8192) (local.get $at)) (local.get $ready))
                (local.set $at (i32.add (local.get $at) (i32.const 4)))
                (br_if $fill (i32.lt_u (local.get $at) (i32.const {}))))
            (loop $more (call $poll (i32.const 8192) (i32.const {count}) (i32.const 512)) (br $more))",
            4 * count
        );
        let polling = bench.load(granted(guest(&imports, &polled))).await;
        let failure = polling.provider.sign(call("a"), sign()).await.unwrap_err();

        assert_eq!(failure.message, expected);
    }
}

#[tokio::test]
async fn a_guest_that_asks_for_too_much_randomness_of_wasi_is_stopped() {
    let bench = Bench::new();

    for random in
        ["random/random@0.2.0\" \"get-random-bytes", "random/insecure@0.2.0\" \"get-insecure-random-bytes"]
    {
        let import = format!(r#"(import "wasi:{random}" (func $random (param i64 i32)))"#);
        for (count, expected) in [
            ("-1", "more than 65536 random bytes"),
            ("65537", "more than 65536 random bytes"),
            ("4096", "bound `cpu` was hit"),
        ] {
            let asked = format!("(loop $more (call $random (i64.const {count}) (i32.const 512)) (br $more))");
            let greedy = bench.load(granted(guest(&import, &asked))).await;
            let failure = greedy.provider.sign(call("a"), sign()).await.unwrap_err();

            assert!(failure.message.contains(expected), "{random} {count}: {failure}");
        }
    }
}

#[tokio::test]
async fn no_two_instances_have_the_same_randomness() {
    let imports = r#"
        (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
        (import "wasi:random/insecure@0.2.0" "get-insecure-random-u64" (func $insecure (result i64)))
        (import "wasi:random/insecure-seed@0.2.0" "insecure-seed" (func $seed (param i32)))"#;
    let asked = "
        (i64.store (i32.const 512) (call $random))
        (i64.store (i32.const 520) (call $insecure))
        (call $seed (i32.const 528))";
    let loaded = Bench::new().load(granted(guest(imports, asked))).await;

    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let answer = loaded.provider.sign(call("a"), sign()).await.unwrap();
        seen.extend(answer[..32].chunks(8).map(<[u8]>::to_vec));
    }

    assert_eq!(seen.len(), 80);
}

#[tokio::test]
async fn a_guest_that_ends_itself_ends_its_call_and_nothing_else() {
    let bench = Bench::new();
    let imports = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;

    for status in [0, 1] {
        let ended = format!("(call $exit (i32.const {status}))");
        let ending = Source { instances: Instances::REUSE, ..granted(guest(imports, &ended)) };
        let ending = bench.load(ending).await;
        let before = bench.stats(&ending).instances;

        for _ in 0..2 {
            let failure = ending.provider.sign(call("a"), sign()).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Internal);
            assert_eq!(failure.message, format!("it ended itself, with the status {status}"));
        }
        assert_eq!(bench.stats(&ending).instances - before, 2);
    }
}
