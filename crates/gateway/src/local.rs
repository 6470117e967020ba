//! What is served below `/_hearth/` without a signature: health, reset, downloads by a URL that is itself the secret. And
//! the certificates that messages of SNS are checked with, where AWS has them.
//!
//! Who may come is decided here, before the route is asked; what is answered is the route's own.

use hearth_base::BoxFuture;
use hearth_iam::Origin;
use hearth_wire::{Request, Response};
use http::HeaderMap;
use std::sync::Arc;

/// The path below which nothing is AWS's.
pub const PREFIX: &str = "/_hearth/";
/// How the paths of SNS's certificates begin.
pub const CERTIFICATES: &str = "/SimpleNotificationService-";
/// A header of every request that SNS sends to endpoints.
const OF_SUBSCRIPTIONS: &str = "x-amz-sns-message-type";
/// Bytes of a body sent there.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// Who may come to a local route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Programs on this machine.
    Machine,
    /// Programs on this and other machines, but no user code in an environment.
    Network,
    /// User code too.
    Everyone,
}

impl Audience {
    pub(crate) fn admits(self, origin: Origin) -> bool {
        match origin {
            Origin::Loopback => true,
            Origin::Network => self != Self::Machine,
            Origin::Environment => self == Self::Everyone,
        }
    }
}

/// A part of the paths below [`PREFIX`].
#[derive(Clone)]
pub struct LocalRoute {
    /// Begins with [`PREFIX`], or is [`CERTIFICATES`]. With a slash or a hyphen at its end it stands for everything that
    /// begins so, else for itself.
    pub path: &'static str,
    /// Who may come.
    pub audience: Audience,
    /// What answers.
    pub routes: Arc<dyn LocalRoutes>,
}

impl LocalRoute {
    pub(crate) fn covers(&self, path: &str) -> bool {
        if self.path.ends_with(['/', '-']) { path.starts_with(self.path) } else { path == self.path }
    }
}

/// Whether a path is one of local routes.
pub(crate) fn is_local(path: &str) -> bool {
    path.starts_with(PREFIX) || path.starts_with(CERTIFICATES)
}

/// From where a request comes, in truth: what SNS posts comes from this machine, but for the sake of whoever subscribed the
/// URL, who may be no more than code in an environment.
pub(crate) fn true_origin(origin: Origin, headers: &HeaderMap) -> Origin {
    if headers.contains_key(OF_SUBSCRIPTIONS) { Origin::Environment } else { origin }
}

/// Answers local requests.
pub trait LocalRoutes: Send + Sync + 'static {
    /// Answers a request for a path of its own; `None` is answered with 404.
    fn handle<'a>(&'a self, local: &'a LocalRequest) -> Option<BoxFuture<'a, Response>>;
}

/// A request below [`PREFIX`].
#[derive(Debug)]
pub struct LocalRequest {
    /// The request; its body is at most 1 MiB.
    pub request: Request,
    /// Where it comes from.
    pub origin: Origin,
}
