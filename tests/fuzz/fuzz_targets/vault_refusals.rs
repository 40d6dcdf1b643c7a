//! What a Vault or OpenBao answers instead.
#![no_main]

libfuzzer_sys::fuzz_target!(|answer: &[u8]| keyport_backends::vault::fuzz::refused(answer));
