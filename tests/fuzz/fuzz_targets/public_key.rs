//! What a custodian or a provider says is a public key.
#![no_main]

use keyport_core::public_key::PublicKey;

libfuzzer_sys::fuzz_target!(|der: &[u8]| {
    if let Ok(key) = PublicKey::from_der(der) {
        assert_eq!(key.der(), der);
        assert_eq!(PublicKey::from_der(key.der()).unwrap().fingerprint(), key.fingerprint());
    }
});
