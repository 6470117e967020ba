//! DescribeResourcePolicies.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeResourcePolicies.html>

use super::put_resource_policy::{refuse_resource, shown};
use super::{listing_failure, page_limit};
use crate::Inner;
use crate::scope::Scope;
use hearth_api::logs::{DescribeResourcePoliciesRequest, DescribeResourcePoliciesResponse, PolicyScope};
use hearth_store::records::Listing;
use hearth_wire::Failure;

/// Policies of one page.
const PAGE_MAX: usize = 50;

pub async fn run(
    inner: &Inner,
    scope: &Scope,
    input: DescribeResourcePoliciesRequest,
) -> Result<DescribeResourcePoliciesResponse, Failure> {
    refuse_resource(input.resource_arn.as_deref())?;
    if input.policy_scope == Some(PolicyScope::Resource) {
        return Ok(DescribeResourcePoliciesResponse {
            resource_policies: Some(Vec::new()),
            next_token: None,
        });
    }
    let listing = Listing {
        within: &scope.groups(),
        beginning: "",
        limit: page_limit(input.limit, PAGE_MAX),
        token: input.next_token.as_deref(),
        reverse: false,
    };
    let page = inner.tables.policies.list(listing).await.map_err(listing_failure)?;
    let policies = page
        .records
        .into_iter()
        .map(|(mut name, record)| shown(name.pop().unwrap_or_default(), record.value));
    Ok(DescribeResourcePoliciesResponse {
        resource_policies: Some(policies.collect()),
        next_token: page.next,
    })
}
