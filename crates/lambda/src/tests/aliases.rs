//! Aliases: their life, their rules in AWS's words, and how invocations go through them.

use super::versions::{bootstrap, publish, release};
use super::*;
use hearth_wire::Failure;

pub(super) fn create_request(name: &str, version: &str) -> api::CreateAliasRequest {
    api::CreateAliasRequest {
        function_name: Some("f".to_owned()),
        name: Some(name.to_owned()),
        function_version: Some(version.to_owned()),
        ..Default::default()
    }
}

pub(super) fn update_request(name: &str) -> api::UpdateAliasRequest {
    api::UpdateAliasRequest {
        function_name: Some("f".to_owned()),
        name: Some(name.to_owned()),
        ..Default::default()
    }
}

pub(super) fn weights(pairs: &[(&str, f64)]) -> Option<api::AliasRoutingConfiguration> {
    let weights = pairs.iter().map(|(version, weight)| ((*version).to_owned(), *weight)).collect();
    Some(api::AliasRoutingConfiguration { additional_version_weights: Some(weights) })
}

async fn get(service: &Service, name: &str) -> Result<api::AliasConfiguration, Failure> {
    let input = api::GetAliasRequest { function_name: Some("f".to_owned()), name: Some(name.to_owned()) };
    service.get_alias(grant(), input).await
}

async fn delete(service: &Service, name: &str) -> Result<(), Failure> {
    let input = api::DeleteAliasRequest { function_name: Some("f".to_owned()), name: Some(name.to_owned()) };
    service.delete_alias(grant(), input).await
}

/// A function with versions 1 and 2.
pub(super) async fn two_versions(house: &House) -> Service {
    let service = house.open().await;
    created(&service, "f").await;
    publish(&service, "f").await;
    release(&service, "f", "two").await;
    service
}

