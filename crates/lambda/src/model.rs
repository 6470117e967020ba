//! What is stored of a function: one record holds the function, its versions, aliases, policies and tags, so that each
//! change is one compare-and-set.
//!
//! Wire types are never stored; these types carry a format version through [`hearth_store::Model`].

mod capacity;
mod url;

pub use capacity::{Capacity, Provision};
pub use url::{Cors, Url, UrlAuth};

use crate::alias::Alias;
use crate::event_invoke::EventInvokeConfig;
use crate::permission::Policy;
use hearth_base::{AccountId, Qualifier, Region, Timestamp};
use hearth_store::BlobHash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A function with all its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// The owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// The bare name.
    pub name: String,
    /// `$LATEST`.
    pub latest: Version,
    /// Published versions by number. Numbers are never used twice.
    pub published: BTreeMap<u64, Version>,
    /// The highest number ever published; 0 before the first.
    pub last_published: u64,
    /// Tags of the function, which all its versions share.
    pub tags: BTreeMap<String, String>,
    /// The concurrency that was configured for it.
    #[serde(default)]
    pub capacity: Capacity,
    /// Function URLs by the qualifier they invoke: an alias, or `$LATEST` for the function itself.
    #[serde(default)]
    pub urls: BTreeMap<Qualifier, Url>,
    /// The ids of URLs that are or were: one that is made again has the id that it had.
    #[serde(default)]
    pub url_ids: BTreeMap<Qualifier, String>,
    /// Aliases by name.
    #[serde(default)]
    pub aliases: BTreeMap<String, Alias>,
    /// Resource policies by what they are on: that of `$LATEST` is on the function itself.
    #[serde(default)]
    pub policies: BTreeMap<Qualifier, Policy>,
    /// How asynchronous invocations of each qualifier are treated.
    #[serde(default)]
    pub event_invoke: BTreeMap<Qualifier, EventInvokeConfig>,
    /// What is done about a function that calls itself by way of a queue.
    #[serde(default)]
    pub recursive_loop: RecursiveLoop,
}

/// `RecursiveLoop` of a function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecursiveLoop {
    /// Nothing.
    Allow,
    /// It is stopped after some turns.
    #[default]
    Terminate,
}

/// Code and configuration of one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// What the user configured.
    pub settings: Settings,
    /// The package.
    pub code: Code,
    /// When code or configuration last changed.
    pub last_modified: Timestamp,
    /// A UUID that changes with every change.
    pub revision_id: String,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last update went; none before the first deployment ended.
    pub last_update: Option<LastUpdate>,
    /// What the user should know of the runtime it runs on: the version is not the exact one.
    pub runtime_warning: Option<String>,
    /// The ARN that names the runtime's exact version; none until it has been deployed.
    pub runtime_version_arn: Option<String>,
    /// Tells what environments may serve it, when that is not the revision id: what a client sees changes more often.
    #[serde(default)]
    pub deployment: Option<String>,
    /// What serves while an update is under way, and after one that failed.
    #[serde(default)]
    pub former: Option<Box<Former>>,
    /// The description of `$LATEST` that this version was published from, when it was published under another.
    #[serde(default)]
    pub published_from: Option<String>,
}

/// The last deployment of a version that succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Former {
    /// What the user had configured.
    pub settings: Settings,
    /// The package.
    pub code: Code,
    /// Which deployment it was.
    pub deployment: String,
}

/// What environments of a version are made from.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    /// What the user configured.
    pub settings: &'a Settings,
    /// The package.
    pub code: &'a Code,
    /// Which deployment it is.
    pub deployment: &'a str,
}

/// What the user configured, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Free text.
    pub description: String,
    /// AWS's name of the runtime.
    pub runtime: String,
    /// Where the code begins.
    pub handler: String,
    /// The execution role's ARN.
    pub role: String,
    /// Megabytes of memory.
    pub memory_mb: u32,
    /// Seconds an invocation may take.
    pub timeout_s: u32,
    /// Megabytes of `/tmp`.
    pub ephemeral_storage_mb: u32,
    /// The user's variables; none when never set.
    pub variables: Option<BTreeMap<String, String>>,
    /// How and where logs are written.
    pub logging: Logging,
    /// The layers, each over those before it.
    #[serde(default)]
    pub layers: Vec<AttachedLayer>,
    /// Where events go that no attempt succeeded with: the ARN of a queue or topic.
    #[serde(default)]
    pub dead_letter: Option<String>,
}

