//! A request as a contract reads it: routed, named and with a deadline.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, header};
use keyport_core::name::RequestId;
use keyport_core::outside::Outside;

use crate::peer::Peer;

/// All of a request but its body.
#[derive(Debug)]
pub(crate) struct Head {
    /// Its name, through log and audit.
    pub(crate) id: RequestId,
    /// When its sender must have an answer.
    pub(crate) deadline: Instant,
    parts: Parts,
    /// Bytes of the path that belong to the contract as a whole.
    prefix: usize,
}

impl Head {
    /// `prefix` is how many bytes of the path the contract's own path has.
    pub(crate) fn new(id: RequestId, deadline: Instant, parts: Parts, prefix: usize) -> Self {
        Self { id, deadline, parts, prefix }
    }

    /// The method.
    pub(crate) fn method(&self) -> &Method {
        &self.parts.method
    }

    /// The headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// Who is at the other end of its connection.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.parts.extensions.get::<Arc<Peer>>().map(AsRef::as_ref)
    }

    /// What stands behind the path's `?`, as it was sent.
    pub(crate) fn query(&self) -> Option<&str> {
        self.parts.uri.query()
    }

    /// The segments of the path below the contract's own, as they were sent: percent-encoded.
    pub(crate) fn segments(&self) -> Vec<&str> {
        let below = self.parts.uri.path().get(self.prefix..).unwrap_or_default();

        below.split('/').skip(1).collect()
    }
}

/// A request's body, not yet read.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    incoming: Incoming,
    /// The sender holds the body back until it is asked for (RFC 9110, section 10.1.1).
    held_back: bool,
    deadline: Instant,
    outside: &'a Outside,
}

impl<'a> Body<'a> {
    /// `deadline` is when it must have been read.
    pub(crate) fn new(
        incoming: Incoming,
        headers: &HeaderMap,
        deadline: Instant,
        outside: &'a Outside,
    ) -> Self {
        Self { incoming, held_back: headers.contains_key(header::EXPECT), deadline, outside }
    }

    /// Reads it to its end.
    pub(crate) async fn read(mut self, limit: usize) -> Result<Vec<u8>, BadBody> {
        let declared = usize::try_from(self.incoming.size_hint().lower()).unwrap_or(usize::MAX);
        if declared > limit {
            self.discard().await;
            return Err(BadBody::TooLarge { limit });
        }

        let (outside, deadline) = (self.outside, self.deadline);
        outside
            .within(deadline, self.collect(Vec::with_capacity(declared), limit))
            .await
            .unwrap_or(Err(BadBody::TooSlow))
    }

    async fn collect(mut self, mut whole: Vec<u8>, limit: usize) -> Result<Vec<u8>, BadBody> {
        while let Some(frame) = self.incoming.frame().await {
            let Ok(piece) = frame.map_err(|_broken| BadBody::Broken)?.into_data() else { continue };
            if whole.len() + piece.len() > limit {
                self.discard().await;
                return Err(BadBody::TooLarge { limit });
            }
            whole.extend_from_slice(&piece);
        }

        Ok(whole)
    }

    /// Reads on for a while and keeps nothing: closing a connection on a sender that is still sending would reset it,
    /// and the answer with it (RFC 9112, section 9.6).
    async fn discard(&mut self) {
        if self.held_back {
            return;
        }

        let until = self.deadline.min(self.outside.clock.now() + LINGER);
        let mut left = LINGER_BYTES;
        while left > 0
            && let Some(Some(Ok(frame))) = self.outside.within(until, self.incoming.frame()).await
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
        }
    }
}

/// Why a body cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BadBody {
    /// It ended too soon, or its framing is wrong.
    Broken,
    /// It is longer than any legitimate one.
    TooLarge {
        /// The longest, in bytes.
        limit: usize,
    },
    /// It was not there in time.
    TooSlow,
}

/// `segment` without its percent-encoding (RFC 3986, section 2.1); `None` where that is malformed, or what comes out
/// is not UTF-8.
pub(crate) fn percent_decoded(segment: &str) -> Option<Cow<'_, str>> {
    let is_escape = |rest: &[u8]| rest.iter().take(2).filter(|digit| digit.is_ascii_hexdigit()).count() == 2;
    if !segment.as_bytes().split(|byte| *byte == b'%').skip(1).all(is_escape) {
        return None;
    }

    percent_encoding::percent_decode_str(segment).decode_utf8().ok()
}

const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 16 * 1024 * 1024;
