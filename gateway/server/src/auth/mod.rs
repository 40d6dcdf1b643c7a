//! Who is calling: makes a caller of a request's credentials.

mod denial;
mod fetch;
mod jwt;
mod presented;
mod slow;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use hyper::HeaderMap;
use ipnet::IpNet;
use keyport_core::caller::Caller;
use keyport_core::outside::Outside;

pub(crate) use self::denial::Denial;
pub(crate) use self::fetch::{Location, Remote};
pub(crate) use self::jwt::{Algorithm, Issuer, KeySource, Subject};

use self::jwt::Issuers;
use self::slow::Slow;
use crate::peer::{ClientCertificate, Peer};
use crate::request::Head;

/// The SHA-256 of a bearer token.
pub(crate) type TokenDigest = [u8; 32];

/// What one caller is known by. Any one of it is enough, but for what is required.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// Who it is.
    pub(crate) caller: Arc<Caller>,
    /// The SHA-256 of each of its tokens.
    pub(crate) tokens: Vec<TokenDigest>,
    /// Names of client certificates, `spiffe://…`, `dns:…`, `subject:…`, each with who must vouch for it: the place of a
    /// client authority.
    pub(crate) certificates: Vec<(usize, String)>,
    /// Whom an issuer's tokens are about.
    pub(crate) jwt: Option<Subject>,
    /// What must be presented in any case.
    pub(crate) require: Require,
}

#[cfg(test)]
impl Credentials {
    /// A caller that is known by `tokens` and nothing else.
    pub(crate) fn of_tokens(caller: Arc<Caller>, tokens: Vec<TokenDigest>) -> Self {
        Self { caller, tokens, certificates: Vec::new(), jwt: None, require: Require::default() }
    }
}

/// What a caller must present in any case.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Require {
    /// A client certificate of its own.
    pub(crate) certificate: bool,
    /// A token of its own, of whichever kind.
    pub(crate) token: bool,
}

/// What an authenticator is made of.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Everybody. No credential may be written twice.
    pub(crate) callers: Vec<Credentials>,
    /// Who presents nothing; without it, presenting nothing is refused.
    pub(crate) anonymous: Option<Arc<Caller>>,
    /// Whose JWTs are read. A [`Subject`] names one by its place.
    pub(crate) issuers: Vec<Issuer>,
    /// Whose `X-Forwarded-For` counts.
    pub(crate) proxies: Vec<IpNet>,
    /// How many refusals may be held back at once.
    pub(crate) held_back: usize,
}

/// Knows every caller by what it presents.
pub(crate) struct Authenticator {
    /// By the first bytes of the digest, so that the table's own comparisons see no more of it than that.
    tokens: HashMap<[u8; PREFIX], Vec<(TokenDigest, Arc<Known>)>>,
    certificates: HashMap<(usize, String), Arc<Known>>,
    issuers: Issuers,
    anonymous: Option<Arc<Caller>>,
    slow: Slow,
    outside: Outside,
}

impl Authenticator {
    /// Knows everybody in `parts`. The keys of its issuers are kept fresh until it is dropped, and are those of `before`
    /// where nothing about an issuer changed; who failed before is remembered. Must be called in a runtime.
    pub(crate) fn new(parts: Parts, before: Option<&Self>, outside: Outside) -> Self {
        let Parts { callers, anonymous, issuers, proxies, held_back } = parts;
        let (mut tokens, mut certificates, mut subjects) =
            (HashMap::<_, Vec<_>>::new(), HashMap::new(), Vec::new());
        for Credentials { caller, tokens: digests, certificates: names, jwt, require } in callers {
            let known = Arc::new(Known { caller, require });
            for digest in digests {
                tokens.entry(prefix(&digest)).or_default().push((digest, Arc::clone(&known)));
            }
            certificates.extend(names.into_iter().map(|name| (name, Arc::clone(&known))));
            subjects.extend(jwt.map(|subject| (subject, known)));
        }

        Self {
            tokens,
            certificates,
            issuers: Issuers::new(issuers, subjects, before.map(|before| &before.issuers), &outside),
            anonymous,
            slow: match before {
                Some(before) => before.slow.with_proxies(proxies),
                None => Slow::new(proxies, held_back, outside.clone()),
            },
            outside,
        }
    }

