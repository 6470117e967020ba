//! Disk-backed `/tmp`: a sparse ext4 image behind a loop device, whose bytes do not count as the program's memory (its page
//! cache does, but the kernel takes that back when memory is short). A tmpfs would count in full: AWS does not count `/tmp`.
//!
//! An image has no name on the host, so that nothing can be left of it: it is a copy of an empty file system that
//! `mke2fs` made once for each size. It refuses nothing: without root, loop devices or `mke2fs` the spawner takes a tmpfs.

use crate::{Fault, kernel};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, SeekFrom};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One inode for so many bytes: what `mke2fs` takes by default.
pub const BYTES_PER_INODE: u64 = 16_384;
const INODE_BYTES: u64 = 256;
const BLOCK_BYTES: u64 = 4_096;
/// What `statfs` calls a tmpfs.
const TMPFS_MAGIC: i64 = 0x0102_1994;
const LOOP_ATTEMPTS: usize = 64;
const LOOP_RACES: usize = 16;

/// Where `mke2fs` is, when it is.
fn formatter() -> Option<PathBuf> {
    ["/usr/sbin/mke2fs", "/sbin/mke2fs", "/usr/bin/mke2fs", "/usr/local/sbin/mke2fs"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
}

/// Makes an empty file system in which files can take `bytes`, in a nameless file of `directory`.
fn format(formatter: &Path, directory: &Path, bytes: u64) -> Result<OwnedFd, Fault> {
    let path = directory.join(format!("image-{bytes}-{}", rustix::thread::gettid().as_raw_nonzero()));
    let made = format_at(formatter, &path, bytes);
    // The descriptor keeps the file; its name has served.
    let _ = fs::remove_file(&path);
    made
}

fn format_at(formatter: &Path, path: &Path, bytes: u64) -> Result<OwnedFd, Fault> {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(Fault::at("make the image", path))?;
    file.set_len(image_bytes(bytes)).map_err(Fault::at("stretch the image", path))?;
    let output = Command::new(formatter)
        .args(["-q", "-F", "-t", "ext4", "-m", "0", "-b", "4096", "-i", &BYTES_PER_INODE.to_string()])
        .args([
            "-O",
            "^has_journal,^resize_inode,uninit_bg,extent,flex_bg",
            "-E",
            "lazy_itable_init=1,nodiscard",
        ])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(Fault::at("run", formatter))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Fault::at("format the image", path)(io::Error::other(said)));
    }
    let file = file.into();
    tidy(&file)?;
    Ok(file)
}

/// Removes what `mke2fs` puts into every file system, and opens it to all users. Done once in the image, as it takes
/// milliseconds.
fn tidy(image: &OwnedFd) -> Result<(), Fault> {
    let mount = mount_image(image, Path::new("/"))?;
    rustix::fs::unlinkat(&mount, "lost+found", AtFlags::REMOVEDIR)
        .map_err(|errno| Fault::at("remove from an image", "lost+found")(errno.into()))?;
    rustix::fs::chmodat(&mount, ".", Mode::from_raw_mode(0o1777), AtFlags::empty())
        .map_err(|errno| Fault::at("open to all", "an image")(errno.into()))
}

/// The image's size: what files may take, the inode tables, what ext4 keeps back for itself (a fiftieth, but 16 MiB at most),
/// and some for extents, bitmaps and directories.
fn image_bytes(bytes: u64) -> u64 {
    let inodes = bytes / BYTES_PER_INODE * INODE_BYTES;
    let kept_back = (bytes / 40).min(17 << 20);
    let sum = bytes + inodes + kept_back + bytes / 512 + (2 << 20);
    sum.next_multiple_of(BLOCK_BYTES)
}

/// Copies the image into a nameless file of `directory` and mounts that, nowhere yet. `host` is where the host's root is
/// just now, and `directory` is told as the host has it.
pub fn mount_copy(template: &OwnedFd, directory: &Path, host: &Path) -> Result<OwnedFd, Fault> {
    let directory = host.join(directory.strip_prefix("/").unwrap_or(directory));
    let image = copy(template, &directory).map_err(Fault::at("copy the image of /tmp to", &directory))?;
    mount_image(&image, host)
}

/// Mounts an image, nowhere yet.
fn mount_image(image: &OwnedFd, host: &Path) -> Result<OwnedFd, Fault> {
    let (device, held) = attach(image, host)?;
    let fail = |act: &'static str| {
        let make = Fault::at(act, &device);
        move |errno: rustix::io::Errno| make(errno.into())
    };
    let context = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC).map_err(fail("make an ext4 of"))?;
    fsconfig_set_string(&context, "source", &device).map_err(fail("take as source"))?;
    for flag in ["discard", "noinit_itable", "nobarrier"] {
        fsconfig_set_flag(&context, flag).map_err(fail("set an option of"))?;
    }
    fsconfig_create(&context).map_err(fail("read the ext4 on"))?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOATIME;
    let mount =
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(fail("mount the ext4 on"))?;
    // From here on the mount holds the device.
    drop(held);
    Ok(mount)
}

