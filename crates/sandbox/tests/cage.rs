//! What a real cage lets a program see and do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::*;
use hearth_sandbox::{Announcement, Error, ExitStatus, File, Link, Listener, Mount, Temporary};
use std::io::Read;
use std::time::Duration;

#[tokio::test]
async fn a_program_is_the_one_user_of_a_small_world() {
    let ground = Ground::new();
    let ran = ground.shell("id -u; id -g; id -un; hostname; pwd; ls /; echo $$; umask").await;
    let lines: Vec<&str> = ran.ok().lines().collect();
    let world = ["bin", "dev", "etc", "lib", "lib64", "proc", "sbin", "tmp", "usr"];
    assert_eq!(lines[..5], ["993", "990", "sbx_user1051", "cage", "/"]);
    assert!(world.iter().all(|name| *name == "lib64" || lines.contains(name)), "{lines:?}");
    let host = ["home", "root", "var", "run", "sys", "work", "srv", "mnt", "boot", "media"];
    assert!(!host.iter().any(|name| lines.contains(name)), "{lines:?}");
    assert_eq!(lines[lines.len() - 2..], ["2", "0022"]);

    let status = ground
        .shell("cat /proc/self/status; grep 'core file' /proc/self/limits | tr -s ' '; ulimit -u; ulimit -n")
        .await;
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.ok().contains(line), "{line}: {}", status.stdout);
    }
    let limits = "\nMax core file size 1 1 bytes \n256\n1024\n";
    assert!(status.stdout.ends_with(limits), "{}", status.stdout);
    let inside = ground
        .shell("ls /proc/self/fd | wc -l; readlink /proc/self/fd/0; cat /proc/self/cgroup | grep -v ':/$'")
        .await;
    // 0, 1, 2 and the directory that ls itself reads.
    assert_eq!(inside.stdout, "4\n/dev/null\n");
    ground.close().await;
}

#[tokio::test]
async fn nothing_but_tmp_can_be_written_to() {
    let ground = Ground::new();
    let script = r#"
        for path in / /usr /usr/bin /etc /dev /proc /proc/sys/kernel; do
            touch $path/x 2>/dev/null && echo "wrote to $path"
        done
        echo x >/etc/passwd; echo x >/proc/sys/kernel/hostname; echo 0 >/proc/self/oom_score_adj
        rm /etc/hosts; mkdir /x; ln -s / /y; chmod 777 /; mv /tmp /z
        echo inside >/tmp/x; mkdir -p /tmp/a/b; mv /tmp/x /tmp/a/b; ln -s b /tmp/a/c; mkfifo /tmp/f
        echo '#!/bin/bash' >/tmp/run; echo 'echo ran' >>/tmp/run; chmod +x /tmp/run; /tmp/run
        cat /tmp/a/c/x; echo gone >/dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c
    "#;
    let ran = ground.shell(&format!("exec 2>/dev/null; {script}")).await;
    assert_eq!(ran.ok(), "ran\ninside\n3\n3");
    assert_eq!(ground.shell("hostname; ls /tmp").await.ok(), "cage", "another cage has its own /tmp");
    ground.close().await;
}

#[tokio::test]
async fn the_hosts_files_processes_and_kernel_are_out_of_sight() {
    let ground = Ground::new();
    let secret = ground.state.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let own = std::process::id();
    let script = format!(
        "cat {0}; ls {1}; ls /proc/{own}; cat /proc/1/cmdline; kill -0 1; cat /proc/keys; cat /proc/timer_list; \
         ls -d /dev/shm /sys /dev/sd* /dev/vd* /dev/loop* /dev/kmsg; mount -t tmpfs x /tmp; unshare -U true; \
         unshare -r true; chroot / true; dmesg; nsenter -t 1 -m true",
        secret.display(),
        ground.state.path().display(),
    );
    // Each line runs for itself: all of them must fail.
    for line in script.split("; ") {
        let ran = ground.shell(line).await;
        assert!(ran.stdout.is_empty(), "{line}: {}", ran.stdout);
        let empty_is_fine = line.contains("/proc/keys") || line.contains("/proc/timer_list");
        assert!(empty_is_fine || ran.exit.status != ExitStatus::Code(0), "{line} succeeded");
    }
    std::fs::remove_file(secret).unwrap();
    ground.close().await;
}

