//! `operations.toml` as read: which botocore, which services, which of their operations.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    /// Where the models come from.
    pub botocore: Botocore,
    /// The services, by IAM prefix.
    pub service: BTreeMap<String, ServiceEntry>,
}

/// The pinned package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Botocore {
    /// Its version on PyPI.
    pub version: String,
    /// The digest of its wheel, in hexadecimal.
    pub sha256: String,
}

/// One service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceEntry {
    /// `<folder>/<date>` below botocore's data.
    pub model: String,
    /// The error code of input that breaks a constraint.
    pub validation_code: String,
    /// The operations to generate.
    pub operations: Vec<String>,
    /// The name of the service's trait, when it is not the key's.
    #[serde(rename = "trait")]
    pub main_trait: Option<String>,
    /// Operations in traits of their own, by trait.
    #[serde(default)]
    pub traits: BTreeMap<String, Vec<String>>,
    /// Protocols besides the model's, in botocore's words.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// The service in a credential scope, over the model's.
    pub signing_name: Option<String>,
    /// Whether operations check their input themselves, in words of their own: the tables then hold no constraints.
    #[serde(default)]
    pub unconstrained: bool,
    /// The member of inputs that the path of a query request stands for.
    #[serde(default)]
    pub path_member: String,
    /// What the query protocol calls things, for a model that no longer says so.
    pub query: Option<Query>,
}

/// The names of the query protocol.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The XML namespace of answers.
    pub xml_namespace: String,
    /// The name of a member: `Structure.Member`, `List.member`, `Map.key`, `Map.value`.
    pub names: BTreeMap<String, String>,
    /// The code of an error, by its shape.
    pub codes: BTreeMap<String, String>,
}
