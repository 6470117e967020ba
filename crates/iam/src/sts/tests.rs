//! Who callers are told that they are.

use super::get_caller_identity::run;
use super::*;
use crate::credentials::{AccessKey, Options};
use hearth_api::Principal;
use hearth_api::grant::GrantParts;
use hearth_base::{AccountId, RequestId, SeededRng, SystemClock};

fn identity(principal: Principal, region: &str) -> Result<GetCallerIdentityResponse, Failure> {
    let directory = Arc::new(Directory::default());
    let credentials = Credentials::new(Options {
        account: AccountId::DEVELOPMENT,
        root: AccessKey::development(),
        sealing_key: [1; 32],
        clock: Arc::new(SystemClock),
        rng: Arc::new(SeededRng::new(1)),
    });
    let sts = StsOptions { directory, credentials: Arc::new(credentials), clock: Arc::new(SystemClock) };
    let grant = Grant::issue(GrantParts {
        principal,
        account: "123456789012".parse().unwrap(),
        region: region.parse().unwrap(),
        request_id: RequestId::new(&SeededRng::new(1)),
        endpoint: "http://localhost".into(),
    });
    run(&sts, &grant, GetCallerIdentityRequest {})
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