#[tokio::test]
async fn the_filter_answers_errors_and_kills_nobody() {
    let ground = Ground::new();
    let program = r#"
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    return errno.errorcode.get(ctypes.get_errno(), str(result)) if result == -1 else "ok"
NEWUSER = 0x10000000
print("mount", call(165, 0, 0, 0, 0, 0), "unshare", call(272, NEWUSER), "setns", call(308, 0, 0))
print("clone", call(56, NEWUSER | 17, 0, 0, 0, 0), "clone3", call(435, 0, 0), "bpf", call(321, 0, 0, 0))
print("io_uring", call(425, 1, 0), "userfaultfd", call(323, 0), "keyctl", call(250, 0, 0, 0))
print("perf", call(298, 0, 0, 0, 0, 0), "ptrace", call(101, 0, 0, 0, 0), "vm", call(310, 0, 0, 0, 0, 0, 0))
print("module", call(175, 0, 0, 0), "kexec", call(246, 0, 0, 0, 0), "handle", call(304, 0, 0, 0), "unknown", call(999))
for family, kind in [(17, 3), (2, 3), (10, 3), (38, 5), (40, 1)]:
    try:
        socket.socket(family, kind)
        print("got", family, kind)
    except OSError as error:
        print(errno.errorcode[error.errno], end=" ")
"#;
    let ran = ground.run(spec("/usr/bin/python3", &["-c", program])).await;
    let expected = "mount EPERM unshare EPERM setns EPERM\nclone EPERM clone3 ENOSYS bpf EPERM\n\
        io_uring ENOSYS userfaultfd EPERM keyctl EPERM\nperf EPERM ptrace EPERM vm EPERM\n\
        module EPERM kexec EPERM handle EPERM unknown ENOSYS\nEPERM EPERM EPERM EPERM EPERM";
    if cfg!(target_arch = "x86_64") {
        assert_eq!(ran.ok(), expected);
    }
    ground.close().await;
}

#[tokio::test]
async fn tmp_is_bounded_and_outlives_its_cage_when_kept() {
    let ground = Ground::new();
    let mut first = shell(
        "df -B1 --output=size,avail /tmp | tail -1; ls -A /tmp; echo kept >/tmp/file; head -c 80000000 /dev/zero >/tmp/big",
    );
    first.temporary = Temporary::Fresh { bytes: 64 << 20 };
    let mut sandbox = ground.spawner.spawn(first).await.unwrap();
    let ran = finish(&mut sandbox).await;
    assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
    let sizes: Vec<u64> = ran.stdout.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert!(sizes[1] >= 64 << 20 && sizes[1] < 68 << 20, "{sizes:?}");
    let temporary = sandbox.temporary();
    sandbox.destroy().await;
    for round in 0..3 {
        let mut next = shell("cat /tmp/file; rm -f /tmp/big; echo again >>/tmp/file; stat -c %u /tmp/file");
        next.temporary = Temporary::Kept(temporary.clone());
        let ran = ground.run(next).await;
        assert_eq!(ran.ok(), format!("kept\n{}993", "again\n".repeat(round)));
    }
    drop(temporary);
    ground.close().await;
}

#[tokio::test]
async fn what_is_in_tmp_does_not_count_as_memory() {
    let ground = Ground::new();
    if !ground.enforces("/tmp") {
        println!("not run: this machine has no disk-backed /tmp, so that files there count as memory");
        return;
    }
    let mut spec = shell("head -c 300000000 /dev/zero >/tmp/big && stat -c %s /tmp/big");
    spec.limits.memory_bytes = 64 << 20;
    let ran = ground.run(spec).await;
    assert_eq!(ran.ok(), "300000000");
    assert!(!ran.exit.oom_killed);
    ground.close().await;
}

