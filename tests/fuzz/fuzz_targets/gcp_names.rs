//! Names of key rings and versions at Google.
#![no_main]

use keyport_backends::gcp::fuzz;

libfuzzer_sys::fuzz_target!(|texts: (&str, &str)| {
    let (ring, name) = texts;
    fuzz::name(ring, name);
    fuzz::name(RING, &format!("{RING}/cryptoKeys/{name}"));
});

const RING: &str = "projects/acme/locations/europe-west3/keyRings/prod";
