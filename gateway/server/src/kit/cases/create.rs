//! Keys that are made.

use keyport_core::FailureKind;
use keyport_core::key::{Handle, KeyName};
use keyport_core::provider::CreateKey;
use keyport_core::scheme::KeyType;

use crate::kit::ask::wanted;
use crate::kit::subject::{Kit, ordinary, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, fails, succeeds};

cases! {
    "create-every-type",
    "It makes a key of every type that it offers, unless the custodian itself lacks the type." => every_type;
    "create-answers-the-custodians-key",
    "The public half that it answers is the one that the custodian made." => answers_the_custodians_key;
    "create-is-idempotent",
    "Asked again for the same key-id, it answers the same key." => is_idempotent;
    "create-again-leaves-the-key-usable",
    "What it answers when it is asked again signs as what it answered first." => again_leaves_the_key_usable;
    "create-twice-differs",
    "Two key-ids are two keys." => twice_differs;
    "create-asks-the-custodian-once",
    "It has a key made by one request to its custodian." => asks_the_custodian_once;
    "create-handle-is-short",
    "A handle has at most 4 KiB." => handle_is_short;
    "create-takes-any-name",
    "What people call a key may be anything, and twice the same." => takes_any_name;
    "create-takes-labels",
    "Labels are kept or left out; they stand in nothing's way." => takes_labels;
    "create-refuses-other-types",
    "Asked for a key of a type that it does not offer, it fails, and does not trap." => refuses_other_types;
    "create-after-a-failure",
    "A create that failed at the custodian can be asked for again, and comes to a key that signs." => after_a_failure;
}

async fn every_type(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;
    let (mut made, mut lacking) = (0, Vec::new());
    for (key_type, _) in &kit.loaded.descriptor.offers {
        if kit.key(*key_type).await.is_ok() {
            made += 1;
            continue;
        }

        let key = kit.trial.plan(&kit.loaded, *key_type).await?;
        let tried = kit.ask().create(&key).await?;
        // Of what a custodian answers to requests, custody knows no meaning: the component says it.
        let failure =
            if kit.stage.is_seen { &tried.saw.failure } else { &tried.answer.as_ref().err().cloned() };
        let by_custodian = failure.as_ref().map(|failure| failure.kind);
        if by_custodian == Some(FailureKind::Unsupported) {
            lacking.push(key_type.as_str());
            continue;
        }
        tried.made(key).map_err(|broken| broken.about(&key_type))?;
    }

    if !lacking.is_empty() {
        kit.note(format!("the custodian has no {}", lacking.join(", ")));
    }
    ensure(made > 0, "a key", || "none of any type that is offered".to_owned())
}

async fn answers_the_custodians_key(kit: &Kit) -> Verdict {
    kit.needs_custody()?;
    for key_type in kit.key_types().await? {
        let key = kit.key(key_type).await?;
        // Asked again, it tells what custody saw, without another key.
        let tried = kit.ask().create(&key.key).await?;
        let Some(seen) = &tried.saw.public else {
            return Err(Broken::failed(
                "a key that the custodian made",
                format!("no {key_type} key that it made"),
            ));
        };
        let answered = succeeds(tried.answer, "the key")?.public_key;
        ensure(answered == seen.der(), "the custodian's public half", || {
            format!("another one of {key_type}")
        })?;
    }

    Ok(())
}

async fn is_idempotent(kit: &Kit) -> Verdict {
    for key_type in kit.families().await? {
        let first = kit.fresh(key_type).await?;
        let again = kit.ask().create(&first.key).await?.made(first.key.clone())?;

        ensure(again.public == first.public, "the same public half", || {
            format!("another {key_type} key for the same key-id")
        })?;
    }

    Ok(())
}

async fn again_leaves_the_key_usable(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let scheme = kit.scheme(key_type)?;
    let first = kit.fresh(key_type).await?;
    let again = kit.ask().create(&first.key).await?.made(first.key.clone())?;

    for (number, made) in [&first, &again].into_iter().enumerate() {
        let input = ordinary(u32::try_from(number).unwrap_or_default());
        let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
        verifies(&first.public, scheme, &input, &succeeds(signed.answer, "a signature")?)?;
    }
    Ok(())
}

async fn twice_differs(kit: &Kit) -> Verdict {
    for key_type in kit.families().await? {
        let (one, other) = (kit.fresh(key_type).await?, kit.fresh(key_type).await?);

        ensure(one.public != other.public, "two keys", || format!("one {key_type} key for two key-ids"))?;
        let shared = one.handle.is_some() && one.handle == other.handle;
        ensure(!shared, "two handles", || "one handle for two keys".to_owned())?;
    }

    Ok(())
}

async fn asks_the_custodian_once(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    let tried = kit.ask().create(&key).await?;
    succeeds(tried.answer, "a key")?;

    kit.note(format!("{} requests", tried.saw.attempts));
    match tried.saw.attempts {
        0 | 1 => Ok(()),
        more => Err(Broken::advised("one request", format!("{more} requests"))),
    }
}

async fn handle_is_short(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;
    let key = kit.trial.plan(&kit.loaded, kit.cheapest_offer()?).await?;
    let created = kit.ask().create(&key).await?.answer;
    // That it makes no such key is another case's to say.
    let created = created.map_err(|failure| Broken::skipped(failure.to_string()))?;

    let bytes = created.handle.as_ref().map(Vec::len);
    kit.note(bytes.map_or_else(|| "it gives no handles".to_owned(), |bytes| format!("{bytes} bytes")));
    let bytes = bytes.unwrap_or_default();
    ensure(bytes <= Handle::MAX, &format!("at most {} bytes", Handle::MAX), || format!("{bytes} bytes"))
}

async fn takes_any_name(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let long = "ä".repeat(127);

    for name in ["schlüssel ☃ 鍵", "a/b:c*?\"<>|\\'%", " ", "a key on trial", long.as_str()] {
        let key = kit.trial.plan(&kit.loaded, key_type).await?;
        let request = CreateKey { name: KeyName::new("name", name)?, ..wanted(&key)? };
        kit.ask().create_as(&key, request).await?.made(key).map_err(|broken| broken.about(&name))?;
    }
    Ok(())
}

async fn takes_labels(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    let label = |number| (format!("label-{number}"), "a value".repeat(number));
    let request = CreateKey { labels: (0..16).map(label).collect(), ..wanted(&key)? };

    kit.ask().create_as(&key, request).await?.made(key).map(drop)
}

async fn refuses_other_types(kit: &Kit) -> Verdict {
    kit.needs_custodian()?;
    let offers = &kit.loaded.descriptor;
    let Some(other) = KeyType::ALL.into_iter().find(|key_type| !offers.makes(*key_type)) else {
        return Err(Broken::skipped("it offers every type"));
    };

    let key = kit.trial.plan(&kit.loaded, other).await?;
    let tried = kit.ask().create(&key).await?.without_trap("a failure")?;
    fails(tried.answer, "a failure, as it does not offer this type").map(drop)
}

async fn after_a_failure(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let scheme = kit.scheme(key_type)?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    kit.fail(FailureKind::Unavailable);
    fails(kit.ask().create(&key).await?.answer, "a failure, as the custodian fails")?;

    kit.begin();
    let made = kit.ask().create(&key).await?.made(key)?;
    let input = ordinary(0);
    let signed = kit.ask().sign(&made.key, made.told(), (scheme, &input)).await?;
    verifies(&made.public, scheme, &input, &succeeds(signed.answer, "a signature")?)
}
