//! `ListFunctions`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>

use crate::Inner;
use crate::failures::{invalid_parameter, not_yet};
use crate::naming::FunctionKey;
use crate::render;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_api::Grant;
use hearth_api::lambda::{FunctionVersion, ListFunctionsRequest, ListFunctionsResponse};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

/// Functions on a page: AWS gives at most 50, whatever `MaxItems` says.
const PAGE_MAX: usize = 50;

pub(crate) async fn list_functions(
    inner: &Arc<Inner>,
    grant: Grant,
    input: ListFunctionsRequest,
) -> Result<ListFunctionsResponse, Failure> {
    if input.master_region.is_some() {
        return Err(not_yet("MasterRegion", "Lambda@Edge replicas"));
    }
    let limit =
        input.max_items.and_then(|items| usize::try_from(items).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let all_versions = input.function_version == Some(FunctionVersion::All);
    let (from, first) = match &input.marker {
        Some(marker) => decode(marker).ok_or_else(|| invalid_parameter("Invalid Marker"))?,
        None => (String::new(), Qualifier::Latest),
    };
    let mut page = Vec::new();
    // One function more than fits tells whether there is another page.
    for entry in inner.registry.list(FunctionKey::of(&grant, &from), limit + 1) {
        let function = entry.function();
        let skip_before = (function.name == from).then_some(&first);
        for (qualifier, version) in function.versions() {
            if (!all_versions && qualifier != Qualifier::Latest)
                || skip_before.is_some_and(|first| qualifier < *first)
            {
                continue;
            }
            if page.len() == limit {
                let next_marker = Some(encode(&function.name, &qualifier));
                return Ok(ListFunctionsResponse { functions: Some(page), next_marker });
            }
            let shown = all_versions.then_some(&qualifier);
            page.push(render::configuration(function, &qualifier, version, shown));
        }
    }
    Ok(ListFunctionsResponse { functions: Some(page), next_marker: None })
}

/// A marker names the first version of the next page.
fn encode(name: &str, qualifier: &Qualifier) -> String {
    URL_SAFE_NO_PAD.encode(format!("{name}:{qualifier}"))
}

fn decode(marker: &str) -> Option<(String, Qualifier)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()?;
    let (name, qualifier) = text.split_once(':')?;
    Some((name.to_owned(), Qualifier::parse(qualifier)?))
}
