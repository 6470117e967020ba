"""Code that tries to get out of its environment, or to harm others from within: each try must fail, as root and as an
ordinary user. The numbers of system calls are those of x86-64."""

import os
import platform
import re
import socket
import threading
from dataclasses import dataclass

import ground as grounds
import pytest
import residue
from cells import copied, only_copies
from hearth import Server, eventually

SECRET = "secret-of-another-function"
PROCESS_NAME = "hostile-daemon"

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the system calls are numbered as on x86-64")


@dataclass
class Attack:
    """Code, and a pattern of what comes of it: the value of `result`, or the name of the error."""

    what: str
    code: str
    expected: str

    def __str__(self):
        return self.what


def calls(names, expected, arguments="0, 0, 0, 0, 0, 0"):
    """System calls that are refused whatever their arguments."""
    return [Attack(name, f"result = call({number}, {arguments})", expected) for name, number in names.items()]


NONE, REFUSED, READ_ONLY = "ENOENT", "EPERM", "EROFS"

FILES = [
    Attack("the host's passwords", "result = read('/etc/shadow')", NONE),
    # An interpreter that is installed in somebody's home is shown, and nothing else of it.
    Attack("root's home", "result = strangers('/root')", r"\[\]"),
    Attack("users' homes", "result = strangers('/home')", r"\[\]"),
    Attack("the host's variable files", "result = [n for n in read('/var') if n not in ('task', 'runtime', 'lang', 'lang-sdk')]", r"\[\]"),
    Attack("the data directory", "result = read(event['home'])", NONE),
    Attack("the server's program", "result = read(event['binary'])", NONE),
    Attack("the host's root", "result = sorted(set(read('/')) - {'bin', 'dev', 'etc', 'lib', 'lib32', 'lib64', 'libx32', 'opt', 'proc', 'sbin', 'tmp', 'usr', 'var'} - {m.split('/')[1] for m in SHOWN})", r"\[\]"),
    Attack("the host's tree before the pivot", "result = read('/.host')", NONE),
    Attack("the kernel's objects", "result = read('/sys')", NONE),
    Attack("control groups", "result = read('/sys/fs/cgroup')", NONE),
    Attack("devices", "result = sorted(read('/dev'))", r"\['fd', 'full', 'null', 'random', 'stderr', 'stdin', 'stdout', 'urandom', 'zero'\]"),
    Attack("upwards from the root", "result = read('/../../../../etc/shadow')", NONE),
    Attack("the first process's root", "result = read('/proc/1/root/etc')", "ENOENT|EACCES"),
    Attack("the first process's directory", "result = read('/proc/1/cwd')", "ENOENT|EACCES"),
    Attack("the first process's environment", "result = read('/proc/1/environ')", "ENOENT|EACCES"),
    Attack("the first process's memory", "result = read('/proc/1/mem')", "ENOENT|EACCES"),
    Attack("the first process's descriptors", "result = read('/proc/1/fd')", "ENOENT|EACCES"),
    Attack("others' processes", "result = [p for p in read('/proc') if p.isdigit() and p != str(os.getpid())]", r"\[\]"),
    Attack("the server's process", "result = read('/proc/%d' % event['pid'])", NONE),
    Attack("the kernel's memory", "result = len(read('/proc/kcore'))", "0|EACCES|ENOENT"),
    Attack("the kernel's addresses", "result = len(read('/proc/kallsyms'))", "0|EACCES|ENOENT"),
    Attack("the kernel's log", "result = read('/proc/kmsg')", "EPERM|EACCES|ENOENT"),
    Attack("the host's keys", "result = len(read('/proc/keys'))", "0|EACCES|ENOENT"),
    Attack("the host's physical pages", "result = len(read('/proc/kpagecount'))", "0|EACCES|ENOENT|EPERM"),
]

