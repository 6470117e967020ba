//! A handler that goes on when its client has gone.
//!
//! AWS runs to its end what it has accepted, whether or not the client waits for the answer. A handler is polled on its
//! connection's task as long as the client is there, so that a request costs no task of its own; only when the connection
//! drops it does it move to one.

use hearth_base::BoxFuture;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// A future that is spawned, not cancelled, when it is dropped unfinished.
pub(crate) struct Unabandoned<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> Unabandoned<T> {
    pub(crate) fn new(handler: BoxFuture<'static, T>) -> Self {
        Self(Some(handler))
    }
}

impl<T: Send + 'static> Future for Unabandoned<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(handler) = &mut self.0 else { return Poll::Pending };
        let polled = handler.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Unabandoned<T> {
    fn drop(&mut self) {
        // Outside a runtime there is nowhere to go on: the server has stopped.
        if let (Some(handler), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(handler);
        }
    }
}
