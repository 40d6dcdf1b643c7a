//! The admin listener: what operators read, and that they cannot change anything there.

use hyper::Method;
use serde_json::Value;

use crate::harness::{Hash, Plan, Server, Site, eventually, hostile, soft, tenant, token_of};

#[tokio::test]
async fn health_readiness_and_metrics_can_be_read() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("metrics", "EC-P256").await;
    webhook.sign(&key, Hash::Sha256, b"m").await;
    webhook.client.without_token().get("/keys").await.expect(401);

    assert_eq!(gateway.ask_admin("/healthz").await.0, 200);
    let (status, body) = gateway.ask_admin("/readyz").await;
    assert_eq!(status, 200, "{body}");
    let ready: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(ready["ready"], true);
    assert_eq!(ready["audit_writable"], true);
    assert_eq!(ready["providers"][0]["name"], "soft");

    let (status, page) = gateway.ask_admin("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "keyport_requests_total{contract=\"webhook\",operation=\"sign\",outcome=\"ok\"} 1",
        "keyport_requests_total{contract=\"webhook\",operation=\"create\",outcome=\"ok\"} 1",
        "keyport_audit_writable 1",
        "keyport_unauthenticated_total{contract=\"webhook\",reason=\"no_credential\"} 1",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    for secret in ["acme", "metrics\""] {
        assert!(!page.contains(secret), "tenants, callers and keys are never labels:\n{page}");
    }
}

#[tokio::test]
async fn nothing_can_be_changed_there() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let admin = Server::plain(gateway.admin).client();

    for method in [Method::POST, Method::PUT, Method::DELETE] {
        for path in ["/healthz", "/readyz", "/metrics"] {
            admin.call(method.clone(), path, "").await.expect(405);
        }
    }
    for path in ["/", "/webhook/keys", "/metrics/", "/../healthz"] {
        admin.get(path).await.expect(404);
    }
}

#[tokio::test]
async fn readiness_depends_on_the_providers_that_are_required() {
    for (required, status) in [(false, 200), (true, 503)] {
        let site = Site::new(&Plan::of([
            soft("soft"),
            hostile("sick", &[("mode", "panic-health")], &format!("required = {required}")),
            tenant("acme", "soft"),
        ]));
        let gateway = site.start().await;

        let body = eventually("a probe of both", async || {
            let (answered, body) = gateway.ask_admin("/readyz").await;
            (answered == status && body.contains("sick")).then_some(body)
        })
        .await;
        let ready: Value = serde_json::from_str(&body).unwrap();
        let providers = ready["providers"].as_array().unwrap();
        let healthy = |name: &str| {
            providers.iter().find(|provider| provider["name"] == name).unwrap()["healthy"].clone()
        };
        assert_eq!(healthy("sick"), false);
        assert_eq!(healthy("soft"), true);

        // Another's ill health is not ours.
        gateway.webhook(&token_of("acme")).create("well", "EC-P256").await;
    }
}
