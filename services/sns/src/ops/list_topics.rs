//! ListTopics.
//! <https://docs.aws.amazon.com/sns/latest/api/API_ListTopics.html>

use super::page;
use crate::Inner;
use hearth_api::Grant;
use hearth_api::sns::Topic;
use hearth_api::sns::{ListTopicsInput, ListTopicsResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListTopicsInput,
) -> Result<ListTopicsResponse, Failure> {
    let all = inner.registry.topics().into_iter().map(|topic| topic.name);
    let own =
        all.filter(|name| name.account == grant.account().as_str() && name.region == grant.region().as_str());
    let (topics, next_token) = page(own.map(|name| (name.arn(), name.arn())), input.next_token)?;
    let topics = topics.into_iter().map(|arn| Topic { topic_arn: Some(arn) }).collect();
    Ok(ListTopicsResponse { topics: Some(topics), next_token })
}