#[tokio::test]
async fn mounts_links_and_files_stand_where_the_spec_says() {
    let ground = Ground::new();
    let code = ground.state.path().join("code");
    std::fs::create_dir(&code).unwrap();
    std::fs::write(code.join("main"), "the code").unwrap();
    std::os::unix::fs::symlink(&code, ground.state.path().join("current")).unwrap();
    let mut spec = shell(
        "cat main /opt/one /var/runtime/link/main; cat /etc/hosts /etc/resolv.conf; touch /var/task/x /opt/one /var/task/main",
    );
    spec.directory = "/var/task".into();
    spec.mounts = vec![
        Mount { source: ground.state.path().join("current"), target: "/var/task".into() },
        Mount { source: code.join("main"), target: "/opt/one".into() },
    ];
    spec.links = vec![Link { target: "/var/task".into(), link: "/var/runtime/link".into() }];
    spec.files =
        vec![File { path: "/etc/hosts".into(), contents: b"127.0.0.1 sandbox.localdomain\n".to_vec() }];
    let ran = ground.run(spec).await;
    assert!(ran.stdout.starts_with("the codethe codethe code127.0.0.1 sandbox.localdomain\n#"), "{ran:?}");
    assert_eq!(ran.stderr.matches("cannot touch").count(), 3, "{}", ran.stderr);
    std::fs::remove_dir_all(&code).unwrap();
    std::fs::remove_file(ground.state.path().join("current")).unwrap();
    ground.close().await;
}

