//! Waiting for the thing itself, and never for ever.

use std::future::Future;
use std::time::Duration;

/// The answer of `work`, which must come in time.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    within_a(PATIENCE, what, Box::pin(work)).await
}

/// What `look` finds, as soon as it finds something.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    Box::pin(eventually_in(PATIENCE, what, look)).await
}

/// The same for what may take another time.
pub(crate) async fn eventually_in<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let found = Box::pin(async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });

    within_a(patience, what, found).await
}

async fn within_a<T>(patience: Duration, what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(patience, work).await {
        Ok(answer) => answer,
        Err(_late) => panic!("waited {patience:?} for {what}"),
    }
}

/// The longest that anything may take; far more than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(10);
