//! STS: one file an action.

mod get_caller_identity;

use hearth_api::Grant;
use hearth_api::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse};
use hearth_base::BoxFuture;
use hearth_wire::Failure;

/// The Security Token Service. It stores nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sts;

impl hearth_api::sts::Sts for Sts {
    fn get_caller_identity<'a>(
        &'a self,
        grant: Grant,
        _input: GetCallerIdentityRequest,
    ) -> BoxFuture<'a, Result<GetCallerIdentityResponse, Failure>> {
        Box::pin(std::future::ready(get_caller_identity::get_caller_identity(&grant)))
    }
}
