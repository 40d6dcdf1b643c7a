//! A call to the service, on the runtime where the backend was opened: not on a guest's small stack, nor at its low priority.

use std::pin::Pin;
use std::task::{Context, Poll};

use keyport_core::{Failure, FailureKind};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A call that ends with its future.
pub(super) struct Exchange<T>(JoinHandle<Result<T, Failure>>);

impl<T: Send + 'static> Exchange<T> {
    pub(super) fn begin(
        runtime: &Handle,
        call: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Self {
        Self(runtime.spawn(call))
    }
}

impl<T> Future for Exchange<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|ended| {
            ended.unwrap_or_else(|broken| Err(Failure::new(FailureKind::Internal, broken.to_string())))
        })
    }
}

impl<T> Drop for Exchange<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
