//! What ends an invocation from outside the handler, and what is left afterwards.

use crate::fixture::{Server, failed, returned, tail};
use hearth_environment::{Completion, Definition, Failure, Outcome};
use std::sync::Arc;
use std::time::Duration;

fn kind(completion: &Completion) -> Failure {
    match &completion.outcome {
        Outcome::Failed { failure, .. } => *failure,
        returned => panic!("{returned:?}\n{}", tail(completion)),
    }
}

fn request_id(completion: &Completion) -> String {
    let log = tail(completion);
    let at = log.find("START RequestId: ").unwrap_or_else(|| panic!("no START in {log:?}")) + 17;
    log[at..at + 36].to_owned()
}

/// Fails on `event`, and tells what `/tmp` and the process have seen.
const RESET: &str = "
import os, sys, time
count = 0
def handler(event, context):
    global count
    count += 1
    open('/tmp/seen', 'a').write('x')
    if event == 'sleep': time.sleep(60)
    if event == 'exit': os._exit(3)
    if event == 'abort': os.abort()
    if event == 'done': os._exit(0)
    return [count, len(open('/tmp/seen').read())]
";

fn short(server: &Server, source: &str) -> Definition {
    let mut definition = server.python(source);
    definition.timeout = Duration::from_secs(1);
    definition
}

