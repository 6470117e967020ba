//! Content-addressed files: deployment packages, payloads and whatever is too large for a value.
//!
//! A blob is written to a temporary file, synced, and renamed to the name its content gives it; it never changes
//! afterwards, and the same content is stored once. It refuses to know who refers to a blob: callers keep the
//! hashes, and [`Blobs::sweep`] is told which of them live.

use crate::directory::Hold;
use bytes::Bytes;
use hearth_base::{Clock, Timestamp};
use std::collections::HashSet;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The BLAKE3 hash of a blob's content: its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash([u8; 32]);

/// The files. Clones share one set.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    written: AtomicU64,
    /// Held while a file comes to stay and while one is removed, so that a sweep never removes
    /// a blob that was just written again.
    placing: Mutex<()>,
    _hold: Option<Hold>,
}

/// A blob that is being written. Dropped unfinished, it leaves nothing.
pub struct BlobWriter {
    blobs: Blobs,
    unfinished: Option<Unfinished>,
    written: u64,
    bytes_max: u64,
}

struct Unfinished {
    file: File,
    path: PathBuf,
    hasher: blake3::Hasher,
}

/// Where blobs are written before they have a name.
const UNFINISHED_DIRECTORY: &str = "unfinished";
/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A blob could not be written, read or removed.
#[derive(Debug)]
pub enum BlobError {
    /// An act on a file failed.
    Io {
        /// What was being done.
        act: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No blob has this hash.
    Missing(BlobHash),
    /// The file's content is not what its name says.
    Damaged(BlobHash),
    /// It has more bytes than the caller allows.
    TooLarge {
        /// How many are allowed.
        bytes_max: u64,
    },
    /// The text is not a hash.
    InvalidHash(String),
}

impl Blobs {
    /// Opens the blobs of a directory, making it if need be, and removes what interrupted writes left.
    /// [`DataDirectory::blobs`](crate::DataDirectory::blobs) is the way for a data directory.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>) -> Result<Self, BlobError> {
        Self::open_held(directory, clock, None)
    }

    pub(crate) fn open_held(
        directory: &Path,
        clock: Arc<dyn Clock>,
        hold: Option<Hold>,
    ) -> Result<Self, BlobError> {
        let unfinished = directory.join(UNFINISHED_DIRECTORY);
        DirBuilder::new().recursive(true).mode(0o700).create(&unfinished).map_err(io("make", &unfinished))?;
        sync_directory(directory)?;
        if let Some(parent) = directory.parent() {
            sync_directory(parent)?;
        }
        for entry in fs::read_dir(&unfinished).map_err(io("list", &unfinished))? {
            let path = entry.map_err(io("list", &unfinished))?.path();
            fs::remove_file(&path).map_err(io("remove", &path))?;
        }
        Ok(Self(Arc::new(Inner {
            directory: directory.to_owned(),
            clock,
            written: AtomicU64::new(0),
            placing: Mutex::new(()),
            _hold: hold,
        })))
    }

    /// Stores bytes that are at hand. Durable on return.
    pub async fn put(&self, content: Bytes) -> Result<BlobHash, BlobError> {
        let mut writer = self.writer(content.len() as u64).await?;
        writer.write(content).await?;
        writer.finish().await
    }

    /// Begins a blob of at most `bytes_max` bytes.
    pub async fn writer(&self, bytes_max: u64) -> Result<BlobWriter, BlobError> {
        let number = self.0.written.fetch_add(1, Ordering::Relaxed);
        let path = self.0.directory.join(UNFINISHED_DIRECTORY).join(number.to_string());
        let unfinished = blocking(move || {
            let mut options = File::options();
            let file = options.write(true).create_new(true).mode(0o600).open(&path);
            let file = file.map_err(io("create", &path))?;
            Ok(Unfinished { file, path, hasher: blake3::Hasher::new() })
        })
        .await?;
        Ok(BlobWriter { blobs: self.clone(), unfinished: Some(unfinished), written: 0, bytes_max })
    }

    /// Where a blob's file is (or would be): to read, map or mount, never to write.
    pub fn path(&self, hash: &BlobHash) -> PathBuf {
        let name = hash.to_string();
        self.0.directory.join(&name[..2]).join(&name[2..])
    }

