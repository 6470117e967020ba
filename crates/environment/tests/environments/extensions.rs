//! External and internal extensions in real environments.

use crate::fixture::{EXTENSION, Server, Settings, failed, invocation, returned, tail};
use hearth_environment::{Definition, Failure, Outcome};
use hearth_sandbox::Isolation;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ECHO: &str = "def handler(event, context):\n    return event\n";

/// Says what it hears.
const LISTENER: &str = "
register('INVOKE', 'SHUTDOWN')
while True:
    event = await_event()
    say('heard', event['eventType'], event.get('requestId', event.get('shutdownReason')))
    if event['eventType'] == 'SHUTDOWN':
        say('left', event['deadlineMs'] - int(time.time() * 1000))
        break
";

fn extended(server: &Server, source: &str, extensions: &[(&str, &str)]) -> Definition {
    let mut function = server.python(source);
    server.extend(&mut function, extensions);
    function
}

fn kind(outcome: &Outcome) -> Option<Failure> {
    match outcome {
        Outcome::Returned { .. } => None,
        Outcome::Failed { failure, .. } => Some(*failure),
    }
}

/// Until the one environment there is can be used again.
async fn until_idle(server: &Server) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.environments.counts().idle != 1 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn an_extension_hears_of_everything(isolation: Isolation) {
    let server = Server::with(Settings { isolation, ..Settings::default() });
    let function = Arc::new(extended(&server, ECHO, &[("listener", LISTENER)]));
    let first = server.invoke(&function, "1").await;
    assert_eq!(returned(&first), "1");
    let second = server.invoke(&function, "2").await;
    assert_eq!((returned(&second), second.report.init), ("2", None));
    assert_eq!(first.report.log_stream, second.report.log_stream);
    let log = tail(&first);
    let introduced =
        log.find("EXTENSION\tName: listener\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\n").unwrap();
    assert!(introduced < log.find("START RequestId").unwrap(), "{log}");
    let id = |log: &str| log[log.find("START RequestId: ").unwrap() + 17..][..36].to_owned();
    for completion in [&first, &second] {
        let log = tail(completion);
        assert!(log.contains(&format!("heard INVOKE {}\n", id(&log))), "{log}");
        assert!(log.ends_with("\t\n"), "{log}");
    }
    server.environments.retire(&function.key);
    let messages = server.messages_with("heard SHUTDOWN").await;
    assert!(messages.contains(&"heard SHUTDOWN spindown\n".to_owned()), "{messages:?}");
    let messages = server.messages_with("left ").await;
    let left = messages.iter().find_map(|message| message.trim_end().strip_prefix("left ")).unwrap();
    assert!((1..=2000).contains(&left.parse::<i64>().unwrap()), "{left}");
    server.stop().await;
}

#[tokio::test]
async fn an_external_extension_hears_of_everything() {
    an_extension_hears_of_everything(Isolation::Sandbox).await;
}

#[tokio::test]
async fn an_external_extension_needs_no_cage() {
    an_extension_hears_of_everything(Isolation::Process).await;
}

