//! Reserved and provisioned concurrency: what is claimed, refused and told to the data plane, and what a restart knows.

use super::aliases::{create_request, two_versions, update_request, weights};
use super::*;
use hearth_environment::Throttle;
use hearth_wire::Failure;

async fn reserve(service: &Service, name: &str, count: i64) -> Result<i64, Failure> {
    let input = api::PutFunctionConcurrencyRequest {
        function_name: Some(name.to_owned()),
        reserved_concurrent_executions: Some(count),
    };
    service
        .put_function_concurrency(grant(), input)
        .await
        .map(|it| it.reserved_concurrent_executions.unwrap())
}

async fn provision(
    service: &Service,
    qualifier: &str,
    count: i64,
) -> Result<api::PutProvisionedConcurrencyConfigResponse, Failure> {
    let input = api::PutProvisionedConcurrencyConfigRequest {
        function_name: Some("f".to_owned()),
        qualifier: Some(qualifier.to_owned()),
        provisioned_concurrent_executions: Some(count),
    };
    service.put_provisioned_concurrency_config(grant(), input).await
}

async fn unprovision(service: &Service, qualifier: &str) {
    let input = api::DeleteProvisionedConcurrencyConfigRequest {
        function_name: Some("f".to_owned()),
        qualifier: Some(qualifier.to_owned()),
    };
    service.delete_provisioned_concurrency_config(grant(), input).await.unwrap();
}

async fn unreserved(service: &Service) -> i64 {
    let settings = service.get_account_settings(grant(), api::GetAccountSettingsRequest {}).await.unwrap();
    settings.account_limit.unwrap().unreserved_concurrent_executions.unwrap()
}

impl House {
    /// How many environments of each version are to be kept now.
    fn wanted(&self) -> BTreeMap<String, u32> {
        let wanted = self.retired.1.lock().unwrap();
        wanted
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(key, count)| (key.version.clone(), *count))
            .collect()
    }
}

fn versions(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
    pairs.iter().map(|(version, count)| ((*version).to_owned(), *count)).collect()
}

#[tokio::test]
async fn reservations_are_claimed_of_the_account_and_outlive_the_server() {
    let house = House::new();
    let service = house.open().await;
    for name in ["f", "g"] {
        created(&service, name).await;
    }
    assert_eq!(reserve(&service, "f", 400).await.unwrap(), 400);
    assert_eq!(reserve(&service, "g", 500).await.unwrap(), 500);
    assert_eq!(unreserved(&service).await, 100);
    for (name, wrong) in [("f", 401), ("g", 501), ("f", i64::from(u32::MAX) + 7)] {
        assert_eq!(
            reserve(&service, name, wrong).await.unwrap_err().message,
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
        );
    }
    assert_eq!(reserve(&service, "f", 0).await.unwrap(), 0);
    assert_eq!(unreserved(&service).await, 500);
    drop(service);
    let service = house.open().await;
    assert_eq!(unreserved(&service).await, 500);
    let invocable = service.functions().invocable(&target("f")).unwrap();
    assert_eq!(invocable.meter.admit("$LATEST").unwrap_err(), Throttle::ReservedNothing);
    let input = api::DeleteFunctionConcurrencyRequest { function_name: Some("f".to_owned()) };
    service.delete_function_concurrency(grant(), input).await.unwrap();
    assert!(invocable.meter.admit("$LATEST").is_ok(), "the meter is the function's for its life");
    let input = api::DeleteFunctionRequest { function_name: Some("g".to_owned()), qualifier: None };
    service.delete_function(grant(), input).await.unwrap();
    assert_eq!(unreserved(&service).await, 1_000);
}

#[tokio::test]
async fn functions_of_other_accounts_and_regions_have_pools_of_their_own() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    reserve(&service, "f", 900).await.unwrap();
    for (account, region) in [("111122223333", "us-east-1"), ("000000000000", "eu-west-1")] {
        let settings = service
            .get_account_settings(grant_of(account, region), api::GetAccountSettingsRequest {})
            .await
            .unwrap();
        assert_eq!(settings.account_limit.unwrap().unreserved_concurrent_executions, Some(1_000));
    }
}

