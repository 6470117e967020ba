//! PutResourcePolicy.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutResourcePolicy.html>

use super::unsupported;
use crate::Inner;
use crate::model::ResourcePolicyRecord;
use crate::policies;
use crate::scope::{Scope, required};
use crate::table::TableError;
use hearth_api::logs::{
    PolicyScope, PutResourcePolicyRequest, PutResourcePolicyResponse, ResourcePolicy, errors,
};
use hearth_iam::policy::Document;
use hearth_wire::Failure;

/// AWS: policies of one account and region.
const POLICIES_MAX: usize = 10;

pub async fn run(
    inner: &Inner,
    scope: &Scope,
    input: PutResourcePolicyRequest,
) -> Result<PutResourcePolicyResponse, Failure> {
    refuse_resource(input.resource_arn.as_deref())?;
    let name = required(input.policy_name, "policyName")?;
    let document = required(input.policy_document, "policyDocument")?;
    if let Err(error) = Document::resource(&document) {
        return Err(errors::invalid_parameter(error.to_string()));
    }
    let _one = inner.policies.changing.lock().await;
    let there = policies::of_scope(&inner.tables.policies, scope).await.map_err(TableError::from)?;
    if there.len() >= POLICIES_MAX && !there.iter().any(|(there, _)| *there == name) {
        return Err(errors::limit_exceeded("Resource limit exceeded."));
    }
    let record = ResourcePolicyRecord { document, updated: inner.clock.now() };
    inner.tables.policies.put(&scope.group_name(&name), &record).await.map_err(TableError::from)?;
    inner.policies.reread(&inner.tables.policies, scope).await.map_err(TableError::from)?;
    Ok(PutResourcePolicyResponse { resource_policy: Some(shown(name, record)), ..Default::default() })
}

/// Policies of single log groups are not kept here.
pub fn refuse_resource(arn: Option<&str>) -> Result<(), Failure> {
    if arn.is_some() { Err(unsupported("resourceArn")) } else { Ok(()) }
}

/// A policy as AWS shows it.
pub fn shown(name: String, record: ResourcePolicyRecord) -> ResourcePolicy {
    ResourcePolicy {
        policy_name: Some(name),
        policy_document: Some(record.document),
        last_updated_time: Some(record.updated.millis()),
        policy_scope: Some(PolicyScope::Account),
        ..Default::default()
    }
}
