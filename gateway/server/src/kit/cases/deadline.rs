//! Deadlines, and calls that nothing is open for.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use keyport_core::provider::Sign;

use crate::kit::ask::{Tried, wanted};
use crate::kit::custodian::Conduct;
use crate::kit::subject::{Kit, Made, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, fails, succeeds};

cases! {
    "deadline-passed-ends-sign",
    "A signature whose deadline has passed is a failure at once, and the next one is well." => passed_ends_sign;
    "deadline-passed-ends-create",
    "A create whose deadline has passed is a failure at once, and can be asked for again." => passed_ends_create;
    "deadline-passed-ends-destroy",
    "A destroy whose deadline has passed is a failure at once, and can be asked for again." => passed_ends_destroy;
    "deadline-passed-ends-health",
    "A question after its health whose deadline has passed is a failure at once." => passed_ends_health;
    "slow-custodian-in-sign-ends-at-the-deadline",
    "While its custodian does not answer, a signature ends at the deadline, and the next one is well." => slow_in_sign;
    "slow-custodian-in-create-ends-at-the-deadline",
    "While its custodian does not answer, a create ends at the deadline, and can be asked for again." => slow_in_create;
    "slow-custodian-in-destroy-ends-at-the-deadline",
    "While its custodian does not answer, a destroy ends at the deadline, and can be asked for again." => slow_in_destroy;
    "slow-custodian-in-public-key-ends-at-the-deadline",
    "While its custodian does not answer, no public half is read, it ends at the deadline, and the next is well." => slow_in_public_key;
    "slow-custodian-in-health-ends-at-the-deadline",
    "While its custodian does not answer, it does not say that it is well, and ends at the deadline." => slow_in_health;
    "closed-operation-signs-nothing",
    "Called for an operation that is over, it signs nothing." => closed_signs_nothing;
    "closed-operation-makes-nothing",
    "Called for an operation that is over, it makes no key." => closed_makes_nothing;
    "closed-operation-destroys-nothing",
    "Called for an operation that is over, it does not say that it destroyed a key." => closed_destroys_nothing;
    "closed-operation-reads-nothing",
    "Called for an operation that is over, it answers no public half." => closed_reads_nothing;
}

async fn passed_ends_sign(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);
    let late = kit.ask().until(now(kit));
    fails(late.sign(&made.key, made.told(), (scheme, &input)).await?.answer, PASSED)?;

    is_well(kit, &made).await
}

async fn passed_ends_create(kit: &Kit) -> Verdict {
    let key = kit.trial.plan(&kit.loaded, kit.cheapest().await?).await?;
    fails(kit.ask().until(now(kit)).create(&key).await?.answer, PASSED)?;

    let made = kit.ask().create(&key).await?.made(key)?;
    is_well(kit, &made).await
}

async fn passed_ends_destroy(kit: &Kit) -> Verdict {
    let made = kit.fresh(kit.cheapest().await?).await?;
    fails(kit.ask().until(now(kit)).destroy(&made.key, made.told()).await?.answer, PASSED)?;

    is_well(kit, &made).await?;
    succeeds(kit.ask().destroy(&made.key, made.told()).await?.answer, "success")
}

async fn passed_ends_health(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;
    fails(kit.ask().until(now(kit)).health().await?.answer, PASSED)?;

    succeeds(kit.ask().health().await?.answer, "health")
}

async fn slow_in_sign(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);
    let deadline = hang(kit);
    let slow = kit.ask().until(deadline).sign(&made.key, made.told(), (scheme, &input));
    ends(kit, deadline, slow.await?)?;

    kit.begin();
    is_well(kit, &made).await
}

async fn slow_in_create(kit: &Kit) -> Verdict {
    let key = kit.trial.plan(&kit.loaded, kit.cheapest().await?).await?;
    let deadline = hang(kit);
    ends(kit, deadline, kit.ask().until(deadline).create(&key).await?)?;

    kit.begin();
    let made = kit.ask().create(&key).await?.made(key)?;
    is_well(kit, &made).await
}

async fn slow_in_destroy(kit: &Kit) -> Verdict {
    let made = kit.fresh(kit.cheapest().await?).await?;
    let deadline = hang(kit);
    ends(kit, deadline, kit.ask().until(deadline).destroy(&made.key, made.told()).await?)?;

    kit.begin();
    succeeds(kit.ask().destroy(&made.key, made.told()).await?.answer, "success")
}

async fn slow_in_public_key(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let deadline = hang(kit);
    ends(kit, deadline, kit.ask().until(deadline).public_key(&made.key, made.told()).await?)?;

    kit.begin();
    let read = succeeds(kit.ask().public_key(&made.key, made.told()).await?.answer, "a public half")?;
    ensure(read == made.public.der(), "the key's public half", || "another one".to_owned())
}

async fn slow_in_health(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;
    let deadline = hang(kit);
    ends(kit, deadline, kit.ask().until(deadline).health().await?)?;

    kit.begin();
    succeeds(kit.ask().health().await?.answer, "health")
}

async fn closed_signs_nothing(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);
    let open = kit.trial.sign(&kit.loaded, &made.key, (scheme, input.clone()), kit.soon()).await?;
    let call = open.call();
    drop(open);

    let request = Sign { key: made.told(), scheme, input: kit.ask().handed(scheme, &input)? };
    fails(kit.loaded.provider.sign(call, request).await, CLOSED).map(drop)
}

async fn closed_makes_nothing(kit: &Kit) -> Verdict {
    let key = kit.trial.plan(&kit.loaded, kit.cheapest().await?).await?;
    let open = kit.trial.create(&kit.loaded, &key, kit.soon()).await?;
    let call = open.call();
    drop(open);

    fails(kit.loaded.provider.create_key(call, wanted(&key)?).await, CLOSED).map(drop)
}

async fn closed_destroys_nothing(kit: &Kit) -> Verdict {
    let made = kit.fresh(kit.cheapest().await?).await?;
    let open = kit.trial.destroy(&kit.loaded, &made.key, kit.soon()).await?;
    let call = open.call();
    drop(open);

    fails(kit.loaded.provider.destroy_key(call, made.told()).await, CLOSED)?;
    is_well(kit, &made).await
}

async fn closed_reads_nothing(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let open = kit.trial.sign(&kit.loaded, &made.key, (scheme, ordinary(0)), kit.soon()).await?;
    let call = open.call();
    drop(open);

    fails(kit.loaded.provider.public_key(call, made.told()).await, CLOSED).map(drop)
}

fn now(kit: &Kit) -> Instant {
    kit.stage.outside.clock.now()
}

/// Has custodians not answer; answers a deadline that comes soon.
fn hang(kit: &Kit) -> Instant {
    kit.stage.switch.set(Conduct::Hangs);

    now(kit) + SOON
}

/// Fails unless the call failed, and not long after its deadline.
fn ends<T: Debug>(kit: &Kit, deadline: Instant, tried: Tried<T>) -> Verdict {
    let late = now(kit).saturating_duration_since(deadline);
    fails(tried.answer, "a failure at the deadline")?;

    ensure(late < TOLERANCE, "an end at the deadline", || format!("one {late:?} later"))
}

async fn is_well(kit: &Kit, made: &Made) -> Result<(), Broken> {
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(1);
    let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;

    verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)
}

const PASSED: &str = "a failure, as the deadline has passed";
const CLOSED: &str = "a failure, as the operation is over";

/// Long enough for a call to reach its custodian.
const SOON: Duration = Duration::from_millis(400);

/// A busy machine's.
const TOLERANCE: Duration = Duration::from_secs(5);
