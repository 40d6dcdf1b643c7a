//! Keys: released, restored, deleted and imported.

use keyport_core::scheme::KeyType;
use serde_json::{Value, json};

use super::{Key, ask_to_sign, create, providers, refused_as};
use crate::conformance::answer::{Reply, list, text};
use crate::conformance::case::{Case, Verdict, ensure, skipped};
use crate::conformance::jwk::new_private;
use crate::conformance::server::{Server, key_path};

/// The cases of what becomes of keys.
pub(in crate::conformance) fn cases() -> Vec<Case> {
    vec![
        Case::new("release", "A release is answered 204, and the key is released.", release),
        Case::new("release-twice", "A release can be repeated.", release_twice),
        Case::new(
            "release-unknown",
            "A release of a key that is not there is answered 404.",
            release_unknown,
        ),
        Case::new("release-stops", "A released key signs no more.", release_stops),
        Case::new("release-is-listed", "A released key is in the list of released ones.", release_is_listed),
        Case::new("restore", "A released key can be restored, and signs again.", restore),
        Case::new("restore-unknown", "A restore of an id that nobody has is answered 404.", restore_unknown),
        Case::new("restore-wrong-id", "A restore of what is no id is refused.", restore_wrong_id),
        Case::new("delete", "A delete is answered 204, and the key signs no more.", delete),
        Case::new("delete-unknown", "A delete of a key that is not there is answered 404.", delete_unknown),
        Case::new("import", "An imported key has the public half that was handed in.", import),
        Case::new("import-wrong", "An import whose parts do not belong together is refused.", import_wrong),
    ]
}

async fn release(server: &Server) -> Verdict {
    let made = released(server, "released").await?;
    let found = Key::read(&server.get(&key_path(&made.name)).await?.json_with(200)?)?;

    ensure(found.id == made.id && found.state == "released", "the key, released", found.whole.to_string())?;
    text(&found.whole, "destroy_after").map(|_| ())
}

async fn release_twice(server: &Server) -> Verdict {
    let made = released(server, "released-twice").await?;

    ask_to_release(server, &made.name).await?.expect(204).map(|_| ())
}

async fn release_unknown(server: &Server) -> Verdict {
    let name = server.name("nobody");

    refused_as(&ask_to_release(server, &name).await?, (404, "key_not_found"))
}

async fn release_stops(server: &Server) -> Verdict {
    let made = released(server, "stopped").await?;

    refused_as(&ask_to_sign(server, &made.name, &server.contract.sign()).await?, (409, "key_released"))
}

async fn release_is_listed(server: &Server) -> Verdict {
    let made = released(server, "released-listed").await?;
    for (state, is_there) in [("released", true), ("active", false)] {
        let path = format!("/keys?limit=1000&state={state}&prefix={}", made.name);
        let answer = server.get(&path).await?.json_with(200)?;
        let listed = !list(&answer, "keys")?.is_empty();
        ensure(
            listed == is_there,
            &format!("the key among the released, not the active ({state})"),
            answer.to_string(),
        )?;
    }
    Ok(())
}

async fn restore(server: &Server) -> Verdict {
    let made = released(server, "restored").await?;
    let reply = ask_to_restore(server, &made.name, &made.id).await?;
    if reply.status() == 403 {
        return skipped(format!("the caller may not restore: {}", reply.came()));
    }

    let restored = Key::read(&reply.json_with(200)?)?;
    ensure(restored.state == "active" && restored.id == made.id, "the key, active", reply.came())?;
    ask_to_sign(server, &made.name, &server.contract.sign()).await?.expect(200).map(|_| ())
}

async fn restore_unknown(server: &Server) -> Verdict {
    let made = released(server, "restored-other").await?;
    let reply = ask_to_restore(server, &made.name, &"0".repeat(32)).await?;

    match reply.status() {
        403 => skipped(format!("the caller may not restore: {}", reply.came())),
        _ => refused_as(&reply, (404, "key_not_found")),
    }
}

async fn restore_wrong_id(server: &Server) -> Verdict {
    let name = server.name("nobody");
    for wrong in ["", "0", "zz", &"0".repeat(33)] {
        refused_as(&ask_to_restore(server, &name, wrong).await?, (400, "invalid_request"))?;
    }
    Ok(())
}

async fn delete(server: &Server) -> Verdict {
    let made = create(server, &server.name("deleted"), KeyType::EcP256).await?;
    let deleted = server.give_up(&made.name).await?;
    if deleted.status() == 403 {
        return skipped(format!("the caller may not delete: {}", deleted.came()));
    }

    deleted.expect(204)?;
    let signed = ask_to_sign(server, &made.name, &server.contract.sign()).await?;
    ensure(matches!(signed.status(), 404 | 409), &signed.expected("404 or 409"), signed.came())
}

async fn delete_unknown(server: &Server) -> Verdict {
    refused_as(&server.give_up(&server.name("nobody")).await?, (404, "key_not_found"))
}

async fn import(server: &Server) -> Verdict {
    let private = new_private()?;
    let name = server.name("imported");
    let imported = Key::read(&ask_to_import(server, &name, &private).await?.json_with(201)?)?;

    for member in ["x", "y"] {
        let came = imported.whole.pointer(&format!("/public_key/jwk/{member}"));
        let handed_in = private.get(member);
        ensure(came == handed_in, &format!("the {member} that was handed in"), imported.whole.to_string())?;
    }
    ask_to_sign(server, &name, &server.contract.sign()).await?.expect(200).map(|_| ())
}

async fn import_wrong(server: &Server) -> Verdict {
    let (mut private, other) = (new_private()?, new_private()?);
    let secret = text(&private, "d")?.to_owned();
    if let (Some(x), Some(wrong)) = (private.get_mut("x"), other.get("x")) {
        *x = wrong.clone();
    }
    let refused = ask_to_import(server, &server.name("import-wrong"), &private).await?;

    refused.refused(400)?;
    let body = String::from_utf8_lossy(&refused.answer.body);
    ensure(!body.contains(&secret), "a refusal without the private key", "one that repeats it")
}

/// A key that was made and released.
async fn released(server: &Server, end: &str) -> Verdict<Key> {
    let key = create(server, &server.name(end), KeyType::EcP256).await?;
    let reply = ask_to_release(server, &key.name).await?;

    if reply.status() == 403 {
        return skipped(format!("the caller may not release: {}", reply.came()));
    }
    reply.expect(204)?;
    Ok(key)
}

async fn ask_to_release(server: &Server, name: &str) -> Verdict<Reply> {
    server.post(&format!("{}/release", key_path(name)), &json!({})).await
}

async fn ask_to_restore(server: &Server, name: &str, id: &str) -> Verdict<Reply> {
    server.post(&format!("{}/restore", key_path(name)), &json!({ "id": id })).await
}

/// Asks to import; a provider that cannot, or a caller that may not, is asked no more.
async fn ask_to_import(server: &Server, name: &str, private: &Value) -> Verdict<Reply> {
    let providers = providers(server).await?;
    let Some(provider) = providers.iter().find(|provider| provider.get("imports") == Some(&json!(true)))
    else {
        return skipped("no provider imports");
    };
    let body = json!({ "private_jwk": private, "provider": text(provider, "providerId")? });
    let reply = server.post(&format!("{}/import", key_path(name)), &body).await?;

    match reply.status() {
        403 => skipped(format!("the caller may not import: {}", reply.came())),
        _ => Ok(reply),
    }
}
