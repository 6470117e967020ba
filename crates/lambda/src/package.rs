//! Deployment packages: what a zip must be to be accepted, and how it is unpacked.
//!
//! A package comes from outside and is not trusted: names that leave the tree, links that point out of it, devices
//! and archives that grow beyond AWS's limit are refused before a byte of theirs is written where it could matter.
//! It refuses to keep packages: blobs do that.

use hearth_base::limits::PACKAGE_UNZIPPED_BYTES_MAX;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use zip::ZipArchive;

/// Entries of one archive. AWS publishes no number; this one keeps the directory of a hostile archive small.
const ENTRIES_MAX: usize = 200_000;
/// Bytes of a symbolic link's target.
const LINK_BYTES_MAX: u64 = 4_096;

/// Why a package is refused or could not be unpacked.
#[derive(Debug)]
pub enum PackageError {
    /// Not a zip archive, or a damaged one.
    NotZip(zip::result::ZipError),
    /// An archive without a file.
    Empty,
    /// More than [`PACKAGE_UNZIPPED_BYTES_MAX`] once unpacked.
    TooLarge,
    /// More than 200,000 entries.
    TooManyEntries,
    /// An entry whose name leaves the tree, or a link that points out of it, or a kind of file that is no file.
    Unsafe {
        /// The entry's name as the archive has it.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The tree could not be written.
    Write(PathBuf, io::Error),
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotZip(_) => f.write_str(
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            ),
            Self::Empty => f.write_str("Uploaded file must be a non-empty zip"),
            Self::TooLarge => {
                write!(f, "Unzipped size must be smaller than {PACKAGE_UNZIPPED_BYTES_MAX} bytes")
            }
            Self::TooManyEntries => {
                write!(f, "Could not unzip uploaded file: it has more than {ENTRIES_MAX} entries.")
            }
            Self::Unsafe { entry, reason } => {
                write!(f, "Could not unzip uploaded file: the entry {entry:?} {reason}.")
            }
            Self::Write(path, _) => write!(f, "cannot write {}", path.display()),
        }
    }
}

impl std::error::Error for PackageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotZip(source) => Some(source),
            Self::Write(_, source) => Some(source),
            _ => None,
        }
    }
}

/// What one entry of an archive is.
enum Entry {
    Directory,
    File,
    Link,
}

/// A symbolic link of an archive, kept until every file is written.
struct Link {
    /// The entry's name as the archive has it.
    name: String,
    /// Where it stands in the tree.
    relative: PathBuf,
    /// What it points to.
    text: String,
}

/// Checks the directory of a package without unpacking it, and gives its bytes once unpacked, as the archive claims
/// them: [`unpack`] holds the archive to it.
pub fn inspect(package: &[u8]) -> Result<u64, PackageError> {
    let mut archive = ZipArchive::new(Cursor::new(package)).map_err(PackageError::NotZip)?;
    if archive.len() > ENTRIES_MAX {
        return Err(PackageError::TooManyEntries);
    }
    let (mut total, mut files) = (0u64, 0usize);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(PackageError::NotZip)?;
        relative_path(&name_of(&entry)?)?;
        total = total.saturating_add(entry.size());
        match kind_of(&entry)? {
            Entry::Directory => {}
            Entry::File | Entry::Link => files += 1,
        }
    }
    if total > PACKAGE_UNZIPPED_BYTES_MAX {
        return Err(PackageError::TooLarge);
    }
    if files == 0 { Err(PackageError::Empty) } else { Ok(total) }
}

/// Unpacks a package into the empty directory `root`. Links are made last, so nothing is ever written through one.
/// Modes are kept but for set-id bits: a file that others may not read stays unreadable for the function, as on AWS.
pub fn unpack(package: &[u8], root: &Path) -> Result<(), PackageError> {
    let mut archive = ZipArchive::new(Cursor::new(package)).map_err(PackageError::NotZip)?;
    let mut budget = PACKAGE_UNZIPPED_BYTES_MAX;
    let mut links = Vec::new();
    let mut directories = BTreeSet::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(PackageError::NotZip)?;
        let name = name_of(&entry)?;
        let relative = relative_path(&name)?;
        let target = root.join(&relative);
        match kind_of(&entry)? {
            Entry::Directory => create_directories(root, &relative, &mut directories)?,
            Entry::File => {
                create_directories(root, relative.parent().unwrap_or(Path::new("")), &mut directories)?;
                let (mode, claimed) = (file_mode(entry.unix_mode()), entry.size());
                let written = write_file(&mut entry, &target, mode, budget)?;
                if written != claimed {
                    return Err(PackageError::Unsafe { entry: name, reason: "is not as large as it says" });
                }
                budget -= written;
            }
            Entry::Link => {
                let mut text = String::new();
                (&mut entry).take(LINK_BYTES_MAX).read_to_string(&mut text).map_err(|_| {
                    PackageError::Unsafe {
                        entry: name.clone(),
                        reason: "is a symbolic link without a readable target",
                    }
                })?;
                links.push(Link { name, relative, text });
            }
        }
    }
    for link in &links {
        make_link(root, link, &mut directories)?;
    }
    links.iter().try_for_each(|link| check_link(root, link))
}

