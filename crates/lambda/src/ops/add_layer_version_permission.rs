//! `AddLayerVersionPermission`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_AddLayerVersionPermission.html>

use crate::Inner;
use crate::failures::{invalid_parameter, layer_revision_mismatch, layer_version_not_found};
use crate::layer::naming::LayerKey;
use crate::layer::policy::{EVERYBODY, Policy, Statement};
use hearth_api::Grant;
use hearth_api::lambda::{AddLayerVersionPermissionRequest, AddLayerVersionPermissionResponse, errors};
use hearth_base::AccountId;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn add_layer_version_permission(
    inner: &Arc<Inner>,
    grant: Grant,
    input: AddLayerVersionPermissionRequest,
) -> Result<AddLayerVersionPermissionResponse, Failure> {
    let layer = LayerKey::read_own(&grant, input.layer_name.as_deref(), "AddLayerVersionPermission")?;
    let key = layer.version(input.version_number)?;
    let statement = Statement {
        id: input.statement_id.unwrap_or_default(),
        principal: principal(&grant, input.principal.unwrap_or_default()),
        organization: input.organization_id.filter(|organization| !organization.is_empty()),
    };
    if statement.organization.is_some() && statement.principal != EVERYBODY {
        return Err(invalid_parameter("OrganizationId can be specified only when Principal is *."));
    }
    let change = |version: &mut crate::layer::LayerVersion| {
        let current = version.policy.as_ref();
        if input.revision_id.is_some()
            && input.revision_id.as_ref() != current.map(|policy| &policy.revision_id)
        {
            return Err(layer_revision_mismatch());
        }
        let mut statements = current.map(|policy| policy.statements.clone()).unwrap_or_default();
        if statements.iter().any(|present| present.id == statement.id) {
            return Err(errors::resource_conflict(format!(
                "The statement id ({}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement.",
                statement.id
            )));
        }
        statements.push(statement.clone());
        let policy = Policy { revision_id: hearth_base::id::uuid(inner.rng.as_ref()), statements };
        policy.check_length(&key)?;
        let revision_id = policy.revision_id.clone();
        version.policy = Some(policy);
        Ok(revision_id)
    };
    let revision_id = inner.layers.change(&key, change, || layer_version_not_found(&key)).await?;
    Ok(AddLayerVersionPermissionResponse {
        statement: Some(statement.json(&key)),
        revision_id: Some(revision_id),
    })
}

/// AWS: the number of an account stands for its root.
fn principal(grant: &Grant, text: String) -> String {
    match text.parse::<AccountId>() {
        Ok(account) => format!("arn:{}:iam::{account}:root", grant.region().partition()),
        Err(_) => text,
    }
}
