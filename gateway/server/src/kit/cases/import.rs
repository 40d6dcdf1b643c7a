//! Keys that were made elsewhere, where a component takes them over.

use keyport_core::FailureKind;
use keyport_core::scheme::KeyType;

use super::pairs::{Pair, misfit, pair};
use crate::kit::subject::{Kit, Made, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, fails, succeeds};

cases! {
    "import-every-type",
    "It takes over a key of every type that it offers, unless the custodian itself lacks the type." => every_type;
    "import-answers-the-public-half-brought",
    "The public half that it answers is the one that was brought." => answers_the_public_half_brought;
    "import-signs",
    "A key that was taken over signs as any other." => signs;
    "import-is-idempotent",
    "Asked again with the same key, it answers the same key." => is_idempotent;
    "import-refuses-halves-that-do-not-belong-together",
    "A key pair of two keys' halves is an invalid argument." => refuses_misfits;
    "import-is-destroyed",
    "A key that was taken over is destroyed as any other." => is_destroyed;
    "import-passes-failures-on",
    "Where its custodian fails, it fails, too, and can be asked again." => passes_failures_on;
}

async fn every_type(kit: &Kit) -> Verdict {
    let (mut lacking, mut tried) = (Vec::new(), 0);
    for (key_type, _) in &offered(kit)?.descriptor.offers {
        let Some(pair) = pair(*key_type) else { continue };
        let key = kit.trial.plan(&kit.loaded, *key_type).await?;
        let imported = kit.ask().import(&key, pair?.material).await?;
        match imported.saw.failure.as_ref().map(|failure| failure.kind) {
            Some(FailureKind::Unsupported) => lacking.push(key_type.as_str()),
            _ => drop(imported.made(key).map_err(|broken| broken.about(&key_type))?),
        }
        tried += 1;
    }

    if !lacking.is_empty() {
        kit.note(format!("the custodian takes over no {}", lacking.join(", ")));
    }
    ensure(tried == 0 || lacking.len() < tried, "a key that is taken over", || "none of any type".to_owned())
}

async fn answers_the_public_half_brought(kit: &Kit) -> Verdict {
    let (made, public) = imported(kit).await?;

    ensure(made.public.der() == public, "the public half that was brought", || "another one".to_owned())
}

async fn signs(kit: &Kit) -> Verdict {
    let (made, _) = imported(kit).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);
    let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;

    verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)
}

async fn is_idempotent(kit: &Kit) -> Verdict {
    let (key_type, Pair { material, public }) = brought(kit)?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;

    for _ in 0..2 {
        let made = kit.ask().import(&key, material.clone()).await?.made(key.clone())?;
        ensure(made.public.der() == public, "the same key", || "another one".to_owned())?;
    }
    Ok(())
}

async fn refuses_misfits(kit: &Kit) -> Verdict {
    let mut families = Vec::new();
    for (key_type, _) in &offered(kit)?.descriptor.offers {
        let family = std::mem::discriminant(&key_type.family());
        if families.contains(&family) {
            continue;
        }
        let (Some(own), Some(other)) = (pair(*key_type), pair(*key_type)) else { continue };
        families.push(family);

        let key = kit.trial.plan(&kit.loaded, *key_type).await?;
        let tried = kit.ask().import(&key, misfit(own?.material, other?.material)).await?;
        let failure = fails(tried.without_trap(MISFIT)?.answer, MISFIT)?;
        let says_so = matches!(failure.kind, FailureKind::InvalidArgument | FailureKind::Unsupported);
        ensure(says_so, MISFIT, || format!("{key_type}: {failure}"))?;
    }

    Ok(())
}

async fn is_destroyed(kit: &Kit) -> Verdict {
    let (made, _) = imported(kit).await?;
    let tried = kit.ask().destroy(&made.key, made.told()).await?;

    kit.is_destroyed(&tried)?;
    succeeds(tried.answer, "success")
}

async fn passes_failures_on(kit: &Kit) -> Verdict {
    let (key_type, Pair { material, .. }) = brought(kit)?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    kit.fail(FailureKind::Unavailable);
    fails(kit.ask().import(&key, material.clone()).await?.answer, "a failure, as the custodian fails")?;

    kit.begin();
    kit.ask().import(&key, material).await?.made(key).map(drop)
}

/// A key that was taken over, and the public half that was brought.
async fn imported(kit: &Kit) -> Result<(Made, Vec<u8>), Broken> {
    let (key_type, Pair { material, public }) = brought(kit)?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    let made = kit.ask().import(&key, material).await?.made(key)?;

    Ok((made, public))
}

/// A key pair of a type that is offered.
fn brought(kit: &Kit) -> Result<(KeyType, Pair), Broken> {
    let mut offers = offered(kit)?.descriptor.offers.iter();
    let brought = offers.find_map(|(key_type, _)| pair(*key_type).map(|pair| (*key_type, pair)));

    match brought {
        Some((key_type, pair)) => Ok((key_type, pair?)),
        None => Err(Broken::skipped("no key pair of a type that it offers is made here")),
    }
}

/// Skips components that take over no keys.
fn offered(kit: &Kit) -> Result<&keyport_core::provider::Loaded, Broken> {
    kit.needs_custodian()?;

    if kit.loaded.imports { Ok(&kit.loaded) } else { Err(Broken::skipped("it takes over no keys")) }
}

const MISFIT: &str = "a failure that says invalid-argument";
