//! A server's surroundings for tests: a spawner, a data directory, a log that can be read back, functions from text.

use bytes::Bytes;
use hearth_base::{AccountId, BoxFuture, Clock, RequestId, SystemClock, SystemRng, Timestamp};
use hearth_environment::{
    Completion, CredentialSource, Credentials, Definition, Endpoint, Environments, InitializationType,
    Interpreter, Invocation, Key, Language, LogEvent, LogSink, Logging, Options, Outcome, Refusal, Runtime,
    Runtimes, RuntimesOptions, TracingMode,
};
use hearth_sandbox::{Isolation, Spawner, SpawnerOptions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Everything an `Environments` stands on, and the `Environments`.
pub struct Server {
    pub environments: Environments,
    pub log: Arc<Log>,
    spawner: Spawner,
    directory: TempDir,
    functions: AtomicU64,
}

/// What a test wants to be otherwise.
pub struct Settings {
    pub isolation: Isolation,
    pub stem_cell_bytes: u64,
    pub environments_max: usize,
    pub idle_timeout: Duration,
    pub clock: Arc<dyn Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            isolation: Isolation::Sandbox,
            stem_cell_bytes: 0,
            environments_max: 100,
            idle_timeout: Duration::from_secs(600),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Keeps all log lines.
#[derive(Default)]
pub struct Log(Mutex<Vec<(String, LogEvent)>>);

/// What test extensions are written with.
pub const EXTENSION: &str = "
import http.client, json, os, sys, time
def call(method, path, headers={}, body=None):
    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    connection.request(method, '/2020-01-01/extension/' + path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, json.loads(answer.read())
def register(*events, **headers):
    headers = {'Lambda-Extension-' + name.replace('_', '-'): value for name, value in headers.items()}
    name = {'Lambda-Extension-Name': os.path.basename(sys.argv[0])}
    status, answered, body = call('POST', 'register', name | headers, json.dumps({'events': events}))
    assert status == 200, body
    global me
    me = {'Lambda-Extension-Identifier': answered['Lambda-Extension-Identifier']}
    return body
def await_event():
    return call('GET', 'event/next', me)[2]
def say(*words):
    print(*words, flush=True)
";

struct OneAnswer;
struct FixedKey;

impl LogSink for Log {
    fn write(&self, _: Arc<Definition>, stream: Arc<str>, events: Vec<LogEvent>) -> BoxFuture<'_, ()> {
        let stream = stream.to_string();
        self.0.lock().unwrap().extend(events.into_iter().map(|event| (stream.clone(), event)));
        Box::pin(std::future::ready(()))
    }
}

impl Log {
    /// All messages of all streams, in order.
    pub fn messages(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, event)| event.message.clone()).collect()
    }

    /// The messages of one stream, in order.
    pub fn messages_of(&self, stream: &str) -> Vec<String> {
        let events = self.0.lock().unwrap();
        events.iter().filter(|(of, _)| of == stream).map(|(_, event)| event.message.clone()).collect()
    }

    /// The streams, each once.
    pub fn streams(&self) -> Vec<String> {
        let mut streams: Vec<String> =
            self.0.lock().unwrap().iter().map(|(stream, _)| stream.clone()).collect();
        streams.sort();
        streams.dedup();
        streams
    }
}

impl Endpoint for OneAnswer {
    fn serve(&self, mut connection: TcpStream, definition: Arc<Definition>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let body = &definition.key.name;
            let length = body.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            let mut request = [0; 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut connection, &mut request).await;
            let _ = connection.write_all(answer.as_bytes()).await;
        })
    }
}

impl CredentialSource for FixedKey {
    fn issue(&self, definition: &Definition) -> Credentials {
        Credentials {
            access_key_id: format!("ASIA{}", definition.key.name),
            secret_access_key: "secret".to_owned(),
            session_token: "token".to_owned(),
            expiration: Timestamp::from_seconds(i64::MAX / 1000),
        }
    }
}

