//! Custodians that fail.

use keyport_core::{Failure, FailureKind};

use crate::kit::custodian::Conduct;
use crate::kit::subject::{Kit, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, fails, succeeds};

cases! {
    "failure-in-sign-is-passed-on",
    "However its custodian fails, it fails, too: it answers no signature, and does not trap." => in_sign_is_passed_on;
    "failure-in-create-is-passed-on",
    "However its custodian fails, it fails, too: it answers no key, and does not trap." => in_create_is_passed_on;
    "failure-in-public-key-is-passed-on",
    "However its custodian fails, it fails, too: it answers no public half, and does not trap." => in_public_key_is_passed_on;
    "failure-in-destroy-is-passed-on",
    "However its custodian fails, it fails, too: it says of no key that it is destroyed, and does not trap." => in_destroy_is_passed_on;
    "failure-to-reach-keeps-its-meaning",
    "Where its custodian says throttled or unavailable, callers are told the same." => to_reach_keeps_its_meaning;
    "failure-of-any-kind-keeps-its-meaning",
    "Whatever its custodian says went wrong, the operator is told the same." => of_any_kind_keeps_its_meaning;
    "failure-of-a-type-keeps-its-meaning",
    "Where its custodian has no such key type, the caller is told unsupported." => of_a_type_keeps_its_meaning;
    "failure-keeps-when-to-come-back",
    "When to come back is passed on." => keeps_when_to_come_back;
    "failure-keeps-the-custodians-code",
    "The custodian's own code is passed on, for the operator." => keeps_the_custodians_code;
    "failure-is-not-retried",
    "It asks its custodian once: retries are the gateway's." => is_not_retried;
    "failure-leaves-nothing-behind",
    "Once its custodian is well again, so is it." => leaves_nothing_behind;
    "lost-answer-in-create-is-finished",
    "A create whose answer was lost is asked for again, and comes to one key that signs." => lost_answer_in_create_is_finished;
    "lost-answer-in-sign-is-no-signature",
    "A signature whose answer was lost is a failure, and the next one is well." => lost_answer_in_sign_is_no_signature;
}

async fn in_sign_is_passed_on(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);

    for kind in FailureKind::ALL {
        kit.fail(kind);
        let tried = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
        fails(tried.without_trap(&failing(kind))?.answer, &failing(kind))?;
    }
    Ok(())
}

async fn in_create_is_passed_on(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;

    for kind in FailureKind::ALL {
        kit.begin();
        let key = kit.trial.plan(&kit.loaded, key_type).await?;
        kit.fail(kind);
        let tried = kit.ask().create(&key).await?.without_trap(&failing(kind))?;
        fails(tried.answer, &failing(kind))?;
    }
    Ok(())
}

async fn in_public_key_is_passed_on(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;

    for kind in FailureKind::ALL {
        kit.fail(kind);
        let tried = kit.ask().public_key(&made.key, made.told()).await?.without_trap(&failing(kind))?;
        fails(tried.answer, &failing(kind))?;
    }
    Ok(())
}

async fn in_destroy_is_passed_on(kit: &Kit) -> Verdict {
    let made = kit.fresh(kit.cheapest().await?).await?;
    // What is not there is destroyed, whoever says so.
    let others = FailureKind::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, FailureKind::NotFound | FailureKind::KeyGone));

    for kind in others {
        kit.fail(kind);
        let tried = kit.ask().destroy(&made.key, made.told()).await?.without_trap(&failing(kind))?;
        fails(tried.answer, &failing(kind))?;
    }
    Ok(())
}

async fn to_reach_keeps_its_meaning(kit: &Kit) -> Verdict {
    for kind in [FailureKind::Throttled, FailureKind::Unavailable] {
        let failure = failed_to_sign(kit, kind).await?;
        ensure(failure.kind == kind, kind.as_str(), || failure.to_string())?;
    }

    Ok(())
}

async fn of_any_kind_keeps_its_meaning(kit: &Kit) -> Verdict {
    for kind in FailureKind::ALL {
        let failure = failed_to_sign(kit, kind).await?;
        if failure.kind != kind {
            return Err(Broken::advised(kind.as_str(), failure.to_string()));
        }
    }

    Ok(())
}

async fn of_a_type_keeps_its_meaning(kit: &Kit) -> Verdict {
    let key = kit.trial.plan(&kit.loaded, kit.cheapest().await?).await?;
    kit.fail(FailureKind::Unsupported);
    let failure = fails(kit.ask().create(&key).await?.answer, &failing(FailureKind::Unsupported))?;

    ensure(failure.kind == FailureKind::Unsupported, "unsupported", || failure.to_string())
}

async fn keeps_when_to_come_back(kit: &Kit) -> Verdict {
    let failure = failed_to_sign(kit, FailureKind::Throttled).await?;

    match failure.retry_after {
        Some(_) => Ok(()),
        None => Err(Broken::advised("when to come back", "no word of it")),
    }
}

async fn keeps_the_custodians_code(kit: &Kit) -> Verdict {
    let failure = failed_to_sign(kit, FailureKind::Other).await?;

    match failure.code {
        Kit::CODE => Ok(()),
        code => Err(Broken::advised(format!("code {}", Kit::CODE), format!("code {code}"))),
    }
}

async fn is_not_retried(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);
    kit.fail(FailureKind::Unavailable);
    let before = kit.stage.counted.asked();
    drop(kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?);

    let asked = kit.stage.counted.asked() - before;
    ensure(asked <= 1, "one request", || format!("{asked} requests"))
}

async fn leaves_nothing_behind(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let scheme = kit.scheme(made.key.key_type())?;

    for kind in [FailureKind::Internal, FailureKind::Credentials, FailureKind::KeyGone] {
        failed_to_sign(kit, kind).await?;
        kit.begin();
        let input = ordinary(1);
        let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
        verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)?;
    }
    Ok(())
}

async fn lost_answer_in_create_is_finished(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let scheme = kit.scheme(key_type)?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    kit.stage.switch.set(Conduct::LosesAnswers);
    fails(kit.ask().create(&key).await?.answer, "a failure, as the answer is lost")?;

    kit.begin();
    let made = kit.ask().create(&key).await?.made(key)?;
    let input = ordinary(0);
    let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
    verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)
}

async fn lost_answer_in_sign_is_no_signature(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);
    kit.stage.switch.set(Conduct::LosesAnswers);
    let tried = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
    fails(tried.answer, "a failure, as the answer is lost")?;

    kit.begin();
    let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
    verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)
}

/// What it says when its custodian fails so at a signature.
async fn failed_to_sign(kit: &Kit, kind: FailureKind) -> Result<Failure, Broken> {
    let made = kit.key(kit.cheapest().await?).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);
    kit.fail(kind);

    let tried = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
    fails(tried.answer, &failing(kind))
}

fn failing(kind: FailureKind) -> String {
    format!("a failure, as the custodian says {}", kind.as_str())
}