#[tokio::test]
async fn what_is_provisioned_follows_versions_aliases_and_restarts() {
    let house = House::new();
    let service = two_versions(&house).await;
    super::versions::publish(&service, "f").await;
    provision(&service, "1", 3).await.unwrap();
    assert_eq!(house.wanted(), versions(&[("1", 3)]));
    assert_eq!(unreserved(&service).await, 997);
    service.create_alias(grant(), create_request("live", "2")).await.unwrap();
    provision(&service, "live", 8).await.unwrap();
    assert_eq!(house.wanted(), versions(&[("1", 3), ("2", 8)]));
    unprovision(&service, "1").await;
    assert_eq!(house.wanted(), versions(&[("2", 8)]));
    // An alias with a weight has a share for each of its versions.
    let weighted = |version: &str, weight| api::UpdateAliasRequest {
        routing_config: weights(&[(version, weight)]),
        ..update_request("live")
    };
    service.update_alias(grant(), weighted("1", 0.3)).await.unwrap();
    assert_eq!(house.wanted(), versions(&[("1", 2), ("2", 6)]));
    service.update_alias(grant(), weighted("1", 0.0)).await.unwrap();
    assert_eq!(house.wanted(), versions(&[("2", 8)]));
    service.update_alias(grant(), weighted("1", 1.0)).await.unwrap();
    assert_eq!(house.wanted(), versions(&[("1", 8)]));
    drop(service);
    house.retired.1.lock().unwrap().clear();
    let service = house.open().await;
    assert_eq!(house.wanted(), versions(&[("1", 8)]), "they are made again by the next server");
    let input =
        api::DeleteAliasRequest { function_name: Some("f".to_owned()), name: Some("live".to_owned()) };
    service.delete_alias(grant(), input).await.unwrap();
    assert_eq!(house.wanted(), versions(&[]));
    assert_eq!(unreserved(&service).await, 1_000);
}

#[tokio::test]
async fn a_configuration_goes_with_its_version() {
    let house = House::new();
    let service = two_versions(&house).await;
    provision(&service, "1", 3).await.unwrap();
    let input =
        api::DeleteFunctionRequest { function_name: Some("f".to_owned()), qualifier: Some("1".to_owned()) };
    service.delete_function(grant(), input).await.unwrap();
    assert_eq!((house.wanted(), unreserved(&service).await), (versions(&[]), 1_000));
}

#[tokio::test]
async fn provisioned_and_reserved_concurrency_bound_each_other() {
    let house = House::new();
    let service = two_versions(&house).await;
    reserve(&service, "f", 10).await.unwrap();
    provision(&service, "1", 6).await.unwrap();
    let words = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
    assert_eq!(provision(&service, "1", 11).await.unwrap_err().message, words);
    assert_eq!(unreserved(&service).await, 990, "what is provisioned is a part of what is reserved");
    let failure = reserve(&service, "f", 5).await.unwrap_err();
    assert!(
        failure.message.ends_with("should not be lower than function's total provisioned concurrency [6]."),
        "{failure:?}"
    );
    reserve(&service, "f", 6).await.unwrap();
    let meter = service.functions().invocable(&target("f")).unwrap().meter;
    assert_eq!(meter.admit("$LATEST").unwrap_err(), Throttle::ReservedConcurrent);
    assert!(meter.admit("1").is_ok());
    let input = api::DeleteFunctionConcurrencyRequest { function_name: Some("f".to_owned()) };
    service.delete_function_concurrency(grant(), input).await.unwrap();
    assert!(meter.admit("$LATEST").is_ok());
    let failure = provision(&service, "1", 901).await.unwrap_err();
    assert!(failure.message.contains("below its minimum value of [100]"), "{failure:?}");
    provision(&service, "1", 900).await.unwrap();
}

#[tokio::test]
async fn an_old_record_reads_as_one_without_concurrency_and_urls() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    let function = service.inner.registry.get(&target("f").key).unwrap().function().clone();
    let mut old = serde_json::to_value(&function).unwrap();
    for field in ["capacity", "urls", "url_ids"] {
        assert!(old.as_object_mut().unwrap().remove(field).is_some());
    }
    assert_eq!(serde_json::from_value::<model::Function>(old).unwrap(), function);
}
