//! What holds of every parser of what Google answers, and of files of credentials, whatever they are given: for property
//! tests and fuzz targets.

use keyport_core::outside::Timestamp;
use reqwest::Url;

use super::name::Names;
use super::{credentials, parsed, status, wire};
use crate::cloud;

/// What key rings and versions are called: what is taken is asked for at that very path. What another ring's is called here, is a
/// version in this one.
pub fn name(ring: &str, name: &str) {
    let Some(names) = Names::in_ring(ring, "keyport") else { return };
    is_at_its_path(names.ring());
    if let Some(here) = names.here(name) {
        assert_eq!(names.version(&here).as_ref(), Some(&here));
    }

    if let Some(version) = names.version(name) {
        assert_eq!((version.as_str(), names.here(name).as_deref()), (name, Some(name)));
        assert!(version.starts_with(&format!("{ring}/cryptoKeys/")) && names.is_same(name, &version));
        is_at_its_path(&version);
    }
}

/// A public half.
pub fn public_key(body: &[u8]) {
    let Ok(read) = serde_json::from_slice::<wire::Public>(body) else { return };

    match parsed(&read) {
        Ok((algorithm, public)) => assert_eq!(algorithm.key_type, public.key_type()),
        Err(failure) => cloud::fuzz::told(&failure),
    }
}

/// A refusal: see [`cloud::fuzz`].
pub fn refused(answer: &[u8]) {
    for answer in cloud::fuzz::answers(answer) {
        cloud::fuzz::told(&status::failure(&answer, Timestamp(784_111_777_000)));
    }
    credentials::fuzz_answer(answer);
}

/// A file of credentials.
pub fn credentials(text: &str) {
    credentials::fuzz_file(text);
}

fn is_at_its_path(name: &str) {
    let url = format!("https://kms.example/v1/{name}:asymmetricSign").parse::<Url>();
    let called = url.as_ref().map(|url| (url.path(), url.query(), url.fragment()));

    assert_eq!(called, Ok((&*format!("/v1/{name}:asymmetricSign"), None, None)));
}