CHANGES = [
    Attack(f"a write to {path}", f"result = write({path!r})", expected)
    for path, expected in {
        "/proc/sys/kernel/core_pattern": READ_ONLY,
        "/proc/sys/kernel/modprobe": f"{READ_ONLY}|{NONE}",
        "/proc/sys/kernel/hostname": READ_ONLY,
        "/proc/sys/vm/drop_caches": READ_ONLY,
        "/proc/sys/net/ipv4/ip_forward": READ_ONLY,
        # Hidden behind /dev/null, which takes everything.
        "/proc/sysrq-trigger": "1|EACCES|EROFS|ENOENT",
        "/proc/self/oom_score_adj": READ_ONLY,
        "/proc/self/uid_map": READ_ONLY,
        "/proc/self/attr/current": f"{READ_ONLY}|ENOENT",
        "/proc/self/mem": READ_ONLY,
        "/var/task/app.py": READ_ONLY,
        "/var/task/new": READ_ONLY,
        "/opt/new": f"{READ_ONLY}|{NONE}",
        "/var/runtime/new": READ_ONLY,
        "/var/runtime/bootstrap.py": READ_ONLY,
        "/usr/bin/new": READ_ONLY,
        "/etc/passwd": READ_ONLY,
        "/etc/hosts": READ_ONLY,
        "/etc/ld.so.preload": READ_ONLY,
        "/new": READ_ONLY,
        "/dev/new": READ_ONLY,
        "/dev/shm/new": f"{NONE}|{READ_ONLY}",
    }.items()
] + [
    Attack("a directory at the root", "os.mkdir('/new')", READ_ONLY),
    Attack("the mode of its code", "os.chmod('/var/task/app.py', 0o777)", READ_ONLY),
    Attack("the owner of its code", "os.chown('/var/task/app.py', 0, 0)", "EROFS|EPERM"),
    Attack("its code under another name", "os.rename('/var/task/app.py', '/tmp/app.py')", "EXDEV|EROFS"),
    Attack("a second name for a host's file", "os.link('/usr/bin/env', '/tmp/env')", "EXDEV|EPERM"),
    Attack("/tmp itself", "os.rename('/tmp', '/var/tmp')", "EBUSY|EROFS|EXDEV"),
    Attack("a device of its own", "os.mknod('/tmp/sda', 0o60666, os.makedev(8, 0))", "EPERM|EACCES"),
    Attack("the kernel's memory as a device", "os.mknod('/tmp/mem', 0o20666, os.makedev(1, 1))", "EPERM|EACCES"),
    Attack("a set-user-id program", "shell = '/tmp/shell'; import shutil; shutil.copy('/usr/bin/env', shell); os.chmod(shell, 0o6755)\n"
           "result = subprocess.run([shell, sys.executable, '-c', 'import os; print(os.geteuid())'], capture_output=True, text=True).stdout.strip()", "993"),
    Attack("the host's set-user-id programs", "result = [p for p in ('/usr/bin/su', '/usr/bin/passwd', '/usr/bin/mount', '/usr/bin/newgrp')"
           " if os.path.exists(p) and b'Uid:\\t993\\t993\\t993' not in subprocess.run(['/bin/sh', '-c', p + ' </dev/null >/dev/null 2>&1; cat /proc/self/status'], capture_output=True).stdout]", r"\[\]"),
    Attack("a core dump", "pid = os.fork()\nif pid == 0:\n    os.chdir('/tmp'); os.abort()\nstatus = os.waitpid(pid, 0)[1]\nresult = [os.WCOREDUMP(status), glob.glob('/tmp/core*')]", r"\[False, \[\]\]"),
    Attack("a core dump after a higher limit", "resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))", "ValueError|EPERM|PermissionError"),
    # With a limit of 1 the kernel starts no handler of dumps either; with 0 it would.
    Attack("a core dump after a lower limit", "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))", "EPERM|PermissionError|ValueError"),
    Attack("more open files", "resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))", "ValueError|EPERM"),
]