/// The entry's name as the archive has it.
fn name_of<R: Read>(entry: &zip::read::ZipFile<'_, R>) -> Result<String, PackageError> {
    Ok(entry.name().map_err(PackageError::NotZip)?.into_owned())
}

/// Tells links and directories from files; devices, pipes and sockets are refused.
fn kind_of<R: Read>(entry: &zip::read::ZipFile<'_, R>) -> Result<Entry, PackageError> {
    const TYPE_MASK: u32 = 0o170_000;
    match entry.unix_mode().map(|mode| mode & TYPE_MASK) {
        Some(0o120_000) => Ok(Entry::Link),
        _ if entry.is_dir() => Ok(Entry::Directory),
        None | Some(0 | 0o100_000) => Ok(Entry::File),
        Some(_) => Err(PackageError::Unsafe {
            entry: name_of(entry)?,
            reason: "is neither a file, a directory nor a symbolic link",
        }),
    }
}

/// The entry's path inside the tree: relative, without `..`, without a NUL.
fn relative_path(name: &str) -> Result<PathBuf, PackageError> {
    let refuse = |reason| PackageError::Unsafe { entry: name.to_owned(), reason };
    if name.contains('\0') {
        return Err(refuse("has a NUL byte in its name"));
    }
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(refuse("has a name that leads out of the package"));
            }
        }
    }
    Ok(path)
}

/// Makes a directory and those above it, readable for the function whatever the server's umask.
fn create_directories(
    root: &Path,
    relative: &Path,
    known: &mut BTreeSet<PathBuf>,
) -> Result<(), PackageError> {
    if relative.as_os_str().is_empty() || known.contains(relative) {
        return Ok(());
    }
    create_directories(root, relative.parent().unwrap_or(Path::new("")), known)?;
    let path = root.join(relative);
    let made = match fs::create_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    };
    made.and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| write_error(relative, path, error))?;
    known.insert(relative.to_owned());
    Ok(())
}

/// A file where a directory must stand, or the other way round, is the archive's fault and not the disk's.
fn write_error(entry: &Path, path: PathBuf, error: io::Error) -> PackageError {
    use io::ErrorKind::{AlreadyExists, InvalidFilename, IsADirectory, NotADirectory};
    match error.kind() {
        AlreadyExists | InvalidFilename | IsADirectory | NotADirectory => PackageError::Unsafe {
            entry: entry.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            reason: "collides with another entry or has a name too long",
        },
        _ => PackageError::Write(path, error),
    }
}

/// AWS: packages made on Windows carry no modes; Lambda reads them as 644.
fn file_mode(mode: Option<u32>) -> u32 {
    match mode.map(|mode| mode & 0o777) {
        None | Some(0) => 0o644,
        Some(mode) => mode,
    }
}

/// Writes one file and returns its true size.
fn write_file(from: &mut impl Read, path: &Path, mode: u32, budget: u64) -> Result<u64, PackageError> {
    let failed = |error| write_error(path, path.to_owned(), error);
    // A name that comes twice overwrites, as unzip does; it cannot be a link yet, and O_NOFOLLOW keeps it so.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file: File = options.open(path).map_err(failed)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut written = 0u64;
    loop {
        let count =
            from.read(&mut buffer).map_err(|error| PackageError::NotZip(zip::result::ZipError::Io(error)))?;
        if count == 0 {
            break;
        }
        written += count as u64;
        if written > budget {
            return Err(PackageError::TooLarge);
        }
        file.write_all(&buffer[..count]).map_err(failed)?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok(written)
}

fn make_link(root: &Path, link: &Link, directories: &mut BTreeSet<PathBuf>) -> Result<(), PackageError> {
    let Link { name, relative, text } = link;
    let refuse = |reason| PackageError::Unsafe { entry: name.clone(), reason };
    let mut depth = relative.components().count().saturating_sub(1);
    for component in Path::new(text).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return Err(refuse("is a symbolic link out of the package")),
        }
    }
    let parent = relative.parent().unwrap_or(Path::new(""));
    // A parent that is itself a link of the package would place this one elsewhere.
    if parent.ancestors().any(|ancestor| root.join(ancestor).is_symlink()) {
        return Err(refuse("stands behind a symbolic link"));
    }
    create_directories(root, parent, directories)?;
    let path = root.join(relative);
    if path.symlink_metadata().is_ok() {
        return Err(refuse("stands twice in the package"));
    }
    symlink(text, &path).map_err(|error| PackageError::Write(path, error))
}

