//! Key pairs on the token, found by their CKA_ID. Handles are kept: on some tokens, finding looks at every object.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keyport_core::FailureKind;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use lru::LruCache;

use super::super::ckr::Trouble;
use super::public;

/// Key pairs that were found before.
#[derive(Debug)]
pub(super) struct Objects {
    found: Mutex<LruCache<Vec<u8>, Handles>>,
}

/// Where a key pair is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handles {
    pub(super) private: ObjectHandle,
    /// What has the public half's attributes: the public key, or the private one where it stands alone.
    pub(super) public: ObjectHandle,
    pub(super) key_type: KeyType,
}

impl Objects {
    pub(super) fn new() -> Self {
        Self { found: Mutex::new(LruCache::new(KEPT)) }
    }

    /// Does `work` on the pair with this CKA_ID, found before or now. A handle from before may be stale.
    pub(super) fn once<T>(
        &self,
        session: &Session,
        id: &[u8],
        work: impl FnOnce(&Handles) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let kept = self.found().get(id).copied();
        let handles = match kept {
            Some(handles) => handles,
            None => self.find(session, id)?.0,
        };

        work(&handles)
    }

    /// Finds the pair anew, with its public half.
    pub(super) fn find(&self, session: &Session, id: &[u8]) -> Result<(Handles, PublicKey), Trouble> {
        let halves = find(session, id)?;
        let private = match halves.private.as_slice() {
            [] => return Err(not_found(id)),
            [one] => *one,
            several => return Err(ambiguous(several.len(), id)),
        };
        let public = halves.public.first().copied().unwrap_or(private);
        let half = public::read(session, public)?;

        let handles = Handles { private, public, key_type: half.key_type() };
        self.keep(id, handles);
        Ok((handles, half))
    }

    pub(super) fn keep(&self, id: &[u8], handles: Handles) {
        self.found().put(id.to_vec(), handles);
    }

    pub(super) fn forget(&self, id: &[u8]) {
        self.found().pop(id);
    }

    fn found(&self) -> MutexGuard<'_, LruCache<Vec<u8>, Handles>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys with one CKA_ID.
#[derive(Clone, Debug, Default)]
pub(super) struct Halves {
    pub(super) private: Vec<ObjectHandle>,
    pub(super) public: Vec<ObjectHandle>,
}

/// The token's keys with this CKA_ID. Both classes are looked for at once: a token that looks at every object does so once.
pub(super) fn find(session: &Session, id: &[u8]) -> Result<Halves, Trouble> {
    let mut halves = Halves::default();
    for object in session.find_objects(&[Attribute::Token(true), Attribute::Id(id.to_vec())])? {
        let class = session.get_attributes(object, &[AttributeType::Class])?;
        if class.contains(&Attribute::Class(ObjectClass::PRIVATE_KEY)) {
            halves.private.push(object);
        } else if class.contains(&Attribute::Class(ObjectClass::PUBLIC_KEY)) {
            halves.public.push(object);
        }
    }

    Ok(halves)
}

pub(super) fn not_found(id: &[u8]) -> Trouble {
    Trouble::new(FailureKind::NotFound, format!("no private key has CKA_ID {}", hex::encode(id)))
}

fn ambiguous(count: usize, id: &[u8]) -> Trouble {
    let message = format!("{count} private keys have CKA_ID {}; give all but one another", hex::encode(id));

    Trouble::new(FailureKind::OperatorNeeded, message)
}

/// More than any token is likely to have in use; some 100 bytes each.
const KEPT: NonZeroUsize = match NonZeroUsize::new(100_000) {
    Some(kept) => kept,
    None => NonZeroUsize::MIN,
};
