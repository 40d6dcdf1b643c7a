//! Cases of contract `remote_kms`: EUDIPLO's HTTP provider.

mod import;
mod keys;
mod sign;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::{Reply, text};
use super::case::{Verdict, ensure, failed, skipped};
use super::jwk::{Algorithm, PRIVATE, url_base64};
use super::server::{Server, key_path};

pub(super) use import::cases as import_cases;
pub(super) use keys::cases as key_cases;
pub(super) use sign::cases as sign_cases;

/// An algorithm by its JOSE name.
type Alg = (&'static str, Algorithm);

/// A key as it was answered.
#[derive(Clone, Debug)]
struct Key {
    kid: String,
    jwk: Value,
}

/// Makes a key. An algorithm that the server does not offer skips the case, unless every server must.
async fn create(server: &Server, end: &str, (alg, algorithm): Alg) -> Verdict<Key> {
    let kid = server.name(end);
    let body = json!({ "kid": kid, "alg": alg });
    let created = server.create_patiently(&body).await?;
    if alg != ES256 && matches!(created.status(), 400 | 403 | 422 | 501) {
        return skipped(format!("no {alg}: {}", created.came()));
    }

    let jwk = public_jwk(&created)?;
    algorithm.fits(&jwk)?;
    Ok(Key { kid, jwk })
}

/// The public half in an answer.
fn public_jwk(reply: &Reply) -> Verdict<Value> {
    let answer = reply.json_with(200)?;

    match answer.get("publicJwk").filter(|jwk| jwk.is_object()) {
        Some(jwk) => Ok(jwk.clone()),
        None => failed(reply.expected("an object with `publicJwk`"), reply.came()),
    }
}

/// That a public half has nothing private in it.
fn is_public(jwk: &Value) -> Verdict {
    for member in PRIVATE {
        let is_private = jwk.get(member).is_some();
        ensure(!is_private, "a public half", format!("one with the private member `{member}`"))?;
    }
    Ok(())
}

async fn ask_to_sign(server: &Server, kid: &str, body: &Value) -> Verdict<Reply> {
    server.post(&format!("{}/sign", key_path(kid)), body).await
}

/// Has a message signed, and verifies what came.
async fn sign(server: &Server, key: &Key, (alg, algorithm): Alg, message: &[u8]) -> Verdict {
    let body = json!({ "data": STANDARD.encode(message), "alg": alg });
    let reply = ask_to_sign(server, &key.kid, &body).await?;
    if alg != ES256 && matches!(reply.status(), 400 | 403 | 422 | 501) {
        return skipped(format!("no {alg}: {}", reply.came()));
    }

    let signature = url_base64(text(&reply.json_with(200)?, "signature")?)?;
    algorithm.verify(&key.jwk, message, &signature)
}

fn es256() -> Alg {
    let [es256, ..] = Algorithm::ALL;
    es256
}

/// The algorithm that EUDIPLO asks for.
const ES256: &str = "ES256";
