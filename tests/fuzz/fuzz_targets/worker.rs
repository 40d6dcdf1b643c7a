//! What the gateway and the process with a PKCS#11 module say to each other, from whichever side is broken.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    drop(keyport_backends::pkcs11::parse(bytes));
});
