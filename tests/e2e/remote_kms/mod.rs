//! What contract `remote_kms` promises, of the real binary.

pub(crate) mod client;
mod example;
mod verifier;

use hyper::Method;
use serde_json::{Value, json};

use self::client::{RemoteKms, encoded, public_jwk};
use crate::harness::{Gateway, Plan, Site, digest_of, entries, eventually, hostile, keyport, token_of};

#[tokio::test]
async fn every_algorithm_verifies_with_jose_and_joserfc() {
    let site = Site::new(&plan(""));
    let gateway = site.start().await;
    let kms = remote_kms(&gateway, "acme");

    let signed = sign_with_every_algorithm(&kms).await;
    let all = format!("verified {}\n", signed.as_array().unwrap().len());
    if let Some(said) = verifier::jose(&signed).await {
        assert_eq!(said, all);
    }
    if let Some(said) = verifier::joserfc(&signed).await {
        assert_eq!(said, all);
    }
}

#[tokio::test]
async fn keys_live_through_a_restart_and_die_when_they_are_deleted() {
    let site = Site::new(&plan(""));
    let gateway = site.start().await;
    let kms = remote_kms(&gateway, "acme");
    let created = kms.create("ns/with slash+plus", "ES256").await;
    let imported = public_jwk(&kms.import("imp-1", &private_jwk()).await);
    assert_eq!([&imported["x"], &imported["y"]], [&private_jwk()["x"], &private_jwk()["y"]]);
    kms.delete("imp-1").await.expect(204);
    assert_eq!(gateway.stop().await.code(), Some(0));

    let gateway = site.start().await;
    let kms = remote_kms(&gateway, "acme");
    kms.ask_to_create("ns/with slash+plus", "ES256").await.expect(409);
    let jws = kms.jws("ns/with slash+plus", "ES256").await;
    let signed = json!([{"jwk": created, "alg": "ES256", "jws": jws}]);
    if let Some(said) = verifier::jose(&signed).await {
        assert_eq!(said, "verified 1\n");
    }
    let answer = kms.ask_to_sign("imp-1", "ES256", b"m").await;
    assert!(matches!(answer.status, 404 | 409), "{}", answer.text());
    gateway.stop().await;

    let verified = keyport(&[&"audit", &"verify", &site.data()]).await;
    assert_eq!(verified.code(), Some(0), "{verified:#?}");
    let entries = entries(&site.data());
    for operation in ["create", "import", "delete", "sign"] {
        assert!(entries.iter().any(|entry| entry.is(operation, "ok")), "no {operation}");
    }
    let private = private_jwk()["d"].as_str().unwrap().to_owned();
    assert!(entries.iter().all(|entry| !entry.0.to_string().contains(&private)));
}