#[tokio::test]
async fn an_alias_lives_through_restarts_and_dies_for_good() {
    let house = House::new();
    let service = two_versions(&house).await;
    let input = api::CreateAliasRequest { description: Some("d".to_owned()), ..create_request("live", "1") };
    let alias = service.create_alias(grant(), input.clone()).await.unwrap();
    assert_eq!(alias.alias_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f:live"));
    assert_eq!((alias.function_version.as_deref(), alias.routing_config.as_ref()), (Some("1"), None));
    let failure = service.create_alias(grant(), input).await.unwrap_err();
    assert_eq!(failure.status, 409);
    assert_eq!(
        failure.message,
        "Alias already exists: arn:aws:lambda:us-east-1:000000000000:function:f:live"
    );
    let service = house.open().await;
    assert_eq!(get(&service, "live").await.unwrap(), alias);
    let update = api::UpdateAliasRequest {
        function_version: Some("2".to_owned()),
        routing_config: weights(&[("1", 0.25)]),
        revision_id: alias.revision_id.clone(),
        ..update_request("live")
    };
    let updated = service.update_alias(grant(), update.clone()).await.unwrap();
    assert_ne!(updated.revision_id, alias.revision_id);
    assert_eq!(updated.description.as_deref(), Some("d"));
    assert_eq!(updated.routing_config, weights(&[("1", 0.25)]));
    let failure = service.update_alias(grant(), update).await.unwrap_err();
    assert_eq!((failure.status, failure.code.as_ref()), (412, "PreconditionFailedException"));
    // What is not named stays; an empty routing takes the second version away.
    let described = api::UpdateAliasRequest { description: Some("e".into()), ..update_request("live") };
    let described = service.update_alias(grant(), described).await.unwrap();
    assert_eq!(described.routing_config, weights(&[("1", 0.25)]));
    let alone = api::UpdateAliasRequest { routing_config: weights(&[]), ..update_request("live") };
    assert_eq!(service.update_alias(grant(), alone).await.unwrap().routing_config, None);
    for _ in 0..2 {
        delete(&service, "live").await.unwrap();
    }
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:live";
    assert_eq!(get(&service, "live").await.unwrap_err().message, format!("Cannot find alias arn: {arn}"));
    let failure = service.update_alias(grant(), update_request("live")).await.unwrap_err();
    assert_eq!((failure.status, failure.message), (404, format!("Alias not found: {arn}")));
    assert_eq!(
        service.functions().invocable(&target("f:live")).unwrap_err().message,
        format!("Function not found: {arn}")
    );
}

#[tokio::test]
async fn what_an_alias_may_point_to_is_checked_in_awss_words() {
    let house = House::new();
    let service = two_versions(&house).await;
    let role = api::UpdateFunctionConfigurationRequest {
        function_name: Some("f".to_owned()),
        role: Some("arn:aws:iam::000000000000:role/other".to_owned()),
        ..Default::default()
    };
    service.update_function_configuration(grant(), role).await.unwrap();
    settled(&service, "f").await;
    assert_eq!(publish(&service, "f").await.version.as_deref(), Some("3"));
    let not_found = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f";
    for (version, pairs, status, words) in [
        ("9", None, 404, format!("{not_found}:9")),
        ("1", weights(&[("9", 0.5)]), 404, format!("{not_found}:9")),
        (
            "1",
            weights(&[("2", 0.5), ("3", 0.1)]),
            400,
            "Number of items in AdditionalVersionWeights cannot be greater than 1".into(),
        ),
        (
            "$LATEST",
            weights(&[("2", 0.5)]),
            400,
            "$LATEST is not supported for an alias pointing to more than 1 version".into(),
        ),
        (
            "1",
            weights(&[("1", 0.5)]),
            400,
            "Invalid function version 1. Function version 1 is already included in routing configuration."
                .into(),
        ),
        (
            "1",
            weights(&[("3", 0.5)]),
            400,
            "Specified versions must be associated with the same execution role".into(),
        ),
        (
            "$LATEST.PUBLISHED",
            None,
            400,
            "FunctionVersion: Hearth does not support $LATEST.PUBLISHED yet.".into(),
        ),
    ] {
        let input = api::CreateAliasRequest { routing_config: pairs, ..create_request("live", version) };
        let failure = service.create_alias(grant(), input).await.unwrap_err();
        assert_eq!((failure.status, failure.message), (status, words));
    }
    service.create_alias(grant(), create_request("latest", "$LATEST")).await.unwrap();
    // An update is checked as a whole.
    let whole =
        api::CreateAliasRequest { routing_config: weights(&[("2", 0.5)]), ..create_request("live", "1") };
    service.create_alias(grant(), whole).await.unwrap();
    for version in ["2", "$LATEST"] {
        let move_onto =
            api::UpdateAliasRequest { function_version: Some(version.into()), ..update_request("live") };
        assert_eq!(service.update_alias(grant(), move_onto).await.unwrap_err().status, 400);
    }
    assert_eq!(get(&service, "live").await.unwrap().function_version.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_version_stays_while_an_alias_points_to_it() {
    let house = House::new();
    let service = two_versions(&house).await;
    let both = api::CreateAliasRequest { routing_config: weights(&[("2", 0.0)]), ..create_request("b", "1") };
    service.create_alias(grant(), both).await.unwrap();
    service.create_alias(grant(), create_request("a", "1")).await.unwrap();
    let remove = |qualifier: &str| {
        let input = api::DeleteFunctionRequest {
            function_name: Some("f".to_owned()),
            qualifier: Some(qualifier.to_owned()),
        };
        service.delete_function(grant(), input)
    };
    for (qualifier, words) in [
        ("1", "Unable to delete version because the following aliases reference it: [a, b]"),
        ("2", "Unable to delete version because the following aliases reference it: [b]"),
        ("a", "Deletion of aliases is not currently supported."),
    ] {
        assert_eq!(remove(qualifier).await.unwrap_err().message, words);
    }
    delete(&service, "b").await.unwrap();
    remove("2").await.unwrap();
    assert_eq!(bootstrap(&service, "f:a"), "one");
}

#[tokio::test]
async fn aliases_are_listed_by_version_and_in_pages() {
    let house = House::new();
    let service = two_versions(&house).await;
    for (name, version) in [("a", "1"), ("b", "2"), ("c", "$LATEST"), ("d", "2")] {
        service.create_alias(grant(), create_request(name, version)).await.unwrap();
    }
    let both = api::CreateAliasRequest { routing_config: weights(&[("2", 0.1)]), ..create_request("e", "1") };
    service.create_alias(grant(), both).await.unwrap();
    for (version, expected) in
        [(None, "abcde"), (Some("1"), "ae"), (Some("2"), "bde"), (Some("$LATEST"), "c"), (Some("7"), "")]
    {
        let (mut seen, mut marker) = (String::new(), None);
        loop {
            let input = api::ListAliasesRequest {
                function_name: Some("f".to_owned()),
                function_version: version.map(str::to_owned),
                max_items: Some(2),
                marker,
            };
            let page = service.list_aliases(grant(), input).await.unwrap();
            seen.extend(page.aliases.unwrap().into_iter().map(|alias| alias.name.unwrap()));
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{version:?}");
    }
}

#[tokio::test]
async fn invocations_go_through_an_alias_by_weight_and_keep_their_environments() {
    let house = House::new();
    let service = two_versions(&house).await;
    let half =
        api::CreateAliasRequest { routing_config: weights(&[("2", 0.5)]), ..create_request("live", "1") };
    service.create_alias(grant(), half).await.unwrap();
    let functions = service.functions();
    let direct = ["f:1", "f:2"].map(|name| functions.invocable(&target(name)).unwrap().definition);
    let mut counts = [0, 0];
    for _ in 0..1_000 {
        let invocable = functions.invocable(&target("f:live")).unwrap();
        assert_eq!(invocable.invoked_arn, "arn:aws:lambda:us-east-1:000000000000:function:f:live");
        let place = usize::from(invocable.executed_version == "2");
        // One environment serves a version, whichever way an invocation comes to it.
        assert!(Arc::ptr_eq(&invocable.definition, &direct[place]));
        counts[place] += 1;
    }
    // Binomial, 1,000 at a half: outside of six standard deviations once in five hundred million runs.
    assert!(counts[1] > 405 && counts[1] < 595, "{counts:?}");
    let shown =
        api::GetFunctionRequest { function_name: Some("f".to_owned()), qualifier: Some("live".to_owned()) };
    let shown = service.get_function(grant(), shown).await.unwrap().configuration.unwrap();
    assert_eq!(shown.version.as_deref(), Some("1"));
    assert_eq!(shown.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f:live"));
    // Moving the alias retires nobody's environments.
    let onto = api::UpdateAliasRequest {
        function_version: Some("2".to_owned()),
        routing_config: weights(&[]),
        ..update_request("live")
    };
    service.update_alias(grant(), onto).await.unwrap();
    assert_eq!(functions.invocable(&target("f:live")).unwrap().executed_version, "2");
    assert!(!house.retired.0.lock().unwrap().iter().any(|key| key.version == "1" || key.version == "2"));
}
