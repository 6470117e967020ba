//! How cages live and die, and that nothing of them is left.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::*;
use hearth_sandbox::{ExitStatus, Isolation, Sandbox};
use std::collections::BTreeSet;
use std::io::BufRead;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Everything on this machine that could be left behind by a spawner whose cgroups are named `hearth-life-…`.
fn traces(name: &str) -> BTreeSet<String> {
    let mut traces = BTreeSet::new();
    for line in std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines() {
        if line.contains("run-") {
            traces.insert(format!("mount {line}"));
        }
    }
    let mut directories = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().contains(name) {
                    traces.insert(format!("cgroup {}", entry.path().display()));
                }
                directories.push(entry.path());
            }
        }
    }
    traces
}

fn processes_with(marker: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    entries(std::path::Path::new("/proc"))
        .into_iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own)
        .filter(|pid| {
            let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let contains =
                |bytes: Vec<u8>| bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
            contains(read("cmdline")) || contains(read("environ"))
        })
        .collect()
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn exits_are_told_as_they_were() {
    for isolation in [Isolation::Sandbox, Isolation::Process] {
        let ground = Ground::with(isolation);
        for (script, status) in [
            ("exit 0", ExitStatus::Code(0)),
            ("exit 7", ExitStatus::Code(7)),
            ("kill -9 $$", ExitStatus::Signal(9)),
            ("kill -SEGV $$", ExitStatus::Signal(11)),
            ("sleep 1000 & exit 3", ExitStatus::Code(3)),
        ] {
            let sandbox = ground.spawner.spawn(shell(script)).await.unwrap();
            let exit = sandbox.wait().await;
            assert_eq!((exit.status, exit.oom_killed), (status, false), "{script}");
            assert_eq!(sandbox.wait().await.status, status, "asked again");
            sandbox.destroy().await;
        }
        ground.close().await;
    }
}

#[tokio::test]
async fn terminate_asks_and_kill_does_not() {
    for isolation in [Isolation::Sandbox, Isolation::Process] {
        let ground = Ground::with(isolation);
        let mut sandbox = ground
            .spawner
            .spawn(shell("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done"))
            .await
            .unwrap();
        let mut output =
            tokio::net::unix::pipe::Receiver::from_owned_fd(sandbox.take_stdout().unwrap()).unwrap();
        let mut up = [0; 3];
        tokio::io::AsyncReadExt::read_exact(&mut output, &mut up).await.unwrap();
        sandbox.terminate();
        assert_eq!(sandbox.wait().await.status, ExitStatus::Code(5));
        sandbox.destroy().await;

        let sandbox =
            ground.spawner.spawn(shell("trap '' TERM; while :; do sleep 1000; done")).await.unwrap();
        sandbox.kill();
        assert_eq!(sandbox.wait().await.status, ExitStatus::Signal(9));
        sandbox.destroy().await;
        ground.close().await;
    }
}

#[tokio::test]
async fn a_kill_leaves_nothing_even_of_those_who_hide() {
    for isolation in [Isolation::Sandbox, Isolation::Process] {
        let ground = Ground::with(isolation);
        let marker = format!("hearth-marker-{}-{isolation:?}", std::process::id());
        let mut spec = shell(
            "for i in 1 2 3; do setsid setsid bash -c 'trap \"\" TERM HUP; (while :; do sleep 1000; done) & wait' & done; wait",
        );
        spec.environment.push(("MARKER".into(), marker.clone().into()));
        let sandbox = ground.spawner.spawn(spec).await.unwrap();
        eventually("the program forked", || processes_with(&marker).len() >= 7).await;
        sandbox.freeze().unwrap();
        sandbox.destroy().await;
        assert_eq!(processes_with(&marker), Vec::<String>::new(), "{isolation:?}");
        ground.close().await;
    }
}

/// How far the counter in the cage's output has come.
async fn latest(sandbox: &mut tokio::net::unix::pipe::Receiver) -> usize {
    let mut buffer = vec![0; 1 << 16];
    let mut read = 0;
    while let Ok(length) = sandbox.try_read(&mut buffer) {
        read += length;
        tokio::task::yield_now().await;
    }
    read
}

