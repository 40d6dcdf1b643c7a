//! Requests to a custodian that no backend speaks for: a provider words them, and its grant says which of them belong to an
//! operation.
//!
//! Custody sees such requests, and not what they mean. So it holds what it can: method and path must be those of a [`Rule`],
//! custody itself puts the operation's own key into the path, each may be sent so many times, and what becomes of it is
//! judged by what comes out: a new key has to sign a challenge, and every signature is verified with its public half.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::key::{Key, NativeId};
use crate::policy::Allowed;

/// A request as a provider words it. Where it goes, and with which credential, the connection knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outbound {
    /// What is to be done.
    pub method: Method,
    /// With what: an absolute path and perhaps a query (RFC 3986, sections 3.3 and 3.4), percent-encoded. A provider
    /// writes it as the grant has it, with `{key}` for the key; custody fills that in.
    pub path: String,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inbound {
    /// The status code (RFC 9110, section 15).
    pub status: u16,
    /// The header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What the custodian calls the key that it made, where it was asked to look for that and the request succeeded.
    pub native_id: Option<NativeId>,
}

/// Request methods (RFC 9110, section 9; PATCH: RFC 5789).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "they are named in the RFC")]
pub enum Method {
    Delete,
    Get,
    Patch,
    Post,
    Put,
}

/// One kind of request that a provider may send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// In which operations.
    pub during: During,
    /// By which method.
    pub method: Method,
    /// On which path.
    pub path: Path,
    /// How often in one operation.
    pub times: u32,
    /// Where the answer says what the custodian calls the new key: a JSON Pointer (RFC 6901) into its body. Without it,
    /// the custodian calls the key by the key-id.
    pub native_id: Option<String>,
}

/// The operations in which requests are sent.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum During {
    /// A key is made.
    Create,
    /// A signature is made.
    Sign,
    /// A key is destroyed.
    Destroy,
    /// The provider is asked how it is.
    Health,
}

/// A path with places for the operation's key: `{key}` is the native id, `{key-id}` the key-id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path(String);

impl Method {
    /// Every method.
    pub const ALL: [Self; 5] = [Self::Delete, Self::Get, Self::Patch, Self::Post, Self::Put];

    /// Its name in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl During {
    /// Every kind of operation.
    pub const ALL: [Self; 4] = [Self::Create, Self::Sign, Self::Destroy, Self::Health];

    /// Its name in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Sign => "sign",
            Self::Destroy => "destroy",
            Self::Health => "health",
        }
    }

    pub(crate) fn of(allowed: &Allowed) -> Self {
        match allowed {
            Allowed::Create(_) => Self::Create,
            Allowed::Sign(_) => Self::Sign,
            Allowed::Destroy(_) => Self::Destroy,
            Allowed::Probe => Self::Health,
        }
    }
}

impl Rule {
    /// Whether this request is one of these.
    pub(crate) fn covers(&self, during: During, request: &Outbound) -> bool {
        self.during == during && self.method == request.method && self.path.0 == request.path
    }
}

impl Inbound {
    /// Whether the custodian did what it was asked.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether what was to be destroyed is not there now: 404 and 410 say so too.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_success() || matches!(self.status, 404 | 410)
    }
}

impl Path {
    /// The path with the names of `key` in their places; `None` where it needs one that there is not.
    pub(crate) fn of(&self, key: Option<&Key>) -> Option<String> {
        let mut path = self.0.clone();
        for (place, name) in [(KEY, key.and_then(native_id)), (KEY_ID, key.map(|key| key.id.to_string()))] {
            if path.contains(place) {
                path = path.replace(place, &utf8_percent_encode(&name?, OTHERS).to_string());
            }
        }

        Some(path)
    }

    /// Whether a key has to be there for it.
    #[must_use]
    pub fn names_a_key(&self) -> bool {
        self.0.contains(KEY) || self.0.contains(KEY_ID)
    }
}

/// What the custodian calls the key; the key-id, as long as nothing else was recorded.
fn native_id(key: &Key) -> Option<String> {
    Some(key.native_id.as_ref().map_or_else(|| key.id.to_string(), |native_id| native_id.as_str().to_owned()))
        // A path's segment of dots means another path.
        .filter(|name| !name.chars().all(|character| character == '.'))
}

