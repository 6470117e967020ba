"""The rules of `policies/seccomp.list`: each has an effect, and each allowance is one that programs make use of.

What the languages of this machine call is recorded while they work. An allowance that nobody makes use of must stand in
`policies/unobserved.list` with its reason; so a rule that nothing needs fails the build.
"""

import platform
import re
import shutil
import subprocess

from pathlib import Path

import csharp
import pytest
from hearth import REPOSITORY

POLICIES = REPOSITORY / "policies"
RULE = re.compile(r"(allow|refuse|absent) (\w+)( when [^#]+)?\s*# (.+)")

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the system calls are numbered as on x86-64")


def rules():
    lines = (POLICIES / "seccomp.list").read_text().splitlines()
    return [RULE.fullmatch(line).groups() for line in lines if line and not line.startswith("#")]


def unobserved():
    """The allowances that need no use, with their reasons."""
    lines = (POLICIES / "unobserved.list").read_text().splitlines()
    entries = [line.split("#", 1) for line in lines if line and not line.startswith("#")]
    assert all(len(entry) == 2 and entry[1].strip() for entry in entries), "an entry has no reason"
    return {entry[0].strip() for entry in entries}


WORK = {
    "python3": """
import asyncio, concurrent.futures, ctypes, glob, hashlib, json, logging, mmap, multiprocessing, os, random, resource, secrets
import select, selectors, shutil, signal, socket, sqlite3, ssl, subprocess, tempfile, threading, time, urllib.request, zipfile
def files():
    os.makedirs('a/b', exist_ok=True)
    with open('a/f', 'w+b') as f:
        f.write(b'x' * 100000); f.flush(); os.fsync(f.fileno()); os.fdatasync(f.fileno()); f.seek(0); f.read(); f.truncate(10)
        m = mmap.mmap(f.fileno(), 0); m[0] = 65; m.flush(); m.close(); os.pread(f.fileno(), 4, 0); os.pwrite(f.fileno(), b'y', 0)
        os.posix_fallocate(f.fileno(), 0, 100); os.posix_fadvise(f.fileno(), 0, 0, 0); os.fchmod(f.fileno(), 0o600)
        os.readv(f.fileno(), [bytearray(4)]); os.writev(f.fileno(), [b'z']); os.fstatvfs(f.fileno()); os.preadv(f.fileno(), [bytearray(4)], 0)
        os.pwritev(f.fileno(), [b'z'], 0)
        import fcntl; fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_UN)
    shutil.copy('a/f', 'a/g'); shutil.copytree('a', 'c', dirs_exist_ok=True); os.rename('a/g', 'a/h'); os.replace('a/h', 'a/i')
    os.link('a/f', 'a/l') ; os.symlink('f', 'a/s'); os.readlink('a/s'); os.chmod('a/f', 0o644); os.utime('a/f'); os.unlink('a/l')
    os.mkfifo('a/p'); os.statvfs('/tmp'); os.access('a/f', 4); os.getcwd(); os.listdir('.'); os.truncate('a/f', 5); os.sync()
    try: os.setxattr('a/f', 'user.x', b'1'); os.getxattr('a/f', 'user.x'); os.listxattr('a/f'); os.removexattr('a/f', 'user.x')
    except OSError: pass
    os.chown('a/f', -1, -1); os.umask(0o22); os.chdir('.'); d = os.open('.', os.O_RDONLY); os.fchdir(d); os.close(d)
    zipfile.ZipFile('z.zip', 'w').writestr('n', 'x'); shutil.rmtree('a'); shutil.rmtree('c')
    a, b = os.pipe(); os.write(b, b'x'); os.set_blocking(a, False); os.dup2(os.dup(a), a); os.close(a); os.close(b)
    with open('/usr/bin/env', 'rb') as f, open('o', 'wb') as g: os.sendfile(g.fileno(), f.fileno(), 0, 100)
    with open('o', 'rb') as f, open('o2', 'wb') as g: os.copy_file_range(f.fileno(), g.fileno(), 10)
    e = os.eventfd(0); os.eventfd_write(e, 1); os.close(os.memfd_create('x'))
def processes():
    subprocess.run(['/bin/sh', '-c', 'echo x | cat; sleep 0.01; ls /; kill -0 $$; ulimit -a'], capture_output=True)
    pid = os.fork()
    if pid == 0: signal.pause()
    os.kill(pid, 15); os.waitid(os.P_PID, pid, os.WEXITED)
    t = threading.Thread(target=time.sleep, args=(.01,)); t.start(); t.join()
    with concurrent.futures.ThreadPoolExecutor(4) as pool: list(pool.map(str, range(10)))
    multiprocessing.get_context('fork').Process(target=int).start(); a, b = multiprocessing.Pipe(); a.send(1); b.recv()
    os.sched_getaffinity(0); os.sched_yield(); os.nice(0); os.getpriority(0, 0); resource.getrusage(0); resource.getrlimit(resource.RLIMIT_NOFILE)
    os.getppid(); os.getpgid(0); os.getsid(0); os.getgroups(); os.getresuid(); os.getresgid(); os.times(); os.uname(); os.cpu_count(); os.getloadavg()
    os.pidfd_open(os.getpid()); signal.setitimer(signal.ITIMER_REAL, 100); signal.setitimer(signal.ITIMER_REAL, 0); signal.sigpending()
    signal.signal(signal.SIGUSR1, lambda *_: None); signal.raise_signal(signal.SIGUSR1); signal.pthread_sigmask(signal.SIG_BLOCK, [])
def network():
    a, b = socket.socketpair(); a.send(b'x'); b.recv(1); a.shutdown(2); s = socket.create_server(('127.0.0.1', 0))
    c = socket.create_connection(s.getsockname()); d, _ = s.accept(); c.sendall(b'x'); d.recv(1); c.getpeername(); d.sendmsg([b'x']); c.recvmsg(1)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); u.sendto(b'x', u.getsockname()); u.recvfrom(1)
    select.select([], [], [], 0); select.poll().poll(0); select.epoll().poll(0); socket.getaddrinfo('localhost', 80); socket.if_nameindex()
    try: urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'])
    except Exception: pass
    async def work():
        p = await asyncio.create_subprocess_exec('true'); await p.wait(); await asyncio.sleep(.01)
    asyncio.run(work()); sqlite3.connect('/tmp/db').execute('create table if not exists t(x)'); secrets.token_bytes(4); time.sleep(.01); ssl.create_default_context()
def handler(event, context):
    files(); processes(); network()
    return 1
""",
    "node": """
import fs from 'node:fs'; import os from 'node:os'; import net from 'node:net'; import dns from 'node:dns/promises'; import dgram from 'node:dgram';
import {Worker} from 'node:worker_threads'; import {execFileSync, spawn, fork} from 'node:child_process'; import zlib from 'node:zlib'; import crypto from 'node:crypto';
export const handler = async () => {
  process.chdir('.'); fs.mkdirSync('n/m', {recursive: true}); fs.writeFileSync('n/f', 'x'.repeat(1e5)); fs.copyFileSync('n/f', 'n/g');
  await fs.promises.cp('n', 'o', {recursive: true}); fs.renameSync('n/g', 'n/h'); fs.symlinkSync('f', 'n/s'); fs.linkSync('n/f', 'n/l'); fs.utimesSync('n/f', 1, 1);
  fs.chmodSync('n/f', 0o600); fs.accessSync('n/f'); fs.realpathSync('n/s'); fs.truncateSync('n/f', 5); fs.readdirSync('.'); fs.statfsSync('/tmp'); fs.mkdtempSync('/tmp/x');
  const w = fs.watch('/tmp', () => {}); await fs.promises.appendFile('n/f', 'y'); w.close(); const h = await fs.promises.open('n/f', 'r+'); await h.sync(); await h.datasync();
  await h.writev([Buffer.from('a')]); await h.readv([Buffer.alloc(1)]); await h.close(); fs.rmSync('n', {recursive: true}); fs.rmSync('o', {recursive: true});
  await new Promise((done) => new Worker('1', {eval: true}).on('exit', done)); execFileSync('true'); await new Promise((d) => spawn('cat', {stdio: ['ignore', 'pipe', 'pipe']}).on('exit', d));
  const s = net.createServer((c) => c.end('x')).listen(0); await new Promise((d) => net.connect(s.address().port).on('data', () => {}).on('close', d)); s.close();
  const u = dgram.createSocket('udp4'); await new Promise((d) => u.bind(0, '127.0.0.1', d)); u.send('x', u.address().port, '127.0.0.1'); await new Promise((d) => setTimeout(d, 20)); u.close();
  await dns.lookup('localhost'); os.networkInterfaces(); os.cpus(); os.freemem(); os.userInfo(); os.setPriority(0); os.loadavg(); zlib.gzipSync('x'); crypto.randomBytes(9); process.umask(); process.resourceUsage();
  await fetch(process.env.AWS_ENDPOINT_URL).catch(() => 0); process.kill(process.pid, 0);
  return 1;
};
""",
    "bash": r"""
(ls -laR /usr/share/doc | head -50; find /etc -maxdepth 1; df; id; date; uname -a; nproc; env; stat /tmp; du -s /opt; mktemp -p .; touch -d yesterday t; ln -sf t u; mv u v
 cp -a t w; tar cf a.tar t; gzip -f a.tar; dd if=/dev/zero of=d bs=1M count=2 conv=fsync; sort /etc/passwd | uniq -c; timeout 1 true; nice true; sleep 0.01; kill -0 $$
 truncate -s 9 t; chmod 600 t; rm -f t v w d; mkdir -p x/y; rmdir x/y; mkfifo z; rm z; sync; perl -e 'print sort 1..9'; kill -0 $$) >/dev/null 2>&1
""",
    "ruby": """
require 'socket'; require 'json'; require 'tempfile'; require 'open3'; require 'fileutils'
def handler(event:, context:)
  Tempfile.create { |f| f.write('x'); f.fsync; f.flock(File::LOCK_EX) }; Open3.capture2('cat', stdin_data: 'x'); Thread.new { sleep 0.01 }.join
  pid = fork { exit! }; Process.wait(pid); s = TCPServer.new('127.0.0.1', 0); c = TCPSocket.new('127.0.0.1', s.addr[1]); s.accept.puts('x'); c.gets
  FileUtils.mkdir_p('/tmp/r/s'); FileUtils.rm_rf('/tmp/r'); Process.clock_gettime(Process::CLOCK_MONOTONIC); GC.start; rand; Dir['/tmp/*']
  1
end
""",
}
# How a language runs a file; Java starts up and ends.
COMMANDS = {
    "python3": ["python3", "-c", WORK["python3"] + "\nhandler(None, None)"],
    "node": ["node", "--input-type=module", "-e", WORK["node"] + "\nawait handler(); process.exit(0);"],
    "bash": ["bash", "-c", WORK["bash"]],
    "ruby": ["ruby", "-e", WORK["ruby"] + "\nhandler(event: 1, context: 1)"],
    "java": ["java", "-Xmx64m", "-XX:+UseNUMA", "-XX:+UseParallelGC", "-Xshare:auto", "-version"],
}
# What a cage does not have, so that programs take their other ways.
WITHOUT = ["clone3", "io_uring_setup"]