    /// Who sent a request with this head. Somebody who presents something wrong is not anonymous.
    ///
    /// A refusal is logged, and comes the later the more of them its address had.
    pub(crate) async fn authenticate(&self, head: &Head) -> Result<Arc<Caller>, Denial> {
        let nobody = Peer::default();
        let peer = head.peer().unwrap_or(&nobody);
        let known = self.identify(head.headers(), peer.certificate.as_ref(), head.deadline).await;

        if let Err(denial) = known {
            let address = self.slow.address(peer.address, head.headers());
            tracing::info!(request_id = %head.id, reason = denial.as_str(), %address, "not authenticated");
            self.slow.wait(address, head.deadline).await;
        }
        known
    }

    async fn identify(
        &self,
        headers: &HeaderMap,
        certificate: Option<&ClientCertificate>,
        deadline: Instant,
    ) -> Result<Arc<Caller>, Denial> {
        let by_token = match presented::token(headers)? {
            Some(token) => Some(self.by_token(token, deadline).await?),
            None => None,
        };
        let by_certificate = certificate.map(|shown| self.by_certificate(shown)).transpose()?.flatten();

        match (by_token, by_certificate) {
            (None, None) if certificate.is_some() => Err(Denial::UnknownCertificate),
            (None, None) => self.anonymous.clone().ok_or(Denial::NoCredential),
            (Some(one), Some(other)) if !Arc::ptr_eq(&one, other) => Err(Denial::Ambiguous),
            (Some(known), None) if known.require.certificate => Err(Denial::CertificateRequired),
            (None, Some(known)) if known.require.token => Err(Denial::TokenRequired),
            (Some(known), _) => Ok(Arc::clone(&known.caller)),
            (None, Some(known)) => Ok(Arc::clone(&known.caller)),
        }
    }

    async fn by_token(&self, token: &[u8], deadline: Instant) -> Result<Arc<Known>, Denial> {
        let presented = digest(&SHA256, token);
        let presented = TokenDigest::try_from(presented.as_ref()).map_err(|_length| Denial::UnknownToken)?;
        let known = self
            .tokens
            .get(&prefix(&presented))
            .into_iter()
            .flatten()
            .find(|(known, _)| verify_slices_are_equal(known, &presented).is_ok());

        match known {
            Some((_, known)) => Ok(Arc::clone(known)),
            None if self.issuers.may_know(token) => self.issuers.caller(token, presented, deadline).await,
            None => Err(Denial::UnknownToken),
        }
    }

    fn by_certificate(&self, shown: &ClientCertificate) -> Result<Option<&Arc<Known>>, Denial> {
        if !shown.is_valid(self.outside.clock.wall()) {
            return Err(Denial::CertificateExpired);
        }

        let of = |authority: usize| {
            shown.names.iter().filter_map(move |name| self.certificates.get(&(authority, name.clone())))
        };
        let mut owners = shown.authorities.iter().flat_map(|authority| of(*authority));
        let owner = owners.next();
        if owner.is_some_and(|owner| owners.any(|other| !Arc::ptr_eq(owner, other))) {
            return Err(Denial::Ambiguous);
        }
        Ok(owner)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("anonymous", &self.anonymous).finish_non_exhaustive()
    }
}

/// A caller, and what must be presented in any case.
#[derive(Debug)]
struct Known {
    caller: Arc<Caller>,
    require: Require,
}

fn prefix(digest: &TokenDigest) -> [u8; PREFIX] {
    let mut prefix = [0; PREFIX];
    prefix.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    prefix
}

const PREFIX: usize = 8;

/// Reads a token as far as it can be read without a key.
#[cfg(fuzzing)]
pub(crate) fn fuzz_token(token: &[u8]) {
    jwt::fuzz(token);
}
