//! The front door: a connection's requests, each to the service it is for, authenticated, authorised and dispatched.
//!
//! The way of a request: [`serve`](Gateway::serve) accepts → `exchange` gives it an id → `recognise` finds the service
//! → `hearth_iam` believes the caller → `inbound` reads the body within its bound → the protocol decodes → `hearth_iam`
//! grants → the service answers → the protocol encodes → `outbound` sends.
//!
//! It names no operation but in the tables of body bounds and of what may be unsigned, stores nothing, and refuses
//! everything else that is unsigned, except below `/_hearth/` and certificates ([`local`]).

mod browser;
mod exchange;
mod inbound;
mod limits;
mod listen;
pub mod local;
mod outbound;
mod recognise;
#[cfg(test)]
mod tests;
mod unabandoned;
mod unsigned;
pub mod urls;

pub use limits::Limits;
pub use local::{Audience, LocalRequest, LocalRoute, LocalRoutes};
pub use urls::{Admission, FunctionUrls, Signer, UrlRequest};

use hearth_api::Dispatch;
use hearth_base::{Clock, Rng};
use hearth_iam::Authority;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a gateway stands on.
pub struct Options {
    /// The services behind it.
    pub services: Vec<Arc<dyn Dispatch>>,
    /// Who callers are and what they may do.
    pub authority: Arc<Authority>,
    /// The time on answers.
    pub clock: Arc<dyn Clock>,
    /// Makes request ids.
    pub rng: Arc<dyn Rng>,
    /// What is served below `/_hearth/`.
    pub local: Vec<LocalRoute>,
    /// What stands behind function URLs, if anything does.
    pub urls: Option<Arc<dyn FunctionUrls>>,
    /// Names under which browsers may reach this server, beside addresses, `localhost` and its subdomains.
    pub hosts: Vec<String>,
    /// The bounds.
    pub limits: Limits,
}

/// The front door.
pub struct Gateway {
    services: Vec<Arc<dyn Dispatch>>,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    local: Vec<LocalRoute>,
    urls: Option<Arc<dyn FunctionUrls>>,
    hosts: Vec<String>,
    limits: Limits,
    /// One permit for each request under way, whether its client still waits or not.
    requests: Arc<Semaphore>,
    /// One permit for each KiB of large bodies being read.
    buffers: Semaphore,
}

impl Gateway {
    /// A gateway; it serves nothing until it is given connections.
    pub fn new(options: Options) -> Arc<Self> {
        let Options { services, authority, clock, rng, local, urls, hosts, limits } = options;
        let requests = Arc::new(Semaphore::new(limits.requests_max));
        let buffers = Semaphore::new(limits.buffers_kib_max);
        Arc::new(Self { services, authority, clock, rng, local, urls, hosts, limits, requests, buffers })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.services.iter().map(|dispatch| dispatch.service().name).collect();
        f.debug_struct("Gateway")
            .field("services", &names)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