def dotnet(directory):
    """How .NET runs its work, where it can be compiled."""
    try:
        program = csharp.assembly("Work", [(csharp.HOME / "tests/functions/Work.cs").read_text()], kind="exe")
        files = csharp.descriptions("Work", {"Work": program})
        (directory / "Work.runtimeconfig.json").write_text(files["Work.runtimeconfig.json"])
        return {"dotnet": [csharp.host(), "exec", "--runtimeconfig", directory / "Work.runtimeconfig.json", program]}
    except pytest.skip.Exception:
        return {}


def observed(directory):
    """What the languages of this machine call while they work, and which of them there are."""
    called, worked = set(), []
    for language, command in (COMMANDS | dotnet(directory)).items():
        path = shutil.which(command[0], path="/usr/bin:/bin:/usr/local/bin")
        if not path:
            continue
        trace, absent = directory / language, [f"--inject={name}:error=ENOSYS" for name in WITHOUT]
        variables = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
        # Whether or not there is an ICU that it knows; and in cages it waits for no debugger.
        variables |= {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "COMPlus_EnableDiagnostics": "0", "DOTNET_EnableDiagnostics": "0"}
        work = directory / f"{language}.work"
        work.mkdir()
        ran = subprocess.run(
            ["strace", "-f", "-qq", "-e", "signal=none", *absent, "-o", trace, path, *command[1:]],
            env=variables, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )
        assert ran.returncode == 0, (language, ran.stderr[-2000:])
        called |= set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE))
        worked.append(language)
    return called, worked


