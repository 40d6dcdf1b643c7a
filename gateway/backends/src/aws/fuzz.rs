//! What holds of every parser of what AWS answers, whatever it is given: for property tests and fuzz targets.

use keyport_core::key::NativeId;

use super::{Prefix, arn, error};
use crate::cloud;

/// What a key is called.
pub fn name(text: &str) {
    let name = NativeId::new(text);
    let there = arn::in_region(&name, "eu-west-1");

    if arn::is_key(&name) {
        let id = arn::id(&name);
        assert!(text.ends_with(&format!(":key/{id}")) && text.split(':').count() == 6, "{text}");
        assert!(!id.contains(['/', '%', '.']) && !id.contains(char::is_control), "{text}");
        assert_eq!((arn::is_key(&there), arn::id(&there)), (true, id));
        if id.starts_with("mrk-") {
            assert_eq!(arn::region(there.as_str()), Some("eu-west-1"));
        } else {
            assert_eq!(there, name);
        }
    } else {
        assert_eq!((arn::id(&name), &there), (text, &name));
    }
    assert_eq!(arn::in_region(&there, "eu-west-1"), there);
    assert!(arn::is_meant(&name, Some(text)) && !arn::is_meant(&name, None));
}

/// What the aliases of a gateway's keys begin with.
pub fn prefix(text: &str) {
    let Ok(prefix) = text.parse::<Prefix>() else { return };
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '/' | '_' | '-');

    assert_eq!(prefix.as_str(), text);
    assert!(
        (1..=64).contains(&text.len()) && text.chars().all(is_allowed) && !text.starts_with("aws/"),
        "{text}"
    );
}

/// An error: its name, and what is said with it.
pub fn refused(name: &str, message: &str) {
    for status in [200, 302, 400, 403, 429, 500] {
        cloud::fuzz::told(&error::meant(name, status, message));
    }
}
