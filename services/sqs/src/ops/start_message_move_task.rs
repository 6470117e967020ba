//! StartMessageMoveTask.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>

use crate::failures::{invalid, invalid_value, missing, of_queue, storage};
use crate::model::{MoveStatus, MoveTask};
use crate::naming::QueueName;
use crate::registry::Found;
use crate::{Inner, redrive};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_api::Grant;
use hearth_api::sqs::{StartMessageMoveTaskRequest, StartMessageMoveTaskResult, errors};
use hearth_wire::Failure;

/// Messages that a task may be told to move in a second.
const RATE_MAX: i64 = 500;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: StartMessageMoveTaskRequest,
) -> Result<StartMessageMoveTaskResult, Failure> {
    let source_arn = input.source_arn.ok_or_else(|| missing("SourceArn"))?;
    let source = queue_of(inner, grant, &source_arn)?;
    if let Some(rate) = input.max_number_of_messages_per_second.filter(|rate| !(1..=RATE_MAX).contains(rate))
    {
        let reason = format!("Must be between 1 and {RATE_MAX}, if provided.");
        return Err(invalid_value(rate, "MaxNumberOfMessagesPerSecond", &reason));
    }
    if let Some(destination) = &input.destination_arn {
        let destination = queue_of(inner, grant, destination)?;
        if destination.name == source.name {
            return Err(invalid("Source queue arn and destination queue arn cannot be the same."));
        }
        if destination.record.settings.fifo != source.record.settings.fifo {
            return Err(invalid("Source queue and destination queue must be of the same type."));
        }
    }
    if redrive::sources(&inner.registry, &source.name).is_empty() {
        return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
    }
    if inner.moves.running_of(&source.name).is_some() {
        return Err(invalid(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ));
    }
    let counts = source.queue.counts(std::time::Duration::ZERO).await.map_err(of_queue)?;
    let task = MoveTask {
        id: hearth_base::id::uuid(&*inner.rng),
        source_arn,
        destination_arn: input.destination_arn,
        messages_per_second_max: input
            .max_number_of_messages_per_second
            .and_then(|rate| rate.try_into().ok()),
        started: inner.clock.now(),
        status: MoveStatus::Running,
        moved: 0,
        to_move: counts.ready as u64,
        failure: None,
    };
    let handle = task_handle(&task);
    inner.moves.begin(&source.name, task).await.map_err(|error| storage(&error))?;
    inner.work.notify_one();
    Ok(StartMessageMoveTaskResult { task_handle: Some(handle) })
}

/// The queue of an ARN of the caller's own.
pub fn queue_of(inner: &Inner, grant: &Grant, arn: &str) -> Result<Found, Failure> {
    let name = QueueName::of_arn(arn)
        .ok_or_else(|| invalid("You must use this format to specify the SourceArn: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"))?;
    let own = name.account == grant.account().as_str() && name.region == grant.region().as_str();
    let found = inner.registry.find(&name).filter(|_| own);
    found.ok_or_else(|| {
        errors::resource_not_found(
            "The resource that you specified for the SourceArn parameter doesn't exist.",
        )
    })
}

/// What names a task to clients: opaque, and of this queue.
pub fn task_handle(task: &MoveTask) -> String {
    STANDARD.encode(serde_json::json!({"taskId": task.id, "sourceArn": task.source_arn}).to_string())
}
