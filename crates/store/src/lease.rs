//! The rules of ownership, the same for every engine: who may acquire a shard and which fence is good.
//!
//! It refuses to store anything; engines keep one [`Lease`] a shard and change it in their own transactions.

use crate::{Fence, LeaseError, Shard};
use hearth_base::Timestamp;
use std::time::Duration;

/// Who owns a shard. Kept after a release too, so that tokens only ever grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub token: u64,
    /// `None` once released.
    pub owner: Option<String>,
    pub expires: Timestamp,
}

/// A change of ownership that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub shard: Shard,
    pub act: Act,
    pub now: Timestamp,
}

/// What kind of change.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Acquire { owner: String, ttl: Duration },
    Renew { token: u64, ttl: Duration },
    Release { token: u64 },
}

impl Change {
    /// The lease after this change, or why it is refused.
    pub fn apply(&self, current: Option<&Lease>) -> Result<Lease, LeaseError> {
        let lost = || LeaseError::Lost { shard: self.shard.clone() };
        let owned_by = |token| current.filter(|_| is_current(current, token)).ok_or_else(lost);
        match &self.act {
            Act::Acquire { owner, ttl } => {
                if let Some(Lease { owner: Some(holder), expires, .. }) = current
                    && holder != owner
                    && self.now < *expires
                {
                    return Err(LeaseError::Held {
                        shard: self.shard.clone(),
                        owner: holder.clone(),
                        expires: *expires,
                    });
                }
                let token = current.map_or(1, |lease| lease.token + 1);
                Ok(Lease { token, owner: Some(owner.clone()), expires: self.now.after(*ttl) })
            }
            Act::Renew { token, ttl } => {
                Ok(Lease { expires: self.now.after(*ttl), ..owned_by(*token)?.clone() })
            }
            Act::Release { token } => Ok(Lease { owner: None, ..owned_by(*token)?.clone() }),
        }
    }
}

/// Whether a token is the one of the shard's present owner.
pub(crate) fn is_current(current: Option<&Lease>, token: u64) -> bool {
    current.is_some_and(|lease| lease.token == token && lease.owner.is_some())
}

/// The fence that stands for a lease.
pub(crate) fn fence(shard: Shard, lease: &Lease) -> Fence {
    Fence { shard, token: lease.token, expires: lease.expires }
}
