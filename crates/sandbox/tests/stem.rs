//! Stem cells: what is assigned is there, what is not is gone, and the program has nothing more before than after.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::{Ground, finish, spec};
use hearth_sandbox::{
    Announcement, Assignment, Error, ExitStatus, Isolation, Limits, Line, Listener, Mount, Spec, Stem,
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
            line: Line::Descriptor,
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

/// Waits as what can change neither its environment nor its directory.
const KEEPS: &str = r#"
import ctypes, os, threading
here = os.getcwd()
at = dict(pair.split("=", 1) for pair in open("/proc/self/environ").read().split("\0") if pair)["LINE"]
order = open(at + "/order", "rb", buffering=0)
found = []
beside = threading.Event()
thread = threading.Thread(target=lambda: (beside.wait(), found.append(open("task.py").read())))
thread.start()
with open(at + "/ready", "wb") as ready:
    ready.write(b"w")
block = order.read(1)
order.close()
beside.set()
thread.join()
exec(compile(found[0], "task.py", "exec"))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_can_change_nothing_itself_is_changed_from_outside() {
    let ground = Ground::new();
    if !ground.spawner.makes_stem_cells() {
        println!("not run: stem cells take root");
        return ground.close().await;
    }
    let task = task(
        "get = ctypes.CDLL(None).getenv\n\
         get.restype = ctypes.c_char_p\n\
         print(here, os.getcwd(), os.readlink('/proc/self/cwd'), sorted(os.listdir('.')), sorted(os.listdir('/var/task')))\n\
         print([get(name) for name in (b'NAME', b'EMPTY', b'API', b'LINE', b'LINE_ROOM', b'PATH')])\n\
         print([pair for pair in open('/proc/self/environ').read().split('\\0') if pair])\n\
         print(block)\n\
         print(sorted(os.listdir('/')), sorted(os.listdir('/var')), sorted(os.listdir('/proc/self/fd')))\n\
         print([line.split()[4] for line in open('/proc/self/mountinfo') if '/var' in line])\n\
         for path in 'x', '/var/task/x', '/x', '/tmp/x':\n\
         \x20   try: open(path, 'w'); print('wrote', path)\n\
         \x20   except OSError as error: print(error.strerror)\n",
    );
    let own = cell();
    let piped = Spec {
        directory: "/var/task".into(),
        // Python would set a variable itself.
        environment: vec![("PYTHONCOERCECLOCALE".into(), "0".into())],
        stem: own.stem.map(|stem| Stem { line: Line::Pipes { variables: 3 }, ..stem }),
        ..spec("/usr/bin/env", &["-S", "python3", "-S", "-c", KEEPS])
    };
    let piped = Spec { listeners: own.listeners, ..piped };
    let mut sandbox = ground.spawner.spawn(piped.clone()).await.unwrap();
    assert!(sandbox.waiting().await && sandbox.is_waiting());
    sandbox.assign(&assignment(task.path())).await.unwrap();
    let ran = finish(&mut sandbox).await;
    let plain = ground.shell("ls / | tr '\n' ' '").await;
    let names: Vec<String> = plain.ok().split_whitespace().map(|name| format!("'{name}'")).collect();
    let with_var = names.iter().cloned().chain(["'var'".to_owned()]).collect::<Vec<_>>().join(", ");
    assert_eq!(
        ran.ok(),
        format!(
            "/var/task /var/task /var/task ['task.py'] ['task.py']\n\
             [b'a=b', b'', b'http://127.0.0.1:9001', None, None, None]\n\
             ['NAME=a=b', 'EMPTY=', 'API=http://127.0.0.1:9001']\n\
             b'g'\n\
             [{with_var}] ['task'] ['0', '1', '2', '3']\n\
             ['/var/task']\n\
             Read-only file system\nRead-only file system\nRead-only file system\nwrote /tmp/x"
        )
    );
    assert_eq!(ran.exit.status, ExitStatus::Code(0));
    sandbox.destroy().await;
    let good = assignment(task.path());
    let nothing = Assignment { mounts: Vec::new(), ..good.clone() };
    let mut many = good.clone();
    many.environment.push(("MORE".into(), "".into()));
    for (assignment, act) in [(nothing, "read"), (many, "place")] {
        let sandbox = ground.spawner.spawn(piped.clone()).await.unwrap();
        assert!(sandbox.waiting().await);
        match sandbox.assign(&assignment).await {
            Err(Error::Cage(fault)) => assert_eq!(fault.act, act),
            other => panic!("{act}: {other:?}"),
        }
        sandbox.destroy().await;
    }
    let elsewhere = Spec { directory: "/".into(), ..piped };
    assert!(matches!(ground.spawner.spawn(elsewhere).await, Err(Error::Spec { field: "directory", .. })));
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

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_zygote_are_cells_like_any_other() {
    let ground = Ground::new();
    if !ground.spawner.makes_zygotes() {
        println!("not run: zygotes take root and an x86-64");
        return ground.close().await;
    }
    let task = task(LOOKS);
    // A zygote has no /proc.
    let before = WAITS.lines().find(|line| line.starts_with("before")).unwrap();
    let waits = WAITS.replace(before, "import threading");
    let cell = || Spec { arguments: spec("x", &["-S", "python3", "-S", "-c", &waits]).arguments, ..cell() };
    let (zygote, nursery) =
        ground.spawner.spawn_zygote(cell()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(zygote.waiting().await);
    let mut seen = Vec::new();
    for copied in [false, true, true] {
        let begin = std::time::Instant::now();
        let spawned = if copied {
            ground.spawner.spawn_copy(cell(), &nursery).await
        } else {
            ground.spawner.spawn(cell()).await
        };
        let mut sandbox = spawned.unwrap_or_else(|error| panic!("{error}"));
        assert!(sandbox.waiting().await && sandbox.is_waiting());
        println!("{copied} {:?}", begin.elapsed());
        sandbox.assign(&assignment(task.path())).await.unwrap();
        let ran = finish(&mut sandbox).await;
        seen.push(ran.ok().to_owned());
        sandbox.destroy().await;
    }
    assert!(zygote.is_waiting());
    zygote.destroy().await;
    for copy in &seen[1..] {
        let differ: Vec<_> =
            seen[0].lines().zip(copy.lines()).filter(|(plain, copied)| plain != copied).collect();
        assert_eq!((differ, seen[0].lines().count()), (Vec::new(), copy.lines().count()));
    }
    ground.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zygote_is_copied_for_many_at_once_and_its_end_is_told() {
    let ground = Ground::new();
    if !ground.spawner.makes_zygotes() {
        println!("not run: zygotes take root and an x86-64");
        return ground.close().await;
    }
    let task = task(
        "import os, random\n\
         print(os.getpid(), os.getppid(), len(list(open('/proc/self/maps'))), random.random())\n",
    );
    let before = WAITS.lines().find(|line| line.starts_with("before")).unwrap();
    let waits = WAITS.replace(before, "pass");
    let cell = || Spec { arguments: spec("x", &["-S", "python3", "-S", "-c", &waits]).arguments, ..cell() };
    let (zygote, nursery) = ground.spawner.spawn_zygote(cell()).await.unwrap();
    assert!(zygote.waiting().await);
    let copy = || {
        let (spawner, cell, nursery) = (ground.spawner.clone(), cell(), nursery.clone());
        tokio::spawn(async move { spawner.spawn_copy(cell, &nursery).await })
    };
    let mut copies = Vec::new();
    for copy in (0..24).map(|_| copy()).collect::<Vec<_>>() {
        copies.push(copy.await.unwrap().unwrap_or_else(|error| panic!("{error}")));
    }
    let mut said = std::collections::BTreeSet::new();
    for mut copy in copies {
        assert!(copy.waiting().await);
        copy.assign(&assignment(task.path())).await.unwrap();
        let ran = finish(&mut copy).await;
        assert!(ran.ok().starts_with("2 1 "), "{ran:?}");
        said.insert(ran.ok().to_owned());
        copy.destroy().await;
    }
    assert_eq!(said.len(), 24);
    // Nothing of the copying stays in anybody's memory.
    let maps: std::collections::BTreeSet<&str> =
        said.iter().map(|said| said.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(maps.len(), 1, "{maps:?}");
    // One that has been made outlives it.
    let mut copy_that_lives = copy().await.unwrap().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(zygote.process_id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    zygote.wait().await;
    assert!(matches!(copy().await.unwrap(), Err(Error::Cage(_))));
    copy_that_lives.assign(&assignment(task.path())).await.unwrap();
    assert!(finish(&mut copy_that_lives).await.ok().starts_with("2 1 "));
    copy_that_lives.destroy().await;
    zygote.destroy().await;
    ground.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zygote_that_has_said_so_and_does_not_wait_yet_is_copied_once_it_does() {
    let ground = Ground::new();
    if !ground.spawner.makes_zygotes() {
        println!("not run: zygotes take root and an x86-64");
        return ground.close().await;
    }
    let task = task("print('copied')\n");
    let before = WAITS.lines().find(|line| line.starts_with("before")).unwrap();
    let waits =
        WAITS.replace(before, "import time").replace("block = b\"\"", "time.sleep(0.2)\nblock = b\"\"");
    let cell = || Spec { arguments: spec("x", &["-S", "python3", "-S", "-c", &waits]).arguments, ..cell() };
    let (zygote, nursery) = ground.spawner.spawn_zygote(cell()).await.unwrap();
    assert!(zygote.waiting().await);
    let mut copy = ground.spawner.spawn_copy(cell(), &nursery).await.unwrap();
    assert!(copy.waiting().await && zygote.is_waiting());
    copy.assign(&assignment(task.path())).await.unwrap();
    assert_eq!(finish(&mut copy).await.ok(), "copied");
    copy.destroy().await;
    zygote.destroy().await;
    ground.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_more_than_one_thread_is_not_copied() {
    let ground = Ground::new();
    if !ground.spawner.makes_zygotes() {
        println!("not run: zygotes take root and an x86-64");
        return ground.close().await;
    }
    let before = WAITS.lines().find(|line| line.starts_with("before")).unwrap();
    let thread = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()";
    let waits = WAITS.replace(before, thread);
    let cell = || Spec { arguments: spec("x", &["-S", "python3", "-S", "-c", &waits]).arguments, ..cell() };
    let (zygote, nursery) = ground.spawner.spawn_zygote(cell()).await.unwrap();
    assert!(zygote.waiting().await);
    match ground.spawner.spawn_copy(cell(), &nursery).await {
        Err(Error::Cage(fault)) => assert!(fault.to_string().contains("thread"), "{fault}"),
        other => panic!("{other:?}"),
    }
    zygote.destroy().await;
    ground.close().await;
}

/// All that a program can ask of itself and that is the same for every cage.
const LOOKS: &str = r#"
import os, re, threading
def read(path):
    return open(path, "rb").read().decode("utf-8", "replace")
print(sorted(os.environ.items()), read("/proc/self/environ").rstrip("\0"))
print(os.getpid(), os.getppid(), os.getsid(0), os.getpgid(0), os.getuid(), os.getgid(), os.getgroups(), os.getcwd())
print(sorted(os.listdir("/proc/self/fd")), [os.get_inheritable(fd) for fd in (0, 1, 2)])
print([re.sub(r"\d\d+", "N", os.readlink(f"/proc/self/fd/{fd}")) for fd in (0, 1, 2)], os.readlink("/proc/self/exe"))
print(read("/proc/self/limits"))
moving = ("Vm", "Rss", "voluntary", "nonvoluntary", "HugetlbPages", "Pss", "Cpus", "Mems", "SigQ")
print("\n".join(line for line in read("/proc/self/status").splitlines() if not line.startswith(moving)))
print(re.sub(r"^\d+ \d+ \d+:\d+", "", re.sub(r"/dev/loop\d+", "loop", read("/proc/self/mountinfo")), flags=re.M).replace("master:", ""))
print(sorted(os.listdir("/proc/self/ns")), read("/proc/self/cgroup"), read("/proc/self/uid_map"), read("/proc/self/gid_map"), read("/proc/self/setgroups"))
print(read("/proc/self/comm"), read("/proc/self/cmdline"), os.sched_getaffinity(0), os.nice(0), read("/proc/self/oom_score_adj"))
print(sorted(name for name in os.listdir("/proc") if name.isdigit()), os.listdir("/tmp"), sorted(os.listdir("/")))
print(os.stat("/proc/self/mem").st_uid, os.umask(0))
pid = os.fork()
if pid == 0:
    print(os.getpid(), flush=True)
    os._exit(3)
print(os.waitpid(pid, 0))
thread = threading.Thread(target=lambda: print(threading.get_native_id()))
thread.start(); thread.join()
for path in ("/var/task/x", "/x", "/tmp/x", "/etc/x", "/proc/sys/kernel/hostname"):
    try: open(path, "w"); print("wrote", path)
    except OSError as error: print(error.strerror)
for number in (101, 272, 165, 308, 161, 250, 317):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    print(number, libc.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno())
for cpu in os.sched_getaffinity(0):
    # The C library is told by the kernel, in memory that they have agreed on.
    os.sched_setaffinity(0, {cpu})
    print(cpu, libc.sched_getcpu())
os.system("echo shell $$; id -u; cat /proc/self/status | grep -E 'Cap|Seccomp|NoNewPrivs'; readlink /proc/self/exe")
"#;
