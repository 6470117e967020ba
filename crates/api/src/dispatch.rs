//! How the gateway calls a service without knowing it: by operation number and untyped values.

use crate::Grant;
use crate::authorisation::Authorisation;
use hearth_base::BoxFuture;
use hearth_wire::{Failure, Service, Value};

/// A service behind the gateway. Generated for each service around its trait.
pub trait Dispatch: Send + Sync + 'static {
    /// The service's tables.
    fn service(&self) -> &'static Service;

    /// What each operation of [`Service::operations`] needs leave for, in their order.
    fn authorisation(&self) -> &'static [Authorisation];

    /// Calls the operation with this index in [`Service::operations`]. `input` has been validated.
    fn call(&self, operation: usize, grant: Grant, input: Value) -> BoxFuture<'_, Result<Value, Failure>>;
}
