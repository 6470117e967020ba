//! The words every other crate uses: accounts, regions, ARNs, function references, ids, time and randomness,
//! and the limits AWS publishes.
//!
//! It refuses to do IO and to know any service.

pub mod account;
pub mod arn;
pub mod background;
pub mod clock;
pub mod function;
pub mod id;
pub mod limits;
pub mod region;
pub mod rng;
pub mod settling;
pub mod time;

pub use account::AccountId;
pub use arn::Arn;
pub use background::{Background, Running};
pub use clock::{AdvancingClock, Clock, SystemClock, VirtualClock};
pub use function::{FunctionReference, Qualifier};
pub use id::RequestId;
pub use region::Region;
pub use rng::{Rng, SeededRng, SystemRng};
pub use settling::Settling;
pub use time::Timestamp;

/// A boxed future that can move between threads: what the generated service traits return.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
