//! What a component costs: to load, and for one signature.

use std::time::Duration;

use anyhow::{Result, anyhow};
use keyport_core::provider::Loaded;
use keyport_core::scheme::{KeyType, Scheme};
use rustix::time::{ClockId, clock_gettime};

use super::subject::{Kit, Made, ordinary};
use super::verdict::Broken;
use crate::assemble::stage::{Instances, Manner, Stage};

/// What was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Bytes of the component.
    pub(crate) size: usize,
    /// How long it takes to load it for the first time: it is compiled, instantiated and asked what it is.
    pub(crate) compiled: Duration,
    /// The same where its code was kept from before.
    pub(crate) kept: Duration,
    /// What one signature costs; nothing where no key could be made, and why.
    pub(crate) signatures: Result<Vec<Cost>, String>,
}

/// What one signature costs, on the average of many.
#[derive(Debug)]
pub(crate) struct Cost {
    /// With a key of which type.
    pub(crate) key_type: KeyType,
    /// How.
    pub(crate) scheme: Scheme,
    /// CPU time of the guest and of what is computed on its behalf, in a fresh instance each.
    pub(crate) fresh: Duration,
    /// The same in instances that are used again.
    pub(crate) reused: Duration,
    /// CPU time of the whole process, in instances that are used again.
    pub(crate) process: Duration,
    /// Functions of the host that are called.
    pub(crate) host_calls: f64,
    /// Bytes of memory that an instance has had.
    pub(crate) memory: usize,
}

/// Measures the component on `stage`, with `signatures` for each average.
pub(crate) async fn bench(stage: Stage, signatures: u32) -> Result<Measured> {
    let size = stage.inspection.size;
    let clock = stage.outside.clock.clone();
    let begun = clock.now();
    drop(stage.load_anew(Manner::default()).await?);
    let compiled = clock.now().saturating_duration_since(begun);
    let begun = clock.now();
    drop(stage.load(Manner::default()).await?);
    let kept = clock.now().saturating_duration_since(begun);
    let kit = Kit::new(stage).await.map_err(|(refused, _)| refused)?;

    let signatures = costs(&kit, signatures).await.map_err(|broken| match broken {
        Broken::Skipped(why) => why,
        Broken::Advised(difference) | Broken::Failed(difference) => difference.to_string(),
    });
    kit.close().await?;
    Ok(Measured { size, compiled, kept, signatures })
}

async fn costs(kit: &Kit, signatures: u32) -> Result<Vec<Cost>, Broken> {
    let reuse = Instances::Reuse { calls: u32::MAX, age: Duration::from_secs(3600) };
    let reused = kit.stage.load(Manner { instances: reuse, ..Manner::default() }).await?;

    let mut costs = Vec::new();
    for key_type in kit.families().await? {
        let made = kit.key(key_type).await?;
        // The first ones pay for what is there afterwards.
        average(kit, &reused, &made, signatures.min(10)).await?;
        let fresh = average(kit, &kit.loaded, &made, signatures).await?;
        let again = average(kit, &reused, &made, signatures).await?;
        costs.push(Cost {
            key_type,
            scheme: kit.scheme(key_type)?,
            fresh: fresh.guest,
            reused: again.guest,
            process: again.process,
            host_calls: again.host_calls,
            memory: kit.stage.stats(&reused)?.memory,
        });
    }
    Ok(costs)
}

struct Average {
    guest: Duration,
    process: Duration,
    host_calls: f64,
}

async fn average(kit: &Kit, loaded: &Loaded, made: &Made, signatures: u32) -> Result<Average, Broken> {
    let scheme = kit.scheme(made.key.key_type())?;
    let (before, process) = (kit.stage.stats(loaded)?, process_time());
    for number in 0..signatures {
        let input = ordinary(number);
        let tried = kit.ask().of(loaded).sign(&made.key, made.told(), (scheme, &input)).await?;
        tried.answer.map_err(|failure| Broken::failed("a signature", failure.to_string()))?;
    }

    let (after, process) = (kit.stage.stats(loaded)?, process_time().saturating_sub(process));
    let many = signatures.max(1);
    let host_calls = u32::try_from(after.host_calls - before.host_calls)
        .map_err(|error| anyhow!("that many calls cannot be counted: {error}"))?;
    Ok(Average {
        guest: after.cpu.saturating_sub(before.cpu) / many,
        process: process / many,
        host_calls: f64::from(host_calls) / f64::from(many),
    })
}

/// CPU time of this process.
fn process_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, rest) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));

    Duration::new(seconds.unwrap_or_default(), rest.unwrap_or_default())
}
