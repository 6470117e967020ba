//! GetAccessKeyInfo: the account that an access key belongs to.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html>

use super::{StsOptions, validation};
use hearth_api::Grant;
use hearth_api::sts::{GetAccessKeyInfoRequest, GetAccessKeyInfoResponse};
use hearth_wire::Failure;

pub fn run(
    sts: &StsOptions,
    _grant: &Grant,
    input: GetAccessKeyInfoRequest,
) -> Result<GetAccessKeyInfoResponse, Failure> {
    let id = input.access_key_id.unwrap_or_default();
    let account = sts.credentials.account_of(&id);
    let account = account.ok_or_else(|| validation(format!("Access key {id} is not valid.")))?;
    Ok(GetAccessKeyInfoResponse { account: Some(account.to_string()) })
}
