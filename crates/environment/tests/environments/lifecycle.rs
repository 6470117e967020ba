//! How an environment starts, serves again and again, and what the code in it sees.

use crate::fixture::{Server, failed, invocation, returned, tail};
use hearth_environment::Outcome;
use serde_json::Value;
use std::sync::Arc;

const COUNTER: &str = "
import os
count = 0
def handler(event, context):
    global count
    count += 1
    return [os.getpid(), count]
";

#[tokio::test]
async fn a_cold_start_is_logged_as_on_aws() {
    let server = Server::start();
    let function = Arc::new(server.python(
        "print('loading')\ndef handler(event, context):\n    print('hello')\n    return {'got': event}\n",
    ));
    let completion = server.invoke(&function, r#"{"a": 1}"#).await;
    assert_eq!(returned(&completion), r#"{"got": {"a": 1}}"#);
    let messages = server.messages().await;
    let report = &completion.report;
    let start = messages[2].strip_prefix("START RequestId: ").unwrap();
    let id = start.strip_suffix(" Version: $LATEST\n").unwrap();
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
    let init = report.init.unwrap();
    assert!(messages[0].starts_with("INIT_START Runtime Version: python:3."), "{messages:?}");
    assert!(
        messages[0].contains("\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:"),
        "{messages:?}"
    );
    assert_eq!(messages[1], "loading\n");
    assert_eq!(messages[3], "hello\n");
    assert_eq!(messages[4], format!("END RequestId: {id}\n"));
    assert_eq!(
        messages[5],
        format!(
            "REPORT RequestId: {id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: 1769 MB\tMax Memory Used: {} MB\tInit Duration: {:.2} ms\t\n",
            milliseconds(report.duration),
            report.billed.as_millis(),
            report.max_memory_used_mb,
            milliseconds(init),
        )
    );
    assert_eq!(messages.len(), 6);
    assert!(report.billed >= init + report.duration, "{report:?}");
    assert!((1..200).contains(&report.max_memory_used_mb), "{report:?}");
    assert_eq!(tail(&completion), messages[1..].concat());
    let stream = &*report.log_stream;
    assert_eq!(server.log.streams(), [stream]);
    assert!(stream.contains("/[$LATEST]") && stream.len() == "2026/11/23/[$LATEST]".len() + 32, "{stream}");
    server.stop().await;
}

#[tokio::test]
async fn a_warm_environment_serves_again() {
    let server = Server::start();
    let function = Arc::new(server.python(COUNTER));
    let mut process = None;
    for turn in 1..=20 {
        let completion = server.invoke(&function, "{}").await;
        let answer: Value = serde_json::from_str(returned(&completion)).unwrap();
        assert_eq!(answer[1], turn, "the same process serves every turn");
        assert_eq!(answer[0], *process.get_or_insert(answer[0].clone()));
        assert_eq!(completion.report.init.is_some(), turn == 1);
    }
    assert_eq!(server.environments.counts().idle, 1);
    server.environments.flush_logs().await;
    assert_eq!(server.log.streams().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn fifty_at_once_have_an_environment_each() {
    let server = Arc::new(Server::start());
    let function = Arc::new(server.python(
        "import time\ndef handler(event, context):\n    time.sleep(1)\n    return context.log_stream_name\n",
    ));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (server, function) = (Arc::clone(&server), Arc::clone(&function));
            tokio::spawn(async move { returned(&server.invoke(&function, "{}").await).to_owned() })
        })
        .collect();
    let mut streams = Vec::new();
    for task in tasks {
        streams.push(task.await.unwrap());
    }
    streams.sort();
    streams.dedup();
    // Those that start late may find one that is idle again: so few may share, not many.
    assert!(streams.len() > 25, "{}", streams.len());
    assert_eq!(server.environments.counts().idle, streams.len());
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn the_code_sees_what_aws_shows_it() {
    let server = Server::start();
    let mut function = server.python(
        "
import os, urllib.request
def handler(event, context):
    return {
        'variables': dict(os.environ),
        'endpoint': urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/').read().decode(),
        'directory': os.getcwd(),
        'remaining': context.get_remaining_time_in_millis(),
        'arn': context.invoked_function_arn,
        'client': context.client_context.custom if context.client_context else None,
        'identity': context.identity.cognito_identity_id,
        'writable': os.access('/var/task', os.W_OK),
    }
",
    );
    function.variables =
        [("MINE", "1"), ("LANG", "C"), ("AWS_REGION", "wrong"), ("AWS_LAMBDA_RUNTIME_API", "wrong")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
    let function = Arc::new(function);
    let name = function.key.name.clone();
    let mut request = invocation(&function, "{}");
    request.client_context = Some("{\n  \"custom\": {\"k\": \"v\"}\n}".to_owned());
    request.cognito_identity =
        Some(r#"{"cognitoIdentityId":"id-1","cognitoIdentityPoolId":"pool"}"#.to_owned());
    request.trace_header = Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1".to_owned());
    let completion = server.environments.invoke(&function, request).await.unwrap();
    let answer: Value = serde_json::from_str(returned(&completion)).unwrap();
    let runtime = function.runtime.identifier();
    for (variable, value) in [
        ("MINE", "1"),
        ("LANG", "C"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
        ("AWS_LAMBDA_FUNCTION_NAME", &name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", &completion.report.log_stream),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_EXECUTION_ENV", &format!("AWS_Lambda_{runtime}")),
        ("AWS_ACCESS_KEY_ID", &format!("ASIA{name}")),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("_HANDLER", "index.handler"),
        ("TZ", ":UTC"),
        ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"),
    ] {
        assert_eq!(answer["variables"][variable], value, "{variable}");
    }
    assert_eq!(answer["endpoint"], name, "the endpoint knows who calls");
    assert_eq!(answer["directory"], "/var/task");
    assert_eq!(answer["arn"], function.arn);
    assert_eq!(answer["client"]["k"], "v");
    assert_eq!(answer["identity"], "id-1");
    assert_eq!(answer["writable"], false);
    let remaining = answer["remaining"].as_f64().unwrap();
    assert!((5_000.0..=10_000.0).contains(&remaining), "{remaining}");
    server.stop().await;
}

#[tokio::test]
async fn a_handlers_error_leaves_the_environment_as_it_is() {
    let server = Server::start();
    let function = Arc::new(server.python(
        "count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    if event: raise ValueError('no %s' % event)\n    return count\n",
    ));
    assert_eq!(returned(&server.invoke(&function, "null").await), "1");
    let completion = server.invoke(&function, r#""x""#).await;
    let error = failed(&completion);
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&"ValueError".into(), &"no x".into()));
    assert_eq!(completion.outcome.function_error(), Some("Unhandled"));
    assert!(tail(&completion).contains("[ERROR] ValueError: no x"), "{}", tail(&completion));
    assert_eq!(returned(&server.invoke(&function, "null").await), "3");
    server.stop().await;
}

#[tokio::test]
async fn an_invocation_outlives_its_caller() {
    let server = Server::start();
    let function = Arc::new(
        server
            .python("import time\ndef handler(event, context):\n    time.sleep(event)\n    print('slept')\n"),
    );
    let call = server.try_invoke(&function, "0.5");
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), call).await.is_err());
    // The one that was left is still at work, and this one gets an environment of its own or waits its turn.
    assert!(matches!(server.invoke(&function, "0").await.outcome, Outcome::Returned { .. }));
    while server.environments.counts().busy > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let slept = server.messages().await.iter().filter(|line| *line == "slept\n").count();
    assert_eq!(slept, 2);
    server.stop().await;
}

#[tokio::test]
async fn nothing_runs_between_invocations() {
    let server = Server::start();
    let function = Arc::new(server.python(
        "
import threading, time
count = 0
def tick():
    global count
    while True:
        count += 1
        time.sleep(0.001)
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    begin = count
    while count < begin + event:
        time.sleep(0.001)
    return [begin, count]
",
    ));
    let ticks = async |least: u32| -> (u64, u64) {
        let completion = server.invoke(&function, &least.to_string()).await;
        serde_json::from_str(returned(&completion)).unwrap()
    };
    let (_, end) = ticks(5).await;
    // Two seconds are worth some 1,500 ticks to what is not frozen.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let (begin, end) = (ticks(5).await.0, end);
    assert!(begin - end < 400, "{} ticks while nobody had asked", begin - end);
    let (begin, end) = ticks(50).await;
    assert!(end >= begin + 50, "it goes on within an invocation");
    server.stop().await;
}
