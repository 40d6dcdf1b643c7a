//! Guests that import WASI, and what they write into the log.

use keyport_host::{Instances, Source};

use crate::crafted::{Core, descriptor, encoded, wit};
use crate::log::{lines_of, listen};
use crate::support::{Bench, call, sign, source};

pub(super) const GET_STDOUT: &str =
    r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))"#;

pub(super) const WRITE: &str = r#"(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))"#;

pub(super) const SLEEP: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $sleep (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;

pub(super) const HELLO: &str = "(call $write (call $stdout) (i32.const 512) (i32.const 1) (i32.const 576))";

pub(super) fn slept(nanoseconds: i64) -> String {
    format!("(call $block (call $sleep (i64.const {nanoseconds})))")
}

/// A guest that signs with 64 bytes at address 512, after it did this.
pub(super) fn guest(imports: &str, first: &str) -> Vec<u8> {
    guest_with(imports, first, "")
}

pub(super) fn guest_with(imports: &str, first: &str, parts: &str) -> Vec<u8> {
    let text = format!("{}\n{WORLD}\n{}", wit("0.1.0"), include_str!("wasi.wit"));
    let sign = format!("{first} i32.const 384");
    let parts = format!(
        r#"{} {parts} (data (i32.const 388) "\00\02\00\00\40\00\00\00") (data (i32.const 256) "/etc/passwd")"#,
        descriptor(1, "")
    );

    encoded(&text, "guest-of-wasi", &Core { imports, sign: &sign, parts: &parts, ..Core::default() })
}

/// A guest that writes these texts and does this then.
pub(super) fn saying(stream: &str, texts: &[&[u8]], then: &str) -> Vec<u8> {
    let import = format!(r#"(import "wasi:cli/{stream}@0.2.0" "get-{stream}" (func $stream (result i32)))"#);
    let (mut at, mut parts, mut written) = (8192, String::new(), String::new());
    for text in texts {
        let bytes: String = text.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let length = text.len();
        parts += &format!(r#"(data (i32.const {at}) "{bytes}")"#);
        written +=
            &format!("(call $write (call $stream) (i32.const {at}) (i32.const {length}) (i32.const 576))");
        at += length;
    }

    guest_with(&format!("{import} {WRITE}"), &format!("{written} {then}"), &parts)
}

/// What a provider of this name has in the log after so many calls of its guest.
pub(super) async fn logged(
    name: &str,
    bytes: Vec<u8>,
    (instances, calls): (Instances, usize),
) -> Vec<String> {
    listen();
    let bench = Bench::new();
    let speaking = Source { instances, wasi: true, ..source(name, bytes) };
    let speaking = bench.load(speaking).await;

    for _ in 0..calls {
        drop(speaking.provider.sign(call("a"), sign()).await);
    }
    lines_of(&bench, name).await.into_iter().map(|line| line.replace(" keyport-lines", "")).collect()
}

/// Lines of a log, without what else is known of them.
pub(super) fn said(log: &[String]) -> Vec<&str> {
    log.iter().map(|line| line.split(" provider=").next().unwrap()).collect()
}

const WORLD: &str = "world guest-of-wasi {
    import wasi:cli/environment@0.2.0;
    import wasi:cli/exit@0.2.0;
    import wasi:cli/stderr@0.2.0;
    import wasi:cli/stdin@0.2.0;
    import wasi:cli/stdout@0.2.0;
    import wasi:clocks/monotonic-clock@0.2.0;
    import wasi:clocks/wall-clock@0.2.0;
    import wasi:filesystem/preopens@0.2.0;
    import wasi:http/types@0.2.0;
    import wasi:io/poll@0.2.0;
    import wasi:random/insecure@0.2.0;
    import wasi:random/insecure-seed@0.2.0;
    import wasi:random/random@0.2.0;
    import wasi:sockets/instance-network@0.2.0;
    export provider;
}";

pub(super) fn granted(bytes: Vec<u8>) -> Source {
    Source { wasi: true, ..source("of-wasi", bytes) }
}
