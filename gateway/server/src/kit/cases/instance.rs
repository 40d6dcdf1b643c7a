//! Instances that serve several calls.

use std::time::Duration;

use keyport_core::FailureKind;
use keyport_core::provider::Loaded;

use crate::assemble::stage::{Instances, Manner};
use crate::kit::ask::Ask;
use crate::kit::subject::{Kit, Made, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, succeeds};

cases! {
    "instance-reused-signs-each-input",
    "An instance that is used again signs each input for itself." => reused_signs_each_input;
    "instance-reused-keeps-keys-apart",
    "An instance that is used again signs each time with the key that is asked for." => reused_keeps_keys_apart;
    "instance-reused-survives-a-failure",
    "An instance whose custodian failed serves the next call." => reused_survives_a_failure;
    "instance-reused-does-everything",
    "One instance makes keys, signs, reads and destroys in turn." => reused_does_everything;
    "instance-reused-says-the-same",
    "An instance that is used again says the same as a fresh one: the same public half, the same refusals." => reused_says_the_same;
    "instances-keep-tenants-apart",
    "Between tenants nothing is kept: each gets signatures of its own keys, in instances of its own." => keep_tenants_apart;
}

async fn reused_signs_each_input(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let reused = reused(kit).await?;
    for number in 0..10 {
        signs(kit.ask().of(&reused), &made, number).await?;
    }

    is_one_instance(kit, &reused)
}

async fn reused_keeps_keys_apart(kit: &Kit) -> Verdict {
    let reused = reused(kit).await?;
    let mut keys = Vec::new();
    for key_type in kit.families().await? {
        keys.extend([kit.key(key_type).await?, kit.fresh(key_type).await?]);
    }

    for (number, made) in (0..).zip(keys.iter().cycle().take(3 * keys.len())) {
        signs(kit.ask().of(&reused), made, number).await?;
    }
    Ok(())
}

async fn reused_survives_a_failure(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let reused = reused(kit).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);

    for kind in [FailureKind::Internal, FailureKind::Unavailable, FailureKind::NotFound] {
        kit.fail(kind);
        drop(kit.ask().of(&reused).sign(&made.key, made.told(), (scheme, &input)).await?);
        kit.begin();
        signs(kit.ask().of(&reused), &made, 1).await?;
    }
    Ok(())
}

async fn reused_does_everything(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let reused = reused(kit).await?;
    let ask = kit.ask().of(&reused);

    for number in 0..4 {
        let made = ask.make(key_type).await?;
        signs(ask, &made, number).await?;
        if let Some(read) = ask.public_key_if_told(&made.key, made.told()).await? {
            succeeds(read.answer, "a public half")?;
        }
        succeeds(ask.health().await?.answer, "health")?;
        succeeds(ask.destroy(&made.key, made.told()).await?.answer, "success")?;
    }
    is_one_instance(kit, &reused)
}

async fn reused_says_the_same(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let (made, reused) = (kit.key(key_type).await?, reused(kit).await?);
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    let nobody = keyport_core::provider::KeyRef { id: key.id(), handle: None };
    let (fresh, again) = (kit.ask(), kit.ask().of(&reused));
    signs(again, &made, 0).await?;

    let one = fresh.public_key(&made.key, made.told()).await?.answer;
    let other = again.public_key(&made.key, made.told()).await?.answer;
    ensure(one.ok() == other.ok(), "the same public half", || "another one".to_owned())?;
    let one = fresh.public_key(&key, nobody.clone()).await?.answer.map_err(|failure| failure.kind);
    let other = again.public_key(&key, nobody).await?.answer.map_err(|failure| failure.kind);
    ensure(one == other, &format!("{one:?}"), || format!("{other:?}"))
}

async fn keep_tenants_apart(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let reused = reused(kit).await?;
    let (own, other) = (kit.ask().of(&reused), kit.ask().of(&reused).on(&kit.other));
    let (owned, others) = (own.make(key_type).await?, other.make(key_type).await?);

    for number in 0..4 {
        signs(own, &owned, number).await?;
        signs(other, &others, number).await?;
    }
    let instances = kit.stage.stats(&reused)?.instances;
    // One besides for its description.
    ensure(instances >= 3, "an instance for each tenant", || format!("{instances} instances"))
}

/// The component, in instances that are used again.
async fn reused(kit: &Kit) -> Result<Loaded, Broken> {
    let instances = Instances::Reuse { calls: u32::MAX, age: Duration::from_secs(3600) };

    Ok(kit.stage.load(Manner { instances, ..Manner::default() }).await?)
}

async fn signs(ask: Ask<'_>, made: &Made, number: u32) -> Verdict {
    let scheme = ask.kit.scheme(made.key.key_type())?;
    let input = ordinary(number);
    let signed = ask.sign(&made.key, made.told(), (scheme, &input)).await?;

    verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)
}

/// Advises where an instance could not be used again, which costs time: it still held something after a call.
fn is_one_instance(kit: &Kit, reused: &Loaded) -> Verdict {
    // One besides for its description.
    match kit.stage.stats(reused)?.instances.saturating_sub(1) {
        0 | 1 => Ok(()),
        more => Err(Broken::advised("one instance for all calls", format!("{more} instances"))),
    }
}
