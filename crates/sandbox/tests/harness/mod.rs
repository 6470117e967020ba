//! What the tests of real cages share: a spawner in a directory of its own, specs, and reading what a program says.

#![allow(dead_code, reason = "each test file uses a part of it")]

use hearth_sandbox::{Error, Exit, Isolation, Limits, Sandbox, Spawner, SpawnerOptions, Spec, Temporary};
use std::path::Path;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// A spawner and its directory.
pub struct Ground {
    pub spawner: Spawner,
    pub state: tempfile::TempDir,
}

impl Ground {
    pub fn new() -> Self {
        Self::with(Isolation::Sandbox)
    }

    pub fn with(isolation: Isolation) -> Self {
        let state = tempfile::tempdir().unwrap();
        let spawner = Spawner::start(SpawnerOptions {
            state_dir: state.path().to_owned(),
            isolation,
            cgroup_name: "hearth-test".into(),
        })
        .unwrap_or_else(|error| panic!("{error}"));
        Self { spawner, state }
    }

    /// Runs a shell script to its end.
    pub async fn shell(&self, script: &str) -> Ran {
        self.run(shell(script)).await
    }

    pub async fn run(&self, spec: Spec) -> Ran {
        let mut sandbox = self.spawner.spawn(spec).await.unwrap_or_else(|error| panic!("{error}"));
        let ran = finish(&mut sandbox).await;
        sandbox.destroy().await;
        ran
    }

    /// Whether this machine lets the spawner enforce it in full.
    pub fn enforces(&self, subject: &str) -> bool {
        let mut findings = self.spawner.enforced().iter();
        findings.any(|finding| finding.subject == subject && finding.state == hearth_sandbox::State::Enforced)
    }

    /// Ends the spawner and asserts that it has left nothing in its directory.
    pub async fn close(self) {
        self.spawner.shutdown().await;
        assert_eq!(entries(self.state.path()), Vec::<String>::new());
    }
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The output of a program that succeeded.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert!(
            matches!(self.exit.status, hearth_sandbox::ExitStatus::Code(0)),
            "{:?}: {}{}",
            self.exit,
            self.stdout,
            self.stderr
        );
        self.stdout.trim_end()
    }
}

pub async fn finish(sandbox: &mut Sandbox) -> Ran {
    let stdout = read_all(sandbox.take_stdout().unwrap());
    let stderr = read_all(sandbox.take_stderr().unwrap());
    let (stdout, stderr, exit) = tokio::join!(stdout, stderr, sandbox.wait());
    Ran { exit, stdout, stderr }
}

pub async fn read_all(fd: std::os::fd::OwnedFd) -> String {
    let mut bytes = Vec::new();
    Receiver::from_owned_fd(fd).unwrap().read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub fn spec(program: &str, arguments: &[&str]) -> Spec {
    Spec {
        program: program.into(),
        arguments: arguments.iter().map(Into::into).collect(),
        environment: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into())],
        directory: "/".into(),
        companions: Vec::new(),
        mounts: Vec::new(),
        links: Vec::new(),
        files: Vec::new(),
        temporary: Temporary::Fresh { bytes: 512 << 20 },
        limits: Limits {
            memory_bytes: 256 << 20,
            cpu_millis_per_second: 2000,
            cpu_weight: 100,
            processes_max: 256,
            file_descriptors_max: 1024,
        },
        hostname: "cage".into(),
        stem: None,
        listeners: Vec::new(),
        messages: None,
    }
}

pub fn shell(script: &str) -> Spec {
    spec("/bin/bash", &["-c", script])
}

pub fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The error of a spawn that must fail.
pub async fn refused(ground: &Ground, spec: Spec) -> Error {
    match ground.spawner.spawn(spec).await {
        Ok(_) => panic!("the cage started"),
        Err(error) => error,
    }
}
