//! From a package to a version that can be invoked: storing and unpacking code, finding the runtime, and clearing away
//! code that nothing needs any more.

use crate::Inner;
use crate::failures::{internal, invalid_parameter};
use crate::model::{Build, Code, Function, LastUpdate, Reason, State, Version};
use crate::naming::FunctionKey;
use crate::package::{self, PackageError};
use crate::registry::key_of;
use crate::tree;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_base::limits::PACKAGE_ZIPPED_BYTES_MAX;
use hearth_base::{Qualifier, Region};
use hearth_environment::Resolved;
use hearth_store::BlobHash;
use hearth_wire::Failure;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often garbage is looked for when nothing was deleted: an environment may have been the last to need it.
const GARBAGE_INTERVAL: Duration = Duration::from_secs(3_600);

/// The control plane cannot start.
#[derive(Debug)]
pub enum DeployError {
    /// The directory of unpacked code cannot be used.
    CodeDirectory(PathBuf, io::Error),
    /// The stored functions cannot be read.
    Records(hearth_store::records::RecordError),
}

impl fmt::Display for DeployError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CodeDirectory(path, error) => {
                write!(f, "cannot use the code directory {}: {error}", path.display())
            }
            Self::Records(error) => write!(f, "cannot read the stored functions: {error}"),
        }
    }
}

impl std::error::Error for DeployError {}

/// Makes the code directory and removes what a killed server left half unpacked.
pub(crate) fn prepare(code_dir: &Path) -> Result<(), DeployError> {
    let failed = |error| DeployError::CodeDirectory(code_dir.to_owned(), error);
    fs::create_dir_all(code_dir).map_err(failed)?;
    for entry in fs::read_dir(code_dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "partial") {
            tree::remove(&path).map_err(failed)?;
        }
    }
    Ok(())
}

/// Checks, stores and unpacks a package, durably.
pub(crate) async fn store_package(inner: &Inner, zip: Bytes) -> Result<Code, Failure> {
    if zip.len() as u64 > PACKAGE_ZIPPED_BYTES_MAX {
        return Err(invalid_parameter(&format!(
            "Zipped size must be smaller than {PACKAGE_ZIPPED_BYTES_MAX} bytes"
        )));
    }
    let blob = BlobHash::of(&zip).to_string();
    let unzipped_bytes = unpack(inner, &blob, zip.clone()).await?;
    let code =
        Code { blob, sha256: STANDARD.encode(Sha256::digest(&zip)), bytes: zip.len() as u64, unzipped_bytes };
    inner.blobs.put(zip).await.map_err(|error| internal("store a deployment package", &error))?;
    Ok(code)
}

/// Checks a package and stores nothing: `DryRun`.
pub(crate) fn check_package(zip: &Bytes) -> Result<Code, Failure> {
    let unzipped_bytes = package::inspect(zip).map_err(|error| refuse(&error))?;
    Ok(Code {
        blob: BlobHash::of(zip).to_string(),
        sha256: STANDARD.encode(Sha256::digest(zip)),
        bytes: zip.len() as u64,
        unzipped_bytes,
    })
}

/// Unpacks a package below its blob's name, unless it is there, and gives its bytes unpacked.
async fn unpack(inner: &Inner, blob: &str, zip: Bytes) -> Result<u64, Failure> {
    let (target, aside) = (inner.code_dir.join(blob), aside(inner));
    let work = move || {
        let unzipped_bytes = package::inspect(&zip)?;
        tree::place(&target, &aside, |root| package::unpack(&zip, root))?;
        Ok(unzipped_bytes)
    };
    blocking(work).await
}

/// A path for a directory that is not whole yet.
fn aside(inner: &Inner) -> PathBuf {
    inner.code_dir.join(format!("{}.partial", hearth_base::id::uuid(inner.rng.as_ref())))
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PackageError> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| refuse(&error)),
        Err(error) => Err(internal("unpack a deployment package", &error)),
    }
}

fn refuse(error: &PackageError) -> Failure {
    match error {
        PackageError::Write(..) => internal("unpack a deployment package", error),
        _ => invalid_parameter(&error.to_string()),
    }
}

/// The package behind a download URL.
pub(crate) async fn read_package(inner: &Inner, blob: &str) -> Option<Bytes> {
    let hash: BlobHash = blob.parse().ok()?;
    inner.blobs.read(&hash, PACKAGE_ZIPPED_BYTES_MAX).await.ok()
}

/// Goes on with every deployment that an earlier server did not finish. Code that is gone, though its function was
/// active, is put in place before anything is served: unpacked code is a cache of the stored packages.
pub(crate) async fn resume(inner: &Arc<Inner>) {
    for entry in inner.registry.all() {
        let function = entry.function();
        let is_missing =
            |build: Build<'_>| build.directories().any(|name| !inner.code_dir.join(name).is_dir());
        if function.versions().flat_map(|(_, version)| version.builds()).any(is_missing) {
            tracing::info!(function = %function.arn(), "unpacking its code again");
            if let Err(failure) = put_in_place(inner, function).await {
                tracing::error!(function = %function.arn(), %failure, "its code cannot be unpacked");
            }
        }
        if function.versions().any(|(_, version)| !is_settled(version)) {
            start(inner, key_of(function));
        }
    }
    // One function tells as much of its runtime as ten thousand.
    let mut expected = BTreeSet::new();
    for entry in inner.registry.all() {
        if let Some(definition) = entry.serving.get(&Qualifier::Latest)
            && expected.insert(definition.runtime.to_string())
        {
            inner.data_plane.expect(definition);
        }
    }
}

