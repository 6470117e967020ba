//! Every function of the server: stored as records, and held in memory so that an invocation reads no storage.
//!
//! It is the one writer of functions. A change is read, checked and committed by compare-and-set; only what has been
//! committed is seen by readers.

use crate::capacity::Capacities;
use crate::failures::{function_not_found, internal, update_in_progress};
use crate::model::{Build, Function, LastUpdate, State, Version};
use crate::naming::{FunctionKey, Target};
use crate::resource_policies::{Documents, documents};
use crate::url::Urls;
use hearth_base::Qualifier;
use hearth_environment::{
    Allowance, Definition, InitializationType, Key, LogFormat, LogLevel, Logging, Meter, TracingMode,
};
use hearth_store::records::{Listing, RecordError};
use hearth_store::{CommitError, Keyspace, Record, Shard, Store, Table};
use hearth_wire::Failure;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

/// Changes of different functions wait for each other only when they share one of these.
const WRITERS: usize = 64;

/// A function as readers see it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What is stored, with its revision.
    pub(crate) record: Record<Function>,
    /// What each version that can be invoked runs; during an update, `$LATEST` still has what it had before.
    pub(crate) serving: HashMap<Qualifier, Arc<Definition>>,
    /// Its resource policies, read.
    pub(crate) policies: Arc<Documents>,
    /// Counts what of it runs.
    pub(crate) meter: Arc<Meter>,
}

/// A version that a request named.
pub(crate) struct Found {
    /// The function.
    pub(crate) entry: Arc<Entry>,
    /// Which version it is: behind an alias, the one that the alias is said to point to.
    pub(crate) number: Qualifier,
}

impl Entry {
    pub(crate) fn function(&self) -> &Function {
        &self.record.value
    }
}

impl Found {
    pub(crate) fn function(&self) -> &Function {
        self.entry.function()
    }

    pub(crate) fn version(&self) -> &Version {
        self.function()
            .version(&self.number)
            .expect("the version was there when it was found in this same entry")
    }
}

