//! The file system of a cage: a fresh, read-only root that holds the host's programs and libraries and what the spec names,
//! and nothing else of the host. Runs in the cage's first process; it refuses to follow any path of a spec before the
//! host's tree is out of reach.

use crate::identity::{INSIDE_GID, INSIDE_NAME, INSIDE_UID};
use crate::kernel;
use crate::message::Request;
use crate::temporary::BYTES_PER_INODE;
use crate::{Fault, Link, Mount, Stem};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, move_mount,
    open_tree,
};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Bytes that the root's own files and directories may take: the generated ones and the spec's.
const ROOT_BYTES: &str = "4m";
const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// The host's directories that programs and libraries are in. Where the host has a link, so has the cage.
const SYSTEM: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// The devices of a cage. There is no `/dev/shm`.
// AWS: Lambda has no `/dev/shm`, so that Python's multiprocessing queues fail there too.
// https://aws.amazon.com/blogs/compute/parallel-processing-in-python-with-aws-lambda/
const DEVICES: [&str; 5] = ["full", "null", "random", "urandom", "zero"];
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
];

/// A mount taken from the host, not yet put anywhere.
struct Taken {
    tree: OwnedFd,
    target: PathBuf,
    is_directory: bool,
}

/// Where the host's tree stands until the spec is known. Only the cage's first process is there to see it.
pub const HOST: &str = "/.host";
/// Where in a stem cell's place the mount stands that is about to replace it.
const COMING: &str = "coming";
/// And the pipe in which its program says that it waits.
pub const READY: &str = "ready";