#[tokio::test]
async fn a_timeout_resets_the_environment_and_keeps_tmp() {
    let server = Server::start();
    let function = Arc::new(short(&server, RESET));
    let completion = server.invoke(&function, r#""sleep""#).await;
    let id = request_id(&completion);
    assert_eq!(kind(&completion), Failure::TimedOut);
    assert_eq!(
        completion.outcome.payload(),
        &format!(
            r#"{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {id} Error: Task timed out after 1.00 seconds"}}"#
        )
    );
    let log = tail(&completion);
    assert!(
        log.contains(&format!("Z {id} Task timed out after 1.00 seconds\n\nEND RequestId: {id}\n")),
        "{log}"
    );
    assert!(log.contains("\tDuration: 1000.00 ms\t") && log.ends_with(" ms\tStatus: timeout\n"), "{log}");
    assert_eq!(completion.report.duration, Duration::from_secs(1));
    let next = server.invoke(&function, "null").await;
    assert_eq!(returned(&next), "[1, 2]", "a new process, the same /tmp");
    assert_eq!(next.report.init, None, "its initialisation is part of the invocation");
    assert_eq!(next.report.log_stream, completion.report.log_stream, "it is the same environment");
    server.stop().await;
}

#[tokio::test]
async fn an_exit_is_told_in_the_words_of_aws() {
    let server = Server::start();
    let function = Arc::new(short(&server, RESET));
    for (event, message) in [
        ("exit", "Runtime exited with error: exit status 3"),
        ("abort", "Runtime exited with error: signal: aborted"),
        ("done", "Runtime exited without providing a reason"),
    ] {
        let completion = server.invoke(&function, &format!("{event:?}")).await;
        let id = request_id(&completion);
        assert_eq!(kind(&completion), Failure::Exited);
        assert_eq!(
            failed(&completion),
            serde_json::json!({
                "errorType": "Runtime.ExitError", "errorMessage": format!("RequestId: {id} Error: {message}")
            })
        );
        let log = tail(&completion);
        let told = format!("RequestId: {id} Error: {message}\nRuntime.ExitError\nEND RequestId: {id}\n");
        assert!(log.contains(&told), "{log}");
        assert!(log.ends_with("\tStatus: error\tError Type: Runtime.ExitError\n"), "{log}");
    }
    assert_eq!(returned(&server.invoke(&function, "null").await), "[1, 4]");
    server.stop().await;
}

#[tokio::test]
async fn memory_over_the_limit_ends_the_runtime() {
    let server = Server::start();
    let mut function = server.python(
        "def handler(event, context):\n    if event: data = b'x' * (event << 20)\n    return 'fine'\n",
    );
    function.memory_mb = 128;
    let function = Arc::new(function);
    let completion = server.invoke(&function, "500").await;
    assert_eq!(kind(&completion), Failure::OutOfMemory, "{}", tail(&completion));
    let error = failed(&completion);
    assert_eq!(error["errorType"], "Runtime.OutOfMemory");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with(" Error: Runtime exited with error: signal: killed"), "{message}");
    assert_eq!(completion.report.max_memory_used_mb, 128);
    assert_eq!(returned(&server.invoke(&function, "0").await), r#""fine""#);
    server.stop().await;
}

#[tokio::test]
async fn a_response_over_the_limit_is_refused() {
    let server = Server::start();
    let function = Arc::new(server.python("def handler(event, context):\n    return 'x' * event\n"));
    let completion = server.invoke(&function, "7000000").await;
    assert_eq!(kind(&completion), Failure::ResponseTooLarge);
    assert_eq!(
        failed(&completion)["errorMessage"],
        "Response payload size (7000002 bytes) exceeded maximum allowed payload size (6291556 bytes)."
    );
    assert_eq!(returned(&server.invoke(&function, "6000000").await).len(), 6_000_002);
    assert_eq!(returned(&server.invoke(&function, "0").await), "\"\"");
    server.stop().await;
}

#[tokio::test]
async fn a_failing_initialisation_is_tried_again_and_then_told() {
    let server = Server::start();
    for (source, kind_expected, error_type) in [
        ("import nowhere", Failure::Initialisation, "Runtime.ImportModuleError"),
        ("x = (", Failure::Initialisation, "Runtime.UserCodeSyntaxError"),
        ("import os; os._exit(7)", Failure::Exited, "Runtime.ExitError"),
    ] {
        let function = Arc::new(server.python(source));
        let completion = server.invoke(&function, "{}").await;
        assert_eq!(kind(&completion), kind_expected, "{source}");
        assert_eq!(failed(&completion)["errorType"], error_type);
        let log = tail(&completion);
        let status = format!("\tStatus: error\tError Type: {error_type}\n");
        let first = log.find(&format!("\tPhase: init{status}")).unwrap_or_else(|| panic!("{log}"));
        let second = log.find(&format!("\tPhase: invoke{status}")).unwrap_or_else(|| panic!("{log}"));
        let start = log.find("START RequestId: ").unwrap();
        assert!(first < second && second < start, "{log}");
        assert!(log.ends_with(&status), "{log}");
        assert_eq!(completion.report.init, None);
        assert!(completion.report.max_memory_used_mb > 0, "{log}");
        // The next invocation tries once.
        let again = server.invoke(&function, "{}").await;
        assert_eq!(failed(&again)["errorType"], error_type);
        assert!(!tail(&again).contains("Phase: init\t"), "{}", tail(&again));
    }
    server.stop().await;
}

#[tokio::test]
async fn an_initialisation_over_ten_seconds_goes_on_within_the_invocation() {
    let server = Server::start();
    let mut function = server.python(
        "
import os, time
if not os.path.exists('/tmp/tried'):
    open('/tmp/tried', 'w')
    time.sleep(60)
def handler(event, context):
    return 'at last'
",
    );
    function.timeout = Duration::from_secs(3);
    let completion = server.invoke(&Arc::new(function), "{}").await;
    assert_eq!(returned(&completion), r#""at last""#);
    assert_eq!(completion.report.init, None);
    let log = tail(&completion);
    assert!(log.contains("INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout\n"), "{log}");
    server.stop().await;
}

#[tokio::test]
async fn an_initialisation_over_the_timeout_times_out() {
    let server = Server::start();
    let function = Arc::new(short(
        &server,
        "import os, time\nif os.path.exists('/tmp/tried'): time.sleep(60)\nopen('/tmp/tried', 'w')\nos._exit(1)\n",
    ));
    let completion = server.invoke(&function, "{}").await;
    assert_eq!(kind(&completion), Failure::TimedOut);
    let log = tail(&completion);
    assert!(log.contains("\tPhase: invoke\tStatus: timeout\nSTART RequestId: "), "{log}");
    assert!(log.ends_with("Status: timeout\n"), "{log}");
    server.stop().await;
}

#[tokio::test]
async fn a_bootstrap_that_cannot_be_executed_is_an_invalid_entrypoint() {
    let server = Server::start();
    let missing = server.function("provided.al2023", "", &[("other", "")]);
    let plain = server.function("provided.al2023", "", &[("bootstrap", "#!/bin/sh\n")]);
    let binary = server.shell("\x7fELF but not really");
    let absent = server.shell("#!/no/such/shell\n");
    for (function, expected) in [
        (missing, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        (plain, "fork/exec /var/task/bootstrap: permission denied"),
        (binary, "fork/exec /var/task/bootstrap: exec format error"),
        (absent, "fork/exec /var/task/bootstrap: no such file or directory"),
    ] {
        let completion = server.invoke(&Arc::new(function), "{}").await;
        assert_eq!(kind(&completion), Failure::InvalidEntrypoint);
        let error = failed(&completion);
        assert_eq!(error["errorType"], "Runtime.InvalidEntrypoint");
        assert_eq!(
            error["errorMessage"],
            format!("RequestId: {} Error: {expected}", request_id(&completion))
        );
    }
    server.stop().await;
}
