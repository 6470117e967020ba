//! Directory trees of unpacked code: a tree is whole or not there, and layers are laid over each other in one.
//!
//! It refuses to know what the trees are for. Links in them are copied as links and never followed: they came from
//! outside.

use crate::package::PackageError;
use std::collections::HashSet;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Fills the directory `target` unless it is there already. It is filled as `aside`, beside it, and renamed, so that
/// a directory of its name is always whole.
pub(crate) fn place(
    target: &Path,
    aside: &Path,
    fill: impl FnOnce(&Path) -> Result<(), PackageError>,
) -> Result<(), PackageError> {
    if target.is_dir() {
        return Ok(());
    }
    fs::create_dir(aside).map_err(failed(aside))?;
    let filled = fill(aside).and_then(|()| {
        fs::set_permissions(aside, fs::Permissions::from_mode(0o755)).map_err(failed(aside))?;
        // Without this, a power failure could leave the name with files that are empty.
        fs::File::open(aside)
            .and_then(|directory| Ok(rustix::fs::syncfs(directory)?))
            .map_err(failed(aside))?;
        match fs::rename(aside, target) {
            // Another request filled the same directory first.
            Err(_) if target.is_dir() => Ok(()),
            other => other.map_err(failed(target)),
        }
    });
    if aside.exists() {
        remove(aside).map_err(failed(aside))?;
    }
    filled
}

/// Lays trees over each other in the empty directory `root`, each over those before it: a file or a link of a later
/// one takes the place of whatever had its name, and directories are united. Files are shared, not copied.
pub(crate) fn merge(trees: &[PathBuf], root: &Path) -> Result<(), PackageError> {
    trees.iter().try_for_each(|tree| lay_over(tree, root))
}

fn lay_over(from: &Path, onto: &Path) -> Result<(), PackageError> {
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let target = onto.join(entry.file_name());
        let kind = entry.file_type().map_err(failed(from))?;
        let present = fs::symlink_metadata(&target).ok().map(|metadata| metadata.file_type());
        if kind.is_dir() && present.is_some_and(|present| present.is_dir()) {
            lay_over(&entry.path(), &target)?;
            continue;
        }
        match present {
            Some(present) if present.is_dir() => remove(&target).map_err(failed(&target))?,
            Some(_) => fs::remove_file(&target).map_err(failed(&target))?,
            None => {}
        }
        add(&entry, kind, &target)?;
    }
    Ok(())
}

/// Puts a file, a link or a directory with all that is in it where nothing is.
fn add(entry: &DirEntry, kind: FileType, target: &Path) -> Result<(), PackageError> {
    let source = entry.path();
    if kind.is_dir() {
        // The function must be able to enter it, whatever the server's umask.
        fs::create_dir(target)
            .and_then(|()| fs::set_permissions(target, fs::Permissions::from_mode(0o755)))
            .map_err(failed(target))?;
        lay_over(&source, target)
    } else if kind.is_symlink() {
        fs::read_link(&source).and_then(|text| symlink(text, target)).map_err(failed(target))
    } else {
        // One file has as many names as its file system allows, and then it takes a copy.
        fs::hard_link(&source, target)
            .or_else(|_| fs::copy(&source, target).map(drop))
            .map_err(failed(target))
    }
}

/// Removes what is in `directory` and not of a name in `kept`.
pub(crate) fn remove_others(directory: &Path, kept: &HashSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| kept.contains(name)) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a tree whose directories the package may have made unwritable.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path)?;
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn make_writable(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

fn failed(path: &Path) -> impl Fn(io::Error) -> PackageError {
    move |error| PackageError::Write(path.to_owned(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of `(path, content)`; a content that begins with `->` is a link, one that is empty a directory.
    fn tree(of: &Path, name: &str, entries: &[(&str, &str)]) -> PathBuf {
        let root = of.join(name);
        fs::create_dir(&root).unwrap();
        for (path, content) in entries {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content.strip_prefix("->") {
                Some(text) => symlink(text, path).unwrap(),
                None if content.is_empty() => fs::create_dir_all(path).unwrap(),
                None => fs::write(path, content).unwrap(),
            }
        }
        root
    }

    fn merged(layers: &[&[(&str, &str)]]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let trees: Vec<PathBuf> = layers
            .iter()
            .enumerate()
            .map(|(number, entries)| tree(directory.path(), &number.to_string(), entries))
            .collect();
        let target = directory.path().join("target");
        place(&target, &directory.path().join("aside"), |root| merge(&trees, root)).unwrap();
        (directory, target)
    }

    #[test]
    fn later_trees_win_file_by_file() {
        let (_directory, root) = merged(&[
            &[("a", "1"), ("d/both", "1"), ("d/first", "1"), ("empty", "")],
            &[("d/both", "2"), ("d/second", "2")],
            &[("d/both", "3")],
        ]);
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        assert_eq!((read("a"), read("d/both")), ("1".to_owned(), "3".to_owned()));
        assert_eq!((read("d/first"), read("d/second")), ("1".to_owned(), "2".to_owned()));
        assert!(root.join("empty").is_dir());
        assert!(!root.with_file_name("aside").exists());
    }

    #[test]
    fn what_differs_in_kind_is_replaced_whole() {
        let (_directory, root) = merged(&[
            &[("x/deep/file", "1"), ("y", "1"), ("z", "->y")],
            &[("x", "2"), ("y/file", "2"), ("z/file", "2")],
        ]);
        assert_eq!(fs::read_to_string(root.join("x")).unwrap(), "2");
        assert_eq!(fs::read_to_string(root.join("y/file")).unwrap(), "2");
        assert!(!root.join("z").is_symlink(), "nothing is written through a link of another layer");
    }

    #[test]
    fn links_stay_links_and_the_trees_themselves_stay_as_they_are() {
        let (directory, root) = merged(&[&[("f", "1"), ("l", "->../0/f")], &[("f", "2"), ("l", "->f")]]);
        assert_eq!(fs::read_link(root.join("l")).unwrap(), Path::new("f"));
        assert_eq!(fs::read_to_string(root.join("l")).unwrap(), "2");
        assert_eq!(fs::read_to_string(directory.path().join("0/f")).unwrap(), "1");
        remove(&root).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("1/f")).unwrap(), "2");
    }

    #[test]
    fn modes_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let source = tree(directory.path(), "0", &[("bin/tool", "x")]);
        fs::set_permissions(source.join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
        let target = directory.path().join("target");
        fs::create_dir(&target).unwrap();
        merge(&[source], &target).unwrap();
        assert_eq!(fs::metadata(target.join("bin/tool")).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
