//! Forms that are posted, as endpoints of OAuth 2.0 want them (RFC 6749, appendix B).

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};

/// A request that posts these fields.
pub(crate) fn posted<'a>(url: Url, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Request {
    // A query is encoded as a form is.
    let mut encoded = url.clone();
    encoded.set_query(None);
    encoded.query_pairs_mut().extend_pairs(fields);

    let mut request = Request::new(Method::POST, url);
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, kind);
    *request.body_mut() = Some(encoded.query().unwrap_or_default().to_owned().into());
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_a_field_arrives_and_the_url_stays_as_it_is() {
        let url = "https://h/token?api=1";
        let request = posted(url.parse().unwrap(), [("scope", "a b"), ("secret", "&=+%\u{e4}")]);

        assert_eq!(request.url().as_str(), url);
        let body = request.body().and_then(|body| body.as_bytes()).unwrap();
        assert_eq!(std::str::from_utf8(body).unwrap(), "scope=a+b&secret=%26%3D%2B%25%C3%A4");
    }
}
