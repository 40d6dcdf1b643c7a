//! What holds of whatever services answer and of templates: for property tests and fuzz targets.

use keyport_core::Failure;
use keyport_core::backend::Generate;
use keyport_core::key::KeyName;
use keyport_core::scheme::KeyType;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use super::Template;
use crate::http::exchange::Whole;

/// What keys are called. What is read is written the same, and what is filled in is what the service takes.
pub fn template(text: &str, name: &str) {
    let Ok(template) = text.parse::<Template>() else { return };
    let named = ("acme".parse(), "07".repeat(16).parse(), KeyName::new("name", name));
    let (Ok(tenant), Ok(key_id), Ok(name)) = named else { return };

    assert_eq!(template.to_string(), text);
    let is_plain = |char: char| char.is_ascii_alphanumeric() || char == '-';
    let request = Generate { tenant, key_id, name, key_type: KeyType::EcP256 };
    let whole = template.fill(&request, |_| true, usize::MAX);
    for longest in [0, 1, 63, 256] {
        let filled = template.fill(&request, is_plain, longest);
        assert!(filled.chars().all(is_plain) && filled.chars().count() == whole.chars().count().min(longest));
    }
    assert!(whole.contains(request.name.as_str()) || !text.contains("{key}"), "{whole}");
}

/// Answers of each status that means something: the first line is what their fields say, the rest is the body.
pub(crate) fn answers(bytes: &[u8]) -> impl Iterator<Item = Whole> {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (field, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let field = HeaderValue::from_bytes(field).unwrap_or_else(|_none| HeaderValue::from_static("7"));
    let headers = HeaderMap::from_iter([(RETRY_AFTER, field.clone()), (DATE, field)]);

    [200, 302, 400, 401, 403, 404, 407, 409, 429, 500, 503].into_iter().map(move |status| Whole {
        status,
        headers: headers.clone(),
        body: body.to_vec(),
    })
}

/// Whatever the service says, the operator reads a line of it.
pub(crate) fn told(failure: &Failure) {
    let Failure { message, .. } = failure;

    assert!(!message.contains(char::is_control) && message.chars().count() < 2000, "{message}");
}

/// Refusals as each service words them, around any words.
#[cfg(test)]
pub(crate) fn refusal() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    use serde_json::json;

    let wait = "[0-9]{0,21}|-?[0-9.]{1,4}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT";
    let words =
        "(\\PC|\\s|\u{1b}){0,700}|PERMISSION_DENIED|UNAUTHENTICATED|KeyDisabled|signing key not found";

    (wait, words, words, 0..4).prop_map(|(wait, one, other, who)| {
        let body = match who {
            0 => json!({ "errors": [one, other] }).to_string(),
            1 => json!({ "error": { "code": one, "message": other, "innererror": { "code": one } } })
                .to_string(),
            2 => {
                let details = json!([{ "reason": other }, { "retryDelay": format!("{wait}s") }]);
                json!({ "error": { "status": "RESOURCE_EXHAUSTED", "message": one, "details": details } })
                    .to_string()
            }
            _ => one,
        };
        format!("{wait}\n{body}").into_bytes()
    })
}
