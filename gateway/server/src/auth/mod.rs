//! Who is calling: makes a caller of a request's credentials.

mod bearer;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use hyper::HeaderMap;
use keyport_core::caller::Caller;

/// The SHA-256 of a bearer token.
pub(crate) type TokenDigest = [u8; 32];

/// Knows every caller by what it presents.
pub(crate) struct Authenticator {
    /// By the first bytes of the digest, so that the table's own comparisons see no more of it than that.
    tokens: HashMap<[u8; PREFIX], Vec<(TokenDigest, Arc<Caller>)>>,
    anonymous: Option<Arc<Caller>>,
}

impl Authenticator {
    /// Knows `callers` by the digests of their tokens; a caller may have several. `anonymous` is who presents
    /// nothing; without it, presenting nothing is refused.
    pub(crate) fn new(
        callers: impl IntoIterator<Item = (TokenDigest, Arc<Caller>)>,
        anonymous: Option<Arc<Caller>>,
    ) -> Self {
        let mut tokens = HashMap::<_, Vec<_>>::new();
        for (digest, caller) in callers {
            tokens.entry(prefix(&digest)).or_default().push((digest, caller));
        }

        Self { tokens, anonymous }
    }

    /// Who sent a request with these headers. Somebody who presents something wrong is not anonymous.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Denial> {
        let Some(token) = bearer::token(headers)? else {
            return self.anonymous.clone().ok_or(Denial::NoCredential);
        };

        let presented = digest(&SHA256, token);
        let presented = TokenDigest::try_from(presented.as_ref()).map_err(|_length| Denial::UnknownToken)?;
        self.tokens
            .get(&prefix(&presented))
            .into_iter()
            .flatten()
            .find(|(known, _)| verify_slices_are_equal(known, &presented).is_ok())
            .map(|(_, caller)| Arc::clone(caller))
            .ok_or(Denial::UnknownToken)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("anonymous", &self.anonymous).finish_non_exhaustive()
    }
}

/// Why nobody is recognised. Callers are not told; it is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Denial {
    /// What is presented is no bearer token, or there are several.
    Malformed,
    /// Nothing is presented.
    NoCredential,
    /// The token is nobody's.
    UnknownToken,
}

impl Denial {
    /// The reason's name in metrics and in the audit log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_credential",
            Self::NoCredential => "no_credential",
            Self::UnknownToken => "unknown_token",
        }
    }
}

fn prefix(digest: &TokenDigest) -> [u8; PREFIX] {
    let mut prefix = [0; PREFIX];
    prefix.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    prefix
}

const PREFIX: usize = 8;

#[cfg(test)]
mod tests {
    use hyper::header::{AUTHORIZATION, HeaderValue};

    use super::*;

    fn caller(name: &str) -> Arc<Caller> {
        Arc::new(Caller {
            tenant: "acme".parse().unwrap(),
            name: name.parse().unwrap(),
            rights: Arc::new([]),
        })
    }

    fn hash(token: &str) -> TokenDigest {
        digest(&SHA256, token.as_bytes()).as_ref().try_into().unwrap()
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap())).collect()
    }

    fn who(authenticator: &Authenticator, values: &[&str]) -> Result<String, Denial> {
        authenticator.authenticate(&headers(values)).map(|caller| caller.name.to_string())
    }

    fn authenticator(anonymous: Option<Arc<Caller>>) -> Authenticator {
        let tds = caller("tds");
        Authenticator::new(
            [(hash("old"), Arc::clone(&tds)), (hash("new"), tds), (hash("x"), caller("other"))],
            anonymous,
        )
    }

    #[test]
    fn each_of_a_callers_tokens_is_good() {
        let authenticator = authenticator(None);

        assert_eq!(who(&authenticator, &["Bearer old"]).unwrap(), "tds");
        assert_eq!(who(&authenticator, &["bearer new"]).unwrap(), "tds");
        assert_eq!(who(&authenticator, &["BEARER  x"]).unwrap(), "other");
    }

    #[test]
    fn anything_else_is_denied_with_its_reason() {
        let authenticator = authenticator(None);

        assert_eq!(who(&authenticator, &[]), Err(Denial::NoCredential));
        for unknown in ["Bearer olde", "Bearer ol", "Bearer OLD"] {
            assert_eq!(who(&authenticator, &[unknown]), Err(Denial::UnknownToken), "{unknown}");
        }
        for malformed in [
            &["old"][..],
            &["Bearer"],
            &["Bearer "],
            &["Basic b2xk"],
            &["Bearer old new"],
            &["Bearer old", "Bearer old"],
        ] {
            assert_eq!(who(&authenticator, malformed), Err(Denial::Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn only_who_presents_nothing_is_anonymous() {
        let authenticator = authenticator(Some(caller("anonymous")));

        assert_eq!(who(&authenticator, &[]).unwrap(), "anonymous");
        assert_eq!(who(&authenticator, &["Bearer wrong"]), Err(Denial::UnknownToken));
        assert_eq!(who(&authenticator, &["Basic b2xk"]), Err(Denial::Malformed));
    }
}
