//! Keys and health.

use hyper::Method;
use serde_json::{Value, json};

use super::{ES256, ask_to_sign, create, es256, is_public, public_jwk, sign};
use crate::conformance::answer::text;
use crate::conformance::case::{Case, Verdict, advised, ensure, skipped};
use crate::conformance::jwk::Algorithm;
use crate::conformance::server::Server;

/// The cases of keys.
pub(in crate::conformance) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = Algorithm::ALL
        .into_iter()
        .map(|alg| {
            let name = format!("create-{}", alg.0.to_lowercase());
            let promise = format!("A new {} key is answered 200, with its public half as a JWK.", alg.0);
            Case::new(name, promise, async move |server: &Server| {
                create(server, &format!("create-{}", alg.0), alg).await.map(|_| ())
            })
        })
        .collect();
    cases.extend([
        Case::new(
            "create-names-key",
            "The public half has the kid and the alg that were asked for.",
            names_key,
        ),
        Case::new("create-public", "The public half has nothing private in it.", public),
        Case::new("create-for-verification", "The public half may be used to verify.", for_verification),
        Case::new("create-without-alg", "A create without an alg makes an ES256 key.", without_alg),
        Case::new("create-distinct", "No two keys are the same.", distinct),
        Case::new("create-extra-field", "Fields that nobody knows are passed over.", extra_field),
        Case::new("create-unknown-alg", "An alg that nobody has is refused.", unknown_alg),
        Case::new(
            "create-unknown-alg-text",
            "It is refused in the words that clients know.",
            unknown_alg_text,
        ),
        Case::new("create-again", "A create of a kid that exists is refused, or overwrites the key.", again),
        Case::new("create-again-conflicts", "A create of a kid that exists is answered 409.", conflicts),
        Case::new("delete", "A delete is answered 204.", delete),
        Case::new("delete-twice", "A delete can be repeated.", delete_twice),
        Case::new("delete-unknown", "A delete of a key that is not there is answered 204.", delete_unknown),
        Case::new("delete-stops", "A deleted key signs no more.", delete_stops),
        Case::new("delete-then-create", "A deleted kid can be used for a new key.", delete_then_create),
        Case::new("health", "Health is answered 2xx.", health),
        Case::new("health-shape", "Health says `ok`.", health_shape),
        Case::new("x-api-key", "The token is taken as x-api-key, too.", x_api_key),
    ]);
    cases
}

async fn names_key(server: &Server) -> Verdict {
    let key = create(server, "named", es256()).await?;

    let kid = text(&key.jwk, "kid")?;
    ensure(kid == key.kid, &key.kid, kid)?;
    let alg = text(&key.jwk, "alg")?;
    ensure(alg == ES256, ES256, alg)
}

async fn public(server: &Server) -> Verdict {
    is_public(&create(server, "public", es256()).await?.jwk)
}

async fn for_verification(server: &Server) -> Verdict {
    let key = create(server, "for-verification", es256()).await?;

    // What WebCrypto's importKey wants of a key that is to verify.
    let usage = key.jwk.get("use").unwrap_or(&Value::Null);
    ensure(usage.is_null() || usage == "sig", "no use, or sig", usage.to_string())?;
    let operations = key.jwk.get("key_ops").cloned().unwrap_or_else(|| json!(["verify"]));
    ensure(operations == json!(["verify"]), "no key_ops, or verify alone", operations.to_string())
}

async fn without_alg(server: &Server) -> Verdict {
    let created = server.post("/keys", &json!({ "kid": server.name("without-alg") })).await?;

    es256().1.fits(&public_jwk(&created)?)
}

async fn distinct(server: &Server) -> Verdict {
    let mut seen = Vec::new();
    for number in 0..4 {
        let key = create(server, &format!("distinct-{number}"), es256()).await?;
        let x = text(&key.jwk, "x")?.to_owned();
        ensure(!seen.contains(&x), "a public half that no other key has", x.clone())?;
        seen.push(x);
    }
    Ok(())
}

