//! Guests that hoard what they are given handles of, and that use handles which they were not given.

use std::sync::Arc;

use keyport_core::FailureKind;
use keyport_core::grant::{ConnectionKind, Grant, Grants, Use};
use keyport_host::{Bound, Limits, Source};

use crate::crafted::{Core, descriptor, encoded, wit, with_health};
use crate::support::{Bench, call, grant, source};

#[tokio::test]
async fn a_handle_that_a_guest_was_not_given_or_gave_back_is_worth_nothing() {
    let find =
        "(call $find (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 200))
        (local.set $held (i32.load (i32.const 204)))";
    let destroy = "(call $destroy (local.get $held) (i32.const 200))";
    let drop = "(call $drop (local.get $held))";

    for (what, body) in [
        ("none", destroy.to_owned()),
        ("forged", format!("(local.set $held (i32.const 1)) {destroy}")),
        ("forged and large", format!("(local.set $held (i32.const 0x7fffffff)) {destroy}")),
        (
            "the next one",
            format!("{find} (local.set $held (i32.add (local.get $held) (i32.const 1))) {destroy}"),
        ),
        ("given back", format!("{find} {drop} {destroy}")),
        ("given back twice", format!("{find} {drop} {drop}")),
    ] {
        let bench = Bench::new();
        let guest = with_health(PKCS11, &format!("(local $held i32) {body} i32.const 0"), &descriptor(1, ""));
        let forging = bench.load(Source { grants: token(), ..source("forging", guest) }).await;

        let failure = forging.provider.health(call("a")).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Internal, "{what}");
        assert!(failure.message.contains("unknown handle index"), "{what}: {failure}");
        assert_eq!(bench.custody.asked(), [], "{what}");
    }
}

#[tokio::test]
async fn a_guest_that_makes_resources_of_its_own_without_end_is_stopped() {
    let text = format!(
        "{} interface things {{ resource thing; make: func() -> thing; }}
        world hoarding {{ include provider-world; export things; }}",
        wit("0.1.0")
    );
    let new = "(import \"[export]keyport:provider/things@0.1.0\" \"[resource-new]thing\"
        (func $new (param i32) (result i32)))";
    let make = format!(
        "{} (func (export \"keyport:provider/things@0.1.0#make\") (result i32) unreachable)",
        descriptor(1, "")
    );
    let health = "(loop (drop (call $new (i32.const 7))) (br 0)) unreachable";
    let guest = encoded(&text, "hoarding", &Core { imports: new, health, parts: &make, ..Core::default() });
    let bench = Bench::new();
    let hoarding = bench.load(source("hoarding", guest)).await;

    let failure = hoarding.provider.health(call("a")).await.unwrap_err();
    assert_eq!(failure.message, "bound `resources` was hit");
    assert_eq!(bench.hits(&hoarding, Bound::Resources), 1);
}

#[tokio::test]
async fn a_guest_gets_no_more_table_entries_than_its_limit_over_all_tables() {
    let tables = format!("{} {}", descriptor(1, ""), "(table 10 funcref) ".repeat(7));
    let grow = |table: usize| {
        format!(
            "(loop (br_if 0 (i32.ne (table.grow {table} (ref.null func) (i32.const 100)) (i32.const -1))))"
        )
    };
    let sizes: String = (0..7).map(|table| format!("(table.size {table}) ")).collect();
    // What it got is the code of its failure.
    let body = format!(
        "{} (i32.store (i32.const 0) (i32.const 1)) (i64.store (i32.const 12) (i64.const 0)) (i32.store (i32.const 8) {sizes} {}) i32.const 0",
        (0..7).map(grow).collect::<String>(),
        "i32.add ".repeat(6),
    );
    let bench = Bench::new();
    let growing = bench.load(source("growing", with_health("", &body, &tables))).await;

    let failure = growing.provider.health(call("a")).await.unwrap_err();
    let limit = u32::try_from(Limits::default().table_elements).unwrap();
    assert!((limit - 800..=limit).contains(&failure.code), "{failure:?}");
    assert!(bench.hits(&growing, Bound::Memory) > 0);
}

/// Half a gigabyte, of a few kilobytes that are named over and over.
#[tokio::test]
async fn arguments_that_are_all_the_same_bytes_count_each() {
    let send = format!(
        "(import \"keyport:provider/http@0.1.0\" \"send\" (func $send (param {})))",
        "i32 ".repeat(11)
    );
    let body = "(local $at i32)
        (local.set $at (i32.const 0x10000))
        (loop
            (i32.store (local.get $at) (i32.const 1024))
            (i32.store offset=4 (local.get $at) (i32.const 60000))
            (i32.store offset=8 (local.get $at) (i32.const 1024))
            (i32.store offset=12 (local.get $at) (i32.const 60000))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (br_if 0 (i32.lt_u (local.get $at) (i32.const 0x20000))))
        (call $send (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 0)
            (i32.const 0x10000) (i32.const 4096) (i32.const 0) (i32.const 0) (i32.const 200))
        i32.const 0";
    let memory = descriptor(1, "").replacen("\"memory\") 1)", "\"memory\") 2)", 1);
    let grants = Arc::new(Grants::new(vec![Grant::of_requests("kms".parse().unwrap(), Vec::new())]));
    let bench = Bench::new();
    let repeating = Source { grants, ..source("repeating", with_health(&send, body, &memory)) };
    let repeating = bench.load(repeating).await;

    let failure = repeating.provider.health(call("a")).await.unwrap_err();
    assert_eq!(failure.message, "bound `host-bytes` was hit");
    assert_eq!(bench.custody.asked(), []);
}

fn token() -> Arc<Grants> {
    Arc::new(Grants::new(vec![grant("hsm", ConnectionKind::Pkcs11, &Use::ALL)]))
}

const PKCS11: &str = r#"
    (import "keyport:provider/pkcs11@0.1.0" "[static]key-pair.find" (func $find (param i32 i32 i32 i32 i32 i32)))
    (import "keyport:provider/pkcs11@0.1.0" "[method]key-pair.destroy" (func $destroy (param i32 i32)))
    (import "keyport:provider/pkcs11@0.1.0" "[resource-drop]key-pair" (func $drop (param i32)))"#;
