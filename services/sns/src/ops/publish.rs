//! Publish.
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

use crate::Inner;
use crate::failures::{invalid, unsupported};
use crate::naming::TopicName;
use crate::outgoing::{Draft, publish};
use hearth_api::Grant;
use hearth_api::sns::{PublishInput, PublishResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: PublishInput) -> Result<PublishResponse, Failure> {
    if input.phone_number.is_some() {
        return Err(unsupported("PhoneNumber: text messages"));
    }
    let (arn, parameter) = match (input.topic_arn, input.target_arn) {
        (Some(arn), None) => (arn, "TopicArn"),
        (None, Some(arn)) => (arn, "TargetArn"),
        (None, None) => return Err(invalid("TopicArn or TargetArn Reason: no value for required parameter")),
        (Some(_), Some(_)) => return Err(invalid("Only one of TopicArn and TargetArn may be given")),
    };
    if arn.contains(":endpoint/") {
        return Err(unsupported("TargetArn: endpoints of mobile applications"));
    }
    let name = TopicName::of_request(grant, Some(&arn), parameter)?;
    let topic = inner.registry.known(&name)?;
    let draft = Draft {
        message: input.message,
        subject: input.subject,
        structure: input.message_structure,
        attributes: input.message_attributes,
        group: input.message_group_id,
        deduplication: input.message_deduplication_id,
    };
    let message = draft.check(inner, (grant, &topic))?;
    let published = publish(&topic, vec![message]).await?.pop();
    let (message_id, sequence_number) =
        published.map_or((None, None), |published| (Some(published.id), published.sequence));
    Ok(PublishResponse { message_id, sequence_number })
}
