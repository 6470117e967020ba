//! The AWS SDKs that AWS's managed runtimes bundle: installed once into the data directory, seen by every function.

use crate::Language;
use std::path::{Path, PathBuf};

/// Where the SDK of a language is kept.
fn directory(data_dir: &Path, language: Language) -> PathBuf {
    data_dir.join("runtimes/sdk").join(language.as_str())
}

/// Where the SDK of `language` is, when it is installed.
pub fn installed(data_dir: &Path, language: Language) -> Option<PathBuf> {
    let directory = directory(data_dir, language);
    directory.is_dir().then_some(directory)
}
