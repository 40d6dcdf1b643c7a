//! Guests that never end, wherever that is, and one that looks at the clock.

use std::time::Duration;

use keyport_host::Bound;

use crate::crafted::{descriptor, with_health};
use crate::support::{Bench, call, now, source};

/// The largest that an instance has room for: in one operation nothing interrupts it.
#[tokio::test]
async fn a_loop_of_bulk_operations_is_stopped() {
    let parts = format!(
        "{} (data $piece \"{}\") (table $table 5000 funcref) (table $other 5000 funcref)
        (elem $segment func $f $f $f $f) (func $f)",
        descriptor(1, "").replacen("\"memory\") 1)", "\"memory\") 256)", 1),
        "x".repeat(4096),
    );

    for operation in [
        "(memory.fill (i32.const 0) (i32.const 7) (i32.const 0x1000000))",
        "(memory.copy (i32.const 0) (i32.const 1) (i32.const 0xffffff))",
        "(memory.init $piece (i32.const 0) (i32.const 0) (i32.const 4096))",
        "(table.fill $table (i32.const 0) (ref.func $f) (i32.const 5000))",
        "(table.copy $table $other (i32.const 0) (i32.const 0) (i32.const 5000))",
        "(table.init $table $segment (i32.const 0) (i32.const 0) (i32.const 4))",
        "(drop (memory.grow (i32.const 0x10000)))",
    ] {
        let guest = with_health("", &format!("(loop {operation} (br 0)) unreachable"), &parts);
        is_stopped(operation, guest).await;
    }
}

#[tokio::test]
async fn a_loop_of_calls_of_the_host_is_stopped() {
    for (import, parameters, result, arguments) in [
        ("clock@0.1.0\" \"now", "", "(result i64)", ""),
        ("settings@0.1.0\" \"all", "i32", "", "i32.const 0"),
        ("settings@0.1.0\" \"get", "i32 i32 i32", "", "i32.const 0 i32.const 60000 i32.const 0"),
        ("random@0.1.0\" \"bytes", "i32 i32", "", "i32.const 4096 i32.const 0"),
        ("log@0.1.0\" \"log", "i32 i32 i32", "", "i32.const 3 i32.const 0 i32.const 60000"),
        ("soft-token@0.1.0\" \"health", "i32", "", "i32.const 0"),
    ] {
        let imported =
            format!("(import \"keyport:provider/{import}\" (func $host (param {parameters}) {result}))");
        let drop = if result.is_empty() { "" } else { "drop" };
        let body = format!("(loop {arguments} call $host {drop} (br 0)) unreachable");
        is_stopped(import, with_health(&imported, &body, &descriptor(1, ""))).await;
    }
}

#[tokio::test]
async fn a_guest_that_never_gives_back_what_the_host_asked_it_for_is_stopped() {
    let all = "(import \"keyport:provider/settings@0.1.0\" \"all\" (func $all (param i32)))";
    let memory = descriptor(1, "");
    let realloc = format!(
        "{memory} (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (loop br 0) unreachable)"
    );
    is_stopped("cabi_realloc", with_health(all, "i32.const 0 call $all i32.const 0", &realloc)).await;

    let after = format!(
        "{memory} (func (export \"cabi_post_keyport:provider/provider@0.1.0#health\") (param i32) (loop br 0))"
    );
    is_stopped("post-return", with_health("", "i32.const 0", &after)).await;
}

/// The guest waits until its clock has gone on by twenty; a finer one would have let it go earlier.
#[tokio::test]
async fn the_finest_that_a_guest_sees_of_time_is_a_millisecond() {
    let clock = "(import \"keyport:provider/clock@0.1.0\" \"now\" (func $now (result i64)))";
    let body = "(local $end i64)
        (local.set $end (i64.add (call $now) (i64.const 20)))
        (loop (br_if 0 (i64.lt_u (call $now) (local.get $end))))
        i32.const 0";
    let bench = Bench::new();
    let guest = bench.load(source("watching", with_health(clock, body, &descriptor(1, "")))).await;

    let began = now();
    guest.provider.health(call("a")).await.unwrap();
    assert!(began.elapsed() > Duration::from_millis(18), "{:?}", began.elapsed());
}

async fn is_stopped(what: &str, guest: Vec<u8>) {
    let bench = Bench::new();
    let looping = bench.load(source("looping", guest)).await;

    let failure = looping.provider.health(call("a")).await.unwrap_err();
    assert_eq!(failure.message, "bound `cpu` was hit", "{what}");
    assert_eq!(bench.hits(&looping, Bound::Cpu), 1, "{what}");
    // Beyond its limit by what one operation takes, and never by much.
    assert!(bench.stats(&looping).cpu < Duration::from_secs(1), "{what}: {:?}", bench.stats(&looping).cpu);
}