PRIVILEGES = [
    Attack("capabilities", "result = sorted({l.split()[1] for l in read('/proc/self/status').splitlines() if l.startswith('Cap')})", r"\['?0{16}'?\]|\{'0{16}'\}"),
    Attack("new privileges", "result = [l for l in read('/proc/self/status').splitlines() if l.startswith(('NoNewPrivs', 'Seccomp:'))]", r"\['NoNewPrivs:\\t1', 'Seccomp:\\t2'\]"),
    Attack("root", "os.setuid(0)", "EINVAL|EPERM"),
    Attack("another user", "os.setresuid(1000, 1000, 1000)", "EINVAL|EPERM"),
    Attack("root's group", "os.setgroups([0])", "EPERM"),
    Attack("a user namespace by clone", "result = call(56, 0x10000000 | 17, 0, 0, 0, 0)", REFUSED),
    Attack("clone3", "result = call(435, 0, 0)", "ENOSYS"),
    Attack("setns to its own", "fd = os.open('/proc/self/ns/net', 0); result = call(308, fd, 0)", REFUSED),
    Attack("an execution domain without randomness", "result = call(135, 0x0040000)", "ENOSYS|EPERM"),
    Attack("another program's memory by ptrace", "pid = os.fork()\nif pid == 0: time.sleep(5); os._exit(0)\n"
           "try: result = call(101, 16, pid, 0, 0)\nfinally: os.kill(pid, 9); os.waitpid(pid, 0)", REFUSED),
    Attack("to be traced", "result = call(101, 0, 0, 0, 0)", REFUSED),
    Attack("a chroot to /tmp", "os.mkdir('/tmp/jail') if not os.path.exists('/tmp/jail') else 0\nos.chroot('/tmp/jail')", REFUSED),
    Attack("a mount over its code", "result = call(165, b'none', b'/var/task', b'tmpfs', 0, 0)", REFUSED),
    Attack("a writable /proc", "result = call(165, b'none', b'/proc', b'proc', 32, 0)", REFUSED),
    Attack("typing into a terminal", "fcntl.ioctl(0, 0x5412, b'x')", REFUSED),
    Attack("pasting into the console", "fcntl.ioctl(0, 0x541c, b'\\x03')", REFUSED),
    Attack("the names of x32 for mount", "result = call(0x40000000 | 165, 0, 0, 0, 0, 0)", "ENOSYS"),
    Attack("the highest priority", "os.setpriority(os.PRIO_PROCESS, 0, -20)", "EPERM|EACCES"),
    Attack("real time", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))", REFUSED),
] + [
    Attack(f"unshare {name}", f"result = call(272, {flag})", REFUSED)
    for name, flag in {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "network": 0x40000000, "ipc": 0x8000000,
                       "uts": 0x4000000, "cgroup": 0x2000000, "time": 0x80}.items()
] + calls({
    "umount2": 166, "pivot_root": 155, "fsopen": 430, "fsmount": 432, "fspick": 433, "move_mount": 429, "open_tree": 428,
    "mount_setattr": 442, "open_by_handle_at": 304, "fanotify_init": 300, "quotactl": 179, "bpf": 321, "perf_event_open": 298,
    "userfaultfd": 323, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438, "kcmp": 312, "keyctl": 250,
    "add_key": 248, "request_key": 249, "kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313,
    "delete_module": 176, "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163, "syslog": 103, "sethostname": 170,
    "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "iopl": 172, "ioperm": 173, "modify_ldt": 154, "vhangup": 153,
    "move_pages": 279, "migrate_pages": 256, "memfd_secret": 447, "name_to_handle_at": 303,
}, REFUSED) + calls({
    "io_uring_setup": 425, "io_uring_enter": 426, "io_setup": 206, "statmount": 457, "listmount": 458, "lsm_get_self_attr": 459,
    "map_shadow_stack": 453, "uselib": 134, "a number that nobody has": 999,
}, "ENOSYS")

NETWORK = [
    Attack(f"a socket of the family {name}", f"socket.socket({family}, {kind}, {protocol})", "EPERM|ENOSYS|EAFNOSUPPORT")
    for name, (family, kind, protocol) in {
        "packet": (17, 3, 0), "raw": (2, 3, 1), "raw of IPv6": (10, 3, 58), "raw in a disguise": (2, 3 | 0x80000, 255),
        "kernel cryptography": (38, 5, 0), "virtual machine": (40, 1, 0), "audit": (16, 3, 9), "kernel events": (16, 3, 15),
        "crypto configuration": (16, 3, 21), "Bluetooth": (31, 3, 0), "TIPC": (30, 1, 0), "XDP": (44, 3, 0), "CAN": (29, 3, 1),
        "SCTP": (2, 5, 132),
    }.items() if name != "SCTP"
] + [
    Attack("the host's loopback", "result = reach(('127.0.0.1', event['port']))", "ECONNREFUSED"),
    Attack("the host's loopback in IPv6", "result = reach(('::1', event['port']), socket.AF_INET6)", "ECONNREFUSED|EADDRNOTAVAIL|ENETUNREACH"),
    Attack("the host's own address", "result = reach((event['address'], event['port']))", "ENETUNREACH|ECONNREFUSED"),
    Attack("the cloud's metadata", "result = reach(('169.254.169.254', 80))", "ENETUNREACH"),
    Attack("the internet", "result = reach(('192.0.2.1', 80))", "ENETUNREACH"),
    Attack("an abstract socket of the host", "result = reach('\\0' + event['abstract'], socket.AF_UNIX)", "ECONNREFUSED"),
    Attack("a named socket of the host", "result = reach(event['named'], socket.AF_UNIX)", NONE),
    Attack("interfaces", "result = sorted(n for _, n in socket.if_nameindex())", r"\['lo'\]"),
    Attack("the port of the Runtime API", "s = socket.socket(); s.setsockopt(1, 15, 1); s.bind(('127.0.0.1', 9001))", "EADDRINUSE"),
    Attack("the port of the endpoint", "s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('127.0.0.1', 4566)); s.listen()", "EADDRINUSE"),
    Attack("a low port", "socket.socket().bind(('127.0.0.1', 80))", "EACCES"),
    Attack("a new interface", """
s = socket.socket(16, 3, 0)
s.send(struct.pack('IHHII', 44, 16, 0x605, 1, 0) + struct.pack('BBHiII', 0, 0, 0, 0, 0, 0) + struct.pack('HH', 12, 18 | 0x8000) + struct.pack('HH', 8, 1) + b'dumm')
result = -struct.unpack('i', s.recv(4096)[16:20])[0]""", "1|95"),
]

