//! Whether Lambda may act as a function's execution role.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html>
//!
//! Whether the caller may pass the role is decided before the operation is called.

use crate::Inner;
use crate::failures::invalid_parameter;
use crate::naming::FunctionKey;
use hearth_iam::{Access, Authority};
use hearth_wire::Failure;

/// Whether Lambda may assume this role for this function now: it is there, and trusts `lambda.amazonaws.com`.
pub fn may_assume_role(authority: &Authority, key: &FunctionKey, role: &str) -> bool {
    let arn = key.arn();
    let access = Access {
        source_arn: Some(&arn),
        source_account: Some(key.account),
        ..Access::new("sts:AssumeRole", role)
    };
    authority.service_may_assume("lambda.amazonaws.com", role, &access)
}

/// Refuses a role that does not exist, or that does not trust Lambda to assume it for this function.
pub(crate) fn check_role(inner: &Inner, key: &FunctionKey, role: Option<&str>) -> Result<(), Failure> {
    match role {
        Some(role) if !may_assume_role(&inner.authority, key, role) => {
            Err(invalid_parameter("The role defined for the function cannot be assumed by Lambda."))
        }
        _ => Ok(()),
    }
}
