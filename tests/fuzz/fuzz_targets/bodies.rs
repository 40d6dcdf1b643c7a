//! Request bodies, as every request of every contract.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| keyport::fuzz::bodies(body));