    /// The bytes of a blob; [`BlobError::Missing`] when there is none.
    pub async fn size(&self, hash: &BlobHash) -> Result<u64, BlobError> {
        let (hash, path) = (*hash, self.path(hash));
        blocking(move || Ok(fs::metadata(&path).map_err(missing("read", &path, hash))?.len())).await
    }

    /// The whole content, checked against the hash. More than `bytes_max` bytes are refused.
    pub async fn read(&self, hash: &BlobHash, bytes_max: u64) -> Result<Bytes, BlobError> {
        let (hash, path) = (*hash, self.path(hash));
        blocking(move || {
            let file = File::open(&path).map_err(missing("open", &path, hash))?;
            let size = file.metadata().map_err(io("read", &path))?.len();
            if size > bytes_max {
                return Err(BlobError::TooLarge { bytes_max });
            }
            let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            file.take(bytes_max).read_to_end(&mut content).map_err(io("read", &path))?;
            match BlobHash::of(&content) == hash {
                true => Ok(content.into()),
                false => Err(BlobError::Damaged(hash)),
            }
        })
        .await
    }

    /// Reads a blob through and compares it with its hash.
    pub async fn verify(&self, hash: &BlobHash) -> Result<(), BlobError> {
        let (hash, path) = (*hash, self.path(hash));
        blocking(move || {
            let mut file = File::open(&path).map_err(missing("open", &path, hash))?;
            let mut hasher = blake3::Hasher::new();
            let mut chunk = vec![0; CHUNK_BYTES];
            loop {
                match file.read(&mut chunk).map_err(io("read", &path))? {
                    0 => break,
                    count => hasher.update(&chunk[..count]),
                };
            }
            match BlobHash(*hasher.finalize().as_bytes()) == hash {
                true => Ok(()),
                false => Err(BlobError::Damaged(hash)),
            }
        })
        .await
    }

    /// Removes a blob; none there is no error. For callers that know that no one else stored the same content;
    /// others leave it to [`Blobs::sweep`].
    pub async fn delete(&self, hash: &BlobHash) -> Result<(), BlobError> {
        let (blobs, path) = (self.clone(), self.path(hash));
        blocking(move || {
            let _placing = blobs.placing();
            remove(&path)
        })
        .await
    }

    /// Removes the blobs that are not in `live` and were last written more than `grace` ago, and answers how many.
    ///
    /// A blob is written before the record that refers to it: `grace` must be longer than that can take. Writing
    /// a blob that is there already counts as writing it.
    pub async fn sweep(&self, live: HashSet<BlobHash>, grace: Duration) -> Result<u64, BlobError> {
        let blobs = self.clone();
        blocking(move || {
            let mut removed = 0;
            for directory in list(&blobs.0.directory)? {
                let Some(first) = directory.file_name().and_then(|name| name.to_str()) else { continue };
                if first.len() != 2 {
                    continue;
                }
                for path in list(&directory)? {
                    let rest = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                    let Ok(hash) = format!("{first}{rest}").parse::<BlobHash>() else { continue };
                    if !live.contains(&hash) {
                        removed += u64::from(blobs.remove_older(&path, grace)?);
                    }
                }
            }
            Ok(removed)
        })
        .await
    }

    fn remove_older(&self, path: &Path, grace: Duration) -> Result<bool, BlobError> {
        let _placing = self.placing();
        let written =
            fs::metadata(path).and_then(|metadata| metadata.modified()).map_err(io("read", path))?;
        let age = self.0.clock.now().since(timestamp(written));
        if age < grace {
            return Ok(false);
        }
        remove(path).map(|()| true)
    }