SIGNALS = [
    Attack("the server", "os.kill(event['pid'], 0)", "ESRCH|EPERM"),
    Attack("the first process", "os.kill(1, 9); result = 'sent'", "sent|EPERM|ESRCH"),
    Attack("the first process, politely", "os.kill(1, 15); result = 'sent'", "EPERM|ESRCH"),
    Attack("a handle on the first process", "result = call(438, call(434, 1, 0), 3, 0)", "EPERM|ESRCH"),
    Attack("everybody", "os.kill(-1, 0); result = 'only itself'", "only itself|ESRCH|EPERM"),
    Attack("a process group of the host", "os.killpg(event['pid'], 0)", "ESRCH|EPERM"),
]

INSIDE = [
    # From inside only the function's own credentials count.
    Attack("the endpoint with the development key", "result = sign('test', 'test')", "UnrecognizedClientException|InvalidClientTokenId|403"),
    Attack("the endpoint as the root of another account", "result = sign('111122223333', 'test')", "UnrecognizedClientException|InvalidClientTokenId|403"),
    Attack("the server's health", "result = fetch('/_hearth/health', 'GET')", "403|404"),
    Attack("the server's reset", "result = fetch('/_hearth/reset', 'POST')", "403|404"),
    Attack("an answer for another invocation",
           "body = b'POST /2018-06-01/runtime/invocation/00000000-0000-4000-8000-000000000000/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}'\n"
           "result = runtime_api(body)", "HTTP/1.1 400 Bad Request"),
    Attack("a second invocation before an answer", "result = runtime_api(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')", "HTTP/1.1 40[03].*"),
    Attack("an error of an initialisation that is over", "result = runtime_api(b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}')", "HTTP/1.1 40[03].*"),
    Attack("a gigantic header", "result = runtime_api(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nX: ' + b'x' * 60000 * 2 + b'\\r\\n\\r\\n')", r"HTTP/1\.1 (431|400).*|ConnectionResetError|EPIPE|ECONNRESET|"),
    Attack("a thousand headers", "result = runtime_api(b'GET / HTTP/1.1\\r\\n' + b'X: y\\r\\n' * 1000 + b'\\r\\n')", r"HTTP/1\.1 (431|400).*|ECONNRESET|EPIPE|"),
    Attack("two lengths", "result = runtime_api(b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\nContent-Length: 3\\r\\n\\r\\n{}')", r"HTTP/1\.1 400.*"),
    Attack("no HTTP", "result = runtime_api(b'\\0' * 1000)", r"HTTP/1\.1 400.*|ECONNRESET|EPIPE|"),
]

