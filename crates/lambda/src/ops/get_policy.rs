//! `GetPolicy`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetPolicy.html>

use crate::Inner;
use crate::failures::no_such_resource;
use crate::ops::add_permission::policy_target;
use hearth_api::Grant;
use hearth_api::lambda::{GetPolicyRequest, GetPolicyResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_policy(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetPolicyRequest,
) -> Result<GetPolicyResponse, Failure> {
    let target = policy_target(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let of = target.qualifier_or_latest();
    // AWS: the words are the same for a function that is not there and for one without a policy.
    let entry = inner.registry.get(&target.key).ok_or_else(no_such_resource)?;
    let policy = entry.function().policies.get(&of).ok_or_else(no_such_resource)?;
    Ok(GetPolicyResponse {
        policy: Some(policy.json(&target.arn())),
        revision_id: entry.function().revision_id(&of).map(str::to_owned),
    })
}
