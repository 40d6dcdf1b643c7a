//! Keys that are destroyed.

use keyport_core::FailureKind;
use keyport_core::provider::KeyRef;

use super::lost::is_not_there;
use crate::kit::custodian::Conduct;
use crate::kit::subject::{Kit, Made, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, fails, succeeds};

cases! {
    "destroy-every-family",
    "A key of each family is destroyed at its custodian." => every_family;
    "destroy-is-idempotent",
    "Destroying a key that is destroyed succeeds." => is_idempotent;
    "destroy-without-a-handle",
    "A key is destroyed by its key-id alone." => without_a_handle;
    "destroy-without-a-handle-is-idempotent",
    "By its key-id alone, a key that is destroyed can be destroyed again." => without_a_handle_is_idempotent;
    "destroy-what-never-was",
    "Destroying a key that the custodian never made succeeds." => what_never_was;
    "destroy-leaves-other-keys",
    "Other keys sign as before." => leaves_other_keys;
    "destroy-after-a-lost-answer",
    "A destroy whose answer was lost can be asked for again." => after_a_lost_answer;
    "destroy-tells-of-a-failure",
    "It does not say that a key is destroyed while the custodian fails." => tells_of_a_failure;
    "sign-after-destroy",
    "A key that is destroyed signs nothing; it is not found, or gone." => sign_after_destroy;
    "public-key-after-destroy",
    "A key that is destroyed has no public half; it is not found, or gone." => public_key_after_destroy;
}

async fn every_family(kit: &Kit) -> Verdict {
    for key_type in kit.families().await? {
        let made = kit.fresh(key_type).await?;
        let tried = kit.ask().destroy(&made.key, made.told()).await?;

        kit.is_destroyed(&tried).map_err(|broken| broken.about(&key_type))?;
        succeeds(tried.answer, "success").map_err(|broken| broken.about(&key_type))?;
    }

    Ok(())
}

async fn is_idempotent(kit: &Kit) -> Verdict {
    let made = destroyed(kit).await?;
    let again = kit.ask().destroy(&made.key, made.told()).await?;

    succeeds(again.answer, "success, as it is destroyed already")
}

async fn without_a_handle(kit: &Kit) -> Verdict {
    let made = kit.fresh(kit.cheapest().await?).await?;
    let tried = kit.ask().destroy(&made.key, made.told_with(None)).await?;

    kit.is_destroyed(&tried)?;
    succeeds(tried.answer, "success")
}

async fn without_a_handle_is_idempotent(kit: &Kit) -> Verdict {
    let made = destroyed(kit).await?;
    let again = kit.ask().destroy(&made.key, made.told_with(None)).await?;

    succeeds(again.answer, "success, as it is destroyed already")
}

async fn what_never_was(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    // The custodian was asked, and nothing came of it: so it is with a create that was cut short.
    kit.fail(FailureKind::Unavailable);
    fails(kit.ask().create(&key).await?.answer, "a failure, as the custodian fails")?;

    kit.begin();
    let tried = kit.ask().destroy(&key, KeyRef { id: key.id(), handle: None }).await?;
    succeeds(tried.answer, "success, as there is nothing to destroy")
}

async fn leaves_other_keys(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let (one, two) = (kit.fresh(key_type).await?, kit.fresh(key_type).await?);
    destroyed(kit).await?;

    for made in [one, two] {
        let scheme = kit.scheme(key_type)?;
        let input = ordinary(0);
        let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
        verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)?;
    }
    Ok(())
}

async fn after_a_lost_answer(kit: &Kit) -> Verdict {
    let made = kit.fresh(kit.cheapest().await?).await?;
    kit.stage.switch.set(Conduct::LosesAnswers);
    fails(kit.ask().destroy(&made.key, made.told()).await?.answer, "a failure, as the answer is lost")?;

    kit.begin();
    let again = kit.ask().destroy(&made.key, made.told()).await?;
    succeeds(again.answer, "success, as it is destroyed already")
}

async fn tells_of_a_failure(kit: &Kit) -> Verdict {
    let made = kit.fresh(kit.cheapest().await?).await?;
    kit.fail(FailureKind::Unavailable);
    let tried = kit.ask().destroy(&made.key, made.told()).await?;

    fails(tried.answer, "a failure, as the key is still there").map(drop)
}

async fn sign_after_destroy(kit: &Kit) -> Verdict {
    let made = destroyed(kit).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);

    is_not_there(kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?)
}

async fn public_key_after_destroy(kit: &Kit) -> Verdict {
    let made = destroyed(kit).await?;

    is_not_there(kit.ask().public_key(&made.key, made.told()).await?)
}

/// A key that was made and destroyed.
async fn destroyed(kit: &Kit) -> Result<Made, Broken> {
    let made = kit.fresh(kit.cheapest().await?).await?;
    let tried = kit.ask().destroy(&made.key, made.told()).await?;
    succeeds(tried.answer, "success")?;

    Ok(made)
}
