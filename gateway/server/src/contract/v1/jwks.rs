//! Key sets that anybody may read (RFC 7517, section 5), where a tenant publishes them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use der::Decode;
use der::asn1::{AnyRef, BitStringRef};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::{HeaderMap, Method, Response, StatusCode};
use keyport_core::caller::Pattern;
use keyport_core::key::{Key, KeyId};
use keyport_core::name::TenantId;
use keyport_core::public_key::PublicKey;
use keyport_core::{Error, Gateway, Result};
use serde::Serialize;

use crate::contract::Refusal;
use crate::jwk::{Algorithm, Jwk};
use crate::request::Head;

/// A set of public keys that anybody may read.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    /// What it is called in its path; says nothing of the tenant.
    pub(crate) id: String,
    /// Whose keys they are.
    pub(crate) tenant: TenantId,
    /// Which of them, by name.
    pub(crate) keys: Vec<Pattern>,
    /// How they are told apart.
    pub(crate) kid: KidForm,
}

/// What the `kid` of a published key is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KidForm {
    /// The SHA-1 of the public key's bits in lower-case hexadecimal digits (RFC 5280, section 4.2.1.2, method 1).
    SubjectKeyId,
    /// The JWK's thumbprint (RFC 7638).
    Thumbprint,
}

/// Every key set that is published, each as it was last written: nobody without a credential can have the same work done
/// over and over.
#[derive(Debug)]
pub(super) struct KeySets(Vec<KeySet>);

#[derive(Debug)]
struct KeySet {
    publication: Publication,
    last: Mutex<Option<Arc<Written>>>,
}

/// A key set as it is sent.
#[derive(Debug)]
struct Written {
    /// The keys in it. A key-id is never used for another public half, so that they say it all.
    keys: Vec<KeyId>,
    body: Bytes,
    etag: HeaderValue,
}

impl KeySets {
    pub(super) fn new(publications: Vec<Publication>) -> Self {
        let set = |publication| KeySet { publication, last: Mutex::default() };

        Self(publications.into_iter().map(set).collect())
    }

    /// Answers a request for the key set `id`.
    pub(super) async fn answer(
        &self,
        gateway: &Gateway,
        head: &Head,
        id: &str,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let set = self.0.iter().find(|set| set.publication.id == id).ok_or(Refusal::NoSuchPath)?;
        if head.method() != Method::GET {
            return Err(Refusal::WrongMethod { allow: "GET" });
        }

        let keys = gateway.published(&set.publication.tenant, &set.publication.keys).await?;
        Ok(set.written(&keys)?.response(head.headers()))
    }
}

impl KeySet {
    fn written(&self, keys: &[Arc<Key>]) -> Result<Arc<Written>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && last.keys.iter().eq(keys.iter().map(|key| &key.id))
        {
            return Ok(Arc::clone(last));
        }

        let written = Arc::new(Written::new(keys, self.publication.kid)?);
        *last = Some(Arc::clone(&written));
        Ok(written)
    }
}

impl Written {
    fn new(keys: &[Arc<Key>], form: KidForm) -> Result<Self> {
        let body = serde_json::to_vec(&Jwks::of(keys, form)?).map_err(Error::internal)?;
        let hash = hex::encode(digest(&SHA256, &body));
        let etag = HeaderValue::from_str(&format!("\"{hash}\"")).map_err(Error::internal)?;

        Ok(Self { keys: keys.iter().map(|key| key.id).collect(), body: body.into(), etag })
    }

    /// A response that says how long it may be kept, and is empty for who has it already (RFC 9110, section 13.1.2).
    fn response(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let is_known = headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').map(str::trim))
            .any(|known| known == "*" || known.trim_start_matches("W/") == self.etag);

        let mut response = Response::default();
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *response.body_mut() = Full::from(self.body.clone());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        }
        response.headers_mut().insert(ETAG, self.etag.clone());
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        response
    }
}

#[derive(Serialize)]
struct Jwks {
    keys: Vec<Published>,
}

#[derive(Serialize)]
struct Published {
    kid: String,
    #[serde(rename = "use")]
    usage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<&'static str>,
    #[serde(flatten)]
    jwk: Jwk,
}

impl Jwks {
    /// One entry for every kid: the same pair may have been brought in under two names.
    fn of(keys: &[Arc<Key>], form: KidForm) -> Result<Self> {
        let mut kids = BTreeSet::new();
        let mut published = Vec::new();
        for key in keys {
            let Some(public) = &key.public else { continue };
            let jwk = Jwk::of(public)?;
            let kid = match form {
                KidForm::SubjectKeyId => subject_key_id(public)?,
                KidForm::Thumbprint => jwk.thumbprint(),
            };
            if kids.insert(kid.clone()) {
                let alg = Algorithm::of(key.key_type).map(Algorithm::as_str);
                published.push(Published { kid, usage: "sig", alg, jwk });
            }
        }

        Ok(Self { keys: published })
    }
}

fn subject_key_id(public: &PublicKey) -> Result<String> {
    let spki = SubjectPublicKeyInfo::from_der(public.der()).map_err(Error::internal)?;
    let bits = spki.bits.as_bytes().ok_or_else(|| Error::internal("a public key is no whole bytes"))?;

    Ok(hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, bits)))
}

#[derive(der::Sequence)]
struct SubjectPublicKeyInfo<'a> {
    algorithm: AnyRef<'a>,
    bits: BitStringRef<'a>,
}
