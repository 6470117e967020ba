//! GetCallerIdentity: tells a caller who it is. It needs no permission, and gives nothing away that the caller lacks.

use crate::credentials::base32;
use hearth_api::sts::GetCallerIdentityResponse;
use hearth_api::{Grant, Principal};
use hearth_base::AccountId;
use hearth_wire::Failure;
use sha2::{Digest, Sha256};

pub(super) fn get_caller_identity(grant: &Grant) -> Result<GetCallerIdentityResponse, Failure> {
    let principal = grant.principal();
    let user_id = match principal {
        Principal::Root(account) => account.to_string(),
        Principal::User { account, name, .. } => user_id(*account, name),
        Principal::AssumedRole { account, role, session } => format!("{}:{session}", role_id(*account, role)),
        Principal::Service(name) => {
            let message = format!("{name} has no identity in an account");
            return Err(Failure::sender("AccessDenied", 403, message));
        }
    };
    Ok(GetCallerIdentityResponse {
        user_id: Some(user_id),
        account: Some(grant.account().to_string()),
        arn: Some(principal.arn(grant.region().partition())),
    })
}

/// `AIDA…`, 21 characters, the same for a user every time.
fn user_id(account: AccountId, name: &str) -> String {
    let hash = Sha256::digest(format!("{account}/user/{name}"));
    let mut id = format!("AIDA{}", base32(&hash));
    id.truncate(21);
    id
}

/// `AROA…`, 21 characters, the same for a role every time. Roles are not stored, so the id is made of the name.
fn role_id(account: AccountId, role: &str) -> String {
    let hash = Sha256::digest(format!("{account}/{role}"));
    let mut id = format!("AROA{}", base32(&hash));
    id.truncate(21);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_api::grant::GrantParts;
    use hearth_base::{RequestId, SeededRng};

    fn identity(principal: Principal, region: &str) -> Result<GetCallerIdentityResponse, Failure> {
        let parts = GrantParts {
            principal,
            account: "123456789012".parse().unwrap(),
            region: region.parse().unwrap(),
            request_id: RequestId::new(&SeededRng::new(1)),
            endpoint: "http://localhost".into(),
        };
        get_caller_identity(&Grant::issue(parts))
    }

    #[test]
    fn callers_are_told_as_aws_tells_them() {
        let account = "123456789012".parse().unwrap();
        let root = identity(Principal::Root(account), "us-east-1").unwrap();
        assert_eq!(root.user_id.as_deref(), Some("123456789012"));
        assert_eq!(root.arn.as_deref(), Some("arn:aws:iam::123456789012:root"));
        let role = Principal::AssumedRole { account, role: "role".into(), session: "f".into() };
        let told = identity(role.clone(), "cn-north-1").unwrap();
        assert_eq!(told.arn.as_deref(), Some("arn:aws-cn:sts::123456789012:assumed-role/role/f"));
        let user_id = told.user_id.unwrap();
        assert!(user_id.starts_with("AROA") && user_id.ends_with(":f") && user_id.len() == 23, "{user_id}");
        assert_eq!(identity(role, "us-east-1").unwrap().user_id.unwrap(), user_id);
        assert_eq!(
            identity(Principal::Service("s3.amazonaws.com"), "us-east-1").unwrap_err().code,
            "AccessDenied"
        );
    }
}
