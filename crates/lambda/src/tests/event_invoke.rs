//! What is kept for asynchronous invocations, recursion, runtimes and code signing: set, shown and taken away.

use super::aliases::{create_request, two_versions};
use super::*;
use hearth_wire::Failure;

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

fn put_request(qualifier: Option<&str>) -> api::PutFunctionEventInvokeConfigRequest {
    api::PutFunctionEventInvokeConfigRequest {
        function_name: Some("f".to_owned()),
        qualifier: qualifier.map(str::to_owned),
        maximum_retry_attempts: Some(1),
        ..Default::default()
    }
}

fn failures_to(arn: &str) -> Option<api::DestinationConfig> {
    let on_failure = Some(api::OnFailure { destination: Some(arn.to_owned()) });
    Some(api::DestinationConfig { on_success: None, on_failure })
}

async fn get(service: &Service, qualifier: Option<&str>) -> Result<api::FunctionEventInvokeConfig, Failure> {
    let input = api::GetFunctionEventInvokeConfigRequest {
        function_name: Some("f".to_owned()),
        qualifier: qualifier.map(str::to_owned),
    };
    service.get_function_event_invoke_config(grant(), input).await
}

#[tokio::test]
async fn each_qualifier_has_a_configuration_that_outlives_the_server() {
    let house = House::new();
    let service = two_versions(&house).await;
    service.create_alias(grant(), create_request("live", "1")).await.unwrap();
    for (qualifier, shown) in [(None, "$LATEST"), (Some("1"), "1"), (Some("live"), "live")] {
        let failure = get(&service, qualifier).await.unwrap_err();
        assert_eq!(failure.status, 404);
        assert_eq!(failure.message, format!("The function {ARN}:{shown} doesn't have an EventInvokeConfig"));
        let put = service.put_function_event_invoke_config(grant(), put_request(qualifier)).await.unwrap();
        assert_eq!(put.function_arn, Some(format!("{ARN}:{shown}")));
        assert_eq!((put.maximum_retry_attempts, put.maximum_event_age_in_seconds), (Some(1), None));
        assert_eq!(put.last_modified, Some(house.clock.now()));
    }
    let update = api::UpdateFunctionEventInvokeConfigRequest {
        function_name: Some("f:live".to_owned()),
        maximum_event_age_in_seconds: Some(60),
        destination_config: failures_to(QUEUE),
        ..Default::default()
    };
    let updated = service.update_function_event_invoke_config(grant(), update).await.unwrap();
    assert_eq!(updated.maximum_retry_attempts, Some(1), "what an update does not name stays");
    let service = house.open().await;
    assert_eq!(get(&service, Some("live")).await.unwrap(), updated);
    let functions = service.functions();
    let settings = functions.event_invoke(&target("f:live")).unwrap();
    assert_eq!((settings.retries, settings.event_age_s), (1, 60));
    assert_eq!((settings.on_success.as_deref(), settings.on_failure.as_deref()), (None, Some(QUEUE)));
    let unset = functions.event_invoke(&target("f:2")).unwrap();
    assert_eq!((unset.retries, unset.event_age_s), (2, 21_600), "what holds where nothing was configured");
    assert_eq!((unset.on_success, unset.on_failure), (None, None));
    // Putting replaces all; an empty destination takes one away.
    let put = service.put_function_event_invoke_config(grant(), put_request(Some("live"))).await.unwrap();
    assert_eq!(put.maximum_event_age_in_seconds, None);
    assert_eq!(put.destination_config.unwrap().on_failure.unwrap().destination, None);
    let pages = pages(&service).await;
    assert_eq!(pages, [format!("{ARN}:$LATEST"), format!("{ARN}:1"), format!("{ARN}:live")]);
    let delete = api::DeleteFunctionEventInvokeConfigRequest {
        function_name: Some("f".to_owned()),
        qualifier: Some("live".to_owned()),
    };
    service.delete_function_event_invoke_config(grant(), delete.clone()).await.unwrap();
    assert_eq!(service.delete_function_event_invoke_config(grant(), delete).await.unwrap_err().status, 404);
    assert_eq!(get(&service, None).await.unwrap().maximum_retry_attempts, Some(1));
}

async fn pages(service: &Service) -> Vec<String> {
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let input = api::ListFunctionEventInvokeConfigsRequest {
            function_name: Some("f".to_owned()),
            max_items: Some(2),
            marker,
        };
        let page = service.list_function_event_invoke_configs(grant(), input).await.unwrap();
        let configs = page.function_event_invoke_configs.unwrap();
        seen.extend(configs.into_iter().map(|config| config.function_arn.unwrap()));
        marker = page.next_marker;
        if marker.is_none() {
            return seen;
        }
    }
}

