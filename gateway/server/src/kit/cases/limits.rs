//! What a component costs, within the limits that it is tried with.

use std::time::Duration;

use keyport_core::provider::Loaded;

use crate::assemble::stage::{Instances, Manner, ProviderStats};
use crate::kit::subject::{Kit, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, succeeds};

cases! {
    "limits-are-not-hit",
    "Making, using and destroying a key of each family runs into no limit." => are_not_hit;
    "limits-cpu-of-a-signature",
    "A signature takes less than half of the CPU time that a call may take." => cpu_of_a_signature;
    "limits-host-calls-of-a-signature",
    "A signature takes at most three calls of the host's functions." => host_calls_of_a_signature;
    "limits-memory-of-an-instance",
    "An instance needs less than half of the memory that it may have." => memory_of_an_instance;
    "limits-memory-after-a-thousand-calls",
    "After a thousand signatures, an instance needs no more memory for five hundred more." => memory_after_a_thousand_calls;
    "limits-no-trap-in-a-thousand-calls",
    "A thousand signatures in one instance are a thousand signatures, without a trap." => no_trap_in_a_thousand_calls;
    "limits-answers-are-small",
    "Public halves and signatures are no longer than their type needs." => answers_are_small;
}

async fn are_not_hit(kit: &Kit) -> Verdict {
    let families = kit.families().await?;
    let before = kit.stage.stats(&kit.loaded)?;
    for key_type in families {
        let made = kit.fresh(key_type).await?;
        sign(kit, &kit.loaded, &made, 0).await?;
        if let Some(read) = kit.ask().public_key_if_told(&made.key, made.told()).await? {
            succeeds(read.answer, "a public half")?;
        }
        succeeds(kit.ask().destroy(&made.key, made.told()).await?.answer, "success")?;
    }

    let after = kit.stage.stats(&kit.loaded)?;
    let hit = after.bounds.iter().zip(&before.bounds).find(|(after, before)| after.1 > before.1);
    ensure(hit.is_none(), "no limit that is hit", || {
        hit.map(|(after, _)| format!("limit `{}`", after.0)).unwrap_or_default()
    })
}

async fn cpu_of_a_signature(kit: &Kit) -> Verdict {
    let mut most = Duration::ZERO;
    for key_type in kit.key_types().await? {
        let made = kit.key(key_type).await?;
        let before = kit.stage.stats(&kit.loaded)?.cpu;
        sign(kit, &kit.loaded, &made, 1).await?;
        most = most.max(kit.stage.stats(&kit.loaded)?.cpu.saturating_sub(before));
    }

    kit.note(format!("{} µs at most", most.as_micros()));
    let half = kit.stage.limits.cpu / 2;
    ensure(most < half, &format!("less than {half:?}"), || format!("{most:?}"))
}

async fn host_calls_of_a_signature(kit: &Kit) -> Verdict {
    let mut most = 0;
    for key_type in kit.families().await? {
        let made = kit.key(key_type).await?;
        let before = kit.stage.stats(&kit.loaded)?.host_calls;
        sign(kit, &kit.loaded, &made, 2).await?;
        most = most.max(kit.stage.stats(&kit.loaded)?.host_calls.saturating_sub(before));
    }

    kit.note(format!("{most}"));
    match most {
        0..=3 => Ok(()),
        more => Err(Broken::advised("three calls", format!("{more} calls"))),
    }
}

async fn memory_of_an_instance(kit: &Kit) -> Verdict {
    for key_type in kit.families().await? {
        sign(kit, &kit.loaded, &kit.key(key_type).await?, 3).await?;
    }

    let memory = kit.stage.stats(&kit.loaded)?.memory;
    let half = kit.stage.limits.memory / 2;
    kit.note(format!("{} KiB", memory >> 10));
    ensure(memory < half, &format!("less than {} KiB", half >> 10), || format!("{} KiB", memory >> 10))
}

async fn memory_after_a_thousand_calls(kit: &Kit) -> Verdict {
    let reused = reused(kit).await?;
    // A garbage collector needs some hundreds to have all that it works with.
    many(kit, &reused).await?;
    let thousand = many(kit, &reused).await?.memory;
    let more = many(kit, &reused).await?.memory;

    kit.note(format!("{} KiB", more >> 10));
    ensure(more <= thousand, &format!("{} KiB", thousand >> 10), || {
        format!("{} KiB, and more after every few calls", more >> 10)
    })
}

async fn no_trap_in_a_thousand_calls(kit: &Kit) -> Verdict {
    let reused = reused(kit).await?;
    many(kit, &reused).await?;
    let stats = many(kit, &reused).await?;

    ensure(stats.traps == 0, "no trap", || format!("{} traps", stats.traps))
}

async fn answers_are_small(kit: &Kit) -> Verdict {
    for key_type in kit.key_types().await? {
        let made = kit.key(key_type).await?;
        let (public, signature) = (made.public.der().len(), sign(kit, &kit.loaded, &made, 4).await?);

        let longest = public.max(signature);
        ensure(longest <= ANSWER, &format!("at most {ANSWER} bytes"), || {
            format!("{longest} for {key_type}")
        })?;
    }

    Ok(())
}

async fn reused(kit: &Kit) -> Result<Loaded, Broken> {
    kit.cheapest().await?;
    let instances = Instances::Reuse { calls: u32::MAX, age: Duration::from_secs(3600) };

    Ok(kit.stage.load(Manner { instances, ..Manner::default() }).await?)
}

/// Has five hundred signatures made; answers what was counted until then.
async fn many(kit: &Kit, loaded: &Loaded) -> Result<ProviderStats, Broken> {
    let made = kit.key(kit.cheapest().await?).await?;
    for number in 0..500 {
        sign(kit, loaded, &made, number).await?;
    }

    Ok(kit.stage.stats(loaded)?)
}

/// Has one signature made; answers its length.
async fn sign(
    kit: &Kit,
    loaded: &Loaded,
    made: &crate::kit::subject::Made,
    number: u32,
) -> Result<usize, Broken> {
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(number);
    let signed = kit.ask().of(loaded).sign(&made.key, made.told(), (scheme, &input)).await?;
    let answer = succeeds(signed.answer, "a signature")?;

    verifies(&made.public, scheme, &input, &answer)?;
    Ok(answer.len())
}

/// More than the longest of ML-DSA's.
const ANSWER: usize = 8 << 10;
