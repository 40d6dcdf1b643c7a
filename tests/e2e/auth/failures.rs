//! Failures that come again and again.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::{Plan, Site, Webhook, token_of};

#[tokio::test]
async fn who_fails_again_and_again_waits_and_nobody_else_does() {
    let gateway = Site::new(&Plan::soft()).start().await;
    let (wrong, right) = (gateway.webhook("wrong"), gateway.webhook(&token_of("acme")));

    let took = async |webhook: &Webhook, times: u32, status: u16| {
        let begin = Instant::now();
        for _ in 0..times {
            webhook.client.get("/keys").await.expect(status);
        }
        begin.elapsed()
    };
    took(&wrong, 12, 401).await;

    let (failing, succeeding) = tokio::join!(took(&wrong, 2, 401), took(&right, 2, 200));
    assert!(failing >= Duration::from_millis(500), "{failing:?}");
    assert!(succeeding < failing, "{succeeding:?} and {failing:?}");
}
