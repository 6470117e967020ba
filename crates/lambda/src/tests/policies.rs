//! Permissions on functions, versions and aliases: given, shown, taken, and kept apart.

use super::aliases::{create_request, two_versions};
use super::*;
use hearth_iam::ResourcePolicies as _;
use hearth_wire::Failure;

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn add_request(id: &str, qualifier: Option<&str>) -> api::AddPermissionRequest {
    api::AddPermissionRequest {
        function_name: Some("f".to_owned()),
        qualifier: qualifier.map(str::to_owned),
        statement_id: Some(id.to_owned()),
        action: Some("lambda:InvokeFunction".to_owned()),
        principal: Some("s3.amazonaws.com".to_owned()),
        source_arn: Some("arn:aws:s3:::b".to_owned()),
        source_account: Some("111122223333".to_owned()),
        ..Default::default()
    }
}

fn remove_request(id: &str, qualifier: Option<&str>) -> api::RemovePermissionRequest {
    api::RemovePermissionRequest {
        function_name: Some("f".to_owned()),
        qualifier: qualifier.map(str::to_owned),
        statement_id: Some(id.to_owned()),
        ..Default::default()
    }
}

async fn policy(service: &Service, qualifier: Option<&str>) -> Result<api::GetPolicyResponse, Failure> {
    let input = api::GetPolicyRequest {
        function_name: Some("f".to_owned()),
        qualifier: qualifier.map(str::to_owned),
    };
    service.get_policy(grant(), input).await
}

fn statement(id: &str, arn: &str) -> String {
    format!(
        r#"{{"Sid":"{id}","Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},"Action":"lambda:InvokeFunction","Resource":"{arn}","Condition":{{"StringEquals":{{"AWS:SourceAccount":"111122223333"}},"ArnLike":{{"AWS:SourceArn":"arn:aws:s3:::b"}}}}}}"#
    )
}

#[tokio::test]
async fn each_qualifier_has_a_policy_of_its_own() {
    let house = House::new();
    let service = two_versions(&house).await;
    service.create_alias(grant(), create_request("live", "1")).await.unwrap();
    let before = settled(&service, "f").await;
    let warm = service.functions().invocable(&target("f")).unwrap().definition;
    for (qualifier, arn) in
        [(None, ARN.to_owned()), (Some("1"), format!("{ARN}:1")), (Some("live"), format!("{ARN}:live"))]
    {
        assert_eq!(
            policy(&service, qualifier).await.unwrap_err().message,
            "The resource you requested does not exist."
        );
        let added = service.add_permission(grant(), add_request("s", qualifier)).await.unwrap();
        assert_eq!(added.statement.unwrap(), statement("s", &arn));
        let failure = service.add_permission(grant(), add_request("s", qualifier)).await.unwrap_err();
        assert_eq!(failure.status, 409);
        assert_eq!(
            failure.message,
            "The statement id (s) provided already exists. Please provide a new statement id, or remove the existing statement."
        );
        let shown = policy(&service, qualifier).await.unwrap();
        assert_eq!(
            shown.policy.unwrap(),
            format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{}]}}"#, statement("s", &arn))
        );
    }
    // The revision of the policy is that of what it is on, and changes without a new deployment.
    let after = settled(&service, "f").await;
    assert_ne!(after.revision_id, before.revision_id);
    assert_eq!(policy(&service, None).await.unwrap().revision_id, after.revision_id);
    assert!(Arc::ptr_eq(&warm, &service.functions().invocable(&target("f")).unwrap().definition));
    let service = house.open().await;
    assert_eq!(policy(&service, Some("live")).await.unwrap(), policy(&service, Some("live")).await.unwrap());
    for qualifier in [None, Some("1"), Some("live")] {
        service.remove_permission(grant(), remove_request("s", qualifier)).await.unwrap();
        assert_eq!(policy(&service, qualifier).await.unwrap_err().status, 404);
        let failure = service.remove_permission(grant(), remove_request("s", qualifier)).await.unwrap_err();
        assert_eq!(failure.message, "No policy is associated with the given resource.");
    }
    // The definition that the restarted server made is that of before.
    let restarted = service.functions().invocable(&target("f")).unwrap().definition;
    assert_eq!(*warm, *restarted);
}