#[tokio::test]
async fn the_only_network_is_a_loopback_of_its_own() {
    let ground = Ground::new();
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let listener = |address: &str, variable: &str, prefix: &str| Listener {
        address: address.parse().unwrap(),
        announcements: vec![Announcement { variable: variable.into(), prefix: prefix.into() }],
    };
    let mut spec = shell(&format!(
        "grep -c : /proc/net/dev; echo $API $ENDPOINT; echo hello >/dev/tcp/127.0.0.1/9001; \
         (echo >/dev/tcp/127.0.0.1/{port}) 2>&1 | grep -o refused | head -1; \
         (echo >/dev/tcp/192.0.2.1/80) 2>&1 | grep -o unreachable | head -1; sleep 1000"
    ));
    spec.listeners =
        vec![listener("127.0.0.1:9001", "API", ""), listener("127.0.0.1:4566", "ENDPOINT", "http://")];
    let mut one = ground.spawner.spawn(spec.clone()).await.unwrap();
    let two = ground.spawner.spawn(spec).await.unwrap();
    let listeners = one.take_listeners();
    assert_eq!(listeners.len(), 2);
    assert_eq!(listeners[1].local_addr().unwrap().to_string(), "127.0.0.1:4566");
    let api = tokio::net::TcpListener::from_std(listeners.into_iter().next().unwrap()).unwrap();
    let (stream, _) = api.accept().await.unwrap();
    let mut stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello\n");
    let mut output = tokio::net::unix::pipe::Receiver::from_owned_fd(one.take_stdout().unwrap()).unwrap();
    let mut text = String::new();
    while text.lines().count() < 4 {
        let mut buffer = [0; 256];
        let length = tokio::io::AsyncReadExt::read(&mut output, &mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert_eq!(text, "1\n127.0.0.1:9001 http://127.0.0.1:4566\nrefused\nunreachable\n");
    drop((one, two));
    ground.close().await;
}

#[tokio::test]
async fn limits_hold() {
    let ground = Ground::new();
    if !ground.enforces("memory limit") {
        println!("not run: this machine lets us have no cgroups");
        return;
    }
    let fork = "import os, time\nfor i in range(40):\n    try:\n        if os.fork() == 0: time.sleep(1000)\n    \
        except BlockingIOError:\n        print(i, flush=True); break\nos._exit(0)";
    let mut forks = spec("/usr/bin/python3", &["-c", fork]);
    forks.limits.processes_max = 20;
    let mut sandbox = ground.spawner.spawn(forks).await.unwrap();
    sandbox.wait().await;
    let output = sandbox.take_stdout().unwrap();
    drop(sandbox);
    assert_eq!(read_all(output).await.trim(), "19");

    let mut hungry = spec("/usr/bin/python3", &["-c", "x = bytearray(200 << 20)"]);
    hungry.limits.memory_bytes = 64 << 20;
    let sandbox = ground.spawner.spawn(hungry).await.unwrap();
    let exit = sandbox.wait().await;
    assert_eq!(exit.status, ExitStatus::Signal(9));
    assert!(exit.oom_killed);
    let peak = sandbox.memory_peak_bytes().unwrap();
    assert!((50 << 20..=64 << 20).contains(&peak), "{peak}");
    drop(sandbox);

    let mut files = shell("ulimit -n; exec 9>/tmp/x && exec 15>/tmp/y");
    files.limits.file_descriptors_max = 12;
    assert!(ground.run(files).await.stderr.contains("Bad file descriptor"));

    let mut slow = shell("while :; do :; done");
    slow.limits.cpu_millis_per_second = 100;
    let sandbox = ground.spawner.spawn(slow).await.unwrap();
    let begin = std::time::Instant::now();
    while sandbox.cpu_time().unwrap() < Duration::from_millis(60) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // 60 ms at a tenth of a processor take half a second: six periods, of which the first may be used up at once.
    assert!(begin.elapsed() > Duration::from_millis(350), "{:?}", begin.elapsed());
    drop(sandbox);
    ground.close().await;
}

#[tokio::test]
async fn a_program_that_cannot_run_is_an_error_that_says_why() {
    let ground = Ground::new();
    let scripts = ground.state.path().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    let write = |name: &str, contents: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(scripts.join(name), contents).unwrap();
        std::fs::set_permissions(scripts.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("closed", "#!/bin/sh\n", 0o644);
    write("garbage", "\x01\x02", 0o755);
    write("orphan", "#!/no/such/interpreter\n", 0o755);
    for (program, code) in [
        ("/no/such", libc::ENOENT),
        ("/s/closed", libc::EACCES),
        ("/s/garbage", libc::ENOEXEC),
        ("/s/orphan", libc::ENOENT),
    ] {
        let mut spec = spec(program, &[]);
        spec.mounts = vec![Mount { source: scripts.clone(), target: "/s".into() }];
        let error = refused(&ground, spec).await;
        let Error::Execute { program: named, source } = &error else { panic!("{error}") };
        assert_eq!((named.as_str(), source.raw_os_error()), (program, Some(code)));
    }
    let mut spec = shell("true");
    spec.mounts = vec![Mount { source: "/no/such".into(), target: "/x".into() }];
    assert!(matches!(refused(&ground, spec).await, Error::Cage(fault) if fault.object == "/no/such"));
    let mut spec = shell("true");
    spec.directory = "/no/such".into();
    assert!(matches!(refused(&ground, spec).await, Error::Cage(fault) if fault.object == "/no/such"));
    for path in ["relative", "/", "/a/../b"] {
        let mut spec = shell("true");
        spec.links = vec![Link { target: "x".into(), link: path.into() }];
        assert!(matches!(refused(&ground, spec).await, Error::Spec { field: "links", .. }), "{path}");
    }
    let mut spec = shell("true");
    spec.files = vec![File { path: "/big".into(), contents: vec![0; 200 << 10] }];
    assert!(matches!(refused(&ground, spec).await, Error::Spec { field: "files", .. }));
    std::fs::remove_dir_all(&scripts).unwrap();
    ground.close().await;
}

#[tokio::test]
async fn languages_work() {
    let ground = Ground::new();
    let python = "import threading, subprocess, ssl, sqlite3, tempfile, socket, multiprocessing as m\n\
        t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n\
        print(subprocess.check_output(['echo', 'child']).decode().strip(), len(tempfile.mkdtemp()) > 4)\n\
        print(socket.getaddrinfo('localhost', 80)[0][4][0], len(ssl.create_default_context().get_ca_certs()) > 10)";
    let node = "const {Worker} = require('worker_threads'); const {execSync} = require('child_process');\
        new Worker('require(\"fs\").writeFileSync(\"/tmp/w\", \"worker\")', {eval: true}).on('exit', () => {\
        console.log(require('fs').readFileSync('/tmp/w', 'utf8'), String(execSync('echo child')).trim());\
        require('dns').lookup('localhost', {family: 4}, (e, a) => console.log(e || a))})";
    let cases = [
        ("/usr/bin/python3", vec!["-c", python], "thread\nchild True\n127.0.0.1 True"),
        ("/usr/bin/node", vec!["-e", node], "worker child\n127.0.0.1"),
        (
            "/bin/bash",
            vec!["-c", "x=$(seq 3 | tac | tr '\\n' ' '); echo $x; diff <(echo a) <(echo a) && echo same"],
            "3 2 1\nsame",
        ),
        ("/usr/bin/java", vec!["-Xmx64m", "-Xshare:auto", "-version"], ""),
    ];
    for (program, arguments, expected) in cases {
        if !std::path::Path::new(program).exists() {
            println!("not run: this machine has no {program}");
            continue;
        }
        let mut spec = spec(program, &arguments);
        spec.limits.memory_bytes = 1 << 30;
        assert_eq!(ground.run(spec).await.ok(), expected, "{program}");
    }
    ground.close().await;
}
