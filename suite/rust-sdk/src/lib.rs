//! The main job with the AWS SDK for Rust: a function is created, awaited, invoked, read about and deleted.
//!
//! It only tests, and only a server that runs already: HEARTH_ENDPOINT says where.
#![cfg(test)]

use aws_sdk_cloudwatchlogs as logs;
use aws_sdk_lambda as lambda;
use lambda::client::Waiters as _;
use lambda::config::{Credentials, Region};
use lambda::primitives::Blob;
use lambda::types::{Environment, FunctionCode, LogType, Runtime, State};
use std::io::{Cursor, Write as _};
use std::time::Duration;
use zip::write::{SimpleFileOptions, ZipWriter};

const SOURCE: &str = "\
import os

def handler(event, context):
    print('asked for', event['name'])
    if event['name'] == 'nobody':
        raise KeyError('nobody is here')
    return {'greeting': os.environ['GREETING'] + ' ' + event['name']}
";

fn endpoint() -> String {
    std::env::var("HEARTH_ENDPOINT").expect("HEARTH_ENDPOINT names a running server")
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "suite")
}

fn lambda_client() -> lambda::Client {
    let config = lambda::Config::builder()
        .behavior_version_latest()
        .endpoint_url(endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    lambda::Client::from_conf(config)
}

fn logs_client() -> logs::Client {
    let config = logs::Config::builder()
        .behavior_version_latest()
        .endpoint_url(endpoint())
        .region(logs::config::Region::new("us-east-1"))
        .credentials_provider(credentials())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    logs::Client::from_conf(config)
}

fn package(source: &str) -> Blob {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("app.py", SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
    writer.write_all(source.as_bytes()).unwrap();
    Blob::new(writer.finish().unwrap().into_inner())
}

async fn create(client: &lambda::Client, name: &str) {
    let environment = Environment::builder().variables("GREETING", "Hello").build();
    client
        .create_function()
        .function_name(name)
        .runtime(Runtime::from("python3.12"))
        .handler("app.handler")
        .role("arn:aws:iam::000000000000:role/suite")
        .environment(environment)
        .code(FunctionCode::builder().zip_file(package(SOURCE)).build())
        .send()
        .await
        .unwrap();
    let active = client.wait_until_function_active_v2().function_name(name);
    active.wait(Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn a_function_is_created_invoked_and_deleted() {
    let client = lambda_client();
    let name = "rust-main-job";
    create(&client, name).await;

    let described = client.get_function().function_name(name).send().await.unwrap();
    assert_eq!(described.configuration().unwrap().state(), Some(&State::Active));
    let payload = Blob::new(r#"{"name": "Ada"}"#);
    let invoked =
        client.invoke().function_name(name).log_type(LogType::Tail).payload(payload).send().await.unwrap();
    assert_eq!(invoked.status_code(), 200);
    assert_eq!(invoked.function_error(), None);
    assert_eq!(invoked.payload().unwrap().as_ref(), br#"{"greeting": "Hello Ada"}"#);
    assert!(invoked.log_result().is_some());

    client.delete_function().function_name(name).send().await.unwrap();
    let gone = client.get_function().function_name(name).send().await.unwrap_err().into_service_error();
    assert!(gone.is_resource_not_found_exception(), "{gone:?}");
}

#[tokio::test]
async fn errors_of_a_function_and_of_the_service_are_told_apart() {
    let client = lambda_client();
    let name = "rust-errors";
    create(&client, name).await;

    let payload = Blob::new(r#"{"name": "nobody"}"#);
    let failed = client.invoke().function_name(name).payload(payload).send().await.unwrap();
    assert_eq!(failed.function_error(), Some("Unhandled"));
    let body = String::from_utf8(failed.payload().unwrap().as_ref().to_vec()).unwrap();
    assert!(body.contains(r#""errorType": "KeyError""#), "{body}");

    let timeout = client.update_function_configuration().function_name(name).timeout(901).send().await;
    let refused = timeout.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("ValidationException"), "{refused:?}");
    client.delete_function().function_name(name).send().await.unwrap();
}

#[tokio::test]
async fn logs_arrive() {
    let (client, logs) = (lambda_client(), logs_client());
    let name = "rust-logs";
    create(&client, name).await;
    client.invoke().function_name(name).payload(Blob::new(r#"{"name": "Grace"}"#)).send().await.unwrap();

    let group = format!("/aws/lambda/{name}");
    // Lines are delivered behind the answer; they are there within moments.
    let found = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let filtered = logs.filter_log_events().log_group_name(&group).filter_pattern("asked").send().await;
            let events = filtered.map(|filtered| filtered.events.unwrap_or_default()).unwrap_or_default();
            match events.into_iter().next() {
                Some(event) => break event.message.unwrap(),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    assert_eq!(found.await.expect("the line arrives").trim_end(), "asked for Grace");
    let streams = logs.describe_log_streams().log_group_name(&group).send().await.unwrap();
    assert_eq!(streams.log_streams().len(), 1);
    client.delete_function().function_name(name).send().await.unwrap();
}
