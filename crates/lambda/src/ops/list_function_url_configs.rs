//! `ListFunctionUrlConfigs`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctionUrlConfigs.html>

use crate::failures::invalid_parameter;
use crate::naming::Target;
use crate::{Inner, url};
use hearth_api::Grant;
use hearth_api::lambda::{FunctionUrlConfig, ListFunctionUrlConfigsRequest, ListFunctionUrlConfigsResponse};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

/// URLs on a page when the request does not say.
const PAGE: usize = 50;

pub(crate) async fn list_function_url_configs(
    inner: &Arc<Inner>,
    grant: Grant,
    input: ListFunctionUrlConfigsRequest,
) -> Result<ListFunctionUrlConfigsResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let entry = inner.registry.find(&key, None)?;
    let function = entry.function();
    let limit = input.max_items.and_then(|items| usize::try_from(items).ok()).unwrap_or(PAGE);
    // A marker is the first qualifier of the next page.
    let from = match &input.marker {
        Some(marker) => Qualifier::parse(marker).ok_or_else(|| invalid_parameter("Invalid Marker"))?,
        None => Qualifier::Latest,
    };
    let mut urls = function.urls.range(from..);
    let mut page = Vec::new();
    for (qualifier, shown) in urls.by_ref().take(limit) {
        page.push(FunctionUrlConfig {
            function_url: Some(url::text(grant.endpoint(), &shown.id, &key.region)),
            function_arn: Some(url::arn(function, qualifier)),
            creation_time: Some(shown.created.date_time_millis()),
            last_modified_time: Some(shown.last_modified.date_time_millis()),
            cors: shown.cors.as_ref().map(url::cors),
            auth_type: Some(url::auth_type(shown.auth)),
            invoke_mode: Some(url::invoke_mode(shown)),
        });
    }
    let next_marker = urls.next().map(|(qualifier, _)| qualifier.to_string());
    Ok(ListFunctionUrlConfigsResponse { function_url_configs: Some(page), next_marker })
}
