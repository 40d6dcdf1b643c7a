//! What a vault says is a key, and what keys are called there.
#![no_main]

use keyport_backends::azure::fuzz;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    fuzz::key(body);
    if let Ok(text) = std::str::from_utf8(body) {
        fuzz::name(text);
        fuzz::name(&format!("https://acme.vault.azure.net/keys/{text}"));
    }
});
