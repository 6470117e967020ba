//! Every layer of the server: stored as records, and held in memory for those who ask.
//!
//! It is the one writer of layers. Only what has been committed is seen by readers.

use crate::failures::{internal, layer_access_denied, no_such_resource};
use crate::layer::naming::{LayerKey, LayerVersionKey};
use crate::layer::{Layer, LayerVersion};
use hearth_api::Grant;
use hearth_store::records::{Listing, RecordError};
use hearth_store::{Keyspace, Shard, Store, Table};
use hearth_wire::Failure;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

/// All layers, and the only way to change them.
pub(crate) struct Layers {
    table: Table<Layer>,
    entries: RwLock<BTreeMap<LayerKey, Arc<Layer>>>,
    /// Layers change seldom: one change at a time is enough.
    writer: tokio::sync::Mutex<()>,
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

impl Layers {
    /// Reads every layer there is.
    pub(crate) async fn open(store: Store) -> Result<Self, RecordError> {
        let table = Table::new(store, Shard::new(Keyspace::Metadata, "lambda"), "lambda/layer");
        let mut entries = BTreeMap::new();
        let mut token = None;
        loop {
            let listing =
                Listing { within: &[], beginning: "", limit: 1_000, token: token.as_deref(), reverse: false };
            let page = table.list(listing).await?;
            for (_, record) in page.records {
                entries.insert(key_of(&record.value), Arc::new(record.value));
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        Ok(Self { table, entries: RwLock::new(entries), writer: tokio::sync::Mutex::new(()) })
    }

    /// A layer, if there is one. It may have no version left.
    pub(crate) fn get(&self, key: &LayerKey) -> Option<Arc<Layer>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The version that the caller may read: of its own account, or of one whose policy says so.
    ///
    /// # Errors
    /// AWS's not found; `AccessDeniedException` for another account's version, whether it is there or not.
    pub(crate) fn readable(&self, grant: &Grant, key: &LayerVersionKey) -> Result<LayerVersion, Failure> {
        let elsewhere = key.layer.region != *grant.region();
        let found = self.get(&key.layer).filter(|_| !elsewhere);
        let version = found.and_then(|layer| layer.versions.get(&key.number).cloned());
        if key.layer.account == grant.account() {
            return version.ok_or_else(no_such_resource);
        }
        let allows = |version: &LayerVersion| {
            version.policy.as_ref().is_some_and(|policy| policy.allows(grant.account()))
        };
        version.filter(allows).ok_or_else(|| layer_access_denied(grant, "GetLayerVersion", &key.arn()))
    }

    /// The layers of an account and region in the order of their names, from the one named in `from`.
    pub(crate) fn list(&self, from: LayerKey) -> Vec<Arc<Layer>> {
        let LayerKey { account, region, .. } = from.clone();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let own = entries.range(from..).take_while(|(key, _)| key.account == account && key.region == region);
        own.map(|(_, layer)| Arc::clone(layer)).collect()
    }

    /// Blobs that a version needs.
    pub(crate) fn blobs_in_use(&self) -> HashSet<String> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let versions = entries.values().flat_map(|layer| layer.versions.values());
        versions.map(|version| version.code.blob.clone()).collect()
    }

    /// Adds a version, to a new layer if need be, and gives its number.
    pub(crate) async fn publish(&self, key: &LayerKey, version: LayerVersion) -> Result<u64, Failure> {
        let _writer = self.writer.lock().await;
        if self.get(key).is_some() {
            return self.update(key, |layer| Ok(layer.publish(version.clone()))).await;
        }
        let mut layer = Layer::new(key);
        let number = layer.publish(version);
        self.table
            .insert(&name_parts(key), &layer)
            .await
            .map_err(|error| internal("store a new layer", &error))?;
        self.install(key, layer);
        Ok(number)
    }

    /// Changes a version. `change` may run again when another change came between; when it refuses, nothing changes.
    pub(crate) async fn change<R>(
        &self,
        key: &LayerVersionKey,
        mut change: impl FnMut(&mut LayerVersion) -> Result<R, Failure>,
        missing: impl Fn() -> Failure,
    ) -> Result<R, Failure> {
        let _writer = self.writer.lock().await;
        if self.get(&key.layer).is_none() {
            return Err(missing());
        }
        self.update(&key.layer, |layer| change(layer.versions.get_mut(&key.number).ok_or_else(&missing)?))
            .await
    }

    /// Deletes a version; none there is no error.
    pub(crate) async fn delete(&self, key: &LayerVersionKey) -> Result<(), Failure> {
        let _writer = self.writer.lock().await;
        if self.get(&key.layer).is_none_or(|layer| !layer.versions.contains_key(&key.number)) {
            return Ok(());
        }
        self.update(&key.layer, |layer| {
            layer.versions.remove(&key.number);
            Ok(())
        })
        .await
    }

    async fn update<R>(
        &self,
        key: &LayerKey,
        mut change: impl FnMut(&mut Layer) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let changed =
            self.table.update(&name_parts(key), |layer| change(layer).map_err(ChangeError::Refused)).await;
        match changed {
            Ok((record, answer)) => {
                self.install(key, record.value);
                Ok(answer)
            }
            Err(ChangeError::Refused(failure)) => Err(failure),
            Err(ChangeError::Record(error)) => Err(internal("store a changed layer", &error)),
        }
    }

    fn install(&self, key: &LayerKey, layer: Layer) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), Arc::new(layer));
    }
}

fn key_of(layer: &Layer) -> LayerKey {
    LayerKey { account: layer.account, region: layer.region.clone(), name: layer.name.clone() }
}

fn name_parts(key: &LayerKey) -> [&str; 3] {
    [key.account.as_str(), key.region.as_str(), &key.name]
}
