//! Keys: created, listed, replaced and released.

use hyper::StatusCode;
use serde_json::json;

use super::{KINDS, Key, P256, ask_to_create, ask_to_sign, create, key, listed, sign};
use crate::conformance::answer::text;
use crate::conformance::case::{Case, Verdict, advised, ensure, failed, skipped};
use crate::conformance::server::Server;
use keyport_core::scheme::Hash;

/// The cases of keys.
pub(in crate::conformance) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = KINDS
        .into_iter()
        .map(|kind| {
            let name = format!("create-{}", kind.0.to_lowercase());
            let promise = format!("A new {} key is answered 201, with its public half in PEM.", kind.0);
            Case::new(name, promise, async move |server: &Server| key(server, kind).await.map(|_| ()))
        })
        .collect();
    cases.extend([
        Case::new("create-fingerprint", "The fingerprint is the SHA-256 of the public half.", fingerprint),
        Case::new("create-distinct", "No two keys are the same.", distinct),
        Case::new("create-json", "A new key is answered as application/json.", content_type),
        Case::new("create-extra-field", "Fields that nobody knows are passed over.", extra_field),
        Case::new("create-spelling", "Key types are read in any case, and with `_`.", spelling),
        Case::new("create-unknown-type", "A key type that nobody has is refused.", unknown_type),
        Case::new("create-unknown-type-offers", "Who asks for it is told what is offered.", type_offers),
        Case::new("create-without-type", "A create without a key type is refused.", without_type),
        Case::new("create-again", "A create of an id that exists leaves one key, the answered one.", again),
        Case::new("create-again-replaces", "A create of an id that exists replaces its key.", replaces),
        Case::new("list-shape", "The list is an object with `keys`.", list_shape),
        Case::new("list-same", "A key is listed as it was answered when it was made.", list_same),
        Case::new("list-stable", "A key is listed with the same public half each time.", list_stable),
        Case::new("release", "A release without a body is answered 200.", release),
        Case::new("release-empty", "The answer to a release is empty.", release_empty),
        Case::new("release-twice", "A release can be repeated.", release_twice),
        Case::new("release-unlists", "A released key is listed no more.", release_unlists),
        Case::new("release-stops", "A released key signs no more.", release_stops),
        Case::new("release-then-create", "A released id can be used for a new key.", release_then_create),
        Case::new(
            "release-unknown",
            "A release of a key that is not there is answered 404.",
            release_unknown,
        ),
    ]);
    cases
}

async fn fingerprint(server: &Server) -> Verdict {
    let Key { public, fingerprint, .. } = key(server, P256).await?;

    ensure(fingerprint == public.fingerprint().as_str(), public.fingerprint().as_str(), fingerprint)
}

async fn distinct(server: &Server) -> Verdict {
    let mut seen: Vec<Key> = Vec::new();
    for number in 0..4 {
        let key = create(server, &server.name(&format!("distinct-{number}")), P256).await?;
        let is_new = seen.iter().all(|other| other.public != key.public);
        ensure(is_new, "a public half that no other key has", key.fingerprint.clone())?;
        seen.push(key);
    }
    Ok(())
}

async fn content_type(server: &Server) -> Verdict {
    let created = ask_to_create(server, &server.name("json"), P256.0).await?;
    created.expect(201)?;

    let said = created.header("content-type").unwrap_or_default();
    advised(ensure(said.starts_with("application/json"), "application/json", said))
}

async fn extra_field(server: &Server) -> Verdict {
    let body = json!({ "key_id": server.name("extra"), "key_type": P256.0, "labels": { "a": [1, null] } });
    let created = server.post("/keys", &body).await?;

    created.survived()?;
    advised(created.expect(201)).map(|_| ())
}

async fn spelling(server: &Server) -> Verdict {
    for spelt in ["ec-p256", "EC_P256", "ec_p256"] {
        let created = ask_to_create(server, &server.name(spelt), spelt).await?;
        created.survived()?;
        advised(created.expect(201))?;
    }
    Ok(())
}

async fn unknown_type(server: &Server) -> Verdict {
    for unknown in ["EC-P224", "RSA-1024", "DSA", "P", ""] {
        ask_to_create(server, &server.name("unknown-type"), unknown).await?.refused(400)?;
    }
    ensure(
        listed(server, &server.name("unknown-type")).await?.is_none(),
        "no key of a type that was refused",
        "one that is listed",
    )
}

async fn type_offers(server: &Server) -> Verdict {
    let refused = ask_to_create(server, &server.name("unknown-type"), "EC-P224").await?;
    let said = String::from_utf8_lossy(&refused.answer.body).to_uppercase();

    advised(ensure(said.contains(P256.0), "EC-P256 to be named", refused.came()))
}

