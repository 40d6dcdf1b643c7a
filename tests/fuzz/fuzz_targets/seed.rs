//! The text of a seed that keys are derived from.
#![no_main]

use keyport_backends::derived::{Derived, Seed};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(seed) = text.parse::<Seed>() {
        let again = text.parse::<Seed>().unwrap();
        let (one, other) = (Derived::new(seed, None).unwrap(), Derived::new(again, None).unwrap());
        assert_eq!(one.identity(), other.identity());
    }
});
