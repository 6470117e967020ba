//! Which layer, and which version of it, a request means: bare names and ARNs.
//!
//! It refuses whatever is asked of another account's layer, but for reading and using a version, which the version's
//! policy decides.

use crate::failures::{invalid_parameter, layer_access_denied, no_such_resource, validation};
use hearth_api::Grant;
use hearth_base::{AccountId, Arn, Region};
use hearth_wire::Failure;

/// The key of a layer: an account, a region and a bare name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LayerKey {
    /// The owner.
    pub(crate) account: AccountId,
    /// Where it is.
    pub(crate) region: Region,
    /// The bare name.
    pub(crate) name: String,
}

/// The key of a layer's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerVersionKey {
    /// Of which layer.
    pub(crate) layer: LayerKey,
    /// 1 and upwards.
    pub(crate) number: u64,
}

impl LayerKey {
    /// Reads `LayerName`: the bare name of a layer of the caller's, or the ARN of any.
    ///
    /// # Errors
    /// AWS's validation error for what is neither.
    pub(crate) fn read(grant: &Grant, text: Option<&str>) -> Result<Self, Failure> {
        let text = text.unwrap_or_default();
        let found = match text.contains(':') {
            true => arn_fields(text).filter(|(_, version)| version.is_none()).map(|(key, _)| key),
            false => is_name(text).then(|| Self {
                account: grant.account(),
                region: grant.region().clone(),
                name: text.to_owned(),
            }),
        };
        found.ok_or_else(|| {
            validation(&format!(
                "Value '{text}' at 'layerName' failed to satisfy constraint: Member must satisfy regular expression pattern: \
                 (arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{{12}}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+"
            ))
        })
    }

    /// The same for actions that no policy lets another account do.
    ///
    /// # Errors
    /// Also AWS's `AccessDeniedException` for another account's layer, and not found for another region's.
    pub(crate) fn read_own(grant: &Grant, text: Option<&str>, action: &str) -> Result<Self, Failure> {
        let key = Self::read(grant, text)?;
        if key.account != grant.account() {
            return Err(layer_access_denied(grant, action, &key.arn()));
        }
        if key.region != *grant.region() {
            return Err(no_such_resource());
        }
        Ok(key)
    }

    /// The ARN without a version.
    pub(crate) fn arn(&self) -> String {
        let Self { account, region, name } = self;
        format!("arn:{}:lambda:{region}:{account}:layer:{name}", region.partition())
    }

    /// The key of one of its versions.
    ///
    /// # Errors
    /// AWS's error for numbers below 1.
    pub(crate) fn version(self, number: Option<i64>) -> Result<LayerVersionKey, Failure> {
        match number.and_then(|number| u64::try_from(number).ok()) {
            Some(number) if number > 0 => Ok(LayerVersionKey { layer: self, number }),
            _ => Err(invalid_parameter("Layer Version Cannot be less than 1.")),
        }
    }
}

impl LayerVersionKey {
    /// Reads the ARN of a version; none for anything else.
    pub(crate) fn parse(arn: &str) -> Option<Self> {
        let (layer, number) = arn_fields(arn)?;
        Some(Self { layer, number: number?.parse().ok()? })
    }

    /// `LayerVersionArn`.
    pub(crate) fn arn(&self) -> String {
        format!("{}:{}", self.layer.arn(), self.number)
    }
}

/// A layer and the text after the second colon of the resource.
fn arn_fields(text: &str) -> Option<(LayerKey, Option<String>)> {
    let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "lambda")?;
    let mut parts = arn.resource.strip_prefix("layer:")?.splitn(2, ':');
    let (name, version) = (parts.next()?, parts.next());
    let key = LayerKey {
        account: arn.account.parse().ok()?,
        region: arn.region.parse().ok()?,
        name: name.to_owned(),
    };
    is_name(name).then(|| (key, version.map(str::to_owned)))
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.bytes().all(allowed)
}
