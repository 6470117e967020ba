//! ListMessageMoveTasks.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html>

use super::start_message_move_task::{queue_of, task_handle};
use crate::Inner;
use crate::batch::some;
use crate::failures::{invalid_value, missing, storage};
use crate::model::{MoveStatus, MoveTask};
use crate::task::TASKS_MAX;
use hearth_api::Grant;
use hearth_api::sqs::{
    ListMessageMoveTasksRequest, ListMessageMoveTasksResult, ListMessageMoveTasksResultEntry,
};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: ListMessageMoveTasksRequest,
) -> Result<ListMessageMoveTasksResult, Failure> {
    let arn = input.source_arn.ok_or_else(|| missing("SourceArn"))?;
    let source = queue_of(inner, grant, &arn)?;
    let limit = input.max_results.unwrap_or(1);
    let limit =
        usize::try_from(limit).ok().filter(|limit| (1..=TASKS_MAX).contains(limit)).ok_or_else(|| {
            invalid_value(limit, "MaxResults", &format!("Value must be between 1 and {TASKS_MAX}."))
        })?;
    let tasks = inner.moves.latest(&source.name, limit).await.map_err(|error| storage(&error))?;
    Ok(ListMessageMoveTasksResult { results: some(tasks.into_iter().map(entry).collect()) })
}

/// AWS: only a task that runs has a handle, since only such a one can be cancelled.
fn entry(task: MoveTask) -> ListMessageMoveTasksResultEntry {
    let number = |count: u64| i64::try_from(count).ok();
    ListMessageMoveTasksResultEntry {
        task_handle: (task.status == MoveStatus::Running).then(|| task_handle(&task)),
        status: Some(task.status.as_str().to_owned()),
        source_arn: Some(task.source_arn),
        destination_arn: task.destination_arn,
        max_number_of_messages_per_second: task.messages_per_second_max.map(i64::from),
        approximate_number_of_messages_moved: number(task.moved),
        approximate_number_of_messages_to_move: number(task.to_move),
        failure_reason: task.failure,
        started_timestamp: Some(task.started.millis()),
    }
}
