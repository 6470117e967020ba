//! Services that can be replaced under a running gateway: what `POST /_hearth/reset` needs.
//!
//! Only `--ephemeral` servers pay for it: the services of any other stand directly behind the gateway.

use hearth_api::authorisation::Authorisation;
use hearth_api::{Dispatch, Grant};
use hearth_base::BoxFuture;
use hearth_wire::{Failure, Service, Value};
use std::sync::{Arc, PoisonError, RwLock};

/// A dispatch whose service can be exchanged for another of the same kind.
pub struct Replaceable {
    service: &'static Service,
    authorisation: &'static [Authorisation],
    current: RwLock<Arc<dyn Dispatch>>,
}

impl Replaceable {
    /// Begins with `first`.
    pub fn new(first: Arc<dyn Dispatch>) -> Self {
        Self { service: first.service(), authorisation: first.authorisation(), current: RwLock::new(first) }
    }

    /// Later calls go to `next`; those under way finish where they began.
    pub fn replace(&self, next: Arc<dyn Dispatch>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl Dispatch for Replaceable {
    fn service(&self) -> &'static Service {
        self.service
    }

    fn authorisation(&self) -> &'static [Authorisation] {
        self.authorisation
    }

    fn call(&self, operation: usize, grant: Grant, input: Value) -> BoxFuture<'_, Result<Value, Failure>> {
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        Box::pin(async move { current.call(operation, grant, input).await })
    }
}
