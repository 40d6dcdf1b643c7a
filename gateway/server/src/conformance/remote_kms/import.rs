//! Private keys that are handed in.

use serde_json::{Value, json};

use super::{ES256, Key, ask_to_sign, es256, is_public, public_jwk, sign};
use crate::conformance::answer::{Reply, text};
use crate::conformance::case::{Case, Verdict, advised, ensure, skipped};
use crate::conformance::jwk::new_private;
use crate::conformance::server::{Server, key_path};

/// The cases of imports; a server that cannot import says so with 404 or 405.
pub(in crate::conformance) fn cases() -> Vec<Case> {
    vec![
        Case::new("import", "An imported key is answered with its public half.", import),
        Case::new("import-signs", "An imported key signs, and its own public half verifies.", signs),
        Case::new("import-again", "An import of a kid that exists is refused, or overwrites the key.", again),
        Case::new("import-deleted", "An imported key can be deleted.", deleted),
        Case::new("import-public", "An import without a private part is refused.", public),
        Case::new("import-parts", "An import whose parts do not belong together is refused.", parts),
        Case::new("import-empty", "An import without a key is refused.", empty),
        Case::new("import-no-echo", "A refusal does not repeat the private key.", no_echo),
    ]
}

async fn import(server: &Server) -> Verdict {
    let private = private_jwk(&server.name("imported"))?;
    let imported = public_jwk(&ask(server, "imported", &private).await?)?;

    is_public(&imported)?;
    same_point(&imported, &private)
}

async fn signs(server: &Server) -> Verdict {
    let private = private_jwk(&server.name("import-signs"))?;
    public_jwk(&ask(server, "import-signs", &private).await?)?;

    // Not what was answered: what was handed in.
    let key = Key { kid: server.name("import-signs"), jwk: private };
    sign(server, &key, es256(), b"imported").await
}

async fn again(server: &Server) -> Verdict {
    let [first, second] =
        [private_jwk(&server.name("import-again"))?, private_jwk(&server.name("import-again"))?];
    public_jwk(&ask(server, "import-again", &first).await?)?;

    let reply = ask(server, "import-again", &second).await?;
    let jwk = if reply.status() == 409 { first } else { public_jwk(&reply).map(|_| second)? };
    sign(server, &Key { kid: server.name("import-again"), jwk }, es256(), b"whose is it").await
}

async fn deleted(server: &Server) -> Verdict {
    let kid = server.name("import-deleted");
    public_jwk(&ask(server, "import-deleted", &private_jwk(&kid)?).await?)?;

    server.give_up(&kid).await?.expect(204)?;
    let signed = ask_to_sign(server, &kid, &server.contract.sign()).await?;
    ensure((400..500).contains(&signed.status()), &signed.expected("404 or 409"), signed.came())
}

async fn public(server: &Server) -> Verdict {
    let mut jwk = private_jwk(&server.name("import-public"))?;
    if let Some(members) = jwk.as_object_mut() {
        members.remove("d");
    }

    ask(server, "import-public", &jwk).await?.refused(400)
}

async fn parts(server: &Server) -> Verdict {
    let other = private_jwk("other")?;
    for member in ["x", "y", "d"] {
        let mut jwk = private_jwk(&server.name("import-parts"))?;
        if let (Some(part), Some(wrong)) = (jwk.get_mut(member), other.get(member)) {
            *part = wrong.clone();
        }
        let reply = ask(server, "import-parts", &jwk).await?;
        reply.survived()?;
        advised(reply.refused(400))?;
    }
    Ok(())
}

async fn empty(server: &Server) -> Verdict {
    ask(server, "import-empty", &json!({})).await?.refused(400)?;
    ask(server, "import-empty", &Value::Null).await?.refused(400)
}

async fn no_echo(server: &Server) -> Verdict {
    let mut jwk = private_jwk(&server.name("import-no-echo"))?;
    let secret = text(&jwk, "d")?.to_owned();
    if let Some(curve) = jwk.get_mut("crv") {
        *curve = json!("P-999");
    }
    let refused = ask(server, "import-no-echo", &jwk).await?;
    refused.refused(400)?;

    let body = String::from_utf8_lossy(&refused.answer.body);
    ensure(!body.contains(&secret), "a refusal without the private key", "one that repeats it")
}

/// Asks to import; a server that cannot is asked no more.
async fn ask(server: &Server, end: &str, private: &Value) -> Verdict<Reply> {
    let path = format!("{}/import", key_path(&server.name(end)));
    let reply = server.post(&path, &json!({ "privateJwk": private, "alg": ES256 })).await?;

    match reply.status() {
        403..=405 | 501 => skipped(format!("no import: {}", reply.came())),
        _ => Ok(reply),
    }
}

/// A new private key, as clients hand it in.
fn private_jwk(kid: &str) -> Verdict<Value> {
    let mut jwk = new_private()?;
    if let Some(members) = jwk.as_object_mut() {
        members.extend([("kid".to_owned(), kid.into()), ("alg".to_owned(), ES256.into())]);
    }
    Ok(jwk)
}

fn same_point(one: &Value, other: &Value) -> Verdict {
    for member in ["x", "y"] {
        let (one, other) = (text(one, member)?, text(other, member)?);
        ensure(one == other, &format!("the {member} that was handed in"), one)?;
    }
    Ok(())
}
