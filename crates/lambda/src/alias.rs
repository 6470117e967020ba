//! Aliases: names for a version of a function, or for two that share the invocations by weight.
//!
//! An alias lies in the record of its function, so that what it points to cannot go while it points there. It refuses
//! to point a weight at `$LATEST`.
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html>

use crate::failures::{function_not_found, invalid_parameter, not_yet};
use crate::model::Function;
use hearth_api::lambda::{AliasConfiguration, AliasRoutingConfiguration};
use hearth_base::{Qualifier, Rng};
use hearth_wire::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An alias as it is stored, under its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// What it points to: `$LATEST` or a published version.
    pub version: Qualifier,
    /// The second version, when there is one.
    pub additional: Option<Additional>,
    /// Free text.
    pub description: String,
    /// A UUID that changes with every change.
    pub revision_id: String,
}

/// The second version of an alias: `AdditionalVersionWeights`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Additional {
    /// A published version.
    pub version: u64,
    /// The share of invocations that it gets, 0 to 1.
    pub weight: f64,
}

impl Alias {
    /// The version that an invocation runs: chosen anew for each.
    pub(crate) fn choose(&self, rng: &dyn Rng) -> Qualifier {
        match &self.additional {
            Some(additional) if rng.next_fraction() < additional.weight => {
                Qualifier::Version(additional.version)
            }
            _ => self.version.clone(),
        }
    }

    /// Whether invocations may come to this version.
    pub(crate) fn points_to(&self, version: u64) -> bool {
        self.version == Qualifier::Version(version)
            || self.additional.as_ref().is_some_and(|additional| additional.version == version)
    }

    /// Refuses what cannot be pointed to.
    ///
    /// # Errors
    /// AWS's, for versions that are not there and for pairs that may not share an alias.
    pub(crate) fn check(&self, function: &Function) -> Result<(), Failure> {
        let find = |version: &Qualifier| {
            function.version(version).ok_or_else(|| function_not_found(&function.arn(), Some(version)))
        };
        let Some(additional) = &self.additional else { return find(&self.version).map(drop) };
        if self.version == Qualifier::Latest {
            return Err(invalid_parameter(
                "$LATEST is not supported for an alias pointing to more than 1 version",
            ));
        }
        let second = Qualifier::Version(additional.version);
        if self.version == second {
            return Err(invalid_parameter(&format!(
                "Invalid function version {second}. Function version {second} is already included in routing configuration."
            )));
        }
        if find(&self.version)?.settings.role != find(&second)?.settings.role {
            return Err(invalid_parameter(
                "Specified versions must be associated with the same execution role",
            ));
        }
        Ok(())
    }

    /// As clients see it.
    pub(crate) fn shown(&self, function: &Function, name: &str) -> AliasConfiguration {
        let weights = self.additional.as_ref().map(|additional| AliasRoutingConfiguration {
            additional_version_weights: Some(BTreeMap::from([(
                additional.version.to_string(),
                additional.weight,
            )])),
        });
        AliasConfiguration {
            alias_arn: Some(format!("{}:{name}", function.arn())),
            name: Some(name.to_owned()),
            function_version: Some(self.version.to_string()),
            description: Some(self.description.clone()),
            routing_config: weights,
            revision_id: Some(self.revision_id.clone()),
        }
    }
}

/// Reads `FunctionVersion`: `$LATEST` or a number.
pub(crate) fn read_version(text: &str) -> Result<Qualifier, Failure> {
    match Qualifier::parse(text) {
        Some(version @ (Qualifier::Latest | Qualifier::Version(_))) => Ok(version),
        // The model lets digits through that are no number of a version, and this one name.
        _ if text.starts_with('$') => Err(not_yet("FunctionVersion", text)),
        _ => Err(invalid_parameter(&format!("Invalid function version {text}."))),
    }
}

/// Reads `RoutingConfig`: an empty one takes the second version away.
pub(crate) fn read_routing(routing: AliasRoutingConfiguration) -> Result<Option<Additional>, Failure> {
    let weights = routing.additional_version_weights.unwrap_or_default();
    if weights.len() > 1 {
        return Err(invalid_parameter(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    let Some((version, weight)) = weights.into_iter().next() else { return Ok(None) };
    match version.parse() {
        Ok(version) => Ok(Some(Additional { version, weight })),
        Err(_) => Err(invalid_parameter(&format!("Invalid function version {version}."))),
    }
}

/// AWS: the words of GetAlias for an alias that is not there.
pub(crate) fn cannot_find(arn: &str, name: &str) -> Failure {
    hearth_api::lambda::errors::resource_not_found(format!("Cannot find alias arn: {arn}:{name}"))
}

/// AWS: the words of UpdateAlias for the same.
pub(crate) fn not_found(arn: &str, name: &str) -> Failure {
    hearth_api::lambda::errors::resource_not_found(format!("Alias not found: {arn}:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::SeededRng;

    /// Of `n` independent choices the number that fall on the second version is binomial: six standard deviations are
    /// passed less than twice in a thousand million runs, and the seed makes this run the same each time.
    #[test]
    fn the_weight_is_exact_in_the_long_run() {
        let rng = SeededRng::new(2_026);
        for weight in [0.0, 0.02, 0.25, 0.5, 0.9, 1.0] {
            let alias = Alias {
                version: Qualifier::Version(1),
                additional: Some(Additional { version: 2, weight }),
                description: String::new(),
                revision_id: String::new(),
            };
            let n = 100_000;
            let second = (0..n).filter(|_| alias.choose(&rng) == Qualifier::Version(2)).count() as f64;
            let (mean, deviation) = (f64::from(n) * weight, (f64::from(n) * weight * (1.0 - weight)).sqrt());
            assert!((second - mean).abs() <= 6.0 * deviation, "{second} of {n} at {weight}");
        }
    }
}
