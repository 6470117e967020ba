//! The root key of a data directory, and `hearth credentials`, which makes, shows and rotates it.
//!
//! The file `root-key` holds the key's id and account. The secret is stored nowhere: it is derived from the data
//! directory's own secret and the id, and is shown once, when the key is made. As long as there is no such file the
//! development key is the root key; once there is, it opens nothing any more.

use crate::configuration::Configuration;
use crate::secret::Secret;
use crate::wiring::{clock, rng};
use hearth_base::{AccountId, Timestamp};
use hearth_iam::AccessKey;
use hearth_store::DataDirectory;
use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FILE: &str = "root-key";

/// The root key of a server.
pub struct Root {
    /// The key.
    pub key: AccessKey,
    /// The account it was made for; none for the development key, whose account is a setting.
    pub account: Option<AccountId>,
}

impl Root {
    /// The key that everybody knows.
    pub fn development() -> Self {
        Self { key: AccessKey::development(), account: None }
    }

    /// The root key of a data directory.
    ///
    /// # Errors
    /// When its file cannot be read, or is damaged: the server must not fall back to the development key.
    pub fn of(data_dir: &Path, secret: &Secret) -> Result<Self, RootKeyError> {
        match Stored::read(data_dir)? {
            None => Ok(Self::development()),
            Some(stored) => Ok(Self { key: stored.key(secret), account: Some(stored.account) }),
        }
    }
}

/// Whether a data directory has a root key of its own: only then may its server listen beyond loopback.
pub fn has_root_key(data_dir: &Path) -> bool {
    data_dir.join(FILE).exists()
}

/// What the file holds.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    access_key_id: String,
    account: AccountId,
    created: Timestamp,
}

/// The root key cannot be read or made.
#[derive(Debug)]
pub enum RootKeyError {
    /// The file cannot be read or written.
    File(PathBuf, io::Error),
    /// The file is not what it should be.
    Damaged(PathBuf, serde_json::Error),
    /// There is a key already.
    Exists(String),
    /// There is no key to rotate.
    Missing,
    /// A server that keeps nothing has no key of its own.
    Ephemeral,
}

impl fmt::Display for RootKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, _) => write!(f, "cannot use the root key {}", path.display()),
            Self::Damaged(path, _) => write!(
                f,
                "the root key {} is damaged; remove the file and make a new one with `hearth credentials create`",
                path.display()
            ),
            Self::Exists(id) => write!(
                f,
                "there is a root key already, {id}; its secret cannot be shown again. `hearth credentials rotate` makes \
                 another in its place"
            ),
            Self::Missing => {
                f.write_str("there is no root key yet: make one with `hearth credentials create`")
            }
            Self::Ephemeral => {
                f.write_str("a server with --ephemeral keeps nothing, and so no root key: name a --data-dir")
            }
        }
    }
}

impl Error for RootKeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            Self::Damaged(_, error) => Some(error),
            Self::Exists(_) | Self::Missing | Self::Ephemeral => None,
        }
    }
}

impl Stored {
    const FORMAT: u32 = 1;

    fn new(account: AccountId) -> Self {
        let access_key_id = AccessKey::new_id(account, rng().as_ref());
        Self { format: Self::FORMAT, access_key_id, account, created: clock().now() }
    }

    fn key(&self, secret: &Secret) -> AccessKey {
        AccessKey::derived(&secret.key("root access key"), self.access_key_id.clone())
    }

    fn read(data_dir: &Path) -> Result<Option<Self>, RootKeyError> {
        let path = data_dir.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice::<Self>(&bytes) {
                Ok(stored) => Ok(Some(stored)),
                Err(error) => Err(RootKeyError::Damaged(path, error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RootKeyError::File(path, error)),
        }
    }

    /// Written aside, synced and renamed: a crash leaves the former key or this one.
    fn write(&self, data_dir: &Path) -> Result<(), RootKeyError> {
        let path = data_dir.join(FILE);
        let aside = path.with_extension("new");
        let text =
            serde_json::to_vec_pretty(self).map_err(|error| RootKeyError::Damaged(path.clone(), error))?;
        let written = (|| {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&aside, &path)?;
            File::open(data_dir)?.sync_all()
        })();
        written.map_err(|error| RootKeyError::File(path, error))
    }
}

/// What `hearth credentials` is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Act {
    /// Make the root key of the data directory, and show its secret this once
    Create,
    /// Make another root key in the place of the one there is, which ends with it
    Rotate,
}

/// Does it, or without an act looks which key there is, and gives what is to be told.
///
/// # Errors
/// When a server is running on the data directory, or there is a key or none where there should be none or one.
pub fn run(configuration: &Configuration, act: Option<Act>) -> Result<String, Box<dyn Error>> {
    let data_dir = configuration.data_dir.as_deref().ok_or(RootKeyError::Ephemeral)?;
    let Some(act) = act else { return Ok(show(Stored::read(data_dir)?.as_ref(), data_dir)) };
    // A running server has read its key already: it must be stopped, so that the new key is the one in force.
    let directory = DataDirectory::open(data_dir)?;
    let secret = Secret::of(directory.path(), rng().as_ref())?;
    let stored = match (act, Stored::read(data_dir)?) {
        (Act::Create, Some(stored)) => return Err(RootKeyError::Exists(stored.access_key_id).into()),
        (Act::Rotate, None) => return Err(RootKeyError::Missing.into()),
        (Act::Rotate, Some(former)) => Stored::new(former.account),
        (Act::Create, None) => Stored::new(configuration.account),
    };
    stored.write(data_dir)?;
    let key = stored.key(&secret);
    Ok(format!(
        "The root key of account {}. The secret is shown this once and stored nowhere: keep it safe.\n\n\
         AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\n",
        stored.account, key.access_key_id, key.secret_access_key
    ))
}

fn show(stored: Option<&Stored>, data_dir: &Path) -> String {
    match stored {
        Some(stored) => format!(
            "{}: root key {} of account {}, made {}. The development key test/test opens nothing.\n",
            data_dir.display(),
            stored.access_key_id,
            stored.account,
            stored.created.date_time(),
        ),
        None => format!(
            "{}: no root key. The development key test/test opens everything, from this machine alone. Make a root key \
             with `hearth credentials create`.\n",
            data_dir.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_kept_and_rotated_and_its_secret_is_not_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let secret = Secret::of(path, rng().as_ref()).unwrap();
        assert!(Root::of(path, &secret).unwrap().key.is_development());
        assert!(!has_root_key(path));
        let stored = Stored::new("123456789012".parse().unwrap());
        stored.write(path).unwrap();
        let root = Root::of(path, &secret).unwrap();
        assert!(has_root_key(path) && !root.key.is_development());
        assert_eq!(root.key, Root::of(path, &secret).unwrap().key);
        assert_eq!(root.key.secret_access_key.len(), 40);
        let text = fs::read_to_string(path.join(FILE)).unwrap();
        assert!(!text.contains(&root.key.secret_access_key));
        Stored::new(stored.account).write(path).unwrap();
        let rotated = Root::of(path, &secret).unwrap();
        assert_ne!(rotated.key, root.key);
        fs::write(path.join(FILE), "{").unwrap();
        assert!(matches!(Root::of(path, &secret), Err(RootKeyError::Damaged(..))));
    }
}
