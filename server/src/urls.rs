//! Function URLs under the gateway: handed to the data plane as it is now, since a reset exchanges it.

use crate::serve::Running;
use hearth_base::BoxFuture;
use hearth_gateway::{Admission, FunctionUrls, UrlRequest};
use hearth_wire::{Request, Response};
use std::sync::Arc;

/// The function URLs of a running server.
pub struct Urls(pub Arc<Running>);

impl FunctionUrls for Urls {
    fn admit(&self, id: &str, head: &Request) -> Admission {
        self.0.invoke().admit_url(id, head)
    }

    fn answer(&self, asked: UrlRequest) -> BoxFuture<'static, Response> {
        let invoke = self.0.invoke();
        Box::pin(async move { invoke.answer_url(asked).await })
    }
}
