//! ListQueues.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html>

use super::{page_limit, page_start, page_token};
use crate::Inner;
use crate::batch::some;
use hearth_api::Grant;
use hearth_api::sqs::{ListQueuesRequest, ListQueuesResult};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: ListQueuesRequest,
) -> Result<ListQueuesResult, Failure> {
    let limit = page_limit(input.max_results)?;
    let after = page_start(input.next_token)?;
    let beginning = input.queue_name_prefix.unwrap_or_default();
    let mut names = inner.registry.list(grant, &beginning, (&after, limit + 1));
    let more = names.len() > limit;
    names.truncate(limit);
    // AWS: without MaxResults there is one page and no token.
    let last = names.last().filter(|_| more && input.max_results.is_some());
    let next_token = last.map(|name| page_token(&name.name));
    let urls = names.iter().map(|name| name.url(grant)).collect();
    Ok(ListQueuesResult { queue_urls: some(urls), next_token })
}
