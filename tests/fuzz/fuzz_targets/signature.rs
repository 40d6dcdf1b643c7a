//! What a custodian or a provider says is a signature.
#![no_main]

use keyport_core::scheme::KeyType;
use keyport_core::signature::Signature;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for key_type in KeyType::ALL {
        let Some(signature) = Signature::new(key_type, bytes.to_vec()) else { continue };
        let der = signature.der().unwrap();
        // A DER signature as long as the normal form would be taken for that.
        if der.len() != signature.bytes().len() {
            assert_eq!(Signature::new(key_type, der).unwrap(), signature);
        }
    }
});
