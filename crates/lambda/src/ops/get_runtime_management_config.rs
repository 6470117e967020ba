//! `GetRuntimeManagementConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetRuntimeManagementConfig.html>

use crate::Inner;
use crate::ops::put_runtime_management_config::managed_version;
use hearth_api::Grant;
use hearth_api::lambda::{
    GetRuntimeManagementConfigRequest, GetRuntimeManagementConfigResponse, UpdateRuntimeOn,
};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_runtime_management_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetRuntimeManagementConfigRequest,
) -> Result<GetRuntimeManagementConfigResponse, Failure> {
    let arn = managed_version(inner, &grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    Ok(GetRuntimeManagementConfigResponse {
        update_runtime_on: Some(UpdateRuntimeOn::Auto),
        function_arn: Some(arn),
        runtime_version_arn: None,
    })
}
