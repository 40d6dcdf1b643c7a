//! JSON Web Tokens that nobody verified yet.
#![no_main]

libfuzzer_sys::fuzz_target!(|token: &[u8]| keyport::fuzz::token(token));