#[tokio::test]
async fn freezing_stops_and_thawing_goes_on() {
    let ground = Ground::new();
    let mut sandbox = ground.spawner.spawn(shell("while :; do echo; sleep 0.001; done")).await.unwrap();
    let mut output = tokio::net::unix::pipe::Receiver::from_owned_fd(sandbox.take_stdout().unwrap()).unwrap();
    for _ in 0..3 {
        output.readable().await.unwrap();
        assert!(latest(&mut output).await > 0);
        sandbox.freeze().unwrap();
        // A process in the kernel finishes what it does there; then it stands still.
        tokio::time::sleep(Duration::from_millis(200)).await;
        latest(&mut output).await;
        let (used, _) = (sandbox.cpu_time(), tokio::time::sleep(Duration::from_millis(100)).await);
        assert_eq!(latest(&mut output).await, 0, "it ran on while frozen");
        // What the kernel still counts is the way into the freezer.
        let more = sandbox.cpu_time().zip(used).map(|(now, used)| now - used);
        assert!(more.is_none_or(|more| more < Duration::from_millis(2)), "{more:?}");
        sandbox.thaw().unwrap();
    }
    output.readable().await.unwrap();
    sandbox.freeze().unwrap();
    sandbox.kill();
    assert_eq!(sandbox.wait().await.status, ExitStatus::Signal(9));
    ground.close().await;
}

#[tokio::test]
async fn the_memory_peak_starts_anew() {
    let ground = Ground::new();
    if !ground.enforces("memory limit") {
        println!("not run: this machine lets us have no cgroups");
        return;
    }
    let script = "import sys\nx = bytearray(60 << 20)\ndel x\nprint('done', flush=True)\nsys.stdin.read()\nimport time\ntime.sleep(1000)";
    let mut sandbox = ground.spawner.spawn(spec("/usr/bin/python3", &["-c", script])).await.unwrap();
    let mut output = tokio::net::unix::pipe::Receiver::from_owned_fd(sandbox.take_stdout().unwrap()).unwrap();
    tokio::io::AsyncReadExt::read_exact(&mut output, &mut [0; 5]).await.unwrap();
    let before = sandbox.memory_peak_bytes().unwrap();
    sandbox.reset_memory_peak().unwrap();
    let after = sandbox.memory_peak_bytes().unwrap();
    assert!(before > 60 << 20 && after < 40 << 20, "{before} {after}");
    drop(sandbox);
    ground.close().await;
}

#[tokio::test]
async fn fifty_at_once_are_apart_and_leave_nothing() {
    let ground = Ground::new();
    // None is taken down before all have been there.
    let all_lived = std::sync::Arc::new(tokio::sync::Barrier::new(50));
    let tasks: Vec<_> = (0..50)
        .map(|index| {
            let (spawner, all_lived) = (ground.spawner.clone(), all_lived.clone());
            tokio::spawn(async move {
                let mut sandbox = spawner
                    .spawn(shell(&format!("echo {index} >/tmp/x; sleep 1; cat /tmp/x; ls /tmp")))
                    .await
                    .unwrap();
                let host_id = host_user(&sandbox);
                let ran = finish(&mut sandbox).await;
                assert_eq!(ran.ok(), format!("{index}\nx"));
                all_lived.wait().await;
                sandbox.destroy().await;
                host_id
            })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for task in tasks {
        ids.insert(task.await.unwrap());
    }
    if rustix::process::geteuid().is_root() {
        assert_eq!(ids.len(), 50, "{ids:?}");
        assert!(ids.iter().all(|id| *id >= 1_900_000_000), "{ids:?}");
    }
    ground.close().await;
}

fn host_user(sandbox: &Sandbox) -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/{}", sandbox.process_id())).map_or(0, |metadata| metadata.uid())
}

#[tokio::test]
async fn dropped_calls_leave_nothing() {
    let ground = Ground::new();
    let marker = format!("hearth-dropped-{}", std::process::id());
    for step in 0..20 {
        let mut spec = shell("sleep 1000");
        spec.environment.push(("MARKER".into(), marker.clone().into()));
        let call = ground.spawner.spawn(spec);
        let _ = tokio::time::timeout(Duration::from_millis(step), call).await;
    }
    eventually("the dropped cages ended", || processes_with(&marker).is_empty()).await;
    ground.close().await;
}

/// Not a test: the server of [`a_killed_server_leaves_nothing`], which runs this very file as a process of its own.
#[test]
fn server_to_be_killed() {
    let Ok(state) = std::env::var("HEARTH_TEST_STATE") else { return };
    let isolation =
        if std::env::var("HEARTH_TEST_CAGED").is_ok() { Isolation::Sandbox } else { Isolation::Process };
    let spawner = hearth_sandbox::Spawner::start(hearth_sandbox::SpawnerOptions {
        state_dir: state.into(),
        isolation,
        cgroup_name: std::env::var("HEARTH_TEST_GROUP").unwrap(),
    })
    .unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut held = Vec::new();
        for index in 0..6 {
            let mut spec = shell("setsid bash -c 'while :; do sleep 1000; done' & wait");
            spec.environment.push(("MARKER".into(), std::env::var("HEARTH_TEST_GROUP").unwrap().into()));
            let sandbox = spawner.spawn(spec).await.unwrap();
            if index % 2 == 0 {
                sandbox.freeze().unwrap();
            }
            held.push(sandbox);
        }
        println!("ready");
        std::future::pending::<()>().await;
    });
}