impl FromStr for Path {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        let (path, _query) = text.split_once('?').unwrap_or((text, ""));
        let plain = text.replace(KEY, "").replace(KEY_ID, "");
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/?".contains(&byte);

        if !path.starts_with('/') || !plain.bytes().all(allowed) {
            return Err(BadPath);
        }
        if path.split('/').skip(1).any(|segment| matches!(segment, "." | "..")) || path.contains("//") {
            return Err(BadPath);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no [`Path`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is no absolute path with {{key}} or {{key-id}} as its only places")]
pub struct BadPath;

const KEY: &str = "{key}";
const KEY_ID: &str = "{key-id}";

/// All but the characters that mean themselves everywhere in a URI (RFC 3986, section 2.3).
const OTHERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{KeyId, KeyName};
    use crate::outside::Timestamp;
    use crate::scheme::KeyType;

    fn key(native_id: &str) -> Key {
        let name = KeyName::new("name", "demo").unwrap();
        let id: KeyId = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        let provider = ("kms".parse().unwrap(), Timestamp(0));
        let pending = Key::pending("acme".parse().unwrap(), name, id, KeyType::EcP256, provider);

        Key { native_id: Some(NativeId::new(native_id)), ..pending }
    }

    fn filled(path: &str, key: Option<&Key>) -> Option<String> {
        path.parse::<Path>().unwrap().of(key)
    }

    #[test]
    fn the_operations_own_key_is_put_in_its_place() {
        let key = key("k/1 ü");

        assert_eq!(filled("/keys/{key}/sign?v=1", Some(&key)).unwrap(), "/keys/k%2F1%20%C3%BC/sign?v=1");
        assert_eq!(filled("/{key-id}", Some(&key)).unwrap(), "/000102030405060708090a0b0c0d0e0f");
        assert_eq!(filled("/keys/{key}", None), None);
        assert_eq!(filled("/health", None).unwrap(), "/health");
    }

    #[test]
    fn a_rule_covers_what_is_written_as_it_is() {
        let (method, times) = (Method::Post, 1);
        let path = "/keys/{key}/sign".parse().unwrap();
        let rule = Rule { during: During::Sign, method, path, times, native_id: None };
        let request =
            |path: &str| Outbound { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() };

        assert!(rule.covers(During::Sign, &request("/keys/{key}/sign")));
        assert!(!rule.covers(During::Create, &request("/keys/{key}/sign")));
        assert!(!rule.covers(During::Sign, &Outbound { method: Method::Get, ..request("/keys/{key}/sign") }));
        for other in
            ["/keys/k/sign", "/keys/{key}/sign?", "/keys/{key}/../other/sign", "/keys/%7Bkey%7D/sign", ""]
        {
            assert!(!rule.covers(During::Sign, &request(other)), "{other}");
        }
    }

    #[test]
    fn a_native_id_of_dots_leads_nowhere() {
        for native_id in [".", "..", ""] {
            let key = key(native_id);
            assert_eq!("/keys/{key}/sign".parse::<Path>().unwrap().of(Some(&key)), None, "{native_id}");
        }
    }

    #[test]
    fn only_absolute_paths_with_known_places_are_rules() {
        for bad in [
            "",
            "keys",
            "//host/keys",
            "/a//b",
            "/../keys",
            "/a/./b",
            "/{name}",
            "/a#b",
            "/a b",
            "/ü",
            "/a\\b",
        ] {
            assert_eq!(bad.parse::<Path>(), Err(BadPath), "{bad}");
        }
        assert!("/v1/keys/{key}/versions/1:sign?alg=a,b".parse::<Path>().is_ok());
    }

    proptest! {
        #[test]
        fn whatever_the_native_id_is_it_stays_one_segment(native_id in "\\PC{1,40}") {
            let key = key(&native_id);
            if let Some(path) = "/a/{key}/b".parse::<Path>().unwrap().of(Some(&key)) {
                prop_assert_eq!(path.split('/').count(), 4);
                prop_assert!(!path.contains(['?', '#', '\\', ' ']));
                prop_assert!(path.split('/').all(|segment| !matches!(segment, "." | "..")));
            }
        }
    }
}
