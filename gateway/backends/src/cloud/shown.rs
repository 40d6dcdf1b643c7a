//! What a request shows of a credential, which nobody is to read in what is said of its refusal.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};
use reqwest::{Request, Url};
use serde_json::Value;
use zeroize::Zeroizing;

/// The credentials in a request. A service, or what is before it, may repeat what it was sent, and what it says of an error is read
/// by operators and by the provider that asked.
pub(crate) struct Shown(Vec<Zeroizing<String>>);

impl Shown {
    /// Those of a request: in header fields and in the fields of a form.
    pub(crate) fn by(request: &Request) -> Self {
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let is_form =
            request.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(FORM));
        let mut shown = Self(in_fields(request.headers()).collect());
        if is_form {
            shown.0.extend(in_form(body));
        }

        shown.0.retain(|secret| secret.len() >= LEAST);
        shown
    }

    /// The same with one more.
    pub(crate) fn and(mut self, secret: Option<&str>) -> Self {
        let secret = secret.filter(|secret| secret.len() >= LEAST);
        self.0.extend(secret.map(|secret| Zeroizing::new(secret.to_owned())));

        self
    }

    /// The body of an answer of this status without them. What answers a success is read, and repeated to nobody.
    pub(crate) fn hidden(&self, status: u16, body: Vec<u8>) -> Vec<u8> {
        if self.0.is_empty() || (200..300).contains(&status) {
            return body;
        }
        // As it is read later: text in JSON may be escaped.
        if let Ok(mut value) = serde_json::from_slice(&body) {
            self.hide_in(&mut value);
            return value.to_string().into_bytes();
        }

        let mut text = String::from_utf8_lossy(&body).into_owned();
        self.hide(&mut text);
        text.into_bytes()
    }

    /// A text without them.
    pub(crate) fn hide(&self, text: &mut String) {
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), HIDDEN);
            }
        }
    }

    fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.hide(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.hide_in(value)),
            Value::Object(fields) => {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(mut name, mut value)| {
                        self.hide(&mut name);
                        self.hide_in(&mut value);
                        (name, value)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// What stands before the last space says which kind of credential it is.
fn in_fields(headers: &HeaderMap) -> impl Iterator<Item = Zeroizing<String>> {
    let carries = |name: &HeaderName| *name == AUTHORIZATION || FIELDS.contains(&name.as_str());
    let carrying = headers.iter().filter(move |(name, value)| value.is_sensitive() || carries(name));

    carrying
        .filter_map(|(_, value)| Some(Zeroizing::new(value.to_str().ok()?.rsplit(' ').next()?.to_owned())))
}

/// As they are, and as they are written in the form.
fn in_form(body: &[u8]) -> Vec<Zeroizing<String>> {
    let Ok(body) = std::str::from_utf8(body) else { return Vec::new() };
    let Ok(mut url) = Url::parse("form:") else { return Vec::new() };
    url.set_query(Some(body));
    let read = url.query_pairs().filter(|(name, _)| FORM_FIELDS.contains(&&**name));
    let read = read.map(|(_, value)| Zeroizing::new(value.into_owned()));
    let written = body.split('&').filter_map(|field| field.split_once('='));
    let written = written.filter(|(name, _)| FORM_FIELDS.contains(name));

    read.chain(written.map(|(_, value)| Zeroizing::new(value.to_owned()))).collect()
}

/// What is shorter is no secret, and may be a part of any word.
const LEAST: usize = 8;
const HIDDEN: &str = "[a credential]";
const FORM: &[u8] = b"application/x-www-form-urlencoded";
/// Header fields that carry a credential whoever made the request.
const FIELDS: &[&str] = &["x-amz-security-token", "x-aws-ec2-metadata-token", "x-vault-token"];
/// Fields of forms that do (RFC 6749, 7521 and 8693, and AssumeRoleWithWebIdentity).
const FORM_FIELDS: &[&str] = &[
    "WebIdentityToken",
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "refresh_token",
    "subject_token",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Method;
    use reqwest::header::HeaderValue;

    use super::*;
    use crate::cloud::posted;

    fn with_token(token: &str) -> Shown {
        let mut request = Request::new(Method::GET, "https://h".parse().unwrap());
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());

        Shown::by(&request)
    }

    fn said(shown: &Shown, status: u16, body: &str) -> String {
        String::from_utf8(shown.hidden(status, body.into())).unwrap()
    }

    #[test]
    fn what_a_refusal_repeats_of_a_credential_is_not_there() {
        let shown = with_token("s3cr3t/t0ken");

        for (body, hidden) in [
            ("<p>Bearer s3cr3t/t0ken</p>", "<p>Bearer [a credential]</p>"),
            (
                r#"{"errors":["no s3cr3t\/t0ken","\u00733cr3t/t0ken"]}"#,
                r#"{"errors":["no [a credential]","[a credential]"]}"#,
            ),
            (r#"{"s3cr3t/t0ken":{"a":[1,null]}}"#, r#"{"[a credential]":{"a":[1,null]}}"#),
            (r#""s3cr3t/t0ken""#, r#""[a credential]""#),
            ("s3cr3t", "s3cr3t"),
        ] {
            assert_eq!(said(&shown, 400, body), hidden);
        }
        let renewed = r#"{"auth":{"client_token":"s3cr3t/t0ken"}}"#;
        assert_eq!(said(&shown, 200, renewed), renewed, "a success is read as it is");
    }

    #[test]
    fn every_place_of_a_credential_is_known() {
        let mut request = Request::new(Method::GET, "https://h".parse().unwrap());
        let mut marked = HeaderValue::from_static("marked as sensitive");
        marked.set_sensitive(true);
        request.headers_mut().insert("x-any", marked);
        for name in FIELDS {
            request.headers_mut().insert(*name, format!("the-{name}").parse().unwrap());
        }
        let shown = Shown::by(&request).and(Some("secret-id")).and(Some("short")).and(None);
        for name in FIELDS {
            assert_eq!(said(&shown, 502, &format!("the-{name}")), "[a credential]");
        }
        assert_eq!(said(&shown, 502, "sensitive secret-id short"), "[a credential] [a credential] short");

        for name in FORM_FIELDS {
            let request =
                posted("https://h".parse().unwrap(), [(*name, "a+b/c d=="), ("scope", "everything")]);
            let body = String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
            let repeated = said(&Shown::by(&request), 401, &format!("{body} a+b/c d== everything"));
            assert_eq!(repeated, format!("{name}=[a credential]&scope=everything [a credential] everything"));
        }
    }

    proptest! {
        #[test]
        fn no_body_shows_it(
            token in "[-a-zA-Z0-9._~+/]{8,40}=*",
            before in "\\PC*",
            after in "\\PC*",
            is_json in any::<bool>(),
        ) {
            let text = format!("{before}{token}{after}");
            let body = if is_json { serde_json::json!({ "error": { "message": text } }).to_string() } else { text };

            prop_assert!(!said(&with_token(&token), 403, &body).contains(&token));
        }
    }
}