HELPERS = """
SHOWN = [line.split()[4] for line in open('/proc/self/mountinfo') if line.split()[4].count('/') > 2]

def shown(name):
    return any((name + '/').startswith(mount + '/') for mount in SHOWN)

def strangers(top):
    return [name for name, _, files in os.walk(top) if files and not shown(name)]

def fetch(path, method, headers={}, data=None):
    url = os.environ['AWS_ENDPOINT_URL'] + path
    try:
        return str(urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=5).status)
    except urllib.error.HTTPError as error:
        return error.headers.get('x-amzn-errortype', '').split(':')[0] or str(error.code)

def sign(key, secret):
    import datetime, hashlib, hmac
    now = datetime.datetime.now(datetime.timezone.utc).strftime('%Y%m%dT%H%M%SZ')
    host = os.environ['AWS_ENDPOINT_URL'].split('//')[1]
    scope = [now[:8], 'us-east-1', 'lambda', 'aws4_request']
    digest = lambda text: hashlib.sha256(text.encode()).hexdigest()
    canonical = '\\n'.join(['GET', '/2015-03-31/functions', '', 'host:' + host, 'x-amz-date:' + now, '', 'host;x-amz-date', digest('')])
    text = '\\n'.join(['AWS4-HMAC-SHA256', now, '/'.join(scope), digest(canonical)])
    derived = ('AWS4' + secret).encode()
    for word in scope:
        derived = hmac.new(derived, word.encode(), 'sha256').digest()
    signature = hmac.new(derived, text.encode(), 'sha256').hexdigest()
    credential = 'AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=host;x-amz-date, Signature=%s' % (key, '/'.join(scope), signature)
    return fetch('/2015-03-31/functions', 'GET', {'X-Amz-Date': now, 'Authorization': credential})
"""


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    """What the host has to be attacked: sockets of the test itself."""
    with socket.create_server(("", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as named:
        name = f"hearth-suite-{os.getpid()}"
        path = str(tmp_path_factory.mktemp("sockets") / "named")
        abstract.bind("\0" + name)
        abstract.listen()
        named.bind(path)
        named.listen()
        yield {"port": tcp.getsockname()[1], "address": _own_address(), "abstract": name, "named": path}


def _own_address():
    """An address of this machine beyond its loopback, when it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.2"


@pytest.fixture(scope="module")
def attacker(ground):
    return ground.attacker()


def attack(ground, function, code, **event):
    event |= {"home": str(ground.home), "pid": ground.server.process.pid, "binary": f"/proc/{ground.server.process.pid}/exe"}
    return function.invoke(event | {"code": HELPERS + code})


@pytest.mark.parametrize("case", FILES + CHANGES + PRIVILEGES + NETWORK + SIGNALS + INSIDE, ids=str)
def test_fails(ground, attacker, targets, case):
    outcome = attack(ground, attacker, case.code, **targets)
    assert outcome.error is None, (outcome.body, outcome.log)
    told = outcome.value if isinstance(outcome.value, str) else repr(outcome.value)
    assert re.fullmatch(case.expected, told), told


@pytest.mark.skipif(os.geteuid() != 0, reason="zygotes take root")
def test_all_fails_in_the_copy_of_a_zygote_too(targets):
    """Confined step by step from outside, where every other program confines itself."""
    ground = grounds.open_ground(grounds.ROOT)
    try:
        ground.attacker()
        only_copies(ground.server)
        attacker = copied(ground.server, ground.attacker)
        for case in FILES + CHANGES + PRIVILEGES + NETWORK + SIGNALS + INSIDE:
            outcome = attack(ground, attacker, case.code, **targets)
            assert outcome.error is None, (case.what, outcome.body, outcome.log)
            told = outcome.value if isinstance(outcome.value, str) else repr(outcome.value)
            assert re.fullmatch(case.expected, told), (case.what, told)
        both = "time.sleep(2); result = hash('any text')"
        (thread, outcomes), last = during(attacker, both, ground), attack(ground, attacker, both)
        thread.join()
        assert outcomes[0].value == last.value, "these were no copies"
    finally:
        grounds.close_ground(ground)


def test_machine_code_of_another_architecture_is_ended(ground, attacker):
    """`int 0x80` reaches the kernel with the numbers of 32 bits, which no rule knows: mount is 21 there."""
    code = """
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex('b815000000' 'cd80' 'c3'))
result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""
    outcome = attack(ground, attacker, code)
    assert outcome.error == "Unhandled" and outcome.value["errorType"] == "Runtime.ExitError", outcome.body
    assert "signal" in outcome.value["errorMessage"], outcome.value
    assert attack(ground, attacker, "result = 1").value == 1


def test_functions_do_not_see_each_other(ground):
    one, two = ground.attacker(Environment={"Variables": {"SECRET": SECRET}}), ground.attacker()
    assert attack(ground, one, f"write('/tmp/{SECRET}'); result = os.environ['SECRET']").value == SECRET
    search = f"""
result = [name for top, directories, files in os.walk('/') for name in directories + files
          if not top.startswith(('/usr', '/proc')) and not shown(top) and {SECRET!r} in name]
for name in read('/proc'):
    if name.isdigit():
        try:
            result += [name] * ({SECRET!r} in read('/proc/' + name + '/environ', 65536))
        except OSError:
            pass
"""
    assert attack(ground, two, search).value == []
    own = "result = [read('/var/task'), read('/tmp')]"
    assert attack(ground, two, own).value == [["app.py"], []]
    assert SECRET in attack(ground, one, own).value[1]


def during(function, code, ground, **event):
    """Invokes in the background; the thread and the list that gets the outcome."""
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(attack(ground, function, code, **event)))
    thread.start()
    return thread, outcomes