/// Puts `image` behind a free loop device and gives its path, and the descriptor that holds it meanwhile.
fn attach(image: &OwnedFd, host: &Path) -> Result<(PathBuf, OwnedFd), Fault> {
    let open = |path: &Path| {
        rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(io::Error::from)
    };
    let control = host.join("dev/loop-control");
    let control = open(&control).map_err(Fault::at("open", &control))?;
    let mut last = io::Error::from_raw_os_error(libc::EBUSY);
    for attempt in 0..LOOP_ATTEMPTS {
        // When many cages start at once all of them are told the same free device, and one gets it. After a few of those
        // races it is better to have one made. The kernel keeps it, as it keeps all, for whoever needs one next.
        let number = if attempt < LOOP_RACES {
            kernel::free_loop(control.as_fd())
        } else {
            kernel::new_loop(control.as_fd())
        };
        let number = number.map_err(Fault::at("find a loop device by", "/dev/loop-control"))?;
        let path = host.join(format!("dev/loop{number}"));
        let device = open(&path).map_err(Fault::at("open", &path))?;
        match kernel::attach_loop(device.as_fd(), image.as_fd()) {
            Ok(()) => return Ok((path, device)),
            // Another cage took it between the two calls.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => last = error,
            Err(error) => return Err(Fault::at("attach an image to", &path)(error)),
        }
    }
    Err(Fault::at("find a free loop device by", "/dev/loop-control")(last))
}

/// A nameless copy of a sparse file that leaves its holes out.
fn copy(template: &OwnedFd, directory: &Path) -> io::Result<OwnedFd> {
    let length = u64::try_from(rustix::fs::fstat(template)?.st_size).map_err(io::Error::other)?;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let copy = rustix::fs::openat(CWD, directory, flags, Mode::RUSR | Mode::WUSR)?;
    rustix::fs::ftruncate(&copy, length)?;
    // The template's file offset is shared with every other cage that starts now: it is opened anew.
    let mut from = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(template)))?;
    let mut to = File::from(copy);
    let mut position = 0;
    loop {
        let start = match rustix::fs::seek(&from, SeekFrom::Data(position)) {
            Ok(start) => start,
            Err(rustix::io::Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = rustix::fs::seek(&from, SeekFrom::Hole(start))?;
        from.seek(io::SeekFrom::Start(start))?;
        to.seek(io::SeekFrom::Start(start))?;
        io::copy(&mut Read::by_ref(&mut from).take(end - start), &mut to)?;
        position = end;
    }
    to.flush()?;
    Ok(to.into())
}

/// The empty images, one for each size that was asked for.
#[derive(Debug, Clone)]
pub struct Images {
    formatter: PathBuf,
    directory: PathBuf,
    made: Arc<Mutex<HashMap<u64, OwnedFd>>>,
}

/// How many sizes are kept; one more empties the store.
const SIZES_MAX: usize = 32;

impl Images {
    /// Finds out whether this machine lets us have such images, by making and mounting one of `bytes`.
    pub fn find(directory: &Path, bytes: u64) -> Result<Self, Fault> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "it is not installed");
        let formatter = formatter().ok_or_else(|| Fault::at("find", "mke2fs")(missing()))?;
        let kind =
            rustix::fs::statfs(directory).map_err(|errno| Fault::at("look at", directory)(errno.into()))?;
        if kind.f_type == TMPFS_MAGIC {
            let reason = "it is in memory: choose a directory on a disk";
            return Err(Fault::at("keep images in", directory)(io::Error::other(reason)));
        }
        let images = Self { formatter, directory: directory.to_owned(), made: Arc::default() };
        drop(mount_copy(&images.make(bytes)?, directory, Path::new("/"))?);
        Ok(images)
    }

    /// A descriptor of the empty image in which files can take `bytes`.
    pub async fn of(&self, bytes: u64) -> Result<OwnedFd, Fault> {
        if let Some(image) = self.made(bytes)? {
            return Ok(image);
        }
        let this = self.clone();
        let made = tokio::task::spawn_blocking(move || this.make(bytes)).await;
        made.map_err(|_| Fault::at("make", "an image")(io::Error::other("the runtime is ending")))?
    }

    /// A descriptor of the image, when it has been made already.
    pub fn made(&self, bytes: u64) -> Result<Option<OwnedFd>, Fault> {
        let copy = self.store().get(&bytes).map(OwnedFd::try_clone).transpose();
        copy.map_err(Fault::at("copy", "an image's descriptor"))
    }

    /// Makes the image, at once, and keeps it.
    fn make(&self, bytes: u64) -> Result<OwnedFd, Fault> {
        let image = format(&self.formatter, &self.directory, bytes)?;
        let result = image.try_clone().map_err(Fault::at("copy", "an image's descriptor"));
        let mut store = self.store();
        if store.len() >= SIZES_MAX {
            store.clear();
        }
        // Two that made the same size at once both made a good one.
        store.insert(bytes, image);
        result
    }

    fn store(&self) -> MutexGuard<'_, HashMap<u64, OwnedFd>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_holds_what_was_asked_for() {
        for bytes in [512 << 20, 10_240 << 20] {
            assert!(image_bytes(bytes) > bytes + bytes / BYTES_PER_INODE * INODE_BYTES);
            assert!(image_bytes(bytes) < bytes + bytes / 20);
        }
    }
}
