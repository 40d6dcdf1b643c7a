//! Keys: made, found and listed.

use hyper::Method;
use keyport_core::scheme::KeyType;
use serde_json::{Value, json};

use super::{Key, base64, create, key, offer, providers, refused_as};
use crate::conformance::answer::{list, text};
use crate::conformance::case::{Case, Verdict, ensure, failed};
use crate::conformance::server::{Server, key_path};

/// The cases of keys.
pub(in crate::conformance) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = KeyType::ALL
        .into_iter()
        .map(|key_type| {
            let promise =
                format!("A new {key_type} key is answered 201, with its public half in three forms.");
            Case::new(format!("create-{key_type}"), promise, async move |server: &Server| {
                key(server, key_type).await.map(|_| ())
            })
        })
        .collect();
    cases.extend([
        Case::new("providers", "Providers say what they offer.", providers_offer),
        Case::new("create-whole", "A new key is active, and has an id and a time.", whole),
        Case::new("create-fingerprint", "The fingerprint is the SHA-256 of the public half.", fingerprint),
        Case::new("create-distinct", "No two keys are the same.", distinct),
        Case::new(
            "create-again",
            "A create of a name that exists is answered 409, and changes nothing.",
            again,
        ),
        Case::new(
            "create-idempotent",
            "A create with the same Idempotency-Key gives the same key.",
            idempotent,
        ),
        Case::new("create-unknown-type", "A key type that nobody has is refused.", unknown_type),
        Case::new("create-without-type", "A create without a type is refused.", without_type),
        Case::new(
            "create-unknown-field",
            "A field that nobody knows is refused, as it may be misspelt.",
            unknown_field,
        ),
        Case::new("create-unknown-provider", "A provider that is not there is refused.", unknown_provider),
        Case::new("get-same", "A key is found as it was answered when it was made.", get_same),
        Case::new("get-unknown", "A key that is not there is answered 404.", get_unknown),
        Case::new("list-prefix", "The list has what begins with the prefix, and nothing else.", list_prefix),
        Case::new("list-pages", "Pages hold every key once.", list_pages),
        Case::new("list-wrong-query", "A query that is not understood is refused.", list_wrong_query),
        Case::new("request-id", "An answer has the request's id.", request_id),
    ]);
    cases
}

async fn providers_offer(server: &Server) -> Verdict {
    let providers = providers(server).await?;

    ensure(!providers.is_empty(), "one provider at least", "none")?;
    for provider in &providers {
        text(provider, "providerId")?;
        let offers = provider.get("keyTypes").and_then(Value::as_object);
        ensure(offers.is_some(), "`keyTypes` as an object", provider.to_string())?;
    }
    match offer(server, KeyType::EcP256).await? {
        Some(_) => Ok(()),
        None => failed("a provider of ec-p256, which the cases need", "none"),
    }
}

async fn whole(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;

    ensure(key.state == "active", "active", key.state.as_str())?;
    let is_id = key.id.len() == 32 && key.id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure(is_id, "an id of 32 hexadecimal digits", key.id.as_str())?;
    let created = text(&key.whole, "created")?;
    ensure(humantime::parse_rfc3339(created).is_ok(), "a time as in RFC 3339", created)?;
    let destroyed = key.whole.get("destroy_after");
    ensure(destroyed == Some(&Value::Null), "`destroy_after` to be null", key.whole.to_string())
}

async fn fingerprint(server: &Server) -> Verdict {
    let Key { public, fingerprint, .. } = key(server, KeyType::EcP256).await?;

    ensure(fingerprint == public.fingerprint().as_str(), public.fingerprint().as_str(), fingerprint)
}

async fn distinct(server: &Server) -> Verdict {
    let mut seen: Vec<Key> = Vec::new();
    for number in 0..4 {
        let key = create(server, &server.name(&format!("distinct-{number}")), KeyType::EcP256).await?;
        let is_new = seen.iter().all(|other| other.public != key.public && other.id != key.id);
        ensure(is_new, "a public half and an id that no other key has", key.fingerprint.clone())?;
        seen.push(key);
    }
    Ok(())
}

async fn again(server: &Server) -> Verdict {
    let first = create(server, &server.name("again"), KeyType::EcP256).await?;
    let second = server.post("/keys", &server.contract.create(&first.name)).await?;

    refused_as(&second, (409, "key_exists"))?;
    is_found(server, &first).await
}