def test_nobody_answers_for_another_environment(ground):
    """One environment knows the request id of another's invocation and answers it: its own Runtime API knows no such one."""
    victim, attacker = ground.attacker(), ground.attacker()
    client = ground.server.client("logs")
    thread, outcomes = during(victim, "print('now', context.aws_request_id, flush=True); time.sleep(5); result = 'honest'", ground)
    said = eventually(lambda: _messages(client, victim, "now "))
    request = said[0].split()[-1]
    code = f"""
body = b'POST /2018-06-01/runtime/invocation/{request}/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 8\\r\\n\\r\\n"forged"'
result = runtime_api(body)
"""
    assert attack(ground, attacker, code).value == "HTTP/1.1 400 Bad Request"
    thread.join()
    assert outcomes[0].value == "honest"


def _messages(client, function, start):
    try:
        events = client.filter_log_events(logGroupName=f"/aws/lambda/{function.name}")["events"]
    except client.exceptions.ResourceNotFoundException:
        return []
    return [event["message"].strip() for event in events if event["message"].startswith(start)]


# What uses up something, and what the same function answers afterwards. Each runs while another function is invoked.
EXHAUSTION = {
    "half a request, a hundred times": (
        "peers = []\n"
        "for _ in range(100):\n"
        "    try: peers.append(runtime_api(b'POST /2018-06-01/runtime/inv', answer=False))\n"
        "    except OSError: break\n"
        "result = len(peers) > 10; time.sleep(2)\nfor peer in peers: peer.close()", "True"),
    "a request a byte at a time": (
        "peer = runtime_api(b'POST /2018-06-01/runtime/invocation/' + context.aws_request_id.encode() + b'/respon', answer=False)\n"
        "for _ in range(20): peer.send(b'x'); time.sleep(.1)\npeer.close(); result = 1", "1"),
    "a body that does not come": (
        "peer = runtime_api(b'POST /2018-06-01/runtime/invocation/' + context.aws_request_id.encode() + b'/response HTTP/1.1\\r\\n"
        "Host: x\\r\\nContent-Length: 1000000\\r\\n\\r\\nx', answer=False)\ntime.sleep(1); peer.close(); time.sleep(.2); result = 1", "1"),
    "connections to the endpoint": (
        "peers = []\n"
        "for _ in range(200):\n"
        "    s = socket.socket(); s.settimeout(.05)\n"
        "    try: s.connect(('127.0.0.1', 4566)); peers.append(s)\n"
        "    except OSError: break\n"
        "result = len(peers) > 10; time.sleep(2)", "True"),
    "descriptors": (
        "held = []\n"
        "try:\n"
        "    while True: held.append(os.dup(1))\n"
        "except OSError as error: result = errno.errorcode[error.errno]\n"
        "for fd in held: os.close(fd)", "EMFILE"),
    "inodes": (
        "count = 0\n"
        "try:\n"
        "    while count < 200000: os.close(os.open('/tmp/inode%d' % count, os.O_CREAT)); count += 1\n"
        "except OSError as error: result = errno.errorcode[error.errno]\n"
        "for name in glob.glob('/tmp/inode*'): os.unlink(name)", "ENOSPC|EDQUOT"),
    "deep directories": (
        "depth = 0\n"
        "os.chdir('/tmp')\n"
        "while depth < 3000: os.mkdir('d'); os.chdir('d'); depth += 1\n"
        "for _ in range(depth): os.chdir('..'); os.rmdir('d')\n"
        "os.chdir('/var/task'); result = depth", "3000"),
    "a log flood": (
        "line = b'x' * 1023 + b'\\n'\nfor _ in range(20 * 1024): os.write(1, line)\nresult = 'flooded'", "flooded"),
    "a log line without end": (
        "for _ in range(20): os.write(2, b'x' * (1 << 20))\nresult = 'flooded'", "flooded"),
    "binary output": ("os.write(1, bytes(range(256)) * 4096); result = 1", "1"),
    "named pipes and sockets": (
        "for i in range(500):\n    os.mkfifo('/tmp/p%d' % i); s = socket.socket(socket.AF_UNIX); s.bind('/tmp/s%d' % i); s.close()\n"
        "for name in glob.glob('/tmp/[ps][0-9]*'): os.unlink(name)\nresult = 1", "1"),
}


