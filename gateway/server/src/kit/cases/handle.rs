//! Handles: a component's own, somebody else's, and nobody's.

use keyport_core::key::Handle;
use keyport_core::provider::KeyRef;

use crate::kit::ask::handle;
use crate::kit::subject::{Kit, Made, ordinary, public_half, verifies};
use crate::kit::verdict::{Broken, Verdict, cases, ensure, fails, succeeds};

cases! {
    "handle-is-used-as-given",
    "With the handle that it gave, a key of each family is found again: its public half, and its signatures." => is_used_as_given;
    "handle-may-be-missing",
    "Without the handle it finds the key by its key-id, or fails; it finds no other key." => may_be_missing;
    "handle-of-another-key-signs-nothing-foreign",
    "With another key's handle it fails, or signs with the key that is asked for." => of_another_key_signs_nothing_foreign;
    "handle-of-another-key-reads-nothing-foreign",
    "With another key's handle it fails, or answers the public half of the key that is asked for." => of_another_key_reads_nothing_foreign;
    "handle-of-another-key-destroys-nothing-foreign",
    "With another key's handle it destroys no other key than the one that is asked for." => of_another_key_destroys_nothing_foreign;
    "handle-of-garbage-signs-nothing-foreign",
    "With bytes for a handle that it never gave, it fails, or signs with the key that is asked for; it does not trap." => of_garbage_signs_nothing_foreign;
    "handle-of-garbage-reads-nothing-foreign",
    "With such bytes it fails, or answers the public half of the key that is asked for; it does not trap." => of_garbage_reads_nothing_foreign;
    "handle-of-garbage-destroys-nothing-foreign",
    "With such bytes it destroys no other key than the one that is asked for, and does not trap." => of_garbage_destroys_nothing_foreign;
    "key-never-made-signs-nothing",
    "A key-id that no key was made for signs nothing." => never_made_signs_nothing;
    "key-never-made-has-no-public-half",
    "A key-id that no key was made for has no public half." => never_made_has_no_public_half;
}

async fn is_used_as_given(kit: &Kit) -> Verdict {
    for key_type in kit.families().await? {
        let made = kit.key(key_type).await?;
        signs_or_fails(kit, &made, made.told()).await?.ok_or_else(|| {
            Broken::failed("a signature", format!("a failure, with the handle that {key_type} was made with"))
        })?;
        let Some(tried) = kit.ask().public_key_if_told(&made.key, made.told()).await? else { continue };
        let read = public_half(&succeeds(tried.answer, "a public half")?, key_type)?;
        ensure(read == made.public, "the key's public half", || "another one".to_owned())?;
    }

    Ok(())
}

async fn may_be_missing(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let (_before, made, _after) =
        (kit.fresh(key_type).await?, kit.fresh(key_type).await?, kit.fresh(key_type).await?);

    let signed = signs_or_fails(kit, &made, made.told_with(None)).await?;
    kit.note(if signed.is_some() { "it finds the key" } else { "it fails" });
    match reads_its_own_or_fails(kit, &made, made.told_with(None)).await {
        Err(Broken::Skipped(_)) => Ok(()),
        read => read,
    }
}

async fn of_another_key_signs_nothing_foreign(kit: &Kit) -> Verdict {
    let (own, other) = two(kit).await?;

    signs_or_fails(kit, &own, own.told_with(Some(handle_of(&other)?))).await.map(drop)
}

async fn of_another_key_reads_nothing_foreign(kit: &Kit) -> Verdict {
    let (own, other) = two(kit).await?;

    reads_its_own_or_fails(kit, &own, own.told_with(Some(handle_of(&other)?))).await
}

async fn of_another_key_destroys_nothing_foreign(kit: &Kit) -> Verdict {
    let (own, other) = two(kit).await?;
    let told = own.told_with(Some(handle_of(&other)?));
    drop(kit.ask().destroy(&own.key, told).await?);

    still_signs(kit, &other).await
}

async fn of_garbage_signs_nothing_foreign(kit: &Kit) -> Verdict {
    let (own, _other) = two(kit).await?;
    for garbage in garbage(kit)? {
        signs_or_fails(kit, &own, own.told_with(Some(garbage))).await?;
    }

    Ok(())
}

async fn of_garbage_reads_nothing_foreign(kit: &Kit) -> Verdict {
    let (own, _other) = two(kit).await?;
    for garbage in garbage(kit)? {
        reads_its_own_or_fails(kit, &own, own.told_with(Some(garbage))).await?;
    }

    Ok(())
}

async fn of_garbage_destroys_nothing_foreign(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let stays = kit.fresh(key_type).await?;
    for garbage in garbage(kit)? {
        let own = kit.fresh(key_type).await?;
        let tried = kit.ask().destroy(&own.key, own.told_with(Some(garbage))).await?;
        tried.without_trap("an answer, whatever the handle is")?;
    }

    still_signs(kit, &stays).await
}

async fn never_made_signs_nothing(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let scheme = kit.scheme(key_type)?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    let (told, input) = (KeyRef { id: key.id(), handle: None }, ordinary(0));

    let tried = kit.ask().sign(&key, told, (scheme, &input)).await?.without_trap("a failure")?;
    fails(tried.answer, "a failure, as there is no such key").map(drop)
}

async fn never_made_has_no_public_half(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let key = kit.trial.plan(&kit.loaded, key_type).await?;
    let told = KeyRef { id: key.id(), handle: None };

    let tried = kit.ask().public_key(&key, told).await?.without_trap("a failure")?;
    fails(tried.answer, "a failure, as there is no such key").map(drop)
}

/// Signs with `made`, of which the component is `told` so. A signature must be its own.
async fn signs_or_fails(kit: &Kit, made: &Made, told: KeyRef) -> Result<Option<Vec<u8>>, Broken> {
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);
    let tried = kit.ask().sign(&made.key, told, (scheme, &input)).await?;
    let Ok(answer) = tried.without_trap("an answer, whatever the handle is")?.answer else { return Ok(None) };

    verifies(&made.public, scheme, &input, &answer)?;
    Ok(Some(answer))
}

async fn reads_its_own_or_fails(kit: &Kit, made: &Made, told: KeyRef) -> Verdict {
    let tried = kit.ask().public_key(&made.key, told).await?;
    let Ok(answer) = tried.without_trap("an answer, whatever the handle is")?.answer else { return Ok(()) };

    let read = public_half(&answer, made.key.key_type())?;
    ensure(read == made.public, "the public half of the key that is asked for", || "another one".to_owned())
}

async fn still_signs(kit: &Kit, made: &Made) -> Verdict {
    let signed = signs_or_fails(kit, made, made.told()).await?;

    ensure(signed.is_some(), "another key that signs as before", || "one that does not".to_owned())
}

async fn two(kit: &Kit) -> Result<(Made, Made), Broken> {
    let key_type = kit.cheapest().await?;

    Ok((kit.fresh(key_type).await?, kit.fresh(key_type).await?))
}

/// The handle of a key; where the component gives none, what it could take for one.
fn handle_of(made: &Made) -> Result<Handle, Broken> {
    made.handle.clone().map_or_else(|| handle(made.key.id().to_string().as_bytes()), Ok)
}

/// Handles that nobody gave.
fn garbage(kit: &Kit) -> Result<Vec<Handle>, Broken> {
    let mut random = vec![0; Handle::MAX];
    kit.stage.outside.random.fill(&mut random);

    let texts: [&[u8]; 6] =
        [b"", b"\0", b"{}", b"../../other", "ffffffffffffffffffffffffffffffff".as_bytes(), &random];
    texts.into_iter().map(handle).collect()
}
