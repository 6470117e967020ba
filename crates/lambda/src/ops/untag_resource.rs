//! `UntagResource`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_UntagResource.html>

use crate::Inner;
use crate::ops::tag_resource::tagged_function;
use hearth_api::Grant;
use hearth_api::lambda::UntagResourceRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn untag_resource(
    inner: &Arc<Inner>,
    grant: Grant,
    input: UntagResourceRequest,
) -> Result<(), Failure> {
    let key = tagged_function(&grant, input.resource.as_deref())?;
    let removed = input.tag_keys.unwrap_or_default();
    inner
        .registry
        .update(&key, |function| {
            function.tags.retain(|key, _| !removed.contains(key));
            Ok(())
        })
        .await?;
    Ok(())
}
