//! Environments that are initialised for a snapshot and restored, with the hooks of the runtime's client.

use crate::fixture::{Server, failed, returned};
use hearth_environment::{Definition, InitializationType, Outcome, Refusal};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn snapped(server: &Server, source: &str) -> Arc<Definition> {
    let mut function = server.python(source);
    function.initialization = InitializationType::SnapStart;
    Arc::new(function)
}

const HOOKED: &str = "
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
heard = []
register_before_snapshot(lambda: (heard.append('before'), print('before the snapshot')))
register_after_restore(lambda: (heard.append('after'), print('after the restore')))
def handler(event, context):
    return [heard, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], context.log_stream_name]
";

#[tokio::test]
async fn hooks_run_around_the_snapshot_and_the_log_tells_of_the_restore() {
    let server = Server::start();
    let function = snapped(&server, HOOKED);
    let first = server.invoke(&function, "1").await;
    assert_eq!(returned(&first), r#"[["before", "after"], "snap-start", null]"#);
    let restore = first.report.restore.unwrap();
    assert!(first.report.init.is_none() && first.report.billed >= restore + first.report.duration);
    let second = server.invoke(&function, "2").await;
    assert_eq!((second.report.init, second.report.restore), (None, None));
    let messages = server.messages().await;
    let of = |text: &str| {
        messages
            .iter()
            .position(|message| message.starts_with(text))
            .unwrap_or_else(|| panic!("no {text} in {messages:#?}"))
    };
    let order = [
        "INIT_START Runtime Version: ",
        "before the snapshot\n",
        "INIT_REPORT Init Duration: ",
        "RESTORE_START Runtime Version: ",
        "after the restore\n",
        "RESTORE_REPORT Restore Duration: ",
        "START RequestId: ",
    ];
    assert!(order.map(of).is_sorted(), "{messages:#?}");
    assert!(messages[of("INIT_REPORT")].ends_with(" ms\n"));
    assert!(messages[of("RESTORE_START")].contains("\tRuntime Version ARN: arn:aws:lambda:"));
    let milliseconds = format!("{:.2}", restore.as_secs_f64() * 1000.0);
    assert_eq!(
        messages[of("RESTORE_REPORT")],
        format!("RESTORE_REPORT Restore Duration: {milliseconds} ms\n")
    );
    let report = &messages[of("REPORT")];
    let billed = restore.as_millis();
    let expected = format!("\tRestore Duration: {milliseconds} ms\tBilled Restore Duration: {billed} ms\t\n");
    assert!(report.ends_with(&expected) && !report.contains("Init Duration"), "{report}");
    server.stop().await;
}

#[tokio::test]
async fn a_runtime_without_hooks_needs_no_restore() {
    let server = Server::start();
    let mut function = server.shell(crate::languages::SHELL);
    function.initialization = InitializationType::SnapStart;
    let completion = server.invoke(&Arc::new(function), "1").await;
    assert_eq!(returned(&completion), "echo 1");
    assert!(completion.report.restore.is_some());
    server.stop().await;
}

#[tokio::test]
async fn a_hook_that_fails_before_the_snapshot_fails_the_initialisation() {
    let server = Server::start();
    let source = "
from snapshot_restore_py import register_before_snapshot
def fail(): raise ValueError('not now')
register_before_snapshot(fail)
def handler(event, context): return 1
";
    let error = failed(&server.invoke(&snapped(&server, source), "1").await);
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&"ValueError".into(), &"not now".into()));
    let messages = server.messages().await;
    let told = messages.iter().find(|message| message.starts_with("INIT_REPORT")).unwrap();
    assert!(
        told.ends_with("Phase: snap-start\tStatus: error\tError Type: Runtime.BeforeSnapshotError\n"),
        "{told}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_restore_that_fails_is_told_as_such() {
    let server = Server::start();
    for (hook, error_type) in [
        ("raise ValueError('not now')", "Runtime.AfterRestoreError"),
        ("import os; os._exit(3)", "Runtime.ExitError"),
    ] {
        let source = format!(
            "
from snapshot_restore_py import register_after_restore
def hook():
    {hook}
register_after_restore(hook)
def handler(event, context): return 1
"
        );
        let refusal = server.try_invoke(&snapped(&server, &source), "1").await.unwrap_err();
        assert_eq!(refusal, Refusal::RestoreFailed { error_type: error_type.to_owned() });
        let messages = server.messages().await;
        let told = messages.iter().rfind(|message| message.starts_with("RESTORE_REPORT")).unwrap();
        assert!(told.ends_with(&format!(" ms\tStatus: error\tError Type: {error_type}\n")), "{told}");
        assert!(!messages.iter().any(|message| message.starts_with("START")), "nothing was invoked");
    }
    assert_eq!(server.environments.counts(), hearth_environment::Counts::default());
    server.stop().await;
}