/// Builds what all cages have in common and moves into it; the host's tree stays in reach. `scaffold` is an empty
/// directory of the host that the new root stands on meanwhile; nobody outside this mount namespace ever sees it. Gives
/// `/proc`, still writable, for those who set up the program's user namespace.
pub fn prepare(scaffold: &Path) -> Result<OwnedFd, Fault> {
    let top = Path::new("/");
    rustix::mount::mount_change(top, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(fault("make private the mounts below", top))?;
    let (taken, links) = take_system()?;
    // What a program may not trace it may not see either: the cage's first process, whose command line is the server's.
    // Before the host's tree is gone: without root the kernel gives a new /proc only to who can see a whole one.
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let proc = new_mount("proc", &[("hidepid", "2".to_owned())], attributes)?;
    enter_new_root(scaffold)?;
    for Link { target, link } in links {
        symlink(&target, &link).map_err(Fault::at("make the link", &link))?;
    }
    for taken in taken {
        taken.put()?;
    }
    let proc = put_proc(&proc)?;
    for (target, link) in DEVICE_LINKS {
        symlink(target, link).map_err(Fault::at("make the link", link))?;
    }
    for (path, contents) in generated() {
        write_file(Path::new(path), contents.as_bytes())?;
    }
    Ok(proc)
}

/// Takes `/proc` away again, from those who use what [`prepare`] gives.
pub fn hide_proc() -> Result<(), Fault> {
    rustix::mount::unmount("/proc", UnmountFlags::DETACH).map_err(fault("detach", Path::new("/proc")))
}

/// What is left over when a cage has been furnished.
pub struct Furnished {
    /// A second, detached mount of `/tmp`, for the next cage.
    pub temporary: Option<OwnedFd>,
    /// For a stem cell.
    pub places: Option<Places>,
}

/// What a stem cell keeps until its assignment.
pub struct Places {
    /// The root, which nobody else can write to any more.
    pub root: OwnedFd,
    /// What its program opens, unless it inherits its line.
    pub pipes: Option<Pipes>,
}

/// Our ends of the named pipes that a stem cell's program opens.
pub struct Pipes {
    pub ready: OwnedFd,
    pub order: OwnedFd,
}

/// Adds what the spec asks for, closes the way to the host, and makes the root read-only. `storage` becomes `/tmp`.
pub fn furnish(request: &Request, storage: Option<&OwnedFd>) -> Result<Furnished, Fault> {
    let host = open_host()?;
    let mounts: Vec<Taken> =
        request.mounts.iter().map(|mount| take_from(&host, mount)).collect::<Result<_, _>>()?;
    drop(host);
    // From here on no path leads to the host, so that the spec's own paths may be followed.
    rustix::mount::unmount(HOST, UnmountFlags::DETACH).map_err(fault("detach", Path::new(HOST)))?;
    fs::remove_dir(HOST).map_err(Fault::at("remove", HOST))?;
    let temporary = storage.map(put_temporary).transpose()?;
    let hostname = &request.hostname;
    write_file(
        Path::new("/etc/hosts"),
        format!("127.0.0.1 localhost {hostname}\n::1 localhost\n").as_bytes(),
    )?;
    write_file(Path::new("/etc/hostname"), format!("{hostname}\n").as_bytes())?;
    request.files.iter().try_for_each(|file| write_file(&file.path, &file.contents))?;
    for link in &request.links {
        make_parent(&link.link)?;
        symlink(&link.target, &link.link).map_err(Fault::at("make the link", &link.link))?;
    }
    for taken in mounts {
        taken.put()?;
    }
    let places = request.stem.as_ref().map(|stem| make_places(stem, &request.directory)).transpose()?;
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount("/", flags, c"").map_err(fault("make read-only", Path::new("/")))?;
    Ok(Furnished { temporary, places })
}

/// Makes the directories that a stem cell is mounted on later, with a view of the root that stays writable.
fn make_places(stem: &Stem, directory: &Path) -> Result<Places, Fault> {
    let mut pipes = None;
    for place in &stem.places {
        fs::create_dir_all(place).map_err(Fault::at("make the mount point", place))?;
        if stem.is_changed_from_outside() && place == directory {
            pipes = Some(make_waiting_room(place)?);
        }
        for inner in &stem.inner {
            let inner = place.join(inner);
            fs::create_dir_all(&inner).map_err(Fault::at("make the directory", &inner))?;
        }
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let root = open_tree(CWD, "/", flags).map_err(fault("keep", Path::new("/")))?;
    Ok(Places { root, pipes })
}

/// Mounts what the program is in until [`replace`]: with the pipes that it opens, and the place of what comes.
fn make_waiting_room(place: &Path) -> Result<Pipes, Fault> {
    let options = [("size", "64k".to_owned()), ("mode", "755".to_owned())];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    attach(&new_mount("tmpfs", &options, attributes)?, place)?;
    let coming = place.join(COMING);
    fs::create_dir(&coming).map_err(Fault::at("make the mount point", &coming))?;
    // The program is another user. While we hold both ends, neither side waits for the other to open one.
    Ok(Pipes { ready: make_pipe(&place.join(READY), 0o622)?, order: make_pipe(&place.join("order"), 0o644)? })
}

fn make_pipe(path: &Path, mode: u32) -> Result<OwnedFd, Fault> {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .map_err(fault("make the pipe", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(Fault::at("open up", path))?;
    rustix::fs::open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .map_err(fault("open", path))
}

/// Puts a mount in the place of [`make_waiting_room`]'s, also for the processes that are in it: they are in the new one then.
///
/// That is what `pivot_root` does with the directory of every process that is in the caller's root; so that mount is the root
/// for a moment. Nobody could change the program's directory from outside by other means.
pub fn replace(tree: &OwnedFd, place: &Path) -> Result<(), Fault> {
    let failed = |act| fault(act, place);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty()).map_err(failed("keep the root from"))?;
    attach(tree, &place.join(COMING))?;
    rustix::process::chroot(place).map_err(failed("make the root"))?;
    rustix::process::chdir(Path::new("/").join(COMING)).map_err(failed("enter what comes to"))?;
    rustix::process::pivot_root(".", ".").map_err(failed("replace"))?;
    // The new one lies below the old.
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(failed("detach what was at"))?;
    rustix::process::fchdir(&root).map_err(failed("return from"))?;
    rustix::process::chroot(".").map_err(failed("return to the root from"))
}

/// Removes what [`make_places`] made of a place that nothing was mounted on.
pub fn remove_place(root: &OwnedFd, place: &Path, inner: &[PathBuf]) -> Result<(), Fault> {
    let below = place.strip_prefix("/").unwrap_or(place);
    let removed = inner.iter().map(|inner| below.join(inner)).chain([below.to_owned()]);
    removed.into_iter().try_for_each(|directory| {
        rustix::fs::unlinkat(root, &directory, AtFlags::REMOVEDIR).map_err(fault("remove", &directory))
    })
}

/// Takes a path of the host, for a stem cell that has lost sight of it. To be called where the host's tree is.
pub fn take_for_stem(source: &Path) -> Result<OwnedFd, Fault> {
    let taken = take(source, READ_ONLY)?;
    // What is mounted on the host later must not appear in the cage.
    kernel::make_private(taken.tree.as_fd()).map_err(Fault::at("make private", source))?;
    Ok(taken.tree)
}

/// A new tmpfs for `/tmp`, mounted nowhere yet.
pub fn memory_storage(bytes: u64) -> Result<OwnedFd, Fault> {
    // As many files as on an image: each costs the kernel memory, which nothing else bounds without a memory cgroup.
    let files = bytes / BYTES_PER_INODE;
    let options =
        [("size", bytes.to_string()), ("nr_inodes", files.to_string()), ("mode", "1777".to_owned())];
    new_mount("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV)
}

fn open_host() -> Result<OwnedFd, Fault> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(HOST, flags, Mode::empty()).map_err(fault("open", Path::new(HOST)))
}

/// Takes a path of the host, whose links lead where they do on the host.
fn take_from(host: &OwnedFd, mount: &Mount) -> Result<Taken, Fault> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let source = rustix::fs::openat2(host, &mount.source, flags, Mode::empty(), ResolveFlags::IN_ROOT)
        .map_err(fault("take from the host", &mount.source))?;
    take_tree(&source, Path::new(""), &mount.source, READ_ONLY)
        .map(|taken| Taken { target: mount.target.clone(), ..taken })
}

/// The host's programs, libraries, devices and the listed parts of `/etc`, and the links among them.
fn take_system() -> Result<(Vec<Taken>, Vec<Link>), Fault> {
    let mut taken = Vec::new();
    let mut links = Vec::new();
    for name in SYSTEM {
        let source = Path::new("/").join(name);
        match fs::symlink_metadata(&source) {
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&source).map_err(Fault::at("read the link", &source))?;
                links.push(Link { target, link: name.into() });
            }
            Ok(_) => taken.push(take(&source, READ_ONLY)?),
            Err(_) => {}
        }
    }
    for name in DEVICES {
        let source = Path::new("/dev").join(name);
        let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
        taken.push(take(&source, attributes)?);
    }
    let listed: Vec<&str> = entries(include_str!("../../../policies/etc.list")).collect();
    for entry in fs::read_dir("/etc").map_err(Fault::at("list", "/etc"))?.flatten() {
        let name = entry.file_name();
        let shown = listed.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.as_encoded_bytes().starts_with(start.as_bytes()),
            None => name.as_encoded_bytes() == pattern.as_bytes(),
        });
        // A link that leads nowhere is left out, as a name that is not there.
        if shown && entry.path().exists() {
            taken.push(take(&entry.path(), READ_ONLY)?);
        }
    }
    Ok((taken, links))
}

