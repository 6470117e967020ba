//! `GetFunction`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html>

use crate::Inner;
use crate::naming::Target;
use crate::render;
use hearth_api::Grant;
use hearth_api::lambda::{Concurrency, FunctionCodeLocation, GetFunctionRequest, GetFunctionResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_function(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetFunctionRequest,
) -> Result<GetFunctionResponse, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let found = inner.registry.find_version(&target)?;
    let (function, version) = (found.function(), found.version());
    let location = inner.downloads.url(grant.endpoint(), &version.code.blob, inner.clock.now());
    Ok(GetFunctionResponse {
        configuration: Some(render::configuration(
            function,
            &found.number,
            version,
            target.qualifier.as_ref(),
        )),
        code: Some(FunctionCodeLocation {
            repository_type: Some("S3".to_owned()),
            location: Some(location),
            ..Default::default()
        }),
        concurrency: function
            .capacity
            .reserved
            .map(|reserved| Concurrency { reserved_concurrent_executions: Some(reserved.into()) }),
        tags: (!function.tags.is_empty()).then(|| function.tags.clone()),
        ..Default::default()
    })
}
