//! The resource policies of functions and layers as the authoriser reads them: documents by ARN, in memory.
//!
//! It refuses to decide anything.

use crate::Functions;
use crate::layer::naming::LayerVersionKey;
use crate::model::Function;
use crate::naming::FunctionKey;
use crate::registry::Entry;
use hearth_base::{FunctionReference, Qualifier};
use hearth_iam::ResourcePolicies;
use hearth_iam::policy::Document;
use std::collections::HashMap;
use std::sync::Arc;

/// The documents of one function, by what they are on.
pub(crate) type Documents = HashMap<Qualifier, Arc<Document>>;

impl ResourcePolicies for Functions {
    /// The policy on a function, a version, an alias or a layer version.
    fn policy(&self, resource_arn: &str) -> Option<Arc<Document>> {
        if let Some(key) = LayerVersionKey::parse(resource_arn) {
            return self.layer_policy(&key);
        }
        let (entry, qualifier) = self.named(resource_arn)?;
        entry.policies.get(&qualifier.unwrap_or(Qualifier::Latest)).cloned()
    }

    /// The tags of a function, which its versions and aliases share.
    fn tags(&self, resource_arn: &str) -> Vec<(String, String)> {
        let Some((entry, _)) = self.named(resource_arn) else { return Vec::new() };
        entry.function().tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl Functions {
    fn named(&self, arn: &str) -> Option<(Arc<Entry>, Option<Qualifier>)> {
        let FunctionReference { account, region, name, qualifier } = FunctionReference::parse(arn).ok()?;
        let key = FunctionKey { account: account?, region: region?, name };
        Some((self.inner.registry.get(&key)?, qualifier))
    }

    /// Layers are looked at when functions are made and not when they are invoked: nothing is kept of their documents.
    fn layer_policy(&self, key: &LayerVersionKey) -> Option<Arc<Document>> {
        let layer = self.inner.layers.get(&key.layer)?;
        let policy = layer.versions.get(&key.number)?.policy.as_ref()?;
        read(&policy.json(key), &key.arn())
    }
}

/// The documents of a function; what has not changed since is not read again.
pub(crate) fn documents(function: &Function, before: Option<&Entry>) -> Arc<Documents> {
    if let Some(before) = before.filter(|before| before.function().policies == function.policies) {
        return Arc::clone(&before.policies);
    }
    let documents = function.policies.iter().filter_map(|(of, policy)| {
        let arn = policy_arn(function, of);
        Some((of.clone(), read(&policy.json(&arn), &arn)?))
    });
    Arc::new(documents.collect())
}

/// What a policy is on: that of `$LATEST` is on the function itself.
fn policy_arn(function: &Function, of: &Qualifier) -> String {
    match of {
        Qualifier::Latest => function.arn(),
        of => format!("{}:{of}", function.arn()),
    }
}

fn read(json: &str, arn: &str) -> Option<Arc<Document>> {
    match Document::resource(json) {
        Ok(document) => Some(Arc::new(document)),
        // What is stored was read before it was stored: a server of another version may have been less strict.
        Err(error) => {
            tracing::error!(resource = arn, %error, "its policy cannot be read and allows nothing");
            None
        }
    }
}