/// Deploys in the background what of a function is not deployed yet.
pub(crate) fn start(inner: &Arc<Inner>, key: FunctionKey) {
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        if let Err(failure) = deploy(&inner, &key).await {
            // A function deleted meanwhile is not found, and that is well.
            tracing::debug!(function = %key.arn(), %failure, "deployment ended early");
        }
        inner.garbage.notify_one();
    });
}

async fn deploy(inner: &Inner, key: &FunctionKey) -> Result<(), Failure> {
    let entry = inner.registry.find(key, None)?;
    let in_place = put_in_place(inner, entry.function()).await;
    let before: Vec<_> = entry.serving.values().map(|definition| definition.key.clone()).collect();
    let (after, ()) = inner
        .registry
        .update(key, |function| {
            match in_place {
                Ok(()) => settle(inner, function),
                Err(_) => give_up(function),
            }
            Ok(())
        })
        .await?;
    for old in before {
        if !after.serving.values().any(|definition| definition.key == old) {
            inner.data_plane.retire(&old);
        }
    }
    if let Some(definition) = after.serving.get(&Qualifier::Latest) {
        inner.data_plane.expect(definition);
    }
    Ok(())
}

/// Makes the directories that a function's versions run with.
async fn put_in_place(inner: &Inner, function: &Function) -> Result<(), Failure> {
    // What is being put together is not garbage.
    let _packages = inner.packages.read().await;
    for build in function.versions().flat_map(|(_, version)| version.builds()) {
        make_directories(inner, build).await?;
    }
    Ok(())
}

/// Makes the directories that a version runs with, as far as they are missing.
async fn make_directories(inner: &Inner, build: Build<'_>) -> Result<(), Failure> {
    restore(inner, build.code).await?;
    let layers = &build.settings.layers;
    let Some(name) = build.settings.layers_directory() else { return Ok(()) };
    let target = inner.code_dir.join(name);
    if target.is_dir() {
        return Ok(());
    }
    for layer in layers {
        restore(inner, &layer.code).await?;
    }
    let trees: Vec<PathBuf> = layers.iter().map(|layer| inner.code_dir.join(&layer.code.blob)).collect();
    let aside = aside(inner);
    // One layer alone stands already where it is looked for.
    blocking(move || tree::place(&target, &aside, |root| tree::merge(&trees, root))).await
}

/// Unpacks a stored package again when its directory is gone.
async fn restore(inner: &Inner, code: &Code) -> Result<(), Failure> {
    if !inner.code_dir.join(&code.blob).is_dir()
        && let Some(zip) = read_package(inner, &code.blob).await
    {
        unpack(inner, &code.blob, zip).await?;
    }
    Ok(())
}

fn is_settled(version: &Version) -> bool {
    version.state != State::Pending && !matches!(version.last_update, None | Some(LastUpdate::InProgress))
}

fn unsettled(function: &mut Function) -> impl Iterator<Item = &mut Version> {
    let versions = std::iter::once(&mut function.latest).chain(function.published.values_mut());
    versions.filter(|version| !is_settled(version))
}

/// The disk failed, and the log says how: the user may try again.
fn give_up(function: &mut Function) {
    for version in unsettled(function) {
        let message = "The server could not put the function's code in place; its log says why.";
        fail(version, "InternalError", message.to_owned());
    }
}

fn settle(inner: &Inner, function: &mut Function) {
    let region = function.region.clone();
    for version in unsettled(function) {
        let resolved = version.settings.runtime.parse().ok().map(|runtime| inner.runtimes.resolve(runtime));
        match resolved {
            Some(Ok(resolved)) => succeed(version, &region, resolved),
            Some(Err(unavailable)) => fail(version, "InvalidRuntime", unavailable.to_string()),
            None => fail(version, "InvalidRuntime", format!("{} cannot run here", version.settings.runtime)),
        }
    }
}

fn succeed(version: &mut Version, region: &Region, resolved: Resolved) {
    version.runtime_version_arn = Some(resolved.version_arn(region));
    version.runtime_warning = resolved.warning;
    version.state = State::Active;
    version.last_update = Some(LastUpdate::Successful);
    version.former = None;
}

fn fail(version: &mut Version, code: &str, message: String) {
    let reason = Reason { code: code.to_owned(), message };
    if version.state == State::Pending {
        version.state = State::Failed(reason.clone());
    }
    version.last_update = Some(LastUpdate::Failed(reason));
}

/// Removes packages and unpacked code that no version names and no environment runs. Runs when something was deleted
/// or replaced, until the service is dropped.
pub(crate) async fn collect_garbage(service: Weak<Inner>) {
    loop {
        // Nothing of the service is held while waiting, so that dropping it ends this.
        let Some(inner) = service.upgrade() else { return };
        sweep(&inner).await;
        let (garbage, clock) = (Arc::clone(&inner.garbage), Arc::clone(&inner.clock));
        drop(inner);
        tokio::select! {
            () = garbage.notified() => {}
            () = clock.idle_until(clock.now().after(GARBAGE_INTERVAL)) => {}
        }
    }
}

async fn sweep(inner: &Inner) {
    let _packages = inner.packages.write().await;
    let mut used = inner.registry.names_in_use();
    used.extend(inner.layers.blobs_in_use());
    let code_dir = inner.code_dir.clone();
    let kept = used.clone();
    let removed = tokio::task::spawn_blocking(move || tree::remove_others(&code_dir, &kept)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, "cannot clear away unused code");
    }
    let live = used.iter().filter_map(|blob| blob.parse().ok()).collect();
    if let Err(error) = inner.blobs.sweep(live, Duration::ZERO).await {
        tracing::warn!(%error, "cannot clear away unused packages");
    }
}