#[tokio::test]
async fn a_restore_has_ten_seconds() {
    let server = Server::start();
    let source = "
import time
from snapshot_restore_py import register_after_restore
register_after_restore(time.sleep, 60)
def handler(event, context): return 1
";
    let began = Instant::now();
    let refusal = server.try_invoke(&snapped(&server, source), "1").await.unwrap_err();
    assert_eq!(refusal, Refusal::RestoreTimedOut);
    assert!((Duration::from_secs(10)..Duration::from_secs(15)).contains(&began.elapsed()));
    let messages = server.messages().await;
    let told = messages.iter().find(|message| message.starts_with("RESTORE_REPORT")).unwrap();
    assert_eq!(told, "RESTORE_REPORT Restore Duration: 10000.00 ms\tStatus: timeout\n");
    server.stop().await;
}

#[tokio::test]
async fn an_initialisation_ahead_of_invocations_has_longer_than_ten_seconds() {
    let server = Server::start();
    let source = "
import os, time
time.sleep(11)
def handler(event, context): return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']
";
    let mut function = server.python(source);
    function.initialization = InitializationType::ProvisionedConcurrency;
    let completion = server.invoke(&Arc::new(function), "1").await;
    assert!(
        matches!(&completion.outcome, Outcome::Returned { payload, .. } if payload == "\"provisioned-concurrency\"")
    );
    assert!(completion.report.init.unwrap() > Duration::from_secs(11));
    server.stop().await;
}

const JAVA: &str = "
import com.amazonaws.services.lambda.crac.Context;
import com.amazonaws.services.lambda.crac.Core;
import com.amazonaws.services.lambda.crac.Resource;
import com.amazonaws.services.lambda.runtime.RequestHandler;
public class App implements RequestHandler<Object, String>, Resource {
    private String heard = \"\";
    public App() { Core.getGlobalContext().register(this); }
    public void beforeCheckpoint(Context<? extends Resource> context) { heard += \"before \"; }
    public void afterRestore(Context<? extends Resource> context) {
        if (System.getenv(\"FAILS\") != null) throw new IllegalStateException(\"not now\");
        heard += \"after\";
    }
    public String handleRequest(Object event, com.amazonaws.services.lambda.runtime.Context context) {
        return heard;
    }
}
";

/// AWS's own client for Java, whose jars are in the directory that `HEARTH_JAVA_CLIENT` names.
#[tokio::test]
async fn the_java_client_runs_its_hooks() {
    let Some(jars) = std::env::var_os("HEARTH_JAVA_CLIENT") else {
        eprintln!("NOT RUN: HEARTH_JAVA_CLIENT names no directory with the jars of AWS's client for Java");
        return;
    };
    let server = Server::start();
    let start = "#!/bin/sh
exec /usr/bin/java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '/var/task/client/*:/var/task' \\
    com.amazonaws.services.lambda.runtime.api.client.AWSLambda App
";
    let mut function = server.shell(start);
    let client = function.code.join("client");
    let copied = std::process::Command::new("cp").arg("-rL").arg(jars).arg(&client).status().unwrap();
    std::fs::write(function.code.join("App.java"), JAVA).unwrap();
    let mut compile = std::process::Command::new("javac");
    compile
        .arg("-cp")
        .arg(client.join("*"))
        .arg("-d")
        .arg(&function.code)
        .arg(function.code.join("App.java"));
    assert!(copied.success() && compile.status().unwrap().success());
    let opened = std::process::Command::new("chmod").args(["-R", "a+rX"]).arg(&function.code).status();
    assert!(opened.unwrap().success());
    function.handler = "App".to_owned();
    function.initialization = InitializationType::SnapStart;
    let well = server.invoke(&Arc::new(function.clone()), "{}").await;
    assert_eq!(returned(&well), r#""before after""#);
    assert!(well.report.restore.is_some());
    function.key.revision = "2".to_owned();
    function.variables.push(("FAILS".to_owned(), "1".to_owned()));
    let refusal = server.try_invoke(&Arc::new(function), "{}").await.unwrap_err();
    assert!(
        matches!(&refusal, Refusal::RestoreFailed { error_type } if error_type.starts_with("Runtime.")),
        "{refusal:?}"
    );
    server.stop().await;
}
