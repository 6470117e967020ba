//! Function URLs: their life, what they name, and whom the function's policy lets in.

use super::aliases::{create_request, two_versions};
use super::*;

async fn create(service: &Service, qualifier: Option<&str>) -> api::CreateFunctionUrlConfigResponse {
    let input = api::CreateFunctionUrlConfigRequest {
        function_name: Some("f".to_owned()),
        qualifier: qualifier.map(str::to_owned),
        auth_type: Some(api::FunctionUrlAuthType::None),
        ..Default::default()
    };
    service.create_function_url_config(grant(), input).await.unwrap()
}

fn id(made: &api::CreateFunctionUrlConfigResponse) -> String {
    let url = made.function_url.as_deref().unwrap();
    url.strip_prefix("http://").unwrap().split('.').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_id_names_its_url_through_restarts_and_for_the_life_of_what_it_invokes() {
    let house = House::new();
    let service = two_versions(&house).await;
    service.create_alias(grant(), create_request("live", "1")).await.unwrap();
    let (own, live) = (id(&create(&service, None).await), id(&create(&service, Some("live")).await));
    assert!(own.len() == 32 && own != live);
    drop(service);
    let service = house.open().await;
    let functions = service.functions();
    assert_eq!(functions.url(&own).unwrap().target.qualifier, None);
    let found = functions.url(&live).unwrap();
    assert_eq!(functions.invocable(&found.target).unwrap().executed_version, "1");
    let input = api::DeleteFunctionUrlConfigRequest { function_name: Some("f".to_owned()), qualifier: None };
    service.delete_function_url_config(grant(), input).await.unwrap();
    assert!(functions.url(&own).is_none() && functions.url(&live).is_some());
    assert_eq!(id(&create(&service, None).await), own);
    let input =
        api::DeleteAliasRequest { function_name: Some("f".to_owned()), name: Some("live".to_owned()) };
    service.delete_alias(grant(), input).await.unwrap();
    assert!(functions.url(&live).is_none());
    let input = api::DeleteFunctionRequest { function_name: Some("f".to_owned()), qualifier: None };
    service.delete_function(grant(), input).await.unwrap();
    assert!(functions.url(&own).is_none());
    created(&service, "f").await;
    assert_ne!(id(&create(&service, None).await), own, "another function of the same name has another URL");
}

#[tokio::test]
async fn a_url_is_public_when_a_statement_says_so_of_the_same_qualifier() {
    let house = House::new();
    let service = two_versions(&house).await;
    service.create_alias(grant(), create_request("live", "1")).await.unwrap();
    let live = id(&create(&service, Some("live")).await);
    let functions = service.functions();
    let statement = |id: &str, qualifier: Option<&str>| api::AddPermissionRequest {
        function_name: Some("f".to_owned()),
        qualifier: qualifier.map(str::to_owned),
        statement_id: Some(id.to_owned()),
        action: Some("lambda:InvokeFunctionUrl".to_owned()),
        principal: Some("*".to_owned()),
        ..Default::default()
    };
    let none = Some(api::FunctionUrlAuthType::None);
    let mut number = 0;
    let not_enough = [
        api::AddPermissionRequest { function_url_auth_type: none, ..statement("a", None) },
        api::AddPermissionRequest {
            function_url_auth_type: Some(api::FunctionUrlAuthType::AwsIam),
            ..statement("b", Some("live"))
        },
        api::AddPermissionRequest {
            principal: Some("111122223333".to_owned()),
            function_url_auth_type: none,
            ..statement("c", Some("live"))
        },
        api::AddPermissionRequest {
            source_account: Some("111122223333".to_owned()),
            ..statement("d", Some("live"))
        },
        api::AddPermissionRequest {
            action: Some("lambda:InvokeFunction".to_owned()),
            ..statement("e", Some("live"))
        },
    ];
    for input in not_enough {
        service.add_permission(grant(), input).await.unwrap();
        number += 1;
        assert!(!functions.url(&live).unwrap().is_public, "after statement {number}");
    }
    let enough = api::AddPermissionRequest { function_url_auth_type: none, ..statement("f", Some("live")) };
    service.add_permission(grant(), enough).await.unwrap();
    assert!(functions.url(&live).unwrap().is_public);
}