#[tokio::test]
async fn what_an_extension_is_told_and_what_not() {
    let server = Server::start();
    let extension = "
say('told', json.dumps(register('INVOKE', Accept_Feature='accountId')))
say('hidden', sorted(set(os.environ) & {'_HANDLER', 'LAMBDA_TASK_ROOT', 'LAMBDA_RUNTIME_DIR', 'AWS_EXECUTION_ENV'}))
say('shown', os.environ['AWS_LAMBDA_FUNCTION_NAME'], os.environ['AWS_ACCESS_KEY_ID'], os.getcwd())
say('again', call('POST', 'register', {'Lambda-Extension-Name': 'teller'}, '{}')[::2])
say('unknown', call('GET', 'event/next', {'Lambda-Extension-Identifier': 'x'})[::2])
say('nobody', call('GET', 'event/next')[::2])
say('wrong', call('POST', 'register', {'Lambda-Extension-Name': 'x'}, '{\"events\": [\"LUNCH\"]}')[::2])
event = await_event()
say('event', sorted(event), event['tracing']['type'], event['invokedFunctionArn'])
await_event()
";
    let function = Arc::new(extended(&server, ECHO, &[("teller", extension)]));
    let log = tail(&server.invoke(&function, "1").await);
    let name = &function.key.name;
    for expected in [
        &format!(r#""functionName": "{name}""#),
        r#""functionVersion": "$LATEST""#,
        r#""handler": "index.handler""#,
        r#""accountId": "000000000000""#,
        "hidden []\n",
        &format!("shown {name} ASIA{name} /\n"),
        "again (403, {'errorMessage': 'Invalid extension state', 'errorType': 'Extension.InvalidExtensionState'})",
        "'Extension.UnknownExtensionIdentifier'",
        "'Extension.MissingExtensionIdentifier'",
        "'Extension.InvalidEventType'",
        "event ['deadlineMs', 'eventType', 'invokedFunctionArn', 'requestId', 'tracing'] X-Amzn-Trace-Id arn:aws:lambda:",
    ] {
        assert!(log.contains(expected), "{expected} in {log}");
    }
    server.stop().await;
}

const SLOW: &str = "
register('INVOKE')
while True:
    await_event()
    time.sleep(1)
    say('done')
";

#[tokio::test]
async fn the_answer_does_not_wait_for_extensions() {
    let server = Server::start();
    let function = Arc::new(extended(&server, ECHO, &[("slow", SLOW)]));
    server.invoke(&function, "1").await;
    let mut second = invocation(&function, "2");
    second.tail = false;
    let begin = Instant::now();
    let completion = server.environments.invoke(&function, second).await.unwrap();
    assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
    assert_eq!((returned(&completion), &completion.log_tail), ("2", &None));
    assert_eq!(server.environments.counts().busy, 1, "the extension still works");
    until_idle(&server).await;
    let messages = server.messages().await;
    let last = messages.last().unwrap();
    let duration = last.split("Duration: ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(duration.parse::<f64>().unwrap() >= 1000.0, "the report counts the extension: {last}");
    assert_eq!(messages[messages.len() - 3], "done\n");
    server.stop().await;
}

#[tokio::test]
async fn the_time_of_an_extension_is_that_of_the_invocation() {
    let server = Server::start();
    let extension = "
register('INVOKE')
await_event()
if os.path.exists('/tmp/hung'):
    await_event()
open('/tmp/hung', 'w')
time.sleep(60)
";
    let mut function = extended(&server, ECHO, &[("hangs", extension), ("listener", LISTENER)]);
    function.timeout = Duration::from_secs(3);
    let function = Arc::new(function);
    let completion = server.invoke(&function, "1").await;
    assert_eq!(returned(&completion), "1", "the function had answered");
    let log = tail(&completion);
    assert!(
        log.contains(" Task timed out after 3.00 seconds\n") && log.ends_with("Status: timeout\n"),
        "{log}"
    );
    let messages = server.messages_with("heard SHUTDOWN").await;
    assert!(messages.contains(&"heard SHUTDOWN timeout\n".to_owned()), "{messages:?}");
    until_idle(&server).await;
    let again = server.invoke(&function, "2").await;
    assert_eq!(returned(&again), "2");
    assert_eq!(again.report.log_stream, completion.report.log_stream, "it is the same environment");
    server.stop().await;
}

#[tokio::test]
async fn a_failing_extension_fails_the_function() {
    let server = Server::start();
    let register = "register('INVOKE')\n";
    let says = |path: &str| {
        format!(
            "{register}call('POST', '{path}', me | {{'Lambda-Extension-Function-Error-Type': 'Extension.Mine'}})\ntime.sleep(60)\n"
        )
    };
    for (extension, error_type, message, state) in [
        ("sys.exit(3)\n".to_owned(), "Extension.Crash", "exit status 3", "Started"),
        (format!("{register}sys.exit(0)\n"), "Extension.Crash", "exit status 0", "Registered"),
        (format!("{register}os.abort()\n"), "Extension.Crash", "signal: aborted", "Registered"),
        (says("init/error"), "Extension.Mine", "Extension.Mine", "InitError"),
        (says("exit/error"), "Extension.Mine", "Extension.Mine", "ExitError"),
    ] {
        let function = Arc::new(extended(&server, ECHO, &[("fails", &extension)]));
        let completion = server.invoke(&function, "1").await;
        assert_eq!(kind(&completion.outcome), Some(Failure::Extension), "{extension}");
        let error = failed(&completion);
        assert_eq!(error["errorType"], error_type);
        assert!(error["errorMessage"].as_str().unwrap().ends_with(&format!(" Error: {message}")), "{error}");
        let log = tail(&completion);
        let line = format!("EXTENSION\tName: fails\tState: {state}\tEvents: [");
        assert!(log.contains(&line) && log.contains(&format!("]\tError Type: {error_type}\n")), "{log}");
    }
    let mut function = extended(&server, ECHO, &[("plain", "")]);
    let path = function.layers.take().unwrap().join("extensions/plain");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    function.layers = Some(path.ancestors().nth(2).unwrap().to_owned());
    let error = failed(&server.invoke(&Arc::new(function), "1").await);
    assert_eq!(error["errorType"], "Extension.LaunchError");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with(" Error: fork/exec /opt/extensions/plain: permission denied"), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn a_crash_within_an_invocation_is_told_to_the_others() {
    let server = Server::start();
    let crashes = "register('INVOKE')\nawait_event()\nos._exit(4)\n";
    let sleep = "import time\ndef handler(event, context):\n    time.sleep(30)\n";
    let function = Arc::new(extended(&server, sleep, &[("crashes", crashes), ("listener", LISTENER)]));
    let completion = server.invoke(&function, "1").await;
    assert_eq!(failed(&completion)["errorType"], "Extension.Crash");
    let messages = server.messages_with("heard SHUTDOWN").await;
    assert!(messages.contains(&"heard SHUTDOWN failure\n".to_owned()), "{messages:?}");
    server.stop().await;
}

#[tokio::test]
async fn an_extension_within_the_runtime() {
    let server = Server::start();
    let source = format!(
        "{EXTENSION}
import threading
name = {{'Lambda-Extension-Name': 'within'}}
refusal = call('POST', 'register', name, '{{\"events\": [\"SHUTDOWN\"]}}')[2]['errorType']
status, answered, body = call('POST', 'register', name, '{{\"events\": [\"INVOKE\"]}}')
me = {{'Lambda-Extension-Identifier': answered['Lambda-Extension-Identifier']}}
heard = []
def listen():
    while True:
        heard.append(await_event()['requestId'])
threading.Thread(target=listen, daemon=True).start()
def handler(event, context):
    while context.aws_request_id not in heard:
        time.sleep(0.001)
    late = call('POST', 'register', {{'Lambda-Extension-Name': 'late'}}, '{{}}')[2]['errorType']
    return [refusal, late, len(heard)]
"
    );
    let function = Arc::new(server.python(&source));
    for turn in 1..=2 {
        let completion = server.invoke(&function, "1").await;
        assert_eq!(
            returned(&completion),
            format!(r#"["Extension.InvalidEventType", "Extension.RegistrationClosed", {turn}]"#)
        );
    }
    server.stop().await;
}
