//! ListDeadLetterSourceQueues.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html>

use super::{page_limit, page_start, page_token};
use crate::{Inner, redrive};
use hearth_api::Grant;
use hearth_api::sqs::{ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResult};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: ListDeadLetterSourceQueuesRequest,
) -> Result<ListDeadLetterSourceQueuesResult, Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let limit = page_limit(input.max_results)?;
    let after = page_start(input.next_token)?;
    let mut sources = redrive::sources(&inner.registry, &found.name);
    sources.retain(|source| source.name.name > after);
    let more = sources.len() > limit;
    sources.truncate(limit);
    let last = sources.last().filter(|_| more && input.max_results.is_some());
    let next_token = last.map(|source| page_token(&source.name.name));
    let urls = sources.iter().map(|source| source.name.url(grant)).collect();
    Ok(ListDeadLetterSourceQueuesResult { queue_urls: Some(urls), next_token })
}