impl Server {
    pub fn start() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let spawner = Spawner::start(SpawnerOptions {
            state_dir: directory.path().join("sandbox"),
            isolation: settings.isolation,
            cgroup_name: "hearth-test".to_owned(),
        })
        .unwrap();
        let log = Arc::new(Log::default());
        let environments = Environments::new(Options {
            spawner: spawner.clone(),
            data_dir: directory.path().join("data"),
            sdk_dir: directory.path().join("sdk"),
            runtimes: runtimes(),
            endpoint: Arc::new(OneAnswer),
            credentials: Arc::new(FixedKey),
            logs: Arc::clone(&log) as Arc<dyn LogSink>,
            clock: settings.clock,
            rng: Arc::new(SystemRng),
            stem_cell_bytes: settings.stem_cell_bytes,
            environments_max: settings.environments_max,
            idle_timeout: settings.idle_timeout,
        })
        .unwrap();
        Self { environments, log, spawner, directory, functions: AtomicU64::new(0) }
    }

    /// A function with these files, of default settings.
    pub fn function(&self, runtime: &str, handler: &str, files: &[(&str, &str)]) -> Definition {
        let number = self.functions.fetch_add(1, Ordering::Relaxed);
        let code = self.directory.path().join(format!("code-{number}"));
        write(&code, files);
        let name = format!("function-{number}");
        Definition {
            arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{name}:$LATEST"),
            key: Key {
                account: AccountId::DEVELOPMENT,
                region: "us-east-1".parse().unwrap(),
                version: "$LATEST".to_owned(),
                revision: "1".to_owned(),
                name: name.clone(),
            },
            runtime: runtime.parse::<Runtime>().unwrap(),
            handler: handler.to_owned(),
            code,
            layers: None,
            // One whole processor, so that slow tests tell of slow code.
            memory_mb: 1769,
            timeout: Duration::from_secs(10),
            ephemeral_storage_mb: 512,
            variables: Vec::new(),
            role_arn: "arn:aws:iam::000000000000:role/r".to_owned(),
            logging: Logging { group: format!("/aws/lambda/{name}"), ..Logging::default() },
            tracing: TracingMode::PassThrough,
            initialization: InitializationType::OnDemand,
        }
    }

    /// A Python function whose module is `source`.
    pub fn python(&self, source: &str) -> Definition {
        self.function(&exact_python(), "index.handler", &[("index.py", source)])
    }

    /// Gives a function a layer with these external extensions: Python text each, with [`EXTENSION`] before it.
    pub fn extend(&self, definition: &mut Definition, extensions: &[(&str, &str)]) {
        let layers = self.directory.path().join(format!("layers-of-{}", definition.key.name));
        let python = runtimes().newest(Language::Python).unwrap().clone();
        let python = match self.spawner.isolation() {
            Isolation::Process => python.program,
            Isolation::Sandbox => Path::new("/var/lang/bin").join(python.program.file_name().unwrap()),
        };
        for (name, source) in extensions {
            let text = format!("#!{} -S\n{EXTENSION}{source}", python.display());
            write(&layers.join("extensions"), &[(name, &text)]);
            let path = layers.join("extensions").join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::set_permissions(&layers, std::fs::Permissions::from_mode(0o755)).unwrap();
        definition.layers = Some(layers);
    }

    /// The log once it says this. Panics when it does not within ten seconds.
    pub async fn messages_with(&self, text: &str) -> Vec<String> {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            let messages = self.messages().await;
            if messages.iter().any(|message| message.contains(text)) {
                return messages;
            }
            assert!(std::time::Instant::now() < deadline, "no {text:?} in {messages:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A `provided` function whose bootstrap is this shell text.
    pub fn shell(&self, source: &str) -> Definition {
        let definition = self.function("provided.al2023", "handler", &[("bootstrap", source)]);
        let bootstrap = definition.code.join("bootstrap");
        std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).unwrap();
        definition
    }

    pub async fn invoke(&self, definition: &Arc<Definition>, payload: &str) -> Completion {
        self.try_invoke(definition, payload).await.unwrap()
    }

    pub async fn try_invoke(
        &self,
        definition: &Arc<Definition>,
        payload: &str,
    ) -> Result<Completion, Refusal> {
        self.environments.invoke(definition, invocation(definition, payload)).await
    }

    /// Where its SDKs are.
    pub fn sdk_dir(&self) -> PathBuf {
        self.directory.path().join("sdk")
    }

    /// The log of everything up to now.
    pub async fn messages(&self) -> Vec<String> {
        self.environments.flush_logs().await;
        self.log.messages()
    }

    /// The log of one stream up to now.
    pub async fn messages_of(&self, stream: &str) -> Vec<String> {
        self.environments.flush_logs().await;
        self.log.messages_of(stream)
    }

    /// Ends it, and checks that nothing is left.
    pub async fn stop(self) {
        self.environments.drain(Duration::from_secs(5)).await;
        assert_eq!(self.environments.counts(), hearth_environment::Counts::default());
        self.spawner.shutdown().await;
    }
}

pub fn invocation(definition: &Definition, payload: &str) -> Invocation {
    Invocation {
        request_id: RequestId::new(&SystemRng),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        client_context: None,
        cognito_identity: None,
        invoked_function_arn: definition.arn.clone(),
        trace_header: None,
        tail: true,
        permit: None,
    }
}

/// The payload as text, of a function that returned.
pub fn returned(completion: &Completion) -> &str {
    match &completion.outcome {
        Outcome::Returned { payload, .. } => std::str::from_utf8(payload).unwrap(),
        failed => panic!("{failed:?}\n{}", tail(completion)),
    }
}

/// The error as JSON, of a function that failed.
pub fn failed(completion: &Completion) -> serde_json::Value {
    match &completion.outcome {
        Outcome::Failed { payload, .. } => serde_json::from_slice(payload).unwrap(),
        returned => panic!("{returned:?}"),
    }
}

pub fn tail(completion: &Completion) -> String {
    String::from_utf8(completion.log_tail.clone().unwrap_or_default().to_vec()).unwrap()
}

/// The interpreters of this machine, looked for once.
pub fn runtimes() -> Arc<Runtimes> {
    static FOUND: std::sync::OnceLock<Arc<Runtimes>> = std::sync::OnceLock::new();
    Arc::clone(FOUND.get_or_init(|| Arc::new(Runtimes::discover(&RuntimesOptions::default()))))
}

/// The newest of a language, or nothing and a word about it.
pub fn newest(language: Language) -> Option<Interpreter> {
    let found = runtimes().newest(language).cloned();
    if found.is_none() {
        eprintln!("NOT RUN: this machine has no {} that is new enough", language.as_str());
    }
    found
}

/// A Python runtime that this machine has exactly.
pub fn exact_python() -> String {
    let (major, minor, _) =
        runtimes().newest(Language::Python).expect("tests need Python 3.9 or later").version;
    format!("python{major}.{minor}")
}

/// As the control plane unpacks packages: for all to read, whatever the umask.
fn write(directory: &Path, files: &[(&str, &str)]) {
    for (name, contents) in files {
        let path = directory.join(name);
        let parent = path.parent().unwrap();
        std::fs::create_dir_all(parent).unwrap();
        std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
}
