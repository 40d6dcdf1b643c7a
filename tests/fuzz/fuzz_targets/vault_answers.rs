//! What a Vault or OpenBao answers: keys, signatures and logins.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| keyport_backends::vault::fuzz::answer(body));
