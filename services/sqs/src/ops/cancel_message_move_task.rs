//! CancelMessageMoveTask.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CancelMessageMoveTask.html>

use super::start_message_move_task::queue_of;
use crate::Inner;
use crate::failures::{invalid_value, required};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_api::Grant;
use hearth_api::sqs::{CancelMessageMoveTaskRequest, CancelMessageMoveTaskResult, errors};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: CancelMessageMoveTaskRequest,
) -> Result<CancelMessageMoveTaskResult, Failure> {
    let handle = required(input.task_handle, "TaskHandle")?;
    let json = STANDARD.decode(&handle).ok();
    let json: Option<serde_json::Value> = json.and_then(|json| serde_json::from_slice(&json).ok());
    let text = |name: &str| json.as_ref().and_then(|json| json.get(name)?.as_str());
    let (Some(id), Some(arn)) = (text("taskId"), text("sourceArn")) else {
        return Err(invalid_value(&handle, "TaskHandle", "The task handle is invalid."));
    };
    let source = queue_of(inner, grant, arn)?;
    let moved = inner.moves.cancel(&source.name, id).ok_or_else(|| {
        errors::resource_not_found("Task does not exist or is not in a state that can be cancelled.")
    })?;
    inner.work.notify_one();
    Ok(CancelMessageMoveTaskResult { approximate_number_of_messages_moved: i64::try_from(moved).ok() })
}