#[tokio::test]
async fn a_killed_server_leaves_nothing() {
    for (caged, victim) in [(true, "server"), (false, "server"), (true, "spawner")] {
        let state = tempfile::tempdir().unwrap();
        let group = format!("hearth-life-{}-{caged}-{victim}", std::process::id());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "server_to_be_killed", "--nocapture"]);
        command.env("HEARTH_TEST_STATE", state.path()).env("HEARTH_TEST_GROUP", &group);
        if caged {
            command.env("HEARTH_TEST_CAGED", "1");
        }
        let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(server.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ready")), "the server never got ready");
        assert!(processes_with(&group).len() > 6);
        if victim == "spawner" {
            let spawner = entries(std::path::Path::new("/proc")).into_iter().find(|pid| {
                let read =
                    |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
                read("comm").trim() == "hearth-spawner"
                    && read("status").contains(&format!("PPid:\t{}\n", server.id()))
            });
            let pid = rustix::process::Pid::from_raw(spawner.unwrap().parse().unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            eventually("the cages died with the spawner", || {
                processes_with(&group).iter().all(|pid| *pid == server.id().to_string())
            })
            .await;
            server.kill().unwrap();
        } else {
            server.kill().unwrap();
        }
        server.wait().unwrap();
        eventually("every process ended", || processes_with(&group).is_empty()).await;
        if victim == "spawner" {
            // Nobody was left to clean up: the next start does.
            assert!(!entries(state.path()).is_empty());
            let options = hearth_sandbox::SpawnerOptions {
                state_dir: state.path().to_owned(),
                isolation: Isolation::Sandbox,
                cgroup_name: group.clone(),
            };
            hearth_sandbox::Spawner::start(options).unwrap().shutdown().await;
        }
        eventually("the directories went", || entries(state.path()).is_empty() && traces(&group).is_empty())
            .await;
    }
}

#[tokio::test]
async fn two_servers_do_not_disturb_each_other() {
    let one = Ground::new();
    let alive = one.spawner.spawn(shell("sleep 1000")).await.unwrap();
    for _ in 0..5 {
        let other = Ground::new();
        other.shell("true").await.ok();
        other.close().await;
    }
    assert!(std::fs::exists(format!("/proc/{}", alive.process_id())).unwrap());
    alive.thaw().unwrap();
    assert_eq!(alive.cpu_time().is_some(), one.enforces("freezer"));
    one.shell("true").await.ok();
    drop(alive);
    one.close().await;
}

