//! Keys that are gone from their custodian behind everybody's back.

use std::fmt::Debug;

use keyport_core::FailureKind;

use crate::kit::ask::Tried;
use crate::kit::subject::{Kit, Made, ordinary};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, fails, succeeds};

cases! {
    "lost-key-signs-nothing",
    "A key that its custodian no longer has is not found, or gone, when it is to sign." => signs_nothing;
    "lost-key-has-no-public-half",
    "A key that its custodian no longer has is not found, or gone, when its public half is read." => has_no_public_half;
    "lost-key-is-destroyed",
    "A key that its custodian no longer has is destroyed with success." => is_destroyed;
}

async fn signs_nothing(kit: &Kit) -> Verdict {
    let made = lost(kit).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);

    is_not_there(kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?)
}

async fn has_no_public_half(kit: &Kit) -> Verdict {
    let made = lost(kit).await?;

    is_not_there(kit.ask().public_key(&made.key, made.told()).await?)
}

async fn is_destroyed(kit: &Kit) -> Verdict {
    let made = lost(kit).await?;
    let tried = kit.ask().destroy(&made.key, made.told()).await?;

    succeeds(tried.answer, "success, as there is nothing to destroy")
}

/// A key that somebody else destroyed.
async fn lost(kit: &Kit) -> Result<Made, Broken> {
    kit.needs_custody()?;
    let made = kit.fresh(kit.cheapest().await?).await?;
    succeeds(kit.trial.erase(&made.key, kit.soon()).await, "a custodian that destroys a key")?;

    Ok(made)
}

/// Fails unless the component says that there is no such key.
pub(super) fn is_not_there<T: Debug>(tried: Tried<T>) -> Verdict {
    let failure = fails(tried.without_trap(NOT_THERE)?.answer, NOT_THERE)?;

    let says_so = matches!(failure.kind, FailureKind::NotFound | FailureKind::KeyGone);
    ensure(says_so, NOT_THERE, || failure.to_string())
}

const NOT_THERE: &str = "a failure that says not-found or key-gone";