async fn without_type(server: &Server) -> Verdict {
    server.post("/keys", &json!({ "key_id": server.name("without-type") })).await?.refused(400)
}

async fn again(server: &Server) -> Verdict {
    let name = server.name("again");
    let first = create(server, &name, P256).await?;

    let (second, _is_new) = create_again(server, &first).await?;
    match listed(server, &name).await? {
        Some(listed) => ensure(
            listed.is_same(&second),
            &format!("{} to be listed", second.fingerprint),
            listed.fingerprint,
        )?,
        None => return failed("the key to be listed", "a list without it"),
    }
    sign(server, &second, (Hash::Sha256, &[7; 32])).await.map(|_| ())
}

async fn replaces(server: &Server) -> Verdict {
    let first = create(server, &server.name("replaced"), P256).await?;
    let (_second, is_new) = create_again(server, &first).await?;

    // What SPIRE's own key managers do; an operator may want it otherwise.
    advised(ensure(is_new, "another fingerprint", first.fingerprint.clone()))
}

/// The key that a repeated create leaves, and whether it is another one. A refusal leaves the first.
async fn create_again(server: &Server, first: &Key) -> Verdict<(Key, bool)> {
    let created = ask_to_create(server, &first.name, P256.0).await?;
    if created.is(StatusCode::CONFLICT) {
        return Ok((first.clone(), false));
    }

    let second = Key::read(&first.name, &created.json_with(201)?)?;
    let is_new = !second.is_same(first);
    Ok((second, is_new))
}

async fn list_shape(server: &Server) -> Verdict {
    key(server, P256).await?;
    let reply = server.get("/keys").await?;
    let answer = reply.json_with(200)?;

    let keys = crate::conformance::answer::list(&answer, "keys")?;
    for key in keys {
        for field in ["key_id", "public_key", "fingerprint"] {
            text(key, field)?;
        }
    }
    Ok(())
}

async fn list_same(server: &Server) -> Verdict {
    let made = create(server, &server.name("listed"), P256).await?;

    match listed(server, &made.name).await? {
        Some(listed) => ensure(listed.is_same(&made), &made.fingerprint, listed.fingerprint),
        None => failed("the key to be listed", "a list without it"),
    }
}

async fn list_stable(server: &Server) -> Verdict {
    let made = key(server, P256).await?;
    for _ in 0..3 {
        let listed = listed(server, &made.name).await?;
        let is_same = listed.as_ref().is_some_and(|listed| listed.is_same(&made));
        ensure(is_same, &made.fingerprint, listed.map(|listed| listed.fingerprint).unwrap_or_default())?;
    }
    Ok(())
}

async fn release(server: &Server) -> Verdict {
    released(server, "released").await.map(|_| ())
}

async fn release_empty(server: &Server) -> Verdict {
    let key = create(server, &server.name("release-empty"), P256).await?;
    let answer = server.give_up(&key.name).await?;

    answer.expect(200)?;
    advised(ensure(answer.answer.body.is_empty(), "no body", answer.came()))
}

async fn release_twice(server: &Server) -> Verdict {
    let key = released(server, "released-twice").await?;
    let answer = server.give_up(&key.name).await?;

    answer.survived()?;
    advised(answer.expect(200)).map(|_| ())
}

async fn release_unlists(server: &Server) -> Verdict {
    let key = released(server, "unlisted").await?;
    let listed = listed(server, &key.name).await?;

    advised(ensure(listed.is_none(), "a list without it", "a list with it"))
}

async fn release_stops(server: &Server) -> Verdict {
    let key = released(server, "stopped").await?;
    let answer = ask_to_sign(server, &key.name, &[7; 32], "SHA-256").await?;

    answer.survived()?;
    advised(answer.refused(409))
}

async fn release_then_create(server: &Server) -> Verdict {
    let old = released(server, "reborn").await?;
    let new = create(server, &old.name, P256).await?;

    ensure(!new.is_same(&old), "another key", old.fingerprint)?;
    sign(server, &new, (Hash::Sha256, &[7; 32])).await.map(|_| ())
}

async fn release_unknown(server: &Server) -> Verdict {
    server.give_up(&server.name("nobody")).await?.refused(404)
}

/// A key that was made and released.
async fn released(server: &Server, end: &str) -> Verdict<Key> {
    let key = create(server, &server.name(end), P256).await?;
    let answer = server.give_up(&key.name).await?;

    if answer.status() == 403 {
        return skipped(format!("the caller may not release: {}", answer.came()));
    }
    answer.expect(200)?;
    Ok(key)
}
