//! Stem cells: what is assigned is there, what is not is gone, and the program has nothing more before than after.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::{Ground, finish, spec};
use hearth_sandbox::{
    Announcement, Assignment, Error, ExitStatus, Isolation, Limits, Listener, Mount, Spec, Stem,
};
use std::time::Duration;

/// Waits as a runtime does, with an environment of its own cleared, and goes on as the script in `/var/task`.
const WAITS: &str = r#"
import os
line = int(os.environ.pop("LINE"))
before = sorted(os.listdir("/")), sorted(os.listdir("/var/task")), open("/proc/self/mountinfo").read()
os.environ.clear()
os.write(line, b"w")
block = b""
while piece := os.read(line, 65536):
    block += piece
os.close(line)
os.environb.update(pair.split(b"=", 1) for pair in block.split(b"\0") if pair)
os.chdir("/var/task")
exec(compile(open("task.py").read(), "task.py", "exec"))
"#;

fn listener() -> Listener {
    let announcement = Announcement { variable: "API".into(), prefix: "http://".into() };
    Listener { address: "127.0.0.1:9001".parse().unwrap(), announcements: vec![announcement] }
}

fn cell() -> Spec {
    Spec {
        stem: Some(Stem {
            variable: "LINE".into(),
            places: vec!["/var/task".into(), "/opt".into()],
            inner: vec!["lib".into()],
            room: 4096,
        }),
        listeners: vec![listener()],
        ..spec("/usr/bin/env", &["-S", "python3", "-S", "-c", WAITS])
    }
}

fn assignment(task: &std::path::Path) -> Assignment {
    Assignment {
        mounts: vec![Mount { source: task.into(), target: "/var/task".into() }],
        environment: vec![("NAME".into(), "a=b".into()), ("EMPTY".into(), "".into())],
        listeners: vec![listener()],
        messages: None,
        limits: Limits { memory_bytes: 100 << 20, ..spec("x", &[]).limits },
    }
}

fn task(script: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("task.py"), script).unwrap();
    for path in [directory.path().to_owned(), directory.path().join("task.py")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_becomes_what_it_is_assigned() {
    let ground = Ground::new();
    if !ground.spawner.makes_stem_cells() {
        println!("not run: stem cells take root");
        return ground.close().await;
    }
    let task = task(
        "import os\n\
         print(sorted(os.environ.items()))\n\
         print([pair for pair in open('/proc/self/environ').read().split('\\0') if pair])\n\
         print(os.getcwd(), sorted(os.listdir('/')), sorted(os.listdir('/proc/self/fd')))\n\
         print(before[:2], '/.host' in before[2])\n\
         for path in '/var/task/x', '/x', '/tmp/x':\n\
         \x20   try: open(path, 'w'); print('wrote', path)\n\
         \x20   except OSError as error: print(error.strerror)\n",
    );
    let mut sandbox = ground.spawner.spawn(cell()).await.unwrap();
    assert!(sandbox.waiting().await && sandbox.is_waiting());
    sandbox.assign(&assignment(task.path())).await.unwrap();
    let ran = finish(&mut sandbox).await;
    let plain = ground.shell("ls / | tr '\\n' ' '").await;
    let names: Vec<String> = plain.ok().split_whitespace().map(|name| format!("'{name}'")).collect();
    let with_var = names.iter().cloned().chain(["'var'".to_owned()]).collect::<Vec<_>>().join(", ");
    let mut before = names;
    before.extend(["'opt'".to_owned(), "'var'".to_owned()]);
    before.sort();
    assert_eq!(
        ran.ok(),
        format!(
            "[('API', 'http://127.0.0.1:9001'), ('EMPTY', ''), ('NAME', 'a=b')]\n\
             ['NAME=a=b', 'EMPTY=', 'API=http://127.0.0.1:9001']\n\
             /var/task [{with_var}] ['0', '1', '2', '3']\n\
             ([{}], ['lib']) False\n\
             Read-only file system\nRead-only file system\nwrote /tmp/x",
            before.join(", ")
        )
    );
    assert_eq!(ran.exit.status, ExitStatus::Code(0));
    sandbox.destroy().await;
    ground.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_takes_one_assignment_on_its_own_places_or_ends() {
    let ground = Ground::new();
    if !ground.spawner.makes_stem_cells() {
        println!("not run: stem cells take root");
        return ground.close().await;
    }
    let task = task("import time\ntime.sleep(60)\n");
    let good = assignment(task.path());
    let elsewhere = Assignment {
        mounts: vec![Mount { source: task.path().into(), target: "/usr".into() }],
        ..good.clone()
    };
    let nowhere = Assignment {
        mounts: vec![Mount { source: "/no/such/place".into(), target: "/opt".into() }],
        ..good.clone()
    };
    let large = Assignment { environment: vec![("LARGE".into(), "x".repeat(8192).into())], ..good.clone() };
    for (assignment, act) in [(elsewhere, "read"), (nowhere, "take from the host"), (large, "show")] {
        let sandbox = ground.spawner.spawn(cell()).await.unwrap();
        assert!(sandbox.waiting().await);
        match sandbox.assign(&assignment).await {
            Err(Error::Cage(fault)) => assert_eq!(fault.act, act),
            other => panic!("{act}: {other:?}"),
        }
        sandbox.destroy().await;
    }
    let sandbox = ground.spawner.spawn(cell()).await.unwrap();
    assert!(sandbox.waiting().await);
    sandbox.assign(&good).await.unwrap();
    assert!(!sandbox.is_waiting());
    assert!(matches!(sandbox.assign(&good).await, Err(Error::Spec { field: "stem", .. })));
    let ended = tokio::time::timeout(Duration::from_millis(50), sandbox.wait()).await;
    assert!(ended.is_err(), "the program goes on");
    sandbox.destroy().await;
    ground.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_whose_program_ends_is_told_from_one_that_waits() {
    let ground = Ground::new();
    if !ground.spawner.makes_stem_cells() {
        println!("not run: stem cells take root");
        return ground.close().await;
    }
    let program = spec("/bin/true", &[]);
    let ended = Spec { program: program.program, arguments: Vec::new(), ..cell() };
    let sandbox = ground.spawner.spawn(ended).await.unwrap();
    assert!(!sandbox.waiting().await && !sandbox.is_waiting());
    sandbox.destroy().await;
    ground.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_a_cage_is_no_cell() {
    let ground = Ground::with(Isolation::Process);
    match ground.spawner.spawn(cell()).await {
        Err(Error::Spec { field: "stem", .. }) => {}
        other => panic!("{other:?}"),
    }
    ground.close().await;
}
