//! Layers: what is stored of them, and all that functions and clients see of them.
//!
//! One record holds a layer with all its versions and their policies, so that each change is one compare-and-set. A
//! function that uses a layer version keeps all it needs of it in its own record: it refuses to look here again, so
//! that a version which is deleted goes on serving the functions that have it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html>

pub(crate) mod attach;
pub(crate) mod naming;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod render;

use crate::model::Code;
use hearth_api::lambda::{Architecture, Runtime};
use hearth_base::{AccountId, Region, Timestamp};
use naming::LayerKey;
use policy::Policy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A layer with those of its versions that are not deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Layer {
    /// The owner.
    pub(crate) account: AccountId,
    /// Where it is.
    pub(crate) region: Region,
    /// The bare name.
    pub(crate) name: String,
    /// Versions by number. Numbers are never used twice.
    pub(crate) versions: BTreeMap<u64, LayerVersion>,
    /// The highest number ever published. It stays when every version is deleted.
    pub(crate) last_version: u64,
}

/// One version: nothing of it but its policy ever changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerVersion {
    /// Free text.
    pub(crate) description: String,
    /// The licence, as its publisher words it.
    pub(crate) license_info: Option<String>,
    /// AWS's names of the runtimes it is said to be for; empty when nothing is said.
    pub(crate) compatible_runtimes: Vec<String>,
    /// AWS's names of the architectures it is said to be for; empty when nothing is said.
    pub(crate) compatible_architectures: Vec<String>,
    /// When it was published.
    pub(crate) created: Timestamp,
    /// The package.
    pub(crate) code: Code,
    /// Who else may use it; none for the owner's account alone.
    pub(crate) policy: Option<Policy>,
}

/// The versions that a list is to have: those that say they fit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fitting {
    pub(crate) runtime: Option<Runtime>,
    pub(crate) architecture: Option<Architecture>,
}

impl hearth_store::Model for Layer {
    const FORMAT: u32 = 1;
}

impl Layer {
    /// A layer that has no version yet.
    pub(crate) fn new(key: &LayerKey) -> Self {
        let LayerKey { account, region, name } = key.clone();
        Self { account, region, name, versions: BTreeMap::new(), last_version: 0 }
    }

    /// Adds a version and gives its number.
    pub(crate) fn publish(&mut self, version: LayerVersion) -> u64 {
        self.last_version += 1;
        self.versions.insert(self.last_version, version);
        self.last_version
    }

    /// The versions that say they fit, the newest first.
    pub(crate) fn newest_fitting(&self, fitting: Fitting) -> impl Iterator<Item = (u64, &LayerVersion)> {
        let newest_first = self.versions.iter().rev().map(|(number, version)| (*number, version));
        newest_first.filter(move |(_, version)| fitting.admits(version))
    }
}

impl Fitting {
    /// AWS: a version that says nothing of runtimes is left out when one is asked for.
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_ListLayerVersions.html>
    fn admits(self, version: &LayerVersion) -> bool {
        let names = |list: &[String], wanted: &str| list.iter().any(|name| name == wanted);
        self.runtime.is_none_or(|runtime| names(&version.compatible_runtimes, runtime.as_str()))
            && self
                .architecture
                .is_none_or(|architecture| names(&version.compatible_architectures, architecture.as_str()))
    }
}
