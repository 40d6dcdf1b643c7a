//! Puts a store of sealed keys under another master key.

use std::sync::Arc;

use keyport_core::Error;
use keyport_core::key::KeyId;
use keyport_core::name::TenantId;
use keyport_core::store::SealedKeys;

use super::cache::Slot;
use super::master_key::MasterKey;
use super::seal::{BadSeal, Seal};

/// Wraps every key's data key, and the mark, under `new` in place of `old`: all or nothing. Returns how many keys
/// there were.
///
/// No token may be open on the store meanwhile: it would go on under the old key. The caller makes `new` durable
/// first, and makes it the one that is used afterwards; whoever broke off in between runs it again and is told
/// [`RotateError::AlreadyRotated`].
pub async fn rotate(sealed: &dyn SealedKeys, old: &MasterKey, new: &MasterKey) -> Result<u64, RotateError> {
    let old = Seal::new(old).map_err(Error::internal)?;
    let new = Arc::new(Seal::new(new).map_err(Error::internal)?);
    if old.fits(new.mark()) {
        return Err(RotateError::SameMasterKey);
    }
    if let Some(mark) = sealed.mark().await? {
        check(&mark, &old, &new)?;
    }

    let rewrap = {
        let new = Arc::clone(&new);
        move |tenant: &TenantId, key_id: KeyId, sealed: &[u8]| {
            let slot = Slot { tenant: tenant.clone(), key_id };
            old.rewrap(&new, &slot, sealed).map_err(|reason| Error::internal(Broken { slot, reason }))
        }
    };
    Ok(sealed.reseal(new.mark(), &rewrap).await?)
}

fn check(mark: &[u8], old: &Seal, new: &Seal) -> Result<(), RotateError> {
    if new.fits(mark) {
        return Err(RotateError::AlreadyRotated);
    }
    if !old.fits(mark) {
        return Err(RotateError::WrongMasterKey);
    }

    Ok(())
}

/// Why the master key was not changed. The store is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The store is under the new master key, and not under the old one.
    #[error("the store is sealed under the new master key already; use that from now on")]
    AlreadyRotated,
    /// The two are one.
    #[error("the new master key is the old one; make another")]
    SameMasterKey,
    /// The store is under neither.
    #[error("the old master key is not the one that this store was sealed under; name the one that was")]
    WrongMasterKey,
    /// The store failed, or one of its keys does not open under the old master key.
    #[error("the store of sealed keys was not changed")]
    Store(#[from] Error),
}

/// The operator needs to know which key it is.
#[derive(Debug, thiserror::Error)]
#[error("key {} of tenant {} does not open: {reason}", slot.key_id, slot.tenant)]
struct Broken {
    slot: Slot,
    reason: BadSeal,
}
