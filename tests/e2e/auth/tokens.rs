//! Tokens of a cluster's service accounts.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::issuer::{API_TOKEN, Cluster, ISSUER, claims};
use super::plan;
use crate::harness::{Authority, Gateway, Hash, Site, entries, eventually};

const JWT: &str = "jwt = { issuer = \"cluster\", subject = \"system:serviceaccount:spire:server\", \
                   claims = { \"/kubernetes.io/namespace\" = \"spire\" } }";

/// A site that trusts `cluster`, by way of its API server.
fn site(cluster: &Cluster, ca: &Authority) -> Site {
    let issuer = format!(
        "[[issuer]]\nname = \"cluster\"\naudiences = [\"keyport\"]\n\
         kubernetes = {{ api-server = \"{}\", ca = \"cluster.pem\", token-file = \"api-token\" }}\n",
        cluster.url
    );
    let site = Site::new(&plan(JWT, &issuer));
    site.write("cluster.pem", ca.pem());
    site.write("api-token", format!("{API_TOKEN}\n"));
    site
}

#[tokio::test]
async fn a_service_account_signs_with_the_token_that_its_cluster_gave_it() {
    let authority = Authority::new();
    let cluster = Cluster::new(&authority).await;
    let site = site(&cluster, &authority);
    let gateway = site.start().await;

    let webhook = gateway.webhook(&cluster.token(&json!({})));
    let key = webhook.create("x509-ca", "EC-P256").await;
    webhook.sign(&key, Hash::Sha256, b"an SVID").await;
    // The token is replaced now and then; it is the same caller.
    gateway.webhook(&cluster.token(&json!({ "jti": "another" }))).sign(&key, Hash::Sha256, b"one more").await;

    let signed = entries(&site.data()).into_iter().filter(|entry| entry.is("sign", "ok"));
    let callers: Vec<_> = signed.map(|entry| entry.text("caller").to_owned()).collect();
    assert_eq!(callers, ["workload", "workload"]);
    let asked = cluster.asked();
    assert_eq!(asked, ["GET /.well-known/openid-configuration HTTP/1.1", "GET /openid/v1/jwks HTTP/1.1"]);
}

#[tokio::test]
async fn an_api_server_that_another_authority_vouches_for_is_not_believed() {
    let cluster = Cluster::new(&Authority::new()).await;
    let site = site(&cluster, &Authority::new());
    let gateway = site.start().await;

    gateway.webhook(&cluster.token(&json!({}))).client.get("/keys").await.expect(401);
    assert!(gateway.logged().contains("its keys are not known"), "{}", gateway.logged());
    assert!(cluster.asked().is_empty(), "it was told something: {:?}", cluster.asked());
}

#[tokio::test]
async fn keys_may_be_in_a_file_and_one_that_is_missing_is_a_refusal_to_start() {
    let cluster = Cluster::new(&Authority::new()).await;
    let issuer = format!(
        "[[issuer]]\nname = \"cluster\"\nissuer = \"{ISSUER}\"\naudiences = [\"keyport\"]\njwks-file = \"keys.json\"\n"
    );
    let site = Site::new(&plan(JWT, &issuer));
    let ended = site.refuses().await;
    assert!(ended.stderr.contains("keys.json"), "{}", ended.stderr);

    site.write("keys.json", cluster.keys());
    let gateway = site.start().await;
    gateway.webhook(&cluster.token(&json!({}))).create("a", "EC-P256").await;
}

#[tokio::test]
async fn forgeries_are_refused_alike_and_counted_by_their_reason() {
    let authority = Authority::new();
    let (cluster, another) = (Cluster::new(&authority).await, Cluster::new(&authority).await);
    let gateway = site(&cluster, &authority).start().await;
    gateway.webhook(&cluster.token(&json!({}))).create("a", "EC-P256").await;

    for (token, reason) in [
        (unsigned(&json!({ "alg": "none", "kid": "of-the-cluster" })), "wrong_algorithm"),
        (with_public_key(&cluster), "wrong_algorithm"),
        (another.token(&json!({})), "bad_signature"),
        (cluster.token(&json!({ "aud": ["https://kubernetes.default.svc"] })), "wrong_audience"),
        (cluster.token(&json!({ "iss": "https://issuer.test" })), "unknown_issuer"),
        (cluster.token(&json!({ "exp": 1_600_000_000 })), "expired_token"),
        (cluster.token(&json!({ "nbf": 4_000_000_000_u64 })), "token_not_yet_valid"),
        (cluster.token(&json!({ "sub": "system:serviceaccount:spire:agent" })), "unknown_subject"),
        (cluster.token(&json!({ "kubernetes.io": { "namespace": "other" } })), "unknown_subject"),
        (cluster.token(&json!({ "padding": "x".repeat(8 * 1024) })), "token_too_long"),
    ] {
        let before = count(&gateway, reason).await;
        let answer = gateway.webhook(&token).client.get("/keys").await;

        assert_eq!(answer.expect(401).json()["error"], "not authenticated");
        assert!(!answer.text().contains(reason), "{}", answer.text());
        assert_eq!(count(&gateway, reason).await, before + 1, "{reason}");
        eventually(reason, async || gateway.logged().contains(reason).then_some(())).await;
    }
}

/// How many requests were refused for `reason`.
async fn count(gateway: &Gateway, reason: &str) -> u64 {
    let (_, page) = gateway.ask_admin("/metrics").await;
    let label = format!("keyport_unauthenticated_total{{contract=\"webhook\",reason=\"{reason}\"}} ");

    page.lines().find_map(|line| line.strip_prefix(&label)).map_or(0, |count| count.parse().unwrap())
}

fn unsigned(header: &Value) -> String {
    let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());

    format!("{}.{}.", part(header), part(&claims(&json!({}))))
}

/// Signed with a secret that everybody knows.
fn with_public_key(cluster: &Cluster) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("of-the-cluster".to_owned());

    encode(&header, &claims(&json!({})), &EncodingKey::from_secret(cluster.public().as_bytes())).unwrap()
}