@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace (Debian: strace)")
def test_every_allowance_is_made_use_of(tmp_path):
    called, worked = observed(tmp_path)
    allowed = {name for verb, name, _, _ in rules() if verb == "allow"}
    excused = unobserved()
    print(f"{len(allowed)} allowed, {len(allowed & called)} made use of by {', '.join(worked)}")
    assert len(called) > 100, sorted(called)
    assert not excused - allowed, f"excused, but not even allowed: {sorted(excused - allowed)}"
    idle = sorted(allowed - called - excused)
    assert not idle, f"allowed, and nothing needs them: {idle}"
    # What a language asks for in vain must be known too, lest it quietly lose a feature.
    known = {name for _, name, _, _ in rules()}
    assert not called - known, f"asked for, and not in the list: {sorted(called - known)}"


# Calls that end, replace or stop whoever makes them, and `futex`, which answers nonsense with ENOSYS itself: that they are
# let through shows in every program.
UNSAFE = {"futex", "exit", "exit_group", "rt_sigreturn", "restart_syscall", "fork", "vfork", "clone", "execve", "execveat", "pause"}
PROBE = """
result = {}
for name, number in event['calls'].items():
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(1)
        try: call(number, *[-1] * 6); said = 'done'
        except OSError as error: said = errno.errorcode.get(error.errno, str(error.errno))
        os.write(writer, said.encode()); os._exit(0)
    os.close(writer); result[name] = os.read(reader, 99).decode() or 'ended'; os.close(reader); os.waitpid(pid, 0)
"""