#[tokio::test]
async fn permissions_are_refused_in_awss_words() {
    let house = House::new();
    let service = two_versions(&house).await;
    service.add_permission(grant(), add_request("s", None)).await.unwrap();
    let with = |change: fn(&mut api::AddPermissionRequest)| {
        let mut input = add_request("t", None);
        change(&mut input);
        input
    };
    for (input, status, words) in [
        (add_request("t", Some("9")), 404, format!("Function not found: {ARN}:9")),
        (add_request("t", Some("live")), 404, format!("Cannot find alias arn: {ARN}:live")),
        (add_request("t", Some("$LATEST")), 400, "We currently do not support adding policies for $LATEST.".into()),
        (with(|input| input.function_name = Some("g".into())), 404, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:g".into()),
        (with(|input| input.principal = Some("nobody".into())), 400, "The provided principal was invalid. Please check the principal and try again.".into()),
        (with(|input| input.function_url_auth_type = Some(api::FunctionUrlAuthType::None)), 400, "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action".into()),
        (with(|input| input.revision_id = Some("x".into())), 412, "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id".into()),
    ] {
        let failure = service.add_permission(grant(), input).await.unwrap_err();
        assert_eq!((failure.status, failure.message), (status, words));
    }
    let failure = service.remove_permission(grant(), remove_request("t", None)).await.unwrap_err();
    assert_eq!(
        (failure.status, failure.message.as_str()),
        (404, "Statement t is not found in resource policy.")
    );
    let stale = api::RemovePermissionRequest { revision_id: Some("x".into()), ..remove_request("s", None) };
    assert_eq!(service.remove_permission(grant(), stale).await.unwrap_err().status, 412);
    assert!(policy(&service, None).await.unwrap().policy.unwrap().contains(r#""Sid":"s""#));
}

#[tokio::test]
async fn what_belonged_to_an_alias_goes_with_it() {
    let house = House::new();
    let service = two_versions(&house).await;
    for _ in 0..2 {
        service.create_alias(grant(), create_request("live", "1")).await.unwrap();
        assert_eq!(policy(&service, Some("live")).await.unwrap_err().status, 404);
        service.add_permission(grant(), add_request("s", Some("live"))).await.unwrap();
        let input = api::DeleteAliasRequest { function_name: Some("f".into()), name: Some("live".into()) };
        service.delete_alias(grant(), input).await.unwrap();
    }
}

#[tokio::test]
async fn the_authoriser_finds_the_policy_of_an_arn_in_memory() {
    let house = House::new();
    let service = two_versions(&house).await;
    service.create_alias(grant(), create_request("live", "1")).await.unwrap();
    for qualifier in [None, Some("live")] {
        service.add_permission(grant(), add_request("s", qualifier)).await.unwrap();
    }
    let service = house.open().await;
    let functions = service.functions();
    let sids = |arn: &str| {
        let document = functions.policy(arn)?;
        Some(document.statements().iter().map(|each| each.sid().unwrap().to_owned()).collect::<Vec<_>>())
    };
    for (arn, expected) in [
        (ARN.to_owned(), Some(vec!["s".to_owned()])),
        (format!("{ARN}:live"), Some(vec!["s".to_owned()])),
        (format!("{ARN}:1"), None),
        (format!("{ARN}:dead"), None),
        (ARN.replace("us-east-1", "eu-west-1"), None),
        ("f".to_owned(), None),
        ("arn:aws:s3:::b".to_owned(), None),
    ] {
        assert_eq!(sids(&arn), expected, "{arn}");
    }
    let tags = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
    service
        .tag_resource(grant(), api::TagResourceRequest { resource: Some(ARN.into()), tags: Some(tags) })
        .await
        .unwrap();
    for (arn, expected) in [(format!("{ARN}:live"), 1), (ARN.to_owned(), 1), (format!("{ARN}g"), 0)] {
        assert_eq!(functions.tags(&arn).len(), expected, "{arn}");
    }
    // A change of anything else keeps what was read; a change of the policy replaces it.
    let before = functions.policy(ARN).unwrap();
    service.update_function_code(grant(), code_update("f", "three")).await.unwrap();
    assert!(Arc::ptr_eq(&before, &functions.policy(ARN).unwrap()));
    service.add_permission(grant(), add_request("t", None)).await.unwrap();
    assert_eq!(sids(ARN).unwrap(), ["s", "t"]);
    for id in ["s", "t"] {
        service.remove_permission(grant(), remove_request(id, None)).await.unwrap();
    }
    assert_eq!(sids(ARN), None);
}