async fn extra_field(server: &Server) -> Verdict {
    let body = json!({ "kid": server.name("extra"), "alg": ES256, "labels": { "a": [1, null] } });
    let created = server.post("/keys", &body).await?;

    created.survived()?;
    advised(created.expect(200)).map(|_| ())
}

async fn unknown_alg(server: &Server) -> Verdict {
    for alg in ["none", "HS256", "RS1"] {
        let body = json!({ "kid": server.name("unknown-alg"), "alg": alg });
        server.post("/keys", &body).await?.refused(400)?;
    }
    let signed = ask_to_sign(server, &server.name("unknown-alg"), &json!({ "data": "AA==" })).await?;
    signed.refused(404)
}

async fn unknown_alg_text(server: &Server) -> Verdict {
    let body = json!({ "kid": server.name("unknown-alg"), "alg": "RS1" });
    let refused = server.post("/keys", &body).await?;
    refused.refused(400)?;

    let error = refused.json()?;
    advised(
        text(&error, "error").and_then(|said| {
            ensure(said == "Unsupported algorithm: RS1", "`Unsupported algorithm: RS1`", said)
        }),
    )
}

async fn again(server: &Server) -> Verdict {
    let mut key = create(server, "again", es256()).await?;
    let second = server.post("/keys", &json!({ "kid": key.kid, "alg": ES256 })).await?;

    if second.status() != 409 {
        key.jwk = public_jwk(&second)?;
    }
    sign(server, &key, es256(), b"whose is it").await
}

async fn conflicts(server: &Server) -> Verdict {
    let key = create(server, "conflict", es256()).await?;
    let second = server.post("/keys", &json!({ "kid": key.kid, "alg": ES256 })).await?;

    second.survived()?;
    advised(second.expect(409)).map(|_| ())
}

async fn delete(server: &Server) -> Verdict {
    deleted(server, "deleted").await.map(|_| ())
}

async fn delete_twice(server: &Server) -> Verdict {
    let kid = deleted(server, "deleted-twice").await?;

    server.give_up(&kid).await?.expect(204).map(|_| ())
}

async fn delete_unknown(server: &Server) -> Verdict {
    server.give_up(&server.name("nobody")).await?.expect(204).map(|_| ())
}

async fn delete_stops(server: &Server) -> Verdict {
    let kid = deleted(server, "stopped").await?;

    let signed = ask_to_sign(server, &kid, &server.contract.sign()).await?;
    match signed.status() {
        409 => Ok(()),
        _ => signed.refused(404),
    }
}

async fn delete_then_create(server: &Server) -> Verdict {
    let kid = deleted(server, "reborn").await?;
    let key = create(server, "reborn", es256()).await?;

    ensure(key.kid == kid, &kid, key.kid.clone())?;
    sign(server, &key, es256(), b"reborn").await
}

/// The kid of a key that was made and deleted.
async fn deleted(server: &Server, end: &str) -> Verdict<String> {
    let key = create(server, end, es256()).await?;
    let answer = server.give_up(&key.kid).await?;

    if answer.status() == 403 {
        return skipped(format!("the caller may not delete: {}", answer.came()));
    }
    answer.expect(204)?;
    Ok(key.kid)
}

async fn health(server: &Server) -> Verdict {
    server.get("/health").await?.succeeded()
}

async fn health_shape(server: &Server) -> Verdict {
    let answer = server.get("/health").await?;
    let said = answer.json().map(|body| body.get("ok").cloned().unwrap_or_default());

    advised(said.and_then(|ok| ensure(ok == json!(true), "`ok` to be true", answer.came())))
}

async fn x_api_key(server: &Server) -> Verdict {
    let Some(token) = &server.token else { return skipped("no token is presented: give --token-file") };
    let Ok(stranger) = server.client.with_token(None) else { return skipped("no client without a token") };
    let token = String::from_utf8_lossy(token.expose()).into_owned();

    let asked = (Method::GET, "/health");
    let answer = server.ask_as(&stranger, asked, &[("x-api-key", &token)], "").await?;
    answer.survived()?;
    advised(answer.expect(200)).map(|_| ())
}