/// A layer version as a function has it. It is all that the function needs, so that the layer version itself may be
/// deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttachedLayer {
    /// The ARN of the layer version.
    pub arn: String,
    /// The package.
    pub code: Code,
}

/// `LoggingConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logging {
    /// The log group.
    pub group: String,
    /// Whether lines are JSON objects.
    pub json: bool,
    /// `TRACE` to `FATAL`; only with JSON.
    pub application_level: Option<String>,
    /// `DEBUG`, `INFO` or `WARN`; only with JSON.
    pub system_level: Option<String>,
}

/// A deployment package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// The blob that holds the zip.
    pub blob: String,
    /// SHA-256 of the zip in base64: `CodeSha256`.
    pub sha256: String,
    /// Bytes of the zip: `CodeSize`.
    pub bytes: u64,
    /// Bytes of the files in it.
    #[serde(default)]
    pub unzipped_bytes: u64,
}

/// `State` of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum State {
    /// Being deployed for the first time.
    Pending,
    /// Ready.
    Active,
    /// Cannot run.
    Failed(Reason),
}

/// `LastUpdateStatus` of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LastUpdate {
    /// Being deployed; what was there before still serves.
    InProgress,
    /// Done.
    Successful,
    /// Not done; what was there before still serves.
    Failed(Reason),
}

/// Why a deployment failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// AWS's code, such as `InvalidRuntime`.
    pub code: String,
    /// Words for the user.
    pub message: String,
}

impl hearth_store::Model for Function {
    const FORMAT: u32 = 1;
}

impl Settings {
    /// The name of the directory that holds the layers over each other; none without layers. The same list of the same
    /// packages always has the same name, and one layer alone is the directory of its own package.
    pub fn layers_directory(&self) -> Option<String> {
        let blobs: Vec<&str> = self.layers.iter().map(|layer| layer.code.blob.as_str()).collect();
        match blobs.as_slice() {
            [] => None,
            [only] => Some((*only).to_owned()),
            several => Some(format!("{}.layers", BlobHash::of(several.join("\n").as_bytes()))),
        }
    }
}

impl Version {
    /// What it is to run.
    pub fn wanted(&self) -> Build<'_> {
        let deployment = self.deployment.as_deref().unwrap_or(&self.revision_id);
        Build { settings: &self.settings, code: &self.code, deployment }
    }

    /// What it runs now: during an update and after one that failed, what it ran before.
    pub fn serving(&self) -> Option<Build<'_>> {
        match (&self.former, self.is_deployed()) {
            (_, true) => Some(self.wanted()),
            (Some(former), false) => Some(former.build()),
            (None, false) => None,
        }
    }

    /// All that may have to be there for it.
    pub fn builds(&self) -> impl Iterator<Item = Build<'_>> {
        std::iter::once(self.wanted()).chain(self.former.iter().map(|former| former.build()))
    }

    /// Begins an update, before settings or code change: what serves now goes on serving.
    pub fn begin_update(&mut self, now: Timestamp, revision_id: String) {
        if self.is_deployed() {
            let Build { settings, code, deployment } = self.wanted();
            let (settings, code, deployment) = (settings.clone(), code.clone(), deployment.to_owned());
            self.former = Some(Box::new(Former { settings, code, deployment }));
        }
        self.last_update = Some(LastUpdate::InProgress);
        self.last_modified = now;
        self.revision_id = revision_id;
        self.deployment = None;
    }

    /// A new revision id for a change that environments need not know of.
    pub fn revise(&mut self, revision_id: String) {
        let before = std::mem::replace(&mut self.revision_id, revision_id);
        self.deployment.get_or_insert(before);
    }

    fn is_deployed(&self) -> bool {
        self.state == State::Active && self.last_update == Some(LastUpdate::Successful)
    }

    /// Whether publishing this again would make the version that `latest` is.
    fn equals_published(&self, latest: &Version) -> bool {
        let description = self.published_from.as_ref().unwrap_or(&self.settings.description);
        let same_settings = Settings { description: description.clone(), ..self.settings.clone() };
        self.code.sha256 == latest.code.sha256 && same_settings == latest.settings
    }
}

