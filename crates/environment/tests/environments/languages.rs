//! Each kind of runtime, with what its functions need most.

use crate::fixture::{Server, Settings, failed, newest, returned, runtimes, tail};
use hearth_environment::{Language, Runtime};
use hearth_sandbox::Isolation;
use std::sync::Arc;

/// Echoes with bash alone: what a custom runtime needs at least.
pub const SHELL: &str = r#"#!/bin/bash
set -euo pipefail
request() { # method path body
  exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}"
  printf '%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
    "$1" "$2" "${#3}" "$3" >&3
}
while :; do
  request GET invocation/next ''
  id='' length=0
  while IFS= read -r line <&3; do
    line="${line%$'\r'}"
    [ -z "$line" ] && break
    case "${line,,}" in
      lambda-runtime-aws-request-id:*) id="${line#*: }" ;;
      content-length:*) length="${line#*: }" ;;
    esac
  done
  IFS= read -r -N "$length" event <&3 || true
  exec 3>&-
  echo "working on $id"
  request POST "invocation/$id/response" "echo $event"
  cat <&3 >/dev/null
  exec 3>&-
done
"#;

#[tokio::test]
async fn a_bootstrap_of_its_own() {
    let server = Server::start();
    let function = Arc::new(server.shell(SHELL));
    for event in ["{}", r#"{"a":"b"}"#] {
        let completion = server.invoke(&function, event).await;
        assert_eq!(returned(&completion), format!("echo {event}"));
        assert!(tail(&completion).contains("working on "), "{}", tail(&completion));
    }
    server.stop().await;
}

#[tokio::test]
async fn every_python_of_this_machine() {
    let server = Server::start();
    let runtimes = runtimes();
    for interpreter in runtimes.list().iter().filter(|found| runtimes.can_run(found, Language::Python)) {
        let (major, minor, _) = interpreter.version;
        let Ok(runtime) = format!("python{major}.{minor}").parse::<Runtime>() else { continue };
        let source = "import sys, json, ssl, sqlite3, ctypes\ndef handler(event, context):\n    return '%d.%d' % sys.version_info[:2]\n";
        let function =
            Arc::new(server.function(runtime.identifier(), "index.handler", &[("index.py", source)]));
        let completion = server.invoke(&function, "{}").await;
        assert_eq!(returned(&completion), format!("\"{major}.{minor}\""), "{interpreter}");
    }
    server.stop().await;
}

#[tokio::test]
async fn node_functions() {
    let Some(node) = newest(Language::Node) else { return };
    let server = Server::start();
    let runtime = format!("nodejs{}.x", node.version.0);
    let cases = [
        ("index.mjs", "console.log('up');\nexport const handler = async (event) => ({ got: event });"),
        ("index.js", "exports.handler = async (event) => { console.log('up'); return { got: event }; };"),
    ];
    for (file, source) in cases {
        let function = Arc::new(server.function(&runtime, "index.handler", &[(file, source)]));
        for _ in 0..3 {
            let completion = server.invoke(&function, r#"{"a":1}"#).await;
            assert_eq!(returned(&completion), r#"{"got":{"a":1}}"#, "{file}");
        }
        let messages = server.messages().await;
        assert!(messages.iter().any(|line| line.contains("\tINFO\tup")), "{messages:?}");
    }
    let function = Arc::new(server.function(
        &runtime,
        "index.handler",
        &[("index.mjs", "export const handler = async () => { throw new TypeError('no'); };")],
    ));
    let error = failed(&server.invoke(&function, "{}").await);
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&"TypeError".into(), &"no".into()));
    server.stop().await;
}

#[tokio::test]
async fn without_a_cage() {
    let server = Server::with(Settings { isolation: Isolation::Process, ..Settings::default() });
    let source = "
import os, urllib.request
def handler(event, context):
    print('uncaged')
    return [os.environ['AWS_LAMBDA_RUNTIME_API'], urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL']).read().decode()]
";
    let (first, second) = (Arc::new(server.python(source)), Arc::new(server.python(source)));
    let mut seen = Vec::new();
    for function in [&first, &second, &first] {
        let completion = server.invoke(function, "{}").await;
        let answer: Vec<String> = serde_json::from_str(returned(&completion)).unwrap();
        assert_eq!(answer[1], function.key.name);
        assert!(tail(&completion).contains("uncaged\n"));
        seen.push(answer[0].clone());
    }
    assert_eq!(seen[0], seen[2]);
    assert_ne!(seen[0], seen[1], "each has a port of its own");
    server.stop().await;
}

#[tokio::test]
async fn a_wrapper_starts_the_runtime() {
    let server = Server::start();
    let mut function = server.function(
        &crate::fixture::exact_python(),
        "index.handler",
        &[
            ("index.py", "import os\ndef handler(event, context):\n    return os.environ['WRAPPED']\n"),
            ("wrapper", "#!/bin/bash\nexport WRAPPED=\"$(basename \"$1\")\"\nexec \"$@\"\n"),
        ],
    );
    let wrapper = function.code.join("wrapper");
    std::fs::set_permissions(wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    function.variables = vec![("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/var/task/wrapper".to_owned())];
    let completion = server.invoke(&Arc::new(function.clone()), "{}").await;
    assert!(returned(&completion).starts_with("\"python3."), "{}", returned(&completion));
    function.variables[0].1 = "/opt/none".to_owned();
    function.key.revision = "2".to_owned();
    let error = failed(&server.invoke(&Arc::new(function), "{}").await);
    assert_eq!(error["errorType"], "Runtime.InvalidEntrypoint");
    server.stop().await;
}