/// The entries of a policy list: lines without their reasons.
fn entries(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines()
        .map(|line| line.split_once('#').map_or(line, |(entry, _)| entry).trim())
        .filter(|entry| !entry.is_empty())
}

/// Takes a path of the host that is to stand in the same place inside.
fn take(source: &Path, attributes: u64) -> Result<Taken, Fault> {
    take_tree(CWD, source, source, attributes)
}

fn take_tree(from: impl AsFd, path: &Path, named: &Path, attributes: u64) -> Result<Taken, Fault> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(from, path, flags).map_err(fault("take from the host", named))?;
    kernel::set_mount_attributes(tree.as_fd(), attributes).map_err(Fault::at("protect", named))?;
    let metadata = rustix::fs::fstat(&tree).map_err(fault("look at", named))?;
    let is_directory = rustix::fs::FileType::from_raw_mode(metadata.st_mode).is_dir();
    Ok(Taken { tree, target: named.to_owned(), is_directory })
}

impl Taken {
    /// Puts it where it belongs, below the root that is now ours.
    fn put(self) -> Result<(), Fault> {
        let target = self.target;
        if self.is_directory {
            fs::create_dir_all(&target).map_err(Fault::at("make the mount point", &target))?;
        } else if !target.exists() {
            make_parent(&target)?;
            fs::write(&target, b"").map_err(Fault::at("make the mount point", &target))?;
        }
        attach(&self.tree, &target)
    }
}

