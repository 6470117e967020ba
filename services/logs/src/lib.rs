//! CloudWatch Logs: log groups, log streams, the events in them, and finding them again.
//!
//! Other services write through the same trait as clients do ([`hearth_api::logs::Logs`]). It refuses what it cannot
//! honour: KMS keys, log group classes other than `STANDARD`, deletion protection, linked accounts.

mod chunk;
mod cursor;
mod filter_pattern;
mod model;
mod ops;
mod position;
mod scope;
mod search;
mod stored_bytes;
mod table;
mod target;
mod task;
#[cfg(test)]
mod tests;

pub use filter_pattern::{FilterPattern, InvalidFilterPattern};
pub use task::Handle;

use hearth_api::Grant;
use hearth_api::logs::*;
use hearth_base::{BoxFuture, Clock, Rng};
use hearth_store::Store;
use hearth_wire::Failure;
use position::Ids;
use scope::Scope;
use std::sync::Arc;
use stored_bytes::StoredBytes;
use table::Tables;
use target::Targets;
use tokio::sync::Notify;

/// What the service stands on.
pub struct Options {
    /// Where everything is kept. The keyspace `Logs` is this service's alone.
    pub store: Store,
    /// For creation and ingestion times, and for retention.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub rng: Arc<dyn Rng>,
}

/// The service. Clones are the same service.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    tables: Tables,
    clock: Arc<dyn Clock>,
    ids: Ids,
    targets: Targets,
    stored_bytes: StoredBytes,
    /// Told when something was deleted, so that the background task need not wait for its turn.
    deleted: Notify,
}

impl Service {
    /// The service over a store. [`Service::start`] makes it also remove what has expired or was deleted.
    pub fn open(options: Options) -> Self {
        let Options { store, clock, rng } = options;
        let inner = Inner {
            tables: Tables::new(store),
            clock,
            ids: Ids::new(rng),
            targets: Targets::default(),
            stored_bytes: StoredBytes::default(),
            deleted: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts the background work, on the runtime of the caller.
    pub fn start(&self) -> Handle {
        task::start(self.clone())
    }
}

/// Each operation is in the file of its name under `ops/`.
macro_rules! operations {
    ($($operation:ident: $input:ty => $output:ty;)*) => {
        impl Logs for Service {
            $(fn $operation<'a>(
                &'a self,
                grant: Grant,
                input: $input,
            ) -> BoxFuture<'a, Result<$output, Failure>> {
                Box::pin(async move { ops::$operation::run(&self.inner, &Scope::of(&grant), input).await })
            })*
        }
    };
}

operations! {
    create_log_group: CreateLogGroupRequest => ();
    create_log_stream: CreateLogStreamRequest => ();
    delete_log_group: DeleteLogGroupRequest => ();
    delete_log_stream: DeleteLogStreamRequest => ();
    delete_retention_policy: DeleteRetentionPolicyRequest => ();
    describe_log_groups: DescribeLogGroupsRequest => DescribeLogGroupsResponse;
    describe_log_streams: DescribeLogStreamsRequest => DescribeLogStreamsResponse;
    filter_log_events: FilterLogEventsRequest => FilterLogEventsResponse;
    get_log_events: GetLogEventsRequest => GetLogEventsResponse;
    list_tags_for_resource: ListTagsForResourceRequest => ListTagsForResourceResponse;
    list_tags_log_group: ListTagsLogGroupRequest => ListTagsLogGroupResponse;
    put_log_events: PutLogEventsRequest => PutLogEventsResponse;
    put_retention_policy: PutRetentionPolicyRequest => ();
    tag_log_group: TagLogGroupRequest => ();
    tag_resource: TagResourceRequest => ();
    untag_log_group: UntagLogGroupRequest => ();
    untag_resource: UntagResourceRequest => ();
}
