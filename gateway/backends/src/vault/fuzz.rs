//! What holds of every parser of what the server answers, whatever it is given: for property tests and fuzz targets.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keyport_core::key::NativeId;
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::key::{Reference, Version};
use super::{described, is_name, login, sign, status};
use crate::cloud;
use crate::http::exchange::Whole;

/// What keys and versions are called: what is taken is asked for at that very path, and has no other name.
pub fn name(text: &str) {
    if let Some(version) = Version::of_native_id(&NativeId::new(text), MOUNT) {
        assert_eq!(version.native_id(MOUNT).as_str(), text);
        is_at_its_path(&version.name);
    }
    match Reference::read(text, MOUNT) {
        Ok(Reference { name, version }) => {
            let number = version.map(|number| format!(":{number}")).unwrap_or_default();
            assert!(
                [format!("{name}{number}"), format!("{MOUNT}/{name}{number}")].contains(&text.to_owned()),
                "{text}"
            );
            is_at_its_path(&name);
        }
        Err(failure) => assert!(failure.message.contains(text)),
    }
}

/// An answer, as whatever is answered.
pub fn answer(body: &[u8]) {
    let whole = Whole { status: 200, headers: HeaderMap::new(), body: body.to_vec() };
    let key = described(&whole).ok();
    let read: Value = serde_json::from_slice(body).unwrap_or_default();

    for number in 1..3 {
        let version = Version { name: "ca".to_owned(), number };
        if let Ok(signature) = sign::signature(&version, body) {
            let encoded = format!("vault:v{number}:{}", BASE64_STANDARD.encode(signature));
            assert_eq!(read.pointer("/data/signature"), Some(&encoded.into()));
        }
        if let Some((key_type, Ok(public))) = key.as_ref().map(|key| (key.key_type(), key.public(&version))) {
            assert_eq!(key_type, Some(public.key_type()));
        }
    }
    drop(login::Given::from_answer(whole.body));
}

/// A refusal: see [`cloud::fuzz`].
pub fn refused(answer: &[u8]) {
    for answer in cloud::fuzz::answers(answer) {
        cloud::fuzz::told(&status::failure("sign with ca", &answer));
    }
}

fn is_at_its_path(name: &str) {
    let url = format!("https://vault.example/v1/{MOUNT}/sign/{name}").parse::<Url>();
    let called = url.as_ref().map(|url| (url.path(), url.query(), url.fragment()));

    assert!(is_name(name));
    assert_eq!(called, Ok((&*format!("/v1/{MOUNT}/sign/{name}"), None, None)));
}

const MOUNT: &str = "team/transit";
