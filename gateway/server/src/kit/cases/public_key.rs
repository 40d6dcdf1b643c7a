//! Public halves that are read again.

use crate::assemble::stage::Manner;
use crate::kit::ask::Ask;
use crate::kit::subject::{Kit, Made, ordinary, public_half};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, succeeds};

cases! {
    "public-key-is-the-one-made",
    "The public half of a key of each type is the one that was answered when it was made." => is_the_one_made;
    "public-key-is-stable",
    "Asked twice, it answers the same public half." => is_stable;
    "public-key-is-stable-after-a-signature",
    "A signature does not change the public half." => is_stable_after_a_signature;
    "public-key-is-the-same-when-loaded-anew",
    "A component that is loaded anew finds the same public half." => is_the_same_when_loaded_anew;
    "public-key-is-the-keys-own",
    "Of two keys, each has its own public half." => is_the_keys_own;
}

async fn is_the_one_made(kit: &Kit) -> Verdict {
    for key_type in kit.key_types().await? {
        is_its_own(kit.ask(), &kit.key(key_type).await?).await.map_err(|broken| broken.about(&key_type))?;
    }

    Ok(())
}

async fn is_stable(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    is_its_own(kit.ask(), &made).await?;

    is_its_own(kit.ask(), &made).await
}

async fn is_stable_after_a_signature(kit: &Kit) -> Verdict {
    for key_type in kit.families().await? {
        let (made, scheme) = (kit.key(key_type).await?, kit.scheme(key_type)?);
        let input = ordinary(0);
        let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
        drop(signed.answer.map_err(|failure| Broken::skipped(failure.to_string()))?);

        is_its_own(kit.ask(), &made).await.map_err(|broken| broken.about(&key_type))?;
    }

    Ok(())
}

async fn is_the_same_when_loaded_anew(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let anew = kit.stage.load(Manner::default()).await?;

    is_its_own(kit.ask().of(&anew), &made).await
}

async fn is_the_keys_own(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let (one, other) = (kit.fresh(key_type).await?, kit.fresh(key_type).await?);
    is_its_own(kit.ask(), &one).await?;
    is_its_own(kit.ask(), &other).await?;

    is_its_own(kit.ask(), &one).await
}

/// Fails unless the key's public half is read as it was answered when the key was made.
async fn is_its_own(ask: Ask<'_>, made: &Made) -> Verdict {
    let tried = ask.public_key(&made.key, made.told()).await?;
    let read = public_half(&succeeds(tried.answer, "a public half")?, made.key.key_type())?;

    ensure(read == made.public, "the public half that was answered when the key was made", || {
        format!("another one, {}", read.fingerprint())
    })
}