impl Former {
    fn build(&self) -> Build<'_> {
        Build { settings: &self.settings, code: &self.code, deployment: &self.deployment }
    }
}

impl Build<'_> {
    /// The names of the directories that it runs with.
    pub fn directories(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.code.blob.clone()).chain(self.settings.layers_directory())
    }

    /// The packages it is made from: its own first, then those of its layers.
    pub fn packages(&self) -> impl Iterator<Item = &Code> {
        std::iter::once(self.code).chain(self.settings.layers.iter().map(|layer| &layer.code))
    }
}

impl Function {
    /// The unqualified ARN.
    pub fn arn(&self) -> String {
        hearth_base::function::function_arn(&self.region, self.account, &self.name)
    }

    /// The version that `$LATEST` or a number names.
    pub fn version(&self, qualifier: &Qualifier) -> Option<&Version> {
        match qualifier {
            Qualifier::Latest => Some(&self.latest),
            Qualifier::Version(number) => self.published.get(number),
            Qualifier::Alias(_) => None,
        }
    }

    /// Whether there is such a version or alias.
    pub fn has(&self, qualifier: &Qualifier) -> bool {
        match qualifier {
            Qualifier::Alias(name) => self.aliases.contains_key(name),
            version => self.version(version).is_some(),
        }
    }

    /// The version that a qualifier stands for: of an alias, the one that it is said to point to.
    pub fn resolve(&self, qualifier: &Qualifier) -> Option<Qualifier> {
        let number = match qualifier {
            Qualifier::Alias(name) => &self.aliases.get(name)?.version,
            version => version,
        };
        self.version(number)?;
        Some(number.clone())
    }

    /// The revision id of what a qualifier names.
    pub fn revision_id(&self, qualifier: &Qualifier) -> Option<&str> {
        match qualifier {
            Qualifier::Alias(name) => self.aliases.get(name).map(|alias| alias.revision_id.as_str()),
            version => self.version(version).map(|version| version.revision_id.as_str()),
        }
    }

    /// Gives what a qualifier names a new revision id, for a change that environments need not know of.
    pub fn revise(&mut self, qualifier: &Qualifier, revision_id: String) {
        match qualifier {
            Qualifier::Latest => self.latest.revise(revision_id),
            Qualifier::Version(number) => {
                if let Some(version) = self.published.get_mut(number) {
                    version.revise(revision_id);
                }
            }
            Qualifier::Alias(name) => {
                if let Some(alias) = self.aliases.get_mut(name) {
                    alias.revision_id = revision_id;
                }
            }
        }
    }

    /// Forgets what belongs to a qualifier that is gone.
    pub fn forget(&mut self, qualifier: &Qualifier) {
        self.policies.remove(qualifier);
        self.event_invoke.remove(qualifier);
        self.capacity.provisioned.remove(qualifier);
        self.urls.remove(qualifier);
        self.url_ids.remove(qualifier);
    }

    /// Every version with its qualifier, `$LATEST` first.
    pub fn versions(&self) -> impl Iterator<Item = (Qualifier, &Version)> {
        let published = self.published.iter().map(|(number, version)| (Qualifier::Version(*number), version));
        std::iter::once((Qualifier::Latest, &self.latest)).chain(published)
    }

    /// Copies `$LATEST` as the next published version and gives its number. When nothing has changed since the last
    /// version, that is the answer.
    pub fn publish(&mut self, description: Option<String>, revision_id: String) -> u64 {
        let newest = self.published.last_key_value();
        if let Some((number, _)) = newest.filter(|(_, version)| version.equals_published(&self.latest)) {
            return *number;
        }
        self.last_published += 1;
        let mut version = Version {
            revision_id,
            deployment: None,
            former: None,
            published_from: None,
            ..self.latest.clone()
        };
        if let Some(description) = description {
            let own = std::mem::replace(&mut version.settings.description, description);
            version.published_from = Some(own);
        }
        // What is still being deployed is published as a version that is still being created.
        if version.last_update != Some(LastUpdate::Successful) {
            (version.state, version.last_update) = (State::Pending, None);
        }
        self.published.insert(self.last_published, version);
        self.last_published
    }
}