@pytest.mark.parametrize("what", EXHAUSTION)
def test_exhaustion_harms_nobody(ground, attacker, what):
    code, expected = EXHAUSTION[what]
    neighbour = ground.attacker()
    assert attack(ground, neighbour, "result = 1").value == 1
    before = resident(ground)
    thread, outcomes = during(attacker, code, ground)
    while thread.is_alive():
        assert attack(ground, neighbour, "result = fill('/tmp/little', 4096) if 0 else 1").value == 1
        thread.join(0.05)
    outcome = outcomes[0]
    assert outcome.error is None, (outcome.body, outcome.log)
    assert re.fullmatch(expected, str(outcome.value)), outcome.value
    assert attack(ground, attacker, "result = 2").value == 2
    assert resident(ground) - before < 64 << 20, "the server keeps what an environment sent"


def resident(ground):
    """Bytes of memory that the server has."""
    with open(f"/proc/{ground.server.process.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) << 10


@pytest.mark.parametrize("piece, pause", [(65536, 0), (1, 0.05)], ids=["in a torrent", "in drips"])
def test_a_response_that_never_ends_is_ended_by_the_timeout(ground, piece, pause):
    """Beyond what a response may have it is counted and thrown away, for the error is to tell its size."""
    code = f"""
peer = runtime_api(b'POST /2018-06-01/runtime/invocation/' + context.aws_request_id.encode() + b'/response HTTP/1.1\\r\\n'
                   b'Host: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n', answer=False)
while True: peer.sendall(b'{piece:x}\\r\\n' + b'x' * {piece} + b'\\r\\n'); time.sleep({pause})
"""
    function = ground.attacker(Timeout=2)
    assert attack(ground, function, "result = 1").value == 1
    before = resident(ground)
    outcome = attack(ground, function, code)
    assert outcome.value["errorType"] == "Sandbox.Timedout", outcome.value
    assert resident(ground) - before < 64 << 20, "the server keeps what an environment sent"
    assert attack(ground, function, "result = 1").value == 1


DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        LIBC.prctl(15, b'%s', 0, 0, 0)
        while True: write('/tmp/beat', str(time.time())); time.sleep(.01)
    os._exit(0)
time.sleep(.3)
""" % PROCESS_NAME


def daemons(ground):
    return [pid for pid, name in residue.descendants(ground.server.process.pid).items() if name == PROCESS_NAME]


@pytest.mark.parametrize("end", ["os._exit(1)", "time.sleep(60)", "os.kill(os.getpid(), 9)", "x = bytearray(os.urandom(1)) * (1 << 40)"])
def test_no_daemon_survives_a_reset(ground, end):
    function = ground.attacker(Timeout=3)
    outcome = attack(ground, function, DAEMON + end)
    if "bytearray" in end:
        # That only raises: the function itself ends its environment then.
        assert outcome.value == "MemoryError"
        outcome = attack(ground, function, "os._exit(1)")
    assert outcome.error == "Unhandled"
    look = "result = [os.path.exists('/tmp/beat'), [p for p in read('/proc') if p.isdigit() and p not in ('1', str(os.getpid()))]]"
    assert attack(ground, function, look).value == [True, []]
    eventually(lambda: not daemons(ground), 5, "a daemon outlived the reset of its environment")


def test_a_deleted_function_takes_its_daemons_along(ground):
    function = ground.attacker()
    assert attack(ground, function, DAEMON + "result = 1").value == 1
    assert len(daemons(ground)) == 1
    function.client.delete_function(FunctionName=function.name)
    eventually(lambda: not daemons(ground), 20, "a daemon outlived its function")


def test_links_in_tmp_lead_nowhere_when_it_is_kept(ground):
    """Hearth handles `/tmp` at a reset: what it finds there must not lead it, or the next runtime, to the host."""
    function = ground.attacker()
    plant = f"""
for name, target in {{'shadow': '/etc/shadow', 'root': '/', 'up': '../../../../etc/shadow', 'self': '/proc/self/root/etc/shadow',
                     'home': event['home'], 'loop': 'loop', 'host': '/.host/etc/shadow'}}.items():
    os.symlink(target, '/tmp/' + name)
os.mkdir('/tmp/closed', 0); os._exit(1)
"""
    assert attack(ground, function, plant).error == "Unhandled"
    look = """
result = {}
for name in sorted(os.listdir('/tmp')):
    try: result[name] = read('/tmp/' + name) and 'read'
    except OSError as error: result[name] = errno.errorcode[error.errno]
"""
    assert attack(ground, function, look).value == {
        "closed": "EACCES", "home": "ENOENT", "host": "ENOENT", "loop": "ELOOP", "root": "read", "self": "ENOENT",
        "shadow": "ENOENT", "up": "ENOENT",
    }
    assert (ground.home / "data").exists() and os.path.exists("/etc/shadow")


def test_a_fork_bomb_ends_with_its_environment(ground):
    bomb = """
import itertools
for number in itertools.count():
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except BlockingIOError:
        break
result = number
"""
    function, neighbour = ground.attacker(MemorySize=2048), ground.attacker()
    outcome = attack(ground, function, bomb)
    assert outcome.error is None and 800 < outcome.value < 1024, outcome.body
    assert attack(ground, neighbour, "result = 1").value == 1
    function.client.delete_function(FunctionName=function.name)
    eventually(lambda: len(residue.descendants(ground.server.process.pid)) < 200, 20, "the bomb's processes are still there")


def test_a_server_that_stops_waits_for_nobody_who_ignores_it(nothing_left, ground):
    """A process that ignores SIGTERM, and one that is in the middle of an invocation without end."""
    own = grounds.open_ground(ground.kind)
    try:
        function = own.attacker()
        assert attack(own, function, DAEMON + "result = 1").value == 1
        assert len(daemons(own)) == 1
        before = residue.descendants(own.server.process.pid)
        own.server.stop()
        left = [pid for pid in before if pid in residue.descendants()]
        assert not left, left
    finally:
        grounds.close_ground(own)


def test_what_is_not_enforced_is_told(ground):
    """By `hearth doctor`, by its exit code for those who insist, and by the server's log at its start."""
    amiss = {subject for subject, verdict in ground.findings.items() if verdict != "yes"}
    assert len(ground.findings) > 10
    assert (amiss == set()) == (ground.hearth("doctor", "--strict").returncode == 0)
    assert ground.hearth("doctor").returncode == 0
    log = ground.server.complaints()
    of_cages = amiss - {"user", "overlay"}
    assert all(subject in log for subject in of_cages), (of_cages, log)
    if ground.kind == "an ordinary user":
        assert {"user", "/tmp"} <= amiss


def test_strictness_starts_a_server_only_where_all_is_enforced(ground):
    amiss = {subject for subject, verdict in ground.findings.items() if verdict != "yes"} - {"user", "overlay"}
    if not amiss:
        with Server("--ephemeral", "--strict") as server:
            assert server.client("sts").get_caller_identity()["Account"]
        return
    refused = ground.hearth("serve", "--strict", "--ephemeral", "--listen", "127.0.0.1:0")
    assert refused.returncode == ground.hearth("doctor", "--strict").returncode == 1
    assert "listens on" not in refused.stdout
    refusal = next(line for line in refused.stderr.splitlines() if line.startswith("hearth: "))
    assert all(subject in refusal for subject in amiss) and "hearth doctor" in refusal


def test_a_full_house_leaves_no_devices(ground):
    """Each environment holds one loop device, and lets go of it when it ends."""
    function = ground.attacker()
    assert attack(ground, function, "os._exit(1)").error == "Unhandled"
    device = attack(ground, function, "result = os.stat('/tmp').st_dev").value
    image = grounds.image(device)
    function.client.delete_function(FunctionName=function.name)
    if ground.enforces("/tmp"):
        # Its own: beside it stem cells come and go, and theirs too.
        assert image
        eventually(lambda: grounds.image(device) != image, 20, "a deleted function keeps its device")