    fn placing(&self) -> std::sync::MutexGuard<'_, ()> {
        self.0.placing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a synced file its name, durably.
    fn place(&self, file: &File, from: &Path, hash: &BlobHash) -> Result<(), BlobError> {
        let path = self.path(hash);
        let directory = path.parent().expect("a blob's path has a directory of two digits above its name");
        // The time of the last write is what a sweep goes by; the clock, not the file system, says what it is.
        file.set_modified(system_time(self.0.clock.now())).map_err(io("set the time of", from))?;
        file.sync_all().map_err(io("sync", from))?;
        let _placing = self.placing();
        match DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => sync_directory(&self.0.directory)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io("make", directory)(error)),
        }
        // Over a blob that is there already this puts the same content with a newer time, and mends a damaged one.
        fs::rename(from, &path).map_err(io("name", &path))?;
        sync_directory(directory)
    }
}

impl BlobWriter {
    /// Appends bytes; [`BlobError::TooLarge`] past the bound the writer was begun with.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), BlobError> {
        self.written += chunk.len() as u64;
        if self.written > self.bytes_max {
            return Err(BlobError::TooLarge { bytes_max: self.bytes_max });
        }
        // A call that was cancelled or failed took the file with it, and the blob with that.
        let Some(mut unfinished) = self.unfinished.take() else { return Err(cancelled()) };
        let unfinished = blocking(move || {
            unfinished.file.write_all(&chunk).map_err(io("write", &unfinished.path))?;
            unfinished.hasher.update(&chunk);
            Ok(unfinished)
        })
        .await?;
        self.unfinished = Some(unfinished);
        Ok(())
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes the blob durable under its hash.
    pub async fn finish(mut self) -> Result<BlobHash, BlobError> {
        if self.written > self.bytes_max {
            return Err(BlobError::TooLarge { bytes_max: self.bytes_max });
        }
        let Some(unfinished) = self.unfinished.take() else { return Err(cancelled()) };
        let blobs = self.blobs.clone();
        blocking(move || {
            let hash = BlobHash(*unfinished.hasher.finalize().as_bytes());
            blobs.place(&unfinished.file, &unfinished.path, &hash)?;
            Ok(hash)
        })
        .await
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing of this name; otherwise the next start would remove it.
        let _ = fs::remove_file(&self.path);
    }
}

fn cancelled() -> BlobError {
    let source = io::Error::other("an earlier write of this blob was cancelled or failed");
    BlobError::Io { act: "go on writing", path: PathBuf::from(UNFINISHED_DIRECTORY), source }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(join) => Err(BlobError::Io {
            act: "finish work on",
            path: PathBuf::from("a blob"),
            source: io::Error::other(join),
        }),
    }
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, BlobError> {
    let entries = fs::read_dir(directory).map_err(io("list", directory))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(io("list", directory))).collect()
}

fn remove(path: &Path) -> Result<(), BlobError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn sync_directory(path: &Path) -> Result<(), BlobError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(io("sync", path))
}

fn io(act: &'static str, path: &Path) -> impl Fn(io::Error) -> BlobError {
    move |source| BlobError::Io { act, path: path.to_owned(), source }
}

fn missing(act: &'static str, path: &Path, hash: BlobHash) -> impl Fn(io::Error) -> BlobError {
    move |source| match source.kind() {
        io::ErrorKind::NotFound => BlobError::Missing(hash),
        _ => io(act, path)(source),
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(time.millis().max(0).unsigned_abs())
}

fn timestamp(time: SystemTime) -> Timestamp {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

impl BlobHash {
    /// The hash of some content.
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for BlobHash {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlobHash {
    type Err = BlobError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || BlobError::InvalidHash(text.to_owned());
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(invalid()),
        };
        let digits = <&[u8; 64]>::try_from(text.as_bytes()).map_err(|_| invalid())?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(hash))
    }
}

impl serde::Serialize for BlobHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for BlobHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlobError::Io { act, path, source } => write!(f, "cannot {act} {}: {source}", path.display()),
            BlobError::Missing(hash) => write!(f, "there is no blob {hash}"),
            BlobError::Damaged(hash) => write!(f, "blob {hash} is damaged: its content has another hash"),
            BlobError::TooLarge { bytes_max } => write!(f, "the blob has more than {bytes_max} bytes"),
            BlobError::InvalidHash(text) => write!(f, "{text:?} is not 64 hexadecimal digits"),
        }
    }
}

impl std::error::Error for BlobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BlobError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
