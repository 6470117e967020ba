//! CloudWatch Logs: log groups, log streams, the events in them, and finding them again.
//!
//! Other services write through the same trait as clients do ([`hearth_api::logs::Logs`]). It refuses what it cannot
//! honour: KMS keys, log group classes other than `STANDARD`, deletion protection, linked accounts.

mod chunk;
mod cursor;
mod filter_pattern;
mod model;
mod ops;
mod policies;
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
use hearth_iam::ResourcePolicies;
use hearth_iam::policy::Document;
use hearth_store::Store;
use hearth_store::records::RecordError;
use hearth_wire::Failure;
use policies::Policies;
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
    policies: Policies,
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
            policies: Policies::default(),
            targets: Targets::default(),
            stored_bytes: StoredBytes::default(),
            deleted: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Reads the resource policies, by which is decided who may write. To be called before the first request.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub async fn read_policies(&self) -> Result<(), RecordError> {
        self.inner.policies.read(&self.inner.tables.policies).await
    }

    /// Starts the background work, on the runtime of the caller.
    pub fn start(&self) -> Handle {
        task::start(self.clone())
    }
}

impl ResourcePolicies for Service {
    fn policy(&self, resource_arn: &str) -> Option<Arc<Document>> {
        self.inner.policies.of_arn(resource_arn)
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
    delete_resource_policy: DeleteResourcePolicyRequest => ();
    delete_retention_policy: DeleteRetentionPolicyRequest => ();
    describe_log_groups: DescribeLogGroupsRequest => DescribeLogGroupsResponse;
    describe_log_streams: DescribeLogStreamsRequest => DescribeLogStreamsResponse;
    describe_resource_policies: DescribeResourcePoliciesRequest => DescribeResourcePoliciesResponse;
    filter_log_events: FilterLogEventsRequest => FilterLogEventsResponse;
    get_log_events: GetLogEventsRequest => GetLogEventsResponse;
    list_tags_for_resource: ListTagsForResourceRequest => ListTagsForResourceResponse;
    list_tags_log_group: ListTagsLogGroupRequest => ListTagsLogGroupResponse;
    put_log_events: PutLogEventsRequest => PutLogEventsResponse;
    put_resource_policy: PutResourcePolicyRequest => PutResourcePolicyResponse;
    put_retention_policy: PutRetentionPolicyRequest => ();
    tag_log_group: TagLogGroupRequest => ();
    tag_resource: TagResourceRequest => ();
    untag_log_group: UntagLogGroupRequest => ();
    untag_resource: UntagResourceRequest => ();
}
