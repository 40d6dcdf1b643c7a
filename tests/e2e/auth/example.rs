//! The example for SPIRL: its configuration, and what a trust domain server asks of a gateway that runs on it.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::json;
use tokio::process::Command;

use super::issuer::{API_TOKEN, Cluster};
use crate::harness::{Authority, Gateway, Hash, KEYPORT, Plan, Site};

#[tokio::test]
async fn the_example_for_spirl_serves_a_trust_domain_server_by_its_service_account() {
    let authority = Authority::new();
    let cluster = Cluster::new(&authority).await;
    let site = Site::new(&Plan::soft());
    site.write("keyport.toml", std::fs::read_to_string(example()).unwrap());
    site.write("cluster.pem", authority.pem());
    site.write("api-token", API_TOKEN);
    let gateway = serve(&site, &cluster).await;

    let subject = "system:serviceaccount:spirl-system:trust-domain-server";
    let audience = "https://kubernetes.default.svc.cluster.local";
    let server = gateway.webhook(&cluster.token(&json!({ "aud": [audience], "sub": subject })));
    assert!(server.list().await.is_empty());
    let key = server.create("signing-key-2026-01", "EC-P256").await;
    server.sign(&key, Hash::Sha256, b"an SVID").await;
    assert_eq!(server.list().await, [key]);

    let another =
        cluster.token(&json!({ "aud": [audience], "sub": "system:serviceaccount:spirl-system:agent" }));
    gateway.webhook(&another).client.get("/keys").await.expect(401);
}

async fn serve(site: &Site, cluster: &Cluster) -> Gateway {
    let variables = HashMap::from([
        ("KEYPORT_ADMIN", "127.0.0.1:0"),
        ("KEYPORT_LISTEN", "127.0.0.1:0"),
        ("KUBERNETES_API", &cluster.url),
        ("KUBERNETES_CA", "cluster.pem"),
        ("KUBERNETES_TOKEN", "api-token"),
    ]);
    let mut command = Command::new(KEYPORT);
    command.args(["serve", "--config"]).arg(site.path("keyport.toml")).envs(variables);

    site.run(command).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
}

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/spirl/keyport.toml")
}