def numbers():
    """The numbers of this machine's system calls, as its C headers have them."""
    header = next((path for path in HEADERS if path.exists()), None)
    if header is None:
        pytest.skip("there are no kernel headers (Debian: linux-libc-dev)")
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())}


HEADERS = [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")]


def test_every_rule_without_a_condition_has_its_effect(ground):
    """In the cage itself, with arguments that make no sense: what is let through says so, in whatever words."""
    known = numbers()
    plain = {name: verb for verb, name, condition, _ in rules() if not condition and name not in UNSAFE}
    asked = {name: known[name] for name in plain if name in known}
    assert len(asked) > 300
    outcome = ground.attacker(MemorySize=1769).invoke({"code": PROBE, "calls": asked})
    assert outcome.error is None, (outcome.body, outcome.log)
    wrong = {}
    for name, said in outcome.value.items():
        fits = {"allow": said != "ENOSYS", "refuse": said == "EPERM", "absent": said == "ENOSYS"}
        if not fits[plain[name]]:
            wrong[name] = (plain[name], said)
    assert not wrong, wrong
    unlisted = {name: number for name, number in known.items() if name not in {rule[1] for rule in rules()}}
    outcome = ground.attacker(MemorySize=1769).invoke({"code": PROBE, "calls": unlisted})
    assert set(outcome.value.values()) == {"ENOSYS"}, outcome.value
