//! The data directory's secret: 32 random bytes from which every key of the server is derived.
//!
//! It refuses to show the secret itself: only derived keys leave this module.

use hearth_base::Rng;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const BYTES: usize = 32;

/// The secret of one data directory.
pub struct Secret([u8; BYTES]);

/// The secret cannot be read or made.
#[derive(Debug)]
pub enum SecretError {
    /// The file cannot be read or written.
    File(PathBuf, io::Error),
    /// The file is not 32 bytes long: it was damaged, and sessions sealed with it are lost.
    Damaged(PathBuf),
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot use the secret {}: {error}", path.display()),
            Self::Damaged(path) => {
                write!(f, "the secret {} is damaged; remove it to have a new one made", path.display())
            }
        }
    }
}

impl std::error::Error for SecretError {}

impl Secret {
    /// A secret that is gone with the process.
    pub fn ephemeral(rng: &dyn Rng) -> Self {
        let mut bytes = [0; BYTES];
        rng.fill(&mut bytes);
        Self(bytes)
    }

    /// The secret of a data directory, made on first use.
    ///
    /// # Errors
    /// When the file cannot be read or made, or is damaged.
    pub fn of(data_dir: &Path, rng: &dyn Rng) -> Result<Self, SecretError> {
        let path = data_dir.join("secret");
        match fs::read(&path) {
            Ok(bytes) => match <[u8; BYTES]>::try_from(bytes.as_slice()) {
                Ok(bytes) => Ok(Self(bytes)),
                Err(_) => Err(SecretError::Damaged(path)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = Self::ephemeral(rng);
                secret.write(data_dir, &path).map_err(|error| SecretError::File(path, error))?;
                Ok(secret)
            }
            Err(error) => Err(SecretError::File(path, error)),
        }
    }

    /// A key for one purpose. The same purpose always gives the same key; different ones tell nothing of each other.
    pub fn key(&self, purpose: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Written aside, synced and renamed: a crash leaves no half secret.
    fn write(&self, data_dir: &Path, path: &Path) -> io::Result<()> {
        let aside = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&self.0)?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        fs::File::open(data_dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::SystemRng;

    #[test]
    fn a_directory_keeps_its_secret() {
        let directory = tempfile::tempdir().unwrap();
        let first = Secret::of(directory.path(), &SystemRng).unwrap();
        let again = Secret::of(directory.path(), &SystemRng).unwrap();
        assert_eq!(first.key("sessions"), again.key("sessions"));
        assert_ne!(first.key("sessions"), first.key("downloads"));
        fs::write(directory.path().join("secret"), b"short").unwrap();
        assert!(matches!(Secret::of(directory.path(), &SystemRng), Err(SecretError::Damaged(_))));
    }
}
