//! Delivery to a function: an event of its own, or an invocation whose answer is waited for.

use crate::Inner;
use hearth_api::Delivery;
use hearth_api::lambda::{InvocationRequest, InvocationType, LambdaInvoke};
use hearth_base::Arn;
use hearth_wire::Failure;

/// Invokes the function with the body as its payload.
pub(crate) async fn deliver(
    inner: &Inner,
    lambda: &dyn LambdaInvoke,
    (target, delivery): (&Arn, Delivery),
) -> Result<(), Failure> {
    let grant = inner.grant("lambda:InvokeFunction", (target, &delivery))?;
    let kind =
        if delivery.extras.synchronous { InvocationType::RequestResponse } else { InvocationType::Event };
    let request = InvocationRequest {
        function_name: Some(delivery.target),
        invocation_type: Some(kind),
        payload: Some(delivery.body),
        ..Default::default()
    };
    let answer = lambda.invoke(grant, request).await?;
    match answer.function_error {
        None => Ok(()),
        Some(error) => {
            let body = answer.payload.unwrap_or_default();
            let text = String::from_utf8_lossy(&body).into_owned();
            Err(Failure::sender(error, 424, text))
        }
    }
}