/// Runs the tests of both files once more, as a user who may do nothing.
#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let own = std::env::current_exe().unwrap();
    // The newest of the other file's builds, which stand beside ours.
    let newest = |prefix: &str| {
        let names = entries(own.parent().unwrap()).into_iter();
        let candidates = names.filter(|name| name.starts_with(prefix) && !name.contains('.'));
        let paths = candidates.map(|name| own.parent().unwrap().join(name));
        paths.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap()
    };
    for (name, path) in [("life", own.clone()), ("cage", newest("cage-"))] {
        let program = home.path().join(name);
        std::fs::copy(path, &program).unwrap();
        let output = Command::new(&program)
            .env("TMPDIR", home.path())
            .current_dir(home.path())
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        println!("{said}");
    }
}

/// What a server that was let in says to a program inside, and hears from it.
#[tokio::test]
async fn a_dialled_socket_reaches_into_the_cage_and_nowhere_else() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for isolation in [Isolation::Sandbox, Isolation::Process] {
        let ground = Ground::with(isolation);
        let outside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = "
import socket
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(connection.recv(100).upper())
    connection.close()
";
        let mut sandbox =
            ground.spawner.spawn(spec("/usr/bin/python3", &["-S", "-c", listen])).await.unwrap();
        let mut output =
            tokio::net::unix::pipe::Receiver::from_owned_fd(sandbox.take_stdout().unwrap()).unwrap();
        let mut said = vec![0; 100];
        let length = output.read(&mut said).await.unwrap();
        let port: u16 = std::str::from_utf8(&said[..length]).unwrap().trim().parse().unwrap();
        let dial = async || {
            let socket = sandbox.dial().await.unwrap();
            tokio::net::TcpSocket::from_std_stream(socket.into())
        };
        for word in ["first", "second"] {
            let mut stream = dial().await.connect(([127, 0, 0, 1], port).into()).await.unwrap();
            stream.write_all(word.as_bytes()).await.unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, word.to_uppercase());
        }
        let (one, other) = tokio::join!(sandbox.dial(), sandbox.dial());
        assert!(one.is_ok() && other.is_ok(), "two at once");
        let to_host = dial().await.connect(outside.local_addr().unwrap()).await;
        assert_eq!(to_host.is_ok(), isolation == Isolation::Process, "the host's loopback is another");
        sandbox.kill();
        sandbox.wait().await;
        // A dead cage gives no socket, and says so to whoever asks.
        while sandbox.dial().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sandbox.destroy().await;
        ground.close().await;
    }
}

#[tokio::test]
async fn companions_and_messages_have_pipes_of_their_own() {
    for isolation in [Isolation::Sandbox, Isolation::Process] {
        let ground = Ground::with(isolation);
        let directory = tempfile::tempdir().unwrap();
        let companion = |name: &str| {
            let path = directory.path().join(name);
            let text = format!(
                "#!/bin/bash\necho {name} says ${{MESSAGES:-nothing}}\necho {name} errs >&2\nsleep 1000\n"
            );
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            path
        };
        let paths = [companion("one"), companion("two")];
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let mut wanted = shell("echo program; printf 'a\\nb' >&$MESSAGES; sleep 1000");
        wanted.messages = Some("MESSAGES".into());
        if isolation == Isolation::Sandbox {
            let (source, target) = (directory.path().to_owned(), "/opt".into());
            wanted.mounts.push(hearth_sandbox::Mount { source, target });
        }
        for path in &paths {
            let program = match isolation {
                Isolation::Sandbox => std::path::Path::new("/opt").join(path.file_name().unwrap()),
                Isolation::Process => path.clone(),
            };
            wanted.companions.push(hearth_sandbox::Companion { program, hidden: Vec::new() });
        }
        let mut sandbox = ground.spawner.spawn(wanted).await.unwrap();
        let mut expected =
            vec![(sandbox.take_stdout().unwrap(), "program\n"), (sandbox.take_messages().unwrap(), "a\nb")];
        let said = ["one says nothing\none errs\n", "two says nothing\ntwo errs\n"];
        expected.extend(sandbox.take_companion_outputs().into_iter().zip(said));
        assert_eq!(expected.len(), 4);
        for (pipe, expected) in expected {
            let mut pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(pipe).unwrap();
            let mut bytes = vec![0; expected.len()];
            tokio::io::AsyncReadExt::read_exact(&mut pipe, &mut bytes).await.unwrap();
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
        sandbox.destroy().await;
        ground.close().await;
    }
}
