//! `TagResource`, and the rules of tags.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html>

use crate::Inner;
use crate::failures::{invalid_parameter, not_yet};
use crate::naming::{FunctionKey, Target};
use hearth_api::Grant;
use hearth_api::lambda::TagResourceRequest;
use hearth_base::{Arn, Qualifier};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tags of one function.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html>
const TAGS_MAX: usize = 50;
const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;

pub(crate) async fn tag_resource(
    inner: &Arc<Inner>,
    grant: Grant,
    input: TagResourceRequest,
) -> Result<(), Failure> {
    let key = tagged_function(&grant, input.resource.as_deref())?;
    let tags = input.tags.unwrap_or_default();
    inner
        .registry
        .update(&key, |function| {
            check_tags(&function.tags, &tags)?;
            function.tags.extend(tags.clone());
            Ok(())
        })
        .await?;
    Ok(())
}

/// The function an ARN names; tags belong to functions, not to their versions.
pub(crate) fn tagged_function(grant: &Grant, resource: Option<&str>) -> Result<FunctionKey, Failure> {
    let resource = resource.unwrap_or_default();
    let kind = resource.parse::<Arn>().map(|arn| arn.resource).unwrap_or_default();
    if !kind.starts_with("function:") {
        return Err(not_yet("Resource", "tags on anything but functions"));
    }
    let target = Target::read(grant, Some(resource), None)?;
    match target.qualifier {
        None => Ok(target.key),
        Some(Qualifier::Latest | Qualifier::Version(_) | Qualifier::Alias(_)) => Err(invalid_parameter(
            "Tags on function aliases and versions are not supported. Please specify either a function name or an unqualified function ARN.",
        )),
    }
}

/// Checks tags that are to be added to others.
pub(crate) fn check_tags(
    present: &BTreeMap<String, String>,
    added: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let fresh = added.keys().filter(|key| !present.contains_key(*key)).count();
    if present.len() + fresh > TAGS_MAX {
        return Err(invalid_parameter(&format!("Number of tags exceeds resource tag limit of {TAGS_MAX}.")));
    }
    for (key, value) in added {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_parameter(&format!(
                "Tag keys beginning with aws: are reserved; the request has {key}."
            )));
        }
        if key.is_empty()
            || key.chars().count() > KEY_CHARACTERS_MAX
            || value.chars().count() > VALUE_CHARACTERS_MAX
        {
            return Err(invalid_parameter(&format!(
                "A tag key has 1 to {KEY_CHARACTERS_MAX} characters and its value at most {VALUE_CHARACTERS_MAX}; the tag {key} has not."
            )));
        }
    }
    Ok(())
}