#[tokio::test]
async fn configurations_are_refused_in_words_that_say_why() {
    let house = House::new();
    let service = two_versions(&house).await;
    let with = |change: &dyn Fn(&mut api::PutFunctionEventInvokeConfigRequest)| {
        let mut input = put_request(None);
        change(&mut input);
        input
    };
    let success = |arn: &str| {
        let on_success = Some(api::OnSuccess { destination: Some(arn.to_owned()) });
        Some(api::DestinationConfig { on_success, on_failure: None })
    };
    for (input, status, words) in [
        (
            with(&|input| input.maximum_retry_attempts = None),
            400,
            "You must specify at least one of error handling or destination setting.",
        ),
        (with(&|input| input.function_name = Some("g".into())), 404, "The function doesn't exist."),
        (put_request(Some("9")), 404, "The function doesn't exist."),
        (put_request(Some("live")), 404, "The function doesn't exist."),
        (
            with(&|input| input.destination_config = failures_to(ARN)),
            400,
            "You can't specify the function as a destination for itself.",
        ),
        (
            with(&|input| {
                input.destination_config = failures_to("arn:aws:dynamodb:us-east-1:000000000000:table/t")
            }),
            400,
            "is none of a queue of SQS",
        ),
        (
            with(&|input| {
                input.destination_config = failures_to("arn:aws:sqs:us-east-1:000000000000:q.fifo")
            }),
            400,
            "is FIFO",
        ),
        (with(&|input| input.destination_config = success("arn:aws:s3:::b")), 400, "for failures only"),
        (
            with(&|input| input.destination_config = failures_to("kafka://t")),
            400,
            "DestinationConfig.OnFailure.Destination: Hearth does not support Kafka topics yet.",
        ),
        (
            with(&|input| input.destination_config = success("arn:aws:events:us-east-1:000000000000:rule/r")),
            400,
            "is none of a queue of SQS",
        ),
        (
            with(&|input| input.destination_config = failures_to("arn:aws:s3:::b")),
            400,
            "Hearth does not support",
        ),
    ] {
        let failure = service.put_function_event_invoke_config(grant(), input).await.unwrap_err();
        assert_eq!(failure.status, status, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
    }
    assert_eq!(get(&service, None).await.unwrap_err().status, 404);
    for good in [QUEUE, "arn:aws:lambda:us-east-1:000000000000:function:ff"] {
        let input = with(&|input| input.destination_config = failures_to(good));
        service.put_function_event_invoke_config(grant(), input).await.unwrap();
    }
}

#[tokio::test]
async fn recursion_is_terminated_unless_it_is_allowed() {
    let house = House::new();
    let service = two_versions(&house).await;
    let get = || api::GetFunctionRecursionConfigRequest { function_name: Some("f".into()) };
    let shown = service.get_function_recursion_config(grant(), get()).await.unwrap();
    assert_eq!(shown.recursive_loop, Some(api::RecursiveLoop::Terminate));
    let put = api::PutFunctionRecursionConfigRequest {
        function_name: Some("f".into()),
        recursive_loop: Some(api::RecursiveLoop::Allow),
    };
    service.put_function_recursion_config(grant(), put.clone()).await.unwrap();
    let service = house.open().await;
    let shown = service.get_function_recursion_config(grant(), get()).await.unwrap();
    assert_eq!(shown.recursive_loop, Some(api::RecursiveLoop::Allow));
    assert_eq!(service.functions().recursive_loop(&target("f").key).unwrap(), RecursiveLoop::Allow);
    let missing = api::PutFunctionRecursionConfigRequest { function_name: Some("g".into()), ..put };
    assert_eq!(service.put_function_recursion_config(grant(), missing).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn runtimes_are_managed_automatically_or_not_at_all() {
    let house = House::new();
    let service = two_versions(&house).await;
    let put = |name: &str, on: &str| api::PutRuntimeManagementConfigRequest {
        function_name: Some(name.to_owned()),
        update_runtime_on: api::UpdateRuntimeOn::parse(on),
        ..Default::default()
    };
    for (name, arn) in [("f", ARN.to_owned()), ("f:1", format!("{ARN}:1"))] {
        let answer = service.put_runtime_management_config(grant(), put(name, "Auto")).await.unwrap();
        let get =
            api::GetRuntimeManagementConfigRequest { function_name: Some(name.into()), qualifier: None };
        let shown = service.get_runtime_management_config(grant(), get).await.unwrap();
        assert_eq!((answer.function_arn.as_ref(), shown.function_arn.as_ref()), (Some(&arn), Some(&arn)));
        assert_eq!(shown.update_runtime_on, Some(api::UpdateRuntimeOn::Auto));
    }
    for (name, on, status) in [
        ("f", "Manual", 400),
        ("f", "FunctionUpdate", 400),
        ("f:live", "Auto", 400),
        ("f:9", "Auto", 404),
        ("g", "Auto", 404),
    ] {
        let failure = service.put_runtime_management_config(grant(), put(name, on)).await.unwrap_err();
        assert_eq!(failure.status, status, "{name} {on}");
    }
}

#[tokio::test]
async fn there_is_no_code_signing() {
    let house = House::new();
    let service = two_versions(&house).await;
    let get = |name: &str| api::GetFunctionCodeSigningConfigRequest { function_name: Some(name.to_owned()) };
    let shown = service.get_function_code_signing_config(grant(), get("f")).await.unwrap();
    assert_eq!((shown.function_name.as_deref(), shown.code_signing_config_arn), (Some("f"), None));
    assert_eq!(service.get_function_code_signing_config(grant(), get("g")).await.unwrap_err().status, 404);
    let put = api::PutFunctionCodeSigningConfigRequest {
        function_name: Some("f".into()),
        code_signing_config_arn: Some(
            "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0".into(),
        ),
    };
    let failure = service.put_function_code_signing_config(grant(), put).await.unwrap_err();
    assert_eq!(failure.code, "CodeSigningConfigNotFoundException");
    assert!(failure.message.contains("Hearth does not support code signing yet"));
    for (name, gone) in [("f", true), ("g", false)] {
        let input = api::DeleteFunctionCodeSigningConfigRequest { function_name: Some(name.into()) };
        assert_eq!(service.delete_function_code_signing_config(grant(), input).await.is_ok(), gone);
    }
}
