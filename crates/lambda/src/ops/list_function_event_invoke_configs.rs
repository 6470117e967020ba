//! `ListFunctionEventInvokeConfigs`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctionEventInvokeConfigs.html>

use crate::Inner;
use crate::event_invoke::no_function;
use crate::failures::invalid_parameter;
use crate::naming::Target;
use crate::ops::list_layers::{marker, page_limit, read_marker};
use hearth_api::Grant;
use hearth_api::lambda::{ListFunctionEventInvokeConfigsRequest, ListFunctionEventInvokeConfigsResponse};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn list_function_event_invoke_configs(
    inner: &Arc<Inner>,
    grant: Grant,
    input: ListFunctionEventInvokeConfigsRequest,
) -> Result<ListFunctionEventInvokeConfigsResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let from = match read_marker(input.marker.as_deref())? {
        Some(text) => Qualifier::parse(&text).ok_or_else(|| invalid_parameter("Invalid Marker"))?,
        None => Qualifier::Latest,
    };
    let limit = page_limit(input.max_items);
    let entry = inner.registry.get(&key).ok_or_else(no_function)?;
    let mut configs = Vec::new();
    let mut next_marker = None;
    for (qualifier, config) in entry.function().event_invoke.range(from..) {
        if configs.len() == limit {
            next_marker = Some(marker(&qualifier.to_string()));
            break;
        }
        configs.push(config.shown(entry.function(), qualifier));
    }
    Ok(ListFunctionEventInvokeConfigsResponse { function_event_invoke_configs: Some(configs), next_marker })
}
