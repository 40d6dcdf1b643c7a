//! What belongs to another tenant is like what does not exist: in every endpoint of every contract that names a key.

use hyper::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Gateway, Hash, Plan, Site, token_of};
use crate::v1;

/// One endpoint: the contract's path, and how a key is named to it.
struct Endpoint {
    contract: &'static str,
    method: Method,
    /// `NAME` stands for the key's name, `ID` for its key-id.
    path: &'static str,
    body: String,
    status: u16,
}

#[tokio::test]
async fn a_foreign_key_is_answered_for_like_a_missing_one() {
    let site = Site::new(&plan());
    let gateway = site.start().await;
    let ours = client(&gateway, "/v1", "acme");
    let mut ids = Vec::new();
    for name in [OURS, RELEASED] {
        let body = json!({ "name": name, "type": "ec-p256" }).to_string();
        ids.push(ours.post("/keys", body).await.expect(201).json()["id"].as_str().unwrap().to_owned());
    }
    ours.post(&format!("/keys/{RELEASED}/release"), "").await.expect(204);

    for endpoint in endpoints() {
        let theirs = client(&gateway, endpoint.contract, "other");
        for (name, id) in [OURS, RELEASED].into_iter().zip(&ids) {
            let foreign = ask(&theirs, &endpoint, name, id).await;
            let missing = ask(&theirs, &endpoint, MISSING, &missing_id(id)).await;

            let what = format!("{} {}{} of {name}", endpoint.method, endpoint.contract, endpoint.path);
            foreign.expect(endpoint.status);
            assert_eq!(foreign.status, missing.status, "{what}");
            assert_eq!(foreign.text().replace(name, MISSING), missing.text(), "{what}");
            assert_eq!(headers(&foreign), headers(&missing), "{what}");
        }
    }

    ours.get(&format!("/keys/{OURS}")).await.expect(200);
    let restored = ours.post(&format!("/keys/{RELEASED}/restore"), json!({ "id": ids[1] }).to_string()).await;
    restored.expect(200);
}

#[tokio::test]
async fn a_name_that_another_tenant_has_is_as_free_as_any() {
    let site = Site::new(&plan());
    let gateway = site.start().await;
    let ours = client(&gateway, "/v1", "acme");
    let before = ours.post("/keys", json!({ "name": OURS, "type": "ec-p256" }).to_string()).await;
    let private = private_jwk();

    for (contract, path, body) in [
        ("/webhook", "/keys", json!({ "key_id": "NAME", "key_type": "EC-P256" })),
        ("/remote-kms", "/keys", json!({ "kid": "NAME", "alg": "ES256" })),
        ("/remote-kms", "/keys/NAME/import", json!({ "privateJwk": private, "alg": "ES256" })),
        ("/v1", "/keys", json!({ "name": "NAME", "type": "ec-p256" })),
        ("/v1", "/keys/NAME/import", json!({ "private_jwk": private })),
    ] {
        let theirs = client(&gateway, contract, "other");
        let mut answers = Vec::new();
        for name in [OURS, MISSING] {
            let body = body.to_string().replace("NAME", name);
            answers.push(theirs.post(&path.replace("NAME", name), body).await);
            client(&gateway, "/v1", "other")
                .call(Method::DELETE, &format!("/keys/{name}"), "")
                .await
                .expect(204);
        }
        assert!(answers[0].status < 300, "{}", answers[0].text());
        assert_eq!(answers[0].status, answers[1].status, "{contract}{path}");
        assert_eq!(fields(&answers[0].json()), fields(&answers[1].json()), "{contract}{path}");
    }
    let after = ours.get(&format!("/keys/{OURS}")).await;
    assert_eq!(after.expect(200).json(), before.json());
}

/// Every endpoint that names a key that should be there.
fn endpoints() -> Vec<Endpoint> {
    let digest = Hash::Sha256.base64(b"m");
    let endpoint = |contract, method, path, body: Value, status| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Endpoint { contract, method, path, body, status }
    };
    let (post, delete, get) = (Method::POST, Method::DELETE, Method::GET);

    vec![
        endpoint(
            "/webhook",
            post.clone(),
            "/keys/NAME/sign",
            json!({ "digest": digest, "hash_algorithm": "SHA-256" }),
            404,
        ),
        endpoint("/webhook", post.clone(), "/keys/NAME/release", Value::Null, 404),
        endpoint(
            "/remote-kms",
            post.clone(),
            "/keys/NAME/sign",
            json!({ "data": "bQ==", "alg": "ES256" }),
            404,
        ),
        endpoint("/remote-kms", delete.clone(), "/keys/NAME", Value::Null, 204),
        endpoint("/v1", get, "/keys/NAME", Value::Null, 404),
        endpoint("/v1", delete, "/keys/NAME", Value::Null, 404),
        // Nobody here has the right to, whatever the name.
        endpoint("/v1", post.clone(), "/keys/NAME/register", json!({ "object": "NAME" }), 403),
        endpoint("/v1", post.clone(), "/keys/NAME/release", Value::Null, 404),
        endpoint("/v1", post.clone(), "/keys/NAME/restore", json!({ "id": "ID" }), 404),
        endpoint("/v1", post.clone(), "/keys/NAME/sign", json!({ "digest": digest }), 404),
        endpoint(
            "/v1",
            post.clone(),
            "/keys/NAME/verify",
            json!({ "digest": digest, "signature": "bQ==" }),
            404,
        ),
        endpoint("/v1", post, "/sign", json!({ "items": [{ "key": "NAME", "digest": digest }] }), 200),
    ]
}

async fn ask(client: &Client, endpoint: &Endpoint, name: &str, id: &str) -> Answer {
    let body = endpoint.body.replace("NAME", name).replace("ID\"", &format!("{id}\""));
    let path = endpoint.path.replace("NAME", name);

    // The same request id in both, so that whole answers can be compared.
    client.try_call(endpoint.method.clone(), &path, body, Some("one-request")).await.expect("an answer")
}

/// All that is sent but the time.
fn headers(answer: &Answer) -> HeaderMap {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    headers
}

fn fields(value: &Value) -> Vec<&String> {
    value.as_object().expect("an object").keys().collect()
}

/// A key-id that nobody has, of the same form.
fn missing_id(id: &str) -> String {
    let first = if id.starts_with('0') { '1' } else { '0' };

    format!("{first}{}", &id[1..])
}

fn client(gateway: &Gateway, contract: &str, tenant: &str) -> Client {
    gateway.server.client().with_token(&token_of(tenant)).with_base(contract)
}

fn plan() -> Plan {
    let mut plan = v1::plan();
    plan.sections.push("[contract.remote-kms]\n".to_owned());
    plan
}

/// The key of RFC 7515, appendix A.3.1.
fn private_jwk() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

/// Names of one length, so that answers that repeat them have one length, too.
const OURS: &str = "our-own-key";
const RELEASED: &str = "our-old-key";
const MISSING: &str = "no-such-key";
