//! Names of keys in AWS KMS, and what aliases begin with.
#![no_main]

use keyport_backends::aws::fuzz;

libfuzzer_sys::fuzz_target!(|text: &str| {
    fuzz::name(text);
    fuzz::prefix(text);
});