#[tokio::test]
async fn a_deleted_key_is_destroyed_and_its_name_can_be_used_again() {
    let site = Site::new(&plan(""));
    let gateway = site.start().await;
    let kms = remote_kms(&gateway, "acme");

    let first = kms.create("a", "ES256").await;
    kms.delete("a").await.expect(204);
    kms.delete("a").await.expect(204);
    kms.delete("never-was").await.expect(204);
    assert_ne!(kms.create("a", "ES256").await["x"], first["x"]);
    eventually("the key to be destroyed", async || {
        entries(&site.data()).iter().any(|entry| entry.is("destroy", "ok")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_happens_to_a_name_that_is_taken_is_the_operators_choice() {
    let site = Site::new(&plan("on-duplicate = \"replace\""));
    let gateway = site.start().await;
    let kms = remote_kms(&gateway, "acme");

    let first = kms.create("a", "ES256").await;
    assert_ne!(kms.create("a", "ES256").await["x"], first["x"]);
    assert_eq!(public_jwk(&kms.import("a", &private_jwk()).await)["x"], private_jwk()["x"]);
}

#[tokio::test]
async fn another_tenants_keys_are_like_none() {
    let site = Site::new(&plan(""));
    let gateway = site.start().await;
    let (ours, theirs) = (remote_kms(&gateway, "acme"), remote_kms(&gateway, "other"));
    ours.create("a", "ES256").await;

    let foreign = theirs.ask_to_sign("a", "ES256", b"m").await;
    assert_eq!(foreign.expect(404).json(), json!({"error": "Key not found: a"}));
    theirs.delete("a").await.expect(204);
    ours.ask_to_sign("a", "ES256", b"m").await.expect(200);
    theirs.create("a", "ES256").await;

    ours.client.get("/health").await.expect(200);
    assert_eq!(theirs.client.get("/health").await.json(), json!({"ok": true, "keyCount": 1}));
    ours.client.without_token().get("/health").await.expect(401);
}

#[tokio::test]
async fn a_provider_that_may_not_import_allows_no_import() {
    let mut plan = plan("");
    plan.sections[0] = plan.sections[0].replace("\"import\", ", "");
    let site = Site::new(&plan);
    let gateway = site.start().await;
    let kms = remote_kms(&gateway, "acme");

    let refused = kms.import("imp-1", &private_jwk()).await;
    assert_eq!(refused.expect(405).header("allow"), Some(""));
    kms.ask_to_sign("imp-1", "ES256", b"m").await.expect(404);
    kms.create("imp-1", "ES256").await;
}

#[tokio::test]
async fn health_is_503_for_those_alone_whose_keys_a_sick_provider_has() {
    let mut plan = plan("");
    plan.sections.insert(0, hostile("sick", &[("mode", "panic-health")], "tenants = [\"acme\"]"));
    plan.sections[2] = plan.sections[2].replace("provider = \"soft\"", "provider = \"sick\"");
    let site = Site::new(&plan);
    let gateway = site.start().await;
    let (ours, theirs) = (remote_kms(&gateway, "acme"), remote_kms(&gateway, "other"));

    ours.create("a", "ES256").await;
    theirs.create("a", "ES256").await;

    let sick = ours.client.get("/health").await;
    assert_eq!(sick.expect(503).json(), json!({"error": "a dependency did not answer"}));
    theirs.client.get("/health").await.expect(200);
}

#[tokio::test]
async fn absurd_requests_are_refused_in_the_clients_words() {
    let site = Site::new(&plan(""));
    let gateway = site.start().await;
    let kms = remote_kms(&gateway, "acme");
    kms.create("a", "ES256").await;

    for kid in ["%00", "%", "%zz", "%ff", &encoded(&"k".repeat(1000)), ""] {
        let answer = kms.client.post(&format!("/keys/{kid}/sign"), r#"{"data":"AA=="}"#).await;
        assert_eq!(answer.status, 400, "{kid}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().starts_with("kid "), "{}", answer.text());
    }
    for kid in ["%2F", "%E2%9C%93", "a%2F..%2Fa"] {
        kms.client.post(&format!("/keys/{kid}/sign"), r#"{"data":"AA=="}"#).await.expect(404);
    }
    for (body, text) in [
        ("", "body: must be a JSON object"),
        ("[]", "body: must be a JSON object"),
        ("{}", "kid is required"),
        (r#"{"kid":"b","alg":"none"}"#, "Unsupported algorithm: none"),
    ] {
        let answer = kms.client.post("/keys", body).await;
        assert_eq!(answer.expect(400).json(), json!({"error": text}), "{body}");
    }
    kms.client.post("/keys/a/sign", vec![b'a'; 3 << 19]).await.expect(413);
    // Of what is far too long not all is read, so that the answer may be lost; the gateway goes on.
    if let Ok(answer) = kms.client.try_call(Method::POST, "/keys/a/sign", vec![b'a'; 10 << 20], None).await {
        answer.expect(413);
    }
    kms.ask_to_sign("a", "ES256", b"m").await.expect(200);
    kms.client.call(Method::PUT, "/keys/a", "").await.expect(405);
    for member in ["x", "y", "d"] {
        let mut jwk = private_jwk();
        jwk[member] = json!("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        let answer = kms.import("imp-1", &jwk).await;
        assert!(answer.expect(400).text().contains("privateJwk: "), "{}", answer.text());
    }
    kms.ask_to_sign("imp-1", "ES256", b"m").await.expect(404);
}

#[tokio::test]
async fn dev_serves_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;
    let client = gateway.server.client().with_token(&crate::dev::token(&data));
    let kms = RemoteKms::new(client.with_base("/remote-kms"));

    kms.create("a", "ES256").await;
    public_jwk(&kms.import("imp-1", &private_jwk()).await);
    kms.ask_to_sign("imp-1", "ES256", b"m").await.expect(200);
    assert_eq!(kms.client.get("/health").await.json(), json!({"ok": true, "keyCount": 2}));
    kms.delete("a").await.expect(204);
}

/// A signature by every algorithm, in the shape that the verifiers read.
async fn sign_with_every_algorithm(kms: &RemoteKms) -> Value {
    let mut signed = Vec::new();
    for alg in ["ES256", "ES384", "ES512", "EdDSA", "RS256"] {
        let jwk = kms.create(&format!("{alg}-active"), alg).await;
        assert!(["d", "use", "key_ops"].iter().all(|member| jwk.get(member).is_none()), "{jwk}");
        let same_key: &[&str] = match alg {
            "RS256" => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
            _ => &[alg],
        };
        for by in same_key {
            let jws = kms.jws(&format!("{alg}-active"), by).await;
            signed.push(json!({"jwk": jwk, "alg": by, "jws": jws}));
        }
    }
    let imported = public_jwk(&kms.import("imp-1", &private_jwk()).await);
    signed.push(json!({"jwk": imported, "alg": "ES256", "jws": kms.jws("imp-1", "ES256").await}));
    Value::Array(signed)
}

/// RFC 7515, appendix A.3.1, as the client sends it.
fn private_jwk() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
        "alg": "ES256",
    })
}

fn remote_kms(gateway: &Gateway, tenant: &str) -> RemoteKms {
    RemoteKms::new(gateway.server.client().with_token(&token_of(tenant)).with_base("/remote-kms"))
}

/// The embedded token for the tenants `acme` and `other`, whose callers may do what this contract offers. `settings`
/// are lines of its configuration.
fn plan(settings: &str) -> Plan {
    let provider = "[[provider]]\nname = \"soft\"\ncomponent = \"builtin:soft\"\n\n[[provider.grant]]\n\
         connection = \"embedded\"\nuses = [\"generate\", \"import\", \"public-key\", \"sign\", \"destroy\"]\n";
    let tenant = |name: &str| {
        format!(
            "[[tenant]]\nname = \"{name}\"\nprovider = \"soft\"\n\n[[tenant.caller]]\nname = \"wallet\"\n\
             tokens = [\"sha256:{}\"]\n\n[[tenant.caller.right]]\nkeys = [\"*\"]\n\
             may = [\"create\", \"delete\", \"import\", \"list\", \"release\", \"sign\"]\n",
            digest_of(token_of(name).as_bytes())
        )
    };
    let contract = format!("[contract.remote-kms]\n{settings}\n");

    Plan::of([provider.to_owned(), tenant("acme"), tenant("other"), contract])
}