pub fn attach(tree: &OwnedFd, target: &Path) -> Result<(), Fault> {
    move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(fault("mount", target))
}

/// A new file system, mounted nowhere yet.
pub fn new_mount(
    kind: &'static str,
    options: &[(&'static str, String)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Fault> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(fault("make a file system of kind", Path::new(kind)))?;
    for (name, value) in options {
        fsconfig_set_string(&context, *name, value.as_str())
            .map_err(fault("set the file system's", Path::new(name)))?;
    }
    fsconfig_create(&context).map_err(fault("make a file system of kind", Path::new(kind)))?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(fault("mount a", Path::new(kind)))
}

/// Makes an empty root and moves into it, with the host's tree at [`HOST`].
fn enter_new_root(scaffold: &Path) -> Result<(), Fault> {
    let options = [("size", ROOT_BYTES.to_owned()), ("mode", "755".to_owned())];
    let root =
        new_mount("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV)?;
    attach(&root, scaffold)?;
    rustix::process::chdir(scaffold).map_err(fault("enter", scaffold))?;
    let below = HOST.trim_start_matches('/');
    rustix::fs::mkdir(below, Mode::RWXU).map_err(fault("make the directory", Path::new(HOST)))?;
    rustix::process::pivot_root(".", below).map_err(fault("pivot the root to", scaffold))?;
    rustix::process::chdir("/").map_err(fault("enter", Path::new("/")))
}

/// Mounts `/proc` read-only with the listed files hidden, and gives a writable view of it.
fn put_proc(proc: &OwnedFd) -> Result<OwnedFd, Fault> {
    let target = Path::new("/proc");
    fs::create_dir(target).map_err(Fault::at("make the mount point", target))?;
    attach(proc, target)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let writable = open_tree(CWD, target, flags).map_err(fault("take", target))?;
    kernel::set_mount_attributes(proc.as_fd(), READ_ONLY | libc::MOUNT_ATTR_NOEXEC)
        .map_err(Fault::at("make read-only", target))?;
    for entry in entries(include_str!("../../../policies/proc.list")) {
        let hidden = target.join(entry);
        if hidden.exists() {
            attach(
                &open_tree(CWD, "/dev/null", flags).map_err(fault("take", Path::new("/dev/null")))?,
                &hidden,
            )?;
        }
    }
    Ok(writable)
}

/// Mounts `/tmp`, and gives a second mount of it that outlives the cage.
fn put_temporary(storage: &OwnedFd) -> Result<OwnedFd, Fault> {
    let target = Path::new("/tmp");
    fs::create_dir(target).map_err(Fault::at("make the mount point", target))?;
    attach(storage, target)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, target, flags).map_err(fault("keep", target))
}

/// The files of `/etc` that are the same in every cage.
fn generated() -> [(&'static str, String); 4] {
    let passwd = format!(
        "root:x:0:0:root:/root:/sbin/nologin\n\
         {INSIDE_NAME}:x:{INSIDE_UID}:{INSIDE_GID}::/home/{INSIDE_NAME}:/sbin/nologin\n\
         nobody:x:65534:65534:nobody:/:/sbin/nologin\n"
    );
    let group = format!("root:x:0:\n{INSIDE_NAME}:x:{INSIDE_GID}:\nnogroup:x:65534:\n");
    let resolver = "# There is no name server: this cage has no network but its loopback.\n";
    [
        ("/etc/passwd", passwd),
        ("/etc/group", group),
        ("/etc/resolv.conf", resolver.to_owned()),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
    ]
}

fn write_file(path: &Path, contents: &[u8]) -> Result<(), Fault> {
    make_parent(path)?;
    fs::write(path, contents).map_err(Fault::at("write the file", path))
}

fn make_parent(path: &Path) -> Result<(), Fault> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(Fault::at("make the directory", parent)),
        None => Ok(()),
    }
}

fn fault(act: &'static str, object: &Path) -> impl FnOnce(rustix::io::Errno) -> Fault {
    let make = Fault::at(act, object.to_owned());
    move |errno| make(errno.into())
}
