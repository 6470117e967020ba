//! STS: one file an action.
//!
//! It refuses what there is no provider for: SAML, web identities, and the other kinds of federation.

mod assume_role;
mod get_access_key_info;
mod get_caller_identity;
mod get_session_token;
#[cfg(test)]
mod tests;

use crate::credentials::{Credentials, SessionCredentials};
use crate::directory::Directory;
use hearth_api::Grant;
use hearth_api::sts::*;
use hearth_base::{BoxFuture, Clock};
use hearth_wire::Failure;
use std::sync::Arc;

/// What the service stands on.
pub struct StsOptions {
    /// The users and roles.
    pub directory: Arc<Directory>,
    /// Makes credentials of sessions.
    pub credentials: Arc<Credentials>,
    /// For the conditions of trust policies.
    pub clock: Arc<dyn Clock>,
}

/// The Security Token Service. It stores nothing.
pub struct Sts(StsOptions);

impl Sts {
    /// The service.
    pub fn new(options: StsOptions) -> Self {
        Self(options)
    }
}

/// Each action is a function of its name in the module of its name.
macro_rules! operations {
    ($($operation:ident: $input:ty => $output:ty;)*) => {
        impl hearth_api::sts::Sts for Sts {
            $(fn $operation<'a>(
                &'a self,
                grant: Grant,
                input: $input,
            ) -> BoxFuture<'a, Result<$output, Failure>> {
                Box::pin(std::future::ready($operation::run(&self.0, &grant, input)))
            })*
        }
    };
}

operations! {
    assume_role: AssumeRoleRequest => AssumeRoleResponse;
    get_access_key_info: GetAccessKeyInfoRequest => GetAccessKeyInfoResponse;
    get_caller_identity: GetCallerIdentityRequest => GetCallerIdentityResponse;
    get_session_token: GetSessionTokenRequest => GetSessionTokenResponse;
}

fn shown(issued: SessionCredentials) -> hearth_api::sts::Credentials {
    hearth_api::sts::Credentials {
        access_key_id: Some(issued.access_key_id),
        secret_access_key: Some(issued.secret_access_key),
        session_token: Some(issued.session_token),
        expiration: Some(issued.expiration),
    }
}

fn validation(message: impl Into<String>) -> Failure {
    Failure::sender("ValidationError", 400, message)
}

fn access_denied(message: impl Into<String>) -> Failure {
    Failure::sender("AccessDenied", 403, message)
}

fn refuse(given: bool, member: &str) -> Result<(), Failure> {
    if given { Err(validation(format!("{member} is not supported by this server"))) } else { Ok(()) }
}
