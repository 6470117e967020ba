//! `ListVersionsByFunction`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html>

use crate::failures::invalid_parameter;
use crate::naming::Target;
use crate::ops::list_layers::{marker, page_limit, read_marker};
use crate::{Inner, render};
use hearth_api::Grant;
use hearth_api::lambda::{ListVersionsByFunctionRequest, ListVersionsByFunctionResponse};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn list_versions_by_function(
    inner: &Arc<Inner>,
    grant: Grant,
    input: ListVersionsByFunctionRequest,
) -> Result<ListVersionsByFunctionResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let from = match read_marker(input.marker.as_deref())? {
        Some(text) => Qualifier::parse(&text).ok_or_else(|| invalid_parameter("Invalid Marker"))?,
        None => Qualifier::Latest,
    };
    let entry = inner.registry.find(&key, None)?;
    let limit = page_limit(input.max_items);
    let mut versions = Vec::new();
    for (number, version) in entry.function().versions().filter(|(number, _)| *number >= from) {
        if versions.len() == limit {
            let next_marker = Some(marker(&number.to_string()));
            return Ok(ListVersionsByFunctionResponse { versions: Some(versions), next_marker });
        }
        versions.push(render::configuration(entry.function(), &number, version, Some(&number)));
    }
    Ok(ListVersionsByFunctionResponse { versions: Some(versions), next_marker: None })
}
