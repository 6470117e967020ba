//! What is stored of a function: one record holds the function, its versions and its tags, so that each change is one
//! compare-and-set.
//!
//! Wire types are never stored; these types carry a format version through [`hearth_store::Model`].

mod capacity;
mod url;

pub use capacity::{Capacity, Provision};
pub use url::{Cors, Url, UrlAuth};

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
    /// The names of the directories that it runs with.
    pub fn directories(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.code.blob.clone()).chain(self.settings.layers_directory())
    }

    /// The packages it is made from: its own first, then those of its layers.
    pub fn packages(&self) -> impl Iterator<Item = &Code> {
        std::iter::once(&self.code).chain(self.settings.layers.iter().map(|layer| &layer.code))
    }
}

impl Function {
    /// The unqualified ARN.
    pub fn arn(&self) -> String {
        hearth_base::function::function_arn(&self.region, self.account, &self.name)
    }

    /// The version a qualifier names; aliases name none yet.
    pub fn version(&self, qualifier: &Qualifier) -> Option<&Version> {
        match qualifier {
            Qualifier::Latest => Some(&self.latest),
            Qualifier::Version(number) => self.published.get(number),
            Qualifier::Alias(_) => None,
        }
    }

    /// Every version with its qualifier, `$LATEST` first.
    pub fn versions(&self) -> impl Iterator<Item = (Qualifier, &Version)> {
        let published = self.published.iter().map(|(number, version)| (Qualifier::Version(*number), version));
        std::iter::once((Qualifier::Latest, &self.latest)).chain(published)
    }

    /// Copies `$LATEST` as the next published version and gives its number.
    pub fn publish(&mut self, description: Option<String>, revision_id: String) -> u64 {
        self.last_published += 1;
        let mut version = Version { revision_id, ..self.latest.clone() };
        if let Some(description) = description {
            version.settings.description = description;
        }
        // What is still being deployed is published as a version that is still being created.
        if version.last_update != Some(LastUpdate::Successful) {
            (version.state, version.last_update) = (State::Pending, None);
        }
        self.published.insert(self.last_published, version);
        self.last_published
    }
}
