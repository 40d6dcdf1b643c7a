//! Waiting for the thing itself, and never for ever.

use std::future::Future;
use std::time::Duration;

/// The answer of `work`, which must come in time.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, Box::pin(work)).await {
        Ok(answer) => answer,
        Err(_late) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// What `look` finds, as soon as it finds something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await
}

/// The longest that anything may take; far more than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(10);
