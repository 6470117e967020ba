//! `GetFunctionUrlConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionUrlConfig.html>

use crate::failures::no_such_resource;
use crate::naming::Target;
use crate::{Inner, url};
use hearth_api::Grant;
use hearth_api::lambda::{GetFunctionUrlConfigRequest, GetFunctionUrlConfigResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_function_url_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetFunctionUrlConfigRequest,
) -> Result<GetFunctionUrlConfigResponse, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let qualifier = target.qualifier_or_latest();
    let entry = inner.registry.find(&target.key, target.qualifier.as_ref())?;
    let function = entry.function();
    let shown = function.urls.get(&qualifier).ok_or_else(no_such_resource)?;
    Ok(GetFunctionUrlConfigResponse {
        function_url: Some(url::text(grant.endpoint(), &shown.id, &target.key.region)),
        function_arn: Some(url::arn(function, &qualifier)),
        auth_type: Some(url::auth_type(shown.auth)),
        cors: shown.cors.as_ref().map(url::cors),
        creation_time: Some(shown.created.date_time_millis()),
        last_modified_time: Some(shown.last_modified.date_time_millis()),
        invoke_mode: Some(url::invoke_mode(shown)),
    })
}
