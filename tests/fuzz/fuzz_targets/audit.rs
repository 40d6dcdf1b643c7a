//! A segment of the audit log that somebody changed: verifying it finds what it finds and never panics.
#![no_main]

use keyport_store::audit::{VerifyOptions, verify};

libfuzzer_sys::fuzz_target!(|segment: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("audit-000000000001.jsonl"), segment).unwrap();

    drop(runtime.block_on(verify(folder.path(), VerifyOptions::default())));
});
