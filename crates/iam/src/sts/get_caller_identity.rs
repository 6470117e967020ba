//! GetCallerIdentity: tells a caller who it is. It needs no permission, and gives nothing away that the caller lacks.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>

use super::{StsOptions, access_denied};
use crate::credentials::base32;
use crate::identities::Identities;
use hearth_api::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse};
use hearth_api::{Grant, Principal};
use hearth_base::AccountId;
use hearth_wire::Failure;
use sha2::{Digest, Sha256};

pub fn run(
    sts: &StsOptions,
    grant: &Grant,
    _input: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, Failure> {
    let principal = grant.principal();
    let known = sts.directory.policies(principal).map(|policies| policies.id.to_string());
    let user_id = match principal {
        Principal::Root(account) => account.to_string(),
        Principal::User { account, name, .. } => known.unwrap_or_else(|| unknown_id("AIDA", *account, name)),
        Principal::AssumedRole { account, role, session } => {
            let id = known.unwrap_or_else(|| unknown_id("AROA", *account, role));
            format!("{id}:{session}")
        }
        Principal::Service(_) | Principal::Anonymous => {
            let name = principal.arn("");
            return Err(access_denied(format!("{name} has no identity in an account")));
        }
    };
    Ok(GetCallerIdentityResponse {
        user_id: Some(user_id),
        account: principal.account().map(|account| account.to_string()),
        arn: Some(principal.arn(grant.region().partition())),
    })
}

/// `AROA…`, 21 characters, made of the name and the same every time: a session may be of a role that is not there.
pub fn unknown_id(prefix: &str, account: AccountId, name: &str) -> String {
    let hash = Sha256::digest(format!("{account}/{name}"));
    let mut id = format!("{prefix}{}", base32(&hash));
    id.truncate(21);
    id
}
