//! GetSessionToken: temporary credentials of a user or of the root user, without MFA.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>

use super::{StsOptions, access_denied, refuse, shown};
use hearth_api::sts::{GetSessionTokenRequest, GetSessionTokenResponse};
use hearth_api::{Grant, Principal};
use hearth_wire::Failure;
use std::time::Duration;

const SECONDS_DEFAULT: u64 = 43_200;
/// AWS: a session of the root user lasts an hour, whatever longer time is asked for.
const ROOT_SECONDS_MAX: u64 = 3_600;

pub fn run(
    sts: &StsOptions,
    grant: &Grant,
    input: GetSessionTokenRequest,
) -> Result<GetSessionTokenResponse, Failure> {
    refuse(input.serial_number.is_some(), "SerialNumber")?;
    refuse(input.token_code.is_some(), "TokenCode")?;
    refuse(input.minimum_session_token_size.is_some(), "MinimumSessionTokenSize")?;
    let with_sessions = || access_denied("Cannot call GetSessionToken with session credentials");
    if grant.session().is_some() {
        return Err(with_sessions());
    }
    let asked = input.duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let seconds = asked.unwrap_or(SECONDS_DEFAULT);
    let (user, seconds) = match grant.principal() {
        Principal::Root(_) => (None, seconds.min(ROOT_SECONDS_MAX)),
        Principal::User { name, .. } => (Some(&**name), seconds),
        Principal::AssumedRole { .. } | Principal::Service(_) | Principal::Anonymous => {
            return Err(with_sessions());
        }
    };
    let issued = sts
        .credentials
        .issue_user_session(grant.account(), user, Duration::from_secs(seconds))
        .ok_or_else(|| access_denied("The user does not exist any more."))?;
    Ok(GetSessionTokenResponse { credentials: Some(shown(issued)), ..GetSessionTokenResponse::default() })
}
