//! What AWS says of an error.
#![no_main]

use keyport_backends::aws::fuzz;

libfuzzer_sys::fuzz_target!(|texts: (&str, &str)| {
    let (name, message) = texts;
    fuzz::refused(name, message);
});
