//! Segments of paths.
#![no_main]

libfuzzer_sys::fuzz_target!(|segment: &str| keyport::fuzz::segment(segment));
