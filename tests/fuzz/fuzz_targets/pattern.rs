//! Patterns of key names, against names.
#![no_main]

use keyport_core::caller::Pattern;
use keyport_core::key::KeyName;

libfuzzer_sys::fuzz_target!(|texts: (&str, &str)| {
    let (pattern, name) = texts;
    let Ok(name) = KeyName::new("name", name) else { return };
    let parsed: Pattern = pattern.parse().unwrap();

    if !pattern.contains('*') {
        assert_eq!(parsed.matches(&name), pattern == name.as_str());
    }
    assert!("*".parse::<Pattern>().unwrap().matches(&name));
});
