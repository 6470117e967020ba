//! Quotas that would take too long to reach through the server, and answers without a store under them.

use super::*;
use crate::credentials::{AccessKey, Options};
use crate::directory::model::{Permissions, Role, Tags};
use hearth_api::grant::GrantParts;
use hearth_api::iam::Iam as _;
use hearth_base::{AccountId, RequestId, SeededRng, SystemClock};
use hearth_store::memory;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

fn iam() -> (Iam, Arc<Directory>) {
    let directory = Arc::new(Directory::default());
    let credentials = Credentials::new(Options {
        account: AccountId::DEVELOPMENT,
        root: AccessKey::development(),
        sealing_key: [1; 32],
        clock: Arc::new(SystemClock),
        rng: Arc::new(SeededRng::new(1)),
    });
    let iam = Iam::new(IamOptions {
        directory: Arc::clone(&directory),
        credentials: Arc::new(credentials.over(Arc::clone(&directory))),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SeededRng::new(2)),
    });
    (iam, directory)
}

fn grant() -> Grant {
    Grant::issue(GrantParts {
        principal: Principal::Root(AccountId::DEVELOPMENT),
        account: AccountId::DEVELOPMENT,
        region: "cn-north-1".parse().unwrap(),
        request_id: RequestId::new(&SeededRng::new(3)),
        endpoint: "http://localhost".into(),
    })
}

async fn open(directory: &Directory) {
    let store = memory::Memory::new(Arc::new(SystemClock), memory::Options::default());
    directory.open(Arc::new(store)).await.unwrap();
}

fn role_request(name: &str) -> CreateRoleRequest {
    CreateRoleRequest {
        role_name: Some(name.into()),
        assume_role_policy_document: Some(TRUST.into()),
        ..CreateRoleRequest::default()
    }
}

#[tokio::test]
async fn the_five_thousand_and_first_role_is_refused() {
    let (iam, directory) = iam();
    open(&directory).await;
    for batch in 0..50 {
        directory
            .change(|_, edit| {
                for number in 0..100 {
                    let head = Head {
                        account: AccountId::DEVELOPMENT,
                        name: format!("role-{batch}-{number}"),
                        path: "/".into(),
                        id: "AROA".into(),
                        created: Timestamp::from_seconds(1),
                    };
                    edit.insert(Role {
                        head,
                        permissions: Permissions::default(),
                        tags: Tags::default(),
                        trust: TRUST.into(),
                        description: None,
                        session_s_max: 3_600,
                    });
                }
                Ok(())
            })
            .await
            .unwrap();
    }
    let failure = iam.create_role(grant(), role_request("one-more")).await.unwrap_err();
    let message = "Cannot exceed quota for RolesPerAccount: 5000";
    assert_eq!(
        (failure.code.as_ref(), failure.status, failure.message.as_str()),
        ("LimitExceeded", 409, message)
    );
}

#[tokio::test]
async fn arns_are_of_the_callers_partition() {
    let (iam, directory) = iam();
    open(&directory).await;
    let role = iam.create_role(grant(), role_request("r")).await.unwrap().role.unwrap();
    assert_eq!(role.arn.as_deref(), Some("arn:aws-cn:iam::000000000000:role/r"));
    let arn = "arn:aws-cn:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    let policy = iam.get_policy(grant(), GetPolicyRequest { policy_arn: Some(arn.into()) }).await.unwrap();
    assert_eq!(policy.policy.unwrap().arn.as_deref(), Some(arn));
}

#[tokio::test]
async fn a_store_that_fails_is_a_fault_of_the_service_and_changes_nothing() {
    let (iam, directory) = iam();
    let failure = iam.create_role(grant(), role_request("r")).await.unwrap_err();
    assert_eq!((failure.code.as_ref(), failure.status), ("ServiceFailure", 500));
    assert!(directory.read(|state| state.roles.of(AccountId::DEVELOPMENT).next().is_none()));
}