async fn idempotent(server: &Server) -> Verdict {
    let name = server.name("idempotent");
    let header = [("idempotency-key", name.as_str())];
    let ask = async || {
        let body = server.contract.create(&name).to_string();
        let reply = server.ask_as(&server.client, (Method::POST, "/keys"), &header, body).await?;
        reply.json_with(201)
    };

    let (first, second) = (ask().await?, ask().await?);
    ensure(first == second, &first.to_string(), second.to_string())
}

async fn unknown_type(server: &Server) -> Verdict {
    for unknown in ["EC-P256", "ec-p224", "rsa-1024", "p256", ""] {
        let body = json!({ "name": server.name("unknown-type"), "type": unknown });
        refused_as(&server.post("/keys", &body).await?, (400, "invalid_request"))?;
    }
    server.get(&key_path(&server.name("unknown-type"))).await?.expect(404).map(|_| ())
}

async fn without_type(server: &Server) -> Verdict {
    let body = json!({ "name": server.name("without-type") });

    refused_as(&server.post("/keys", &body).await?, (400, "invalid_request"))
}

async fn unknown_field(server: &Server) -> Verdict {
    let body = json!({ "name": server.name("unknown-field"), "type": "ec-p256", "provder": "soft" });

    refused_as(&server.post("/keys", &body).await?, (400, "invalid_request"))
}

async fn unknown_provider(server: &Server) -> Verdict {
    let body =
        json!({ "name": server.name("unknown-provider"), "type": "ec-p256", "provider": "no-such-one" });

    server.post("/keys", &body).await?.refused(400)
}

async fn get_same(server: &Server) -> Verdict {
    let made = create(server, &server.name("found"), KeyType::EcP256).await?;

    is_found(server, &made).await
}

async fn get_unknown(server: &Server) -> Verdict {
    refused_as(&server.get(&key_path(&server.name("nobody"))).await?, (404, "key_not_found"))
}

async fn list_prefix(server: &Server) -> Verdict {
    let made = create(server, &server.name("prefixed"), KeyType::EcP256).await?;
    let answer = server.get(&format!("/keys?prefix={}&limit=1000", made.name)).await?.json_with(200)?;

    let keys = list(&answer, "keys")?;
    ensure(*keys == [made.whole.clone()], &made.whole.to_string(), answer.to_string())
}

async fn list_pages(server: &Server) -> Verdict {
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(create(server, &server.name(&format!("page-{number}")), KeyType::EcP256).await?.name);
    }

    let (mut listed, mut cursor) = (Vec::new(), String::new());
    for _ in 0..made.len() {
        let path = format!("/keys?limit=2&prefix={}-page-{cursor}", server.prefix());
        let answer = server.get(&path).await?.json_with(200)?;
        let keys = list(&answer, "keys")?;
        ensure(keys.len() <= 2, "a page of two", answer.to_string())?;
        for key in keys {
            listed.push(text(key, "name")?.to_owned());
        }
        match answer.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    listed.sort();
    ensure(listed == made, &made.join(", "), listed.join(", "))
}

async fn list_wrong_query(server: &Server) -> Verdict {
    for wrong in ["limit=0", "limit=1001", "limit=a", "state=pending", "cursor=zz", "prefix=%ff", "prefx=a"] {
        refused_as(&server.get(&format!("/keys?{wrong}")).await?, (400, "invalid_request"))?;
    }
    Ok(())
}

async fn request_id(server: &Server) -> Verdict {
    let refused = server.get(&key_path(&server.name("nobody"))).await?;
    let error = refused.json_with(404)?;
    let header = refused.header("x-request-id").unwrap_or_default();

    ensure(text(&error, "request_id")? == header && !header.is_empty(), header, refused.came())?;
    let asked = (Method::GET, "/keys?limit=1");
    let id = base64(b"a request").trim_end_matches('=').to_owned();
    let answer = server.ask_as(&server.client, asked, &[("x-request-id", &id)], "").await?;
    let echoed = answer.header("x-request-id").unwrap_or_default();
    ensure(echoed == id, &id, echoed)
}

async fn is_found(server: &Server, key: &Key) -> Verdict {
    let found = server.get(&key_path(&key.name)).await?.json_with(200)?;

    ensure(found == key.whole, &key.whole.to_string(), found.to_string())
}
