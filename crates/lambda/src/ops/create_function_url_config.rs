//! `CreateFunctionUrlConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunctionUrlConfig.html>

use crate::failures::function_not_found;
use crate::model::Url;
use crate::naming::Target;
use crate::{Inner, url};
use hearth_api::Grant;
use hearth_api::lambda::{
    CreateFunctionUrlConfigRequest, CreateFunctionUrlConfigResponse, FunctionUrlAuthType, InvokeMode, errors,
};
use hearth_wire::Failure;
use std::sync::Arc;

/// Bytes of randomness in an id; it has two hexadecimal digits for each.
const ID_BYTES: usize = 16;

pub(crate) async fn create_function_url_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: CreateFunctionUrlConfigRequest,
) -> Result<CreateFunctionUrlConfigResponse, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let qualifier = target.qualifier_or_latest();
    let now = inner.clock.now();
    let new = Url {
        id: hearth_base::id::random_hex(inner.rng.as_ref(), ID_BYTES),
        auth: url::read_auth(input.auth_type.unwrap_or(FunctionUrlAuthType::AwsIam)),
        streams: input.invoke_mode == Some(InvokeMode::ResponseStream),
        cors: input.cors.and_then(url::read_cors),
        created: now,
        last_modified: now,
    };
    let (entry, shown) = inner
        .registry
        .update(&target.key, |function| {
            if !url::has(function, &qualifier) {
                return Err(function_not_found(&function.arn(), target.qualifier.as_ref()));
            }
            if function.urls.contains_key(&qualifier) {
                let arn = url::arn(function, &qualifier);
                return Err(errors::resource_conflict(format!(
                    "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig \
                     exists for this Lambda function"
                )));
            }
            let id = function.url_ids.entry(qualifier.clone()).or_insert_with(|| new.id.clone()).clone();
            let url = Url { id, ..new.clone() };
            function.urls.insert(qualifier.clone(), url.clone());
            Ok(url)
        })
        .await?;
    let function = entry.function();
    Ok(CreateFunctionUrlConfigResponse {
        function_url: Some(url::text(grant.endpoint(), &shown.id, &target.key.region)),
        function_arn: Some(url::arn(function, &qualifier)),
        auth_type: Some(url::auth_type(shown.auth)),
        cors: shown.cors.as_ref().map(url::cors),
        creation_time: Some(shown.created.date_time_millis()),
        invoke_mode: Some(url::invoke_mode(&shown)),
    })
}