/// All functions, and the only way to change them.
pub(crate) struct Registry {
    table: Table<Function>,
    code_dir: PathBuf,
    capacities: Capacities,
    urls: Urls,
    entries: RwLock<BTreeMap<FunctionKey, Arc<Entry>>>,
    /// Definitions that were served once: their code must stay while an environment still runs it.
    served: RwLock<Vec<Weak<Definition>>>,
    writers: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

/// A change was refused, or could not be made.
enum ChangeError {
    Refused(Failure),
    Record(RecordError),
}

impl From<RecordError> for ChangeError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl Registry {
    /// Reads every function there is. Ten thousand take some tens of milliseconds.
    pub(crate) async fn open(
        store: Store,
        code_dir: PathBuf,
        capacities: Capacities,
    ) -> Result<Self, RecordError> {
        let urls = Urls::default();
        let table = Table::new(store, Shard::new(Keyspace::Metadata, "lambda"), "lambda/function");
        let mut entries = BTreeMap::new();
        let mut served = Vec::new();
        let mut token = None;
        loop {
            let listing =
                Listing { within: &[], beginning: "", limit: 1_000, token: token.as_deref(), reverse: false };
            let page = table.list(listing).await?;
            for (_, record) in page.records {
                let serving = serving(&record.value, &code_dir, None);
                served.extend(serving.values().map(Arc::downgrade));
                let policies = documents(&record.value, None);
                let key = key_of(&record.value);
                let meter = capacities.meter(&key, None);
                let entry = Arc::new(Entry { record, serving, policies, meter });
                capacities.allow(None, &entry);
                urls.apply(None, Some(&entry));
                entries.insert(key, entry);
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        Ok(Self {
            table,
            code_dir,
            capacities,
            urls,
            entries: RwLock::new(entries),
            served: RwLock::new(served),
            writers: (0..WRITERS).map(|_| tokio::sync::Mutex::new(())).collect(),
            hasher: RandomState::new(),
        })
    }

    /// What the functions may run.
    pub(crate) fn capacities(&self) -> &Capacities {
        &self.capacities
    }

    /// The function URLs.
    pub(crate) fn urls(&self) -> &Urls {
        &self.urls
    }

    /// A function, if there is one.
    pub(crate) fn get(&self, key: &FunctionKey) -> Option<Arc<Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// A function, or AWS's error.
    pub(crate) fn find(
        &self,
        key: &FunctionKey,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<Entry>, Failure> {
        self.get(key).ok_or_else(|| function_not_found(&key.arn(), qualifier))
    }

    /// The version that a request names: `$LATEST` when it names none.
    pub(crate) fn find_version(&self, target: &Target) -> Result<Found, Failure> {
        let entry = self.find(&target.key, target.qualifier.as_ref())?;
        match entry.function().resolve(&target.qualifier_or_latest()) {
            Some(number) => Ok(Found { entry, number }),
            None => Err(function_not_found(&target.key.arn(), target.qualifier.as_ref())),
        }
    }

    /// The functions of an account and region in the order of their names, from the one named in `from`.
    pub(crate) fn list(&self, from: FunctionKey, limit: usize) -> Vec<Arc<Entry>> {
        let FunctionKey { account, region, .. } = from.clone();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let own = entries.range(from..).take_while(|(key, _)| key.account == account && key.region == region);
        own.take(limit).map(|(_, entry)| Arc::clone(entry)).collect()
    }

    /// Every function of every account: for start-up and collecting garbage.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Adds a function that must not exist.
    pub(crate) async fn insert(&self, function: Function) -> Result<Arc<Entry>, Failure> {
        let key = key_of(&function);
        let _writer = self.writer(&key).await;
        match self.table.insert(&name_parts(&key), &function).await {
            Ok(revision) => Ok(self.install(key, Record { value: function, revision })),
            Err(RecordError::Exists { .. }) => Err(already_exists(&key.name)),
            Err(error) => Err(internal("store a new function", &error)),
        }
    }

    /// Changes a function. `change` may run again when another change came between; when it refuses, nothing changes.
    pub(crate) async fn update<R>(
        &self,
        key: &FunctionKey,
        mut change: impl FnMut(&mut Function) -> Result<R, Failure>,
    ) -> Result<(Arc<Entry>, R), Failure> {
        let _writer = self.writer(key).await;
        let changed = self
            .table
            .update(&name_parts(key), |function| change(function).map_err(ChangeError::Refused))
            .await;
        match changed {
            Ok((record, answer)) => Ok((self.install(key.clone(), record), answer)),
            Err(ChangeError::Refused(failure)) => Err(failure),
            Err(ChangeError::Record(RecordError::Missing { .. })) => {
                Err(function_not_found(&key.arn(), None))
            }
            Err(ChangeError::Record(RecordError::Commit(CommitError::TooLarge { .. }))) => {
                Err(too_large(key))
            }
            Err(ChangeError::Record(error)) => Err(internal("store a changed function", &error)),
        }
    }

    /// Removes a function with all its versions.
    pub(crate) async fn remove(&self, key: &FunctionKey) -> Result<Arc<Entry>, Failure> {
        let _writer = self.writer(key).await;
        let entry = self.find(key, None)?;
        self.table
            .delete(&name_parts(key), None)
            .await
            .map_err(|error| internal("delete a function", &error))?;
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(key);
        entry.meter.allow(&Allowance::default());
        self.urls.apply(Some(&entry), None);
        Ok(entry)
    }

    /// The names of packages and directories that a stored version, or an environment still running, needs.
    pub(crate) fn names_in_use(&self) -> HashSet<String> {
        let entries = self.all();
        let stored = entries.iter().flat_map(|entry| {
            let builds = entry.function().versions().flat_map(|(_, version)| version.builds());
            builds
                .flat_map(|build| {
                    let packages = build.packages().map(|code| code.blob.clone());
                    packages.chain(build.directories()).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        });
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        served.retain(|definition| definition.strong_count() > 0);
        let running = served.iter().filter_map(Weak::upgrade).flat_map(|definition| {
            let directories = std::iter::once(&definition.code).chain(&definition.layers);
            directories.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect::<Vec<_>>()
        });
        stored.chain(running.collect::<Vec<_>>()).collect()
    }

    fn install(&self, key: FunctionKey, record: Record<Function>) -> Arc<Entry> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let before = entries.get(&key).cloned();
        let serving = serving(&record.value, &self.code_dir, before.as_deref());
        let policies = documents(&record.value, before.as_deref());
        let meter = self.capacities.meter(&key, before.as_deref());
        let entry = Arc::new(Entry { record, serving, policies, meter });
        self.capacities.allow(before.as_deref(), &entry);
        self.capacities.provision(before.as_deref(), &entry);
        self.urls.apply(before.as_deref(), Some(&entry));
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        served.retain(|definition| definition.strong_count() > 0);
        let known: Vec<Weak<Definition>> = entry.serving.values().map(Arc::downgrade).collect();
        served.extend(known);
        entries.insert(key, Arc::clone(&entry));
        entry
    }

    async fn writer(&self, key: &FunctionKey) -> tokio::sync::MutexGuard<'_, ()> {
        let place = self.hasher.hash_one(key) as usize % WRITERS;
        self.writers[place].lock().await
    }
}

/// Refuses a second update while one is being deployed.
pub(crate) fn refuse_while_updating(function: &Function) -> Result<(), Failure> {
    let latest = &function.latest;
    if latest.state == State::Pending || latest.last_update == Some(LastUpdate::InProgress) {
        return Err(update_in_progress(&function.arn()));
    }
    Ok(())
}

/// A function is one record, and a record has a bound. AWS bounds the code of all versions and not their number; this
/// is the error it has for it.
fn too_large(key: &FunctionKey) -> Failure {
    hearth_api::lambda::errors::code_storage_exceeded(format!(
        "{} has as many versions, aliases and permissions as a function can have here. Delete versions that are no \
         longer needed.",
        key.arn()
    ))
}

/// The name is taken.
pub(crate) fn already_exists(name: &str) -> Failure {
    hearth_api::lambda::errors::resource_conflict(format!("Function already exist: {name}"))
}

pub(crate) fn key_of(function: &Function) -> FunctionKey {
    FunctionKey { account: function.account, region: function.region.clone(), name: function.name.clone() }
}

fn name_parts(key: &FunctionKey) -> [&str; 3] {
    [key.account.as_str(), key.region.as_str(), &key.name]
}

/// What each version runs now. What has not changed keeps its definition, and with it its warm environments.
fn serving(
    function: &Function,
    code_dir: &Path,
    before: Option<&Entry>,
) -> HashMap<Qualifier, Arc<Definition>> {
    let mut serving = HashMap::new();
    for (qualifier, version) in function.versions() {
        let Some(build) = version.serving() else { continue };
        let present = before.and_then(|entry| entry.serving.get(&qualifier));
        let definition = match present {
            Some(present) if present.key.revision == build.deployment => Some(Arc::clone(present)),
            _ => definition(function, &qualifier, build, code_dir).map(Arc::new),
        };
        if let Some(definition) = definition {
            serving.insert(qualifier, definition);
        }
    }
    serving
}

fn definition(
    function: &Function,
    qualifier: &Qualifier,
    build: Build<'_>,
    code_dir: &Path,
) -> Option<Definition> {
    let Build { settings, code, deployment } = build;
    let level = |text: &Option<String>| text.as_deref().and_then(log_level).unwrap_or_default();
    Some(Definition {
        key: Key {
            account: function.account,
            region: function.region.clone(),
            name: function.name.clone(),
            version: qualifier.to_string(),
            revision: deployment.to_owned(),
        },
        arn: format!("{}:{qualifier}", function.arn()),
        runtime: settings.runtime.parse().ok()?,
        handler: settings.handler.clone(),
        code: code_dir.join(&code.blob),
        layers: settings.layers_directory().map(|name| code_dir.join(name)),
        memory_mb: settings.memory_mb,
        timeout: Duration::from_secs(settings.timeout_s.into()),
        ephemeral_storage_mb: settings.ephemeral_storage_mb,
        variables: settings.variables.clone().unwrap_or_default().into_iter().collect(),
        role_arn: settings.role.clone(),
        logging: Logging {
            group: settings.logging.group.clone(),
            format: if settings.logging.json { LogFormat::Json } else { LogFormat::Text },
            application_level: level(&settings.logging.application_level),
            system_level: level(&settings.logging.system_level),
        },
        tracing: TracingMode::PassThrough,
        initialization: InitializationType::OnDemand,
    })
}

fn log_level(text: &str) -> Option<LogLevel> {
    use LogLevel::{Debug, Error, Fatal, Info, Trace, Warn};
    [Trace, Debug, Info, Warn, Error, Fatal].into_iter().find(|level| level.as_str() == text)
}
