//! botocore's service model (`service-2.json`) as read: the parts that shape an API.
//!
//! A trait that is neither read nor known to be of no use to a server is an error: a new one in a newer botocore must
//! be looked at, never passed over.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// A whole model.
#[derive(Debug, Deserialize)]
pub struct Model {
    pub metadata: Metadata,
    pub operations: BTreeMap<String, Operation>,
    pub shapes: BTreeMap<String, Shape>,
}

/// What holds for the service as a whole.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub api_version: String,
    pub endpoint_prefix: String,
    pub protocol: String,
    #[serde(default)]
    pub protocols: Vec<String>,
    pub service_id: String,
    pub signing_name: Option<String>,
    #[serde(default)]
    pub json_version: String,
    #[serde(default)]
    pub target_prefix: String,
    #[serde(default)]
    pub xml_namespace: XmlNamespace,
    pub aws_query_compatible: Option<IgnoredAny>,
}

/// An XML namespace: a text in metadata, an object elsewhere.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum XmlNamespace {
    Uri(String),
    Prefixed {
        prefix: Option<String>,
        uri: String,
    },
    #[default]
    None,
}

/// An operation.
#[derive(Debug, Deserialize)]
pub struct Operation {
    pub http: Http,
    pub input: Option<Reference>,
    pub output: Option<Reference>,
    #[serde(default)]
    pub errors: Vec<Reference>,
    #[serde(flatten)]
    pub rest: BTreeMap<String, IgnoredAny>,
}

/// An operation's REST binding.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    pub method: String,
    pub request_uri: String,
    pub response_code: Option<u16>,
}

/// An operation's input, output or error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    pub shape: String,
    #[serde(default)]
    pub location_name: String,
    #[serde(default)]
    pub result_wrapper: String,
}

/// A shape.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub members: Ordered<Member>,
    #[serde(default)]
    pub required: Vec<String>,
    pub payload: Option<String>,
    /// A list's item.
    pub member: Option<Member>,
    /// A map's key.
    pub key: Option<Member>,
    /// A map's value.
    pub value: Option<Member>,
    #[serde(default, rename = "enum")]
    pub values: Vec<String>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    #[serde(default)]
    pub pattern: String,
    #[serde(default)]
    pub sensitive: bool,
    #[serde(default)]
    pub streaming: bool,
    #[serde(default)]
    pub flattened: bool,
    #[serde(default)]
    pub union: bool,
    #[serde(default)]
    pub document: bool,
    #[serde(default)]
    pub exception: bool,
    #[serde(default)]
    pub fault: bool,
    pub error: Option<ErrorTrait>,
    #[serde(default)]
    pub eventstream: bool,
    pub timestamp_format: Option<String>,
    #[serde(default)]
    pub xml_namespace: XmlNamespace,
    #[serde(default)]
    pub location_name: String,
    #[serde(flatten)]
    pub rest: BTreeMap<String, IgnoredAny>,
}

/// How an error is told.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorTrait {
    pub code: Option<String>,
    pub http_status_code: Option<u16>,
    #[serde(default)]
    pub sender_fault: bool,
}

/// A member of a structure, list or map.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub shape: String,
    pub location: Option<String>,
    pub location_name: Option<String>,
    #[serde(default)]
    pub query_name: String,
    #[serde(default)]
    pub streaming: bool,
    #[serde(default)]
    pub flattened: bool,
    #[serde(default)]
    pub xml_attribute: bool,
    #[serde(default, rename = "jsonvalue")]
    pub json_value: bool,
    #[serde(default)]
    pub idempotency_token: bool,
    #[serde(default, rename = "eventpayload")]
    pub event_payload: bool,
    #[serde(default, rename = "eventheader")]
    pub event_header: bool,
    pub timestamp_format: Option<String>,
    #[serde(flatten)]
    pub rest: BTreeMap<String, IgnoredAny>,
}

/// Traits of operations that say nothing to a server: documentation, and how clients find and sign an endpoint.
const IDLE_OPERATION_TRAITS: &[&str] = &[
    "name",
    "documentation",
    "documentationUrl",
    "idempotent",
    "readonly",
    "deprecated",
    "deprecatedMessage",
    "deprecatedSince",
    "requestcompression",
    "auth",
    "authtype",
    "unsignedPayload",
    "endpoint",
    "endpointdiscovery",
    "endpointoperation",
    "operationContextParams",
    "staticContextParams",
    "httpChecksum",
    "httpChecksumRequired",
];

/// Traits of shapes that say nothing to a server. `event` repeats what the stream's own shape says.
const IDLE_SHAPE_TRAITS: &[&str] = &[
    "documentation",
    "box",
    "deprecated",
    "deprecatedMessage",
    "deprecatedSince",
    "event",
    "retryable",
    "synthetic",
    "wrapper",
    "xmlOrder",
];

/// Traits of members that say nothing to a server. A namespace on a member is what clients send with a payload, and
/// readers go by local names; an `enum` on a member repeats a list that the documentation of the member gives.
const IDLE_MEMBER_TRAITS: &[&str] = &[
    "documentation",
    "box",
    "contextParam",
    "deprecated",
    "deprecatedMessage",
    "deprecatedSince",
    "enum",
    "hostLabel",
    "xmlNamespace",
];

impl Model {
    /// Reads a model.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let model: Self = serde_json::from_slice(json)?;
        for (name, operation) in &model.operations {
            refuse_unknown(name, &operation.rest, IDLE_OPERATION_TRAITS)?;
        }
        for (name, shape) in &model.shapes {
            refuse_unknown(name, &shape.rest, IDLE_SHAPE_TRAITS)?;
            let items = shape.member.iter().chain(&shape.key).chain(&shape.value);
            for member in shape.members.0.iter().map(|(_, member)| member).chain(items) {
                refuse_unknown(name, &member.rest, IDLE_MEMBER_TRAITS)?;
            }
        }
        Ok(model)
    }

    /// A shape that the model refers to.
    pub fn shape(&self, name: &str) -> Result<&Shape, String> {
        self.shapes.get(name).ok_or_else(|| format!("the model has no shape {name}"))
    }

    /// An operation that the list names.
    pub fn operation(&self, name: &str) -> Result<&Operation, String> {
        self.operations.get(name).ok_or_else(|| format!("the model has no operation {name}"))
    }
}

fn refuse_unknown(
    owner: &str,
    rest: &BTreeMap<String, IgnoredAny>,
    idle: &[&str],
) -> Result<(), serde_json::Error> {
    match rest.keys().find(|name| !idle.contains(&name.as_str())) {
        Some(name) => Err(serde::de::Error::custom(format!("{owner} has a trait that is not known: {name}"))),
        None => Ok(()),
    }
}

impl Shape {
    /// Whether this becomes a struct: a structure that is not just any JSON.
    pub fn is_structure(&self) -> bool {
        self.kind == "structure" && !self.document
    }
}

/// A JSON object in the order in which it is written: the order of members is part of a model.
#[derive(Debug)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}