/// Follows a link through other links: what exists behind it must be in the tree.
fn check_link(root: &Path, link: &Link) -> Result<(), PackageError> {
    let real_root = root.canonicalize().map_err(|error| PackageError::Write(root.to_owned(), error))?;
    match root.join(&link.relative).canonicalize() {
        Ok(path) if !path.starts_with(&real_root) => Err(PackageError::Unsafe {
            entry: link.name.clone(),
            reason: "is a symbolic link out of the package",
        }),
        // A link to nothing or in a circle harms nobody.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zip::write::{SimpleFileOptions, ZipWriter};

    enum Item<'a> {
        File(&'a str, &'a [u8], u32),
        Link(&'a str, &'a str),
        Directory(&'a str),
    }

    fn archive(items: &[Item<'_>]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for item in items {
            match item {
                Item::File(name, body, mode) => {
                    writer.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
                    writer.write_all(body).unwrap();
                }
                Item::Link(name, target) => {
                    writer.add_symlink(*name, *target, SimpleFileOptions::default()).unwrap();
                }
                Item::Directory(name) => writer.add_directory(*name, SimpleFileOptions::default()).unwrap(),
            }
        }
        writer.finish().unwrap().into_inner()
    }

    fn check(items: &[Item<'_>]) -> Result<tempfile::TempDir, PackageError> {
        let package = archive(items);
        inspect(&package)?;
        let root = tempfile::tempdir().unwrap();
        unpack(&package, root.path())?;
        Ok(root)
    }

    #[test]
    fn files_directories_modes_and_inner_links_arrive() {
        let root = check(&[
            Item::Directory("empty/"),
            Item::File("a/b/handler.py", b"x", 0o640),
            Item::File("bootstrap", b"y", 0o4755),
            Item::Link("a/link", "b/handler.py"),
            Item::Link("up", "./a/../bootstrap"),
        ])
        .unwrap();
        let mode = |name: &str| fs::metadata(root.path().join(name)).unwrap().permissions().mode() & 0o7777;
        assert!(root.path().join("empty").is_dir());
        assert_eq!(mode("a/b/handler.py"), 0o640);
        assert_eq!(mode("bootstrap"), 0o755, "set-id bits are dropped");
        assert_eq!(fs::read(root.path().join("a/link")).unwrap(), b"x");
        assert_eq!(fs::read(root.path().join("up")).unwrap(), b"y");
    }

    #[test]
    fn what_leaves_the_tree_is_refused() {
        for (what, bad) in [
            ("slip", Item::File("../evil", b"x", 0o644)),
            ("deep slip", Item::File("a/../../evil", b"x", 0o644)),
            ("absolute", Item::File("/etc/evil", b"x", 0o644)),
            ("link up", Item::Link("a", "../outside")),
            ("link to the host", Item::Link("a", "/etc/passwd")),
            ("link out from below", Item::Link("a/b", "../../outside")),
        ] {
            match check(&[Item::File("ok", b"x", 0o644), bad]) {
                Err(PackageError::Unsafe { .. }) => {}
                other => panic!("{what}: {other:?}"),
            }
        }
    }

    #[test]
    fn links_through_links_cannot_leave() {
        let chained = [
            Item::File("d/e/f", b"x", 0o644),
            Item::Link("short", "d/e"),
            Item::Link("out", "short/../../../x"),
        ];
        assert!(matches!(check(&chained), Err(PackageError::Unsafe { .. })));
        let behind = [Item::File("d/f", b"x", 0o644), Item::Link("l", "d"), Item::Link("l/m", "f")];
        assert!(matches!(check(&behind), Err(PackageError::Unsafe { .. })));
    }

    #[test]
    fn collisions_and_nonsense_are_the_clients_fault() {
        let collision = [Item::File("a", b"x", 0o644), Item::File("a/b", b"x", 0o644)];
        assert!(matches!(check(&collision), Err(PackageError::Unsafe { .. })));
        assert!(matches!(inspect(b"no zip"), Err(PackageError::NotZip(_))));
        assert!(matches!(check(&[Item::Directory("only/")]), Err(PackageError::Empty)));
    }

    #[test]
    fn bombs_are_stopped_by_their_true_size() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("zeros", SimpleFileOptions::default()).unwrap();
        let block = vec![0; 1 << 20];
        for _ in 0..=PACKAGE_UNZIPPED_BYTES_MAX >> 20 {
            writer.write_all(&block).unwrap();
        }
        let mut package = writer.finish().unwrap().into_inner();
        assert!(matches!(inspect(&package), Err(PackageError::TooLarge)));
        // An archive that lies: both headers claim one byte.
        let claimed = (((PACKAGE_UNZIPPED_BYTES_MAX >> 20) + 1) << 20) as u32;
        let needle = claimed.to_le_bytes();
        for place in 0..package.len() - 4 {
            if package[place..place + 4] == needle {
                package[place..place + 4].copy_from_slice(&1u32.to_le_bytes());
            }
        }
        let root = tempfile::tempdir().unwrap();
        let outcome = inspect(&package).and_then(|_| unpack(&package, root.path()));
        assert!(outcome.is_err());
        let size = fs::metadata(root.path().join("zeros")).map_or(0, |file| file.len());
        assert!(size <= PACKAGE_UNZIPPED_BYTES_MAX);
    }
}
