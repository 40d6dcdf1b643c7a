//! The gateway's own work, now and then.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use keyport_core::Gateway;
use keyport_core::outside::Outside;
use tokio::task::JoinSet;

/// Starts it. It goes on until the answer is dropped.
pub(super) fn start(gateway: &Arc<Gateway>, outside: &Outside) -> JoinSet<()> {
    let mut routine = JoinSet::new();
    routine.spawn(every(REAP, outside.clone(), {
        let gateway = Arc::clone(gateway);
        move || reap(Arc::clone(&gateway))
    }));
    routine.spawn(every(PROBE, outside.clone(), {
        let gateway = Arc::clone(gateway);
        move || {
            let gateway = Arc::clone(&gateway);
            async move { gateway.probe().await }
        }
    }));
    routine
}

async fn every<F: Future<Output = ()> + Send>(
    pause: Duration,
    outside: Outside,
    round: impl Fn() -> F + Send,
) {
    loop {
        outside.clock.sleep_until(outside.clock.now() + pause).await;
        round().await;
    }
}

async fn reap(gateway: Arc<Gateway>) {
    if let Err(error) = gateway.reap().await {
        tracing::warn!(error = %error.detail(), "a round of the reaper did not begin");
    }
}

const PROBE: Duration = Duration::from_secs(15);
const REAP: Duration = Duration::from_secs(5);
