//! Signatures.

use keyport_core::provider::Sign;
use keyport_core::scheme::{Family, Hash, KeyType, Scheme};

use crate::kit::subject::{Kit, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, fails, succeeds};

cases! {
    "sign-every-scheme",
    "A key of each type signs by every scheme that is offered for it, and its public half verifies." => every_scheme;
    "sign-answers-the-normal-form",
    "ECDSA signatures are r and s, each as long as the curve's order; others as their standard has them." => answers_the_normal_form;
    "sign-answers-the-custodians-signature",
    "The signature that it answers is the one that the custodian made." => answers_the_custodians_signature;
    "sign-twice-is-well",
    "The same input can be signed twice." => twice_is_well;
    "sign-with-the-keys-own-half",
    "Of two keys, each signs with its own private half." => with_the_keys_own_half;
    "sign-what-is-asked",
    "A signature is over the input that was handed in, and over no other." => what_is_asked;
    "sign-asks-the-custodian-once",
    "It has a signature made by one request to its custodian." => asks_the_custodian_once;
    "sign-refuses-other-schemes",
    "Asked for a scheme that its key cannot have, it fails, and does not trap." => refuses_other_schemes;
}

async fn every_scheme(kit: &Kit) -> Verdict {
    for key_type in kit.key_types().await? {
        for scheme in kit.schemes(key_type) {
            one(kit, key_type, scheme).await?;
        }
    }

    Ok(())
}

async fn one(kit: &Kit, key_type: KeyType, scheme: Scheme) -> Verdict {
    let (made, input) = (kit.key(key_type).await?, ordinary(1));
    let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
    if signed.is_lacking() {
        kit.note(format!("its custodian lacks {scheme}"));
        return Ok(());
    }

    succeeds(signed.answer, "a signature")
        .and_then(|answer| verifies(&made.public, scheme, &input, &answer))
        .map_err(|broken| broken.about(&format!("{scheme} with a key of type {key_type}")))
}

async fn answers_the_normal_form(kit: &Kit) -> Verdict {
    for key_type in kit.key_types().await? {
        let (made, scheme) = (kit.key(key_type).await?, kit.scheme(key_type)?);
        let input = ordinary(2);
        let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
        let bytes = succeeds(signed.answer, "a signature")?.len();

        let length = length(key_type);
        ensure(bytes == length, &format!("{length} bytes for {key_type}"), || format!("{bytes} bytes"))?;
    }

    Ok(())
}

async fn answers_the_custodians_signature(kit: &Kit) -> Verdict {
    kit.needs_custody()?;
    for key_type in kit.families().await? {
        let (made, scheme) = (kit.key(key_type).await?, kit.scheme(key_type)?);
        let input = ordinary(3);
        let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
        let answer = succeeds(signed.answer, "a signature")?;

        let is_seen = signed.saw.signature.is_some_and(|signature| signature.bytes() == answer);
        ensure(is_seen, "the signature that custody saw", || format!("another one by {scheme}"))?;
    }

    Ok(())
}

async fn twice_is_well(kit: &Kit) -> Verdict {
    for key_type in kit.families().await? {
        let (made, scheme) = (kit.key(key_type).await?, kit.scheme(key_type)?);
        let input = ordinary(4);
        for _ in 0..2 {
            let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
            verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)?;
        }
    }

    Ok(())
}

async fn with_the_keys_own_half(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let scheme = kit.scheme(key_type)?;
    let (one, other) = (kit.fresh(key_type).await?, kit.fresh(key_type).await?);

    let input = ordinary(5);
    for made in [&one, &other, &one] {
        let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
        verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)?;
    }
    Ok(())
}

async fn what_is_asked(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let (made, scheme) = (kit.key(key_type).await?, kit.scheme(key_type)?);
    let (asked, other) = (ordinary(6), ordinary(7));
    let signed = kit.ask().sign(&made.key, made.told(), (scheme, &asked)).await?;
    let answer = succeeds(signed.answer, "a signature")?;
    verifies(&made.public, scheme, &asked, &answer)?;
    match verifies(&made.public, scheme, &other, &answer) {
        Ok(()) => Err(Broken::failed("a signature over one input", "one that fits another input, too")),
        Err(_) => Ok(()),
    }
}

async fn asks_the_custodian_once(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let (made, scheme) = (kit.key(key_type).await?, kit.scheme(key_type)?);
    let input = ordinary(8);
    let before = kit.stage.counted.asked();
    let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
    let asked = kit.stage.counted.asked() - before;
    succeeds(signed.answer, "a signature")?;

    match asked {
        0 | 1 => Ok(()),
        more => Err(Broken::failed("one request", format!("{more} requests"))),
    }
}

async fn refuses_other_schemes(kit: &Kit) -> Verdict {
    for key_type in kit.families().await? {
        let (made, scheme) = (kit.key(key_type).await?, kit.scheme(key_type)?);
        let input = ordinary(9);
        let other = other(key_type);
        let told = Sign { key: made.told(), scheme: other, input: kit.ask().handed(other, &input)? };

        let tried = kit.ask().sign_as(&made.key, (scheme, &input), told).await?;
        let tried = tried.without_trap("a failure")?;
        fails(tried.answer, &format!("a failure, as a key of type {key_type} has no such scheme"))?;
    }

    Ok(())
}

/// A scheme that no key of this type can have.
fn other(key_type: KeyType) -> Scheme {
    match key_type.family() {
        Family::Ecdsa { .. } | Family::EdDsa | Family::MlDsa { .. } => Scheme::RsaPss(Hash::Sha256),
        Family::Rsa { .. } => Scheme::Ecdsa(Hash::Sha256),
    }
}

/// Bytes of a signature in its normal form.
fn length(key_type: KeyType) -> usize {
    match key_type.family() {
        Family::Ecdsa { order } => 2 * order,
        Family::EdDsa => 64,
        Family::Rsa { modulus } => modulus,
        Family::MlDsa { signature } => signature,
    }
}
