//! `UpdateFunctionUrlConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionUrlConfig.html>

use crate::failures::no_such_resource;
use crate::naming::Target;
use crate::{Inner, url};
use hearth_api::Grant;
use hearth_api::lambda::{InvokeMode, UpdateFunctionUrlConfigRequest, UpdateFunctionUrlConfigResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn update_function_url_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: UpdateFunctionUrlConfigRequest,
) -> Result<UpdateFunctionUrlConfigResponse, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let qualifier = target.qualifier_or_latest();
    let (entry, shown) = inner
        .registry
        .update(&target.key, |function| {
            let changed = function.urls.get_mut(&qualifier).ok_or_else(no_such_resource)?;
            if let Some(auth) = input.auth_type {
                changed.auth = url::read_auth(auth);
            }
            if let Some(mode) = input.invoke_mode {
                changed.streams = mode == InvokeMode::ResponseStream;
            }
            if let Some(cors) = input.cors.clone() {
                changed.cors = url::read_cors(cors);
            }
            changed.last_modified = inner.clock.now();
            Ok(changed.clone())
        })
        .await?;
    let function = entry.function();
    Ok(UpdateFunctionUrlConfigResponse {
        function_url: Some(url::text(grant.endpoint(), &shown.id, &target.key.region)),
        function_arn: Some(url::arn(function, &qualifier)),
        auth_type: Some(url::auth_type(shown.auth)),
        cors: shown.cors.as_ref().map(url::cors),
        creation_time: Some(shown.created.date_time_millis()),
        last_modified_time: Some(shown.last_modified.date_time_millis()),
        invoke_mode: Some(url::invoke_mode(&shown)),
    })
}
