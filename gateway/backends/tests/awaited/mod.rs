//! What others bring about, waited for.

use std::time::Duration;

/// Waits until it is so; fails where that takes longer than anything here may, and says what was `heard` until then.
pub(crate) async fn until(is_so: impl Fn() -> bool, heard: impl Fn() -> Vec<String>) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };

    let came = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(came.is_ok(), "the service has not come so far: {:?}", heard());
}
