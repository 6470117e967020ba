//! Simple Queue Service: standard and FIFO queues, their messages, dead-letter queues and message move tasks.
//!
//! Messages lie in queues of [`hearth_store::queue`]; what is known of the queues themselves is in memory. Other services
//! send and receive through the same trait as clients do ([`hearth_api::sqs::Sqs`]). It refuses what it cannot honour:
//! KMS keys. Messages are encrypted at rest as far as the disk is, whatever `SqsManagedSseEnabled` says.

mod attributes;
mod batch;
mod claim;
mod digest;
mod failures;
mod handle;
mod message;
mod model;
mod naming;
mod ops;
mod outgoing;
mod permission;
mod redrive;
mod registry;
mod task;
#[cfg(test)]
mod tests;

pub use task::Handle;

use claim::Attempts;
use hearth_api::Grant;
use hearth_api::sqs::*;
use hearth_base::{BoxFuture, Clock, Rng};
use hearth_iam::ResourcePolicies;
use hearth_iam::policy::Document;
use hearth_store::Store;
use hearth_store::queue::{Claimers, QueueOptions, Queues};
use hearth_store::{Keyspace, Shard};
use hearth_wire::Failure;
use model::MoveTask;
use naming::QueueName;
use registry::{Registry, RegistryError};
use std::sync::Arc;
use task::Moves;
use tokio::sync::Notify;

/// What the service stands on.
pub struct Options {
    /// Where everything is kept, in the keyspace `Queues`.
    pub store: Store,
    /// For all times.
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
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    attempts: Attempts,
    moves: Moves,
    /// Told when there is something to do in the background.
    work: Notify,
}

impl Service {
    /// The service over a store, with all its queues. [`Service::start`] makes it also remove what has expired or was
    /// deleted, and move messages.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub async fn open(options: Options) -> Result<Self, RegistryError> {
        let Options { store, clock, rng } = options;
        let shard = Shard::new(Keyspace::Queues, "sqs");
        let queues = Queues::new(QueueOptions {
            store: store.clone(),
            shard: shard.clone(),
            name: "sqs",
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            claimers: Claimers::Elsewhere,
        });
        let moves =
            Moves::open(hearth_store::Table::<MoveTask>::new(store.clone(), shard.clone(), "sqs.move"))
                .await?;
        let registry = Registry::open(hearth_store::Table::new(store, shard, "sqs.queue"), queues).await?;
        let inner = Inner {
            registry: Arc::new(registry),
            clock,
            rng,
            attempts: Attempts::default(),
            moves,
            work: Notify::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Starts the background work, on the runtime of the caller.
    pub fn start(&self) -> Handle {
        task::start(self.clone())
    }
}

impl ResourcePolicies for Service {
    fn policy(&self, resource_arn: &str) -> Option<Arc<Document>> {
        self.inner.registry.find(&QueueName::of_arn(resource_arn)?)?.policy
    }

    fn tags(&self, resource_arn: &str) -> Vec<(String, String)> {
        let found = QueueName::of_arn(resource_arn).and_then(|name| self.inner.registry.find(&name));
        found.map(|found| found.record.tags.clone().into_iter().collect()).unwrap_or_default()
    }
}

/// Each operation is in the file of its name under `ops/`.
macro_rules! operations {
    ($($operation:ident: $input:ty => $output:ty;)*) => {
        impl Sqs for Service {
            $(fn $operation<'a>(
                &'a self,
                grant: Grant,
                input: $input,
            ) -> BoxFuture<'a, Result<$output, Failure>> {
                Box::pin(async move { ops::$operation::run(&self.inner, &grant, input).await })
            })*
        }
    };
}

operations! {
    add_permission: AddPermissionRequest => ();
    cancel_message_move_task: CancelMessageMoveTaskRequest => CancelMessageMoveTaskResult;
    change_message_visibility: ChangeMessageVisibilityRequest => ();
    change_message_visibility_batch: ChangeMessageVisibilityBatchRequest => ChangeMessageVisibilityBatchResult;
    create_queue: CreateQueueRequest => CreateQueueResult;
    delete_message: DeleteMessageRequest => ();
    delete_message_batch: DeleteMessageBatchRequest => DeleteMessageBatchResult;
    delete_queue: DeleteQueueRequest => ();
    get_queue_attributes: GetQueueAttributesRequest => GetQueueAttributesResult;
    get_queue_url: GetQueueUrlRequest => GetQueueUrlResult;
    list_dead_letter_source_queues: ListDeadLetterSourceQueuesRequest => ListDeadLetterSourceQueuesResult;
    list_message_move_tasks: ListMessageMoveTasksRequest => ListMessageMoveTasksResult;
    list_queue_tags: ListQueueTagsRequest => ListQueueTagsResult;
    list_queues: ListQueuesRequest => ListQueuesResult;
    purge_queue: PurgeQueueRequest => ();
    receive_message: ReceiveMessageRequest => ReceiveMessageResult;
    remove_permission: RemovePermissionRequest => ();
    send_message: SendMessageRequest => SendMessageResult;
    send_message_batch: SendMessageBatchRequest => SendMessageBatchResult;
    set_queue_attributes: SetQueueAttributesRequest => ();
    start_message_move_task: StartMessageMoveTaskRequest => StartMessageMoveTaskResult;
    tag_queue: TagQueueRequest => ();
    untag_queue: UntagQueueRequest => ();
}
