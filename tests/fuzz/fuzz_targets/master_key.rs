//! The text of a master key.
#![no_main]

use keyport_backends::soft::MasterKey;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(key) = text.parse::<MasterKey>() {
        assert_eq!(key.to_text().as_str().trim().to_lowercase(), text.trim().to_lowercase());
    }
});
