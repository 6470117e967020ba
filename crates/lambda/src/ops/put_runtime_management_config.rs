//! `PutRuntimeManagementConfig`, and which version a request of its kind is about.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_PutRuntimeManagementConfig.html>
//!
//! It refuses whatever is not `Auto`: the interpreters are those of this machine, and whoever updates the machine
//! updates them for all functions.

use crate::Inner;
use crate::failures::{invalid_parameter, not_yet};
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::{
    PutRuntimeManagementConfigRequest, PutRuntimeManagementConfigResponse, UpdateRuntimeOn,
};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn put_runtime_management_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: PutRuntimeManagementConfigRequest,
) -> Result<PutRuntimeManagementConfigResponse, Failure> {
    let arn = managed_version(inner, &grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let update_runtime_on = input.update_runtime_on.unwrap_or(UpdateRuntimeOn::Auto);
    if update_runtime_on != UpdateRuntimeOn::Auto {
        let what = format!(
            "{}: functions run on the interpreters of this machine, which are not kept back for one function",
            update_runtime_on.as_str()
        );
        return Err(not_yet("UpdateRuntimeOn", &what));
    }
    if input.runtime_version_arn.is_some() {
        return Err(invalid_parameter(
            "RuntimeVersionArn: a version of the runtime can be given only when UpdateRuntimeOn is Manual.",
        ));
    }
    Ok(PutRuntimeManagementConfigResponse {
        update_runtime_on: Some(update_runtime_on),
        function_arn: Some(arn),
        runtime_version_arn: None,
    })
}

/// The ARN of the version whose runtime is managed: aliases have none of their own.
pub(crate) fn managed_version(
    inner: &Inner,
    grant: &Grant,
    name: Option<&str>,
    qualifier: Option<&str>,
) -> Result<String, Failure> {
    let target = Target::read(grant, name, qualifier)?;
    if let Some(Qualifier::Alias(alias)) = &target.qualifier {
        return Err(invalid_parameter(&format!(
            "Qualifier: runtimes are managed for $LATEST and published versions, not for the alias {alias}."
        )));
    }
    inner.registry.find_version(&target)?;
    Ok(target.arn())
}
