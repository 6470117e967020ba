//! The concurrency that was configured for a function: what is reserved for all of it, and what is provisioned for its
//! versions and aliases. It refuses to know what runs.

use super::Function;
use hearth_base::{Qualifier, Timestamp};
use hearth_environment::Allowance;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Reserved and provisioned concurrency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// `ReservedConcurrentExecutions`; none when nothing is reserved.
    pub reserved: Option<u32>,
    /// Provisioned concurrency by version or alias.
    pub provisioned: BTreeMap<Qualifier, Provision>,
}

/// `ProvisionedConcurrencyConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provision {
    /// `RequestedProvisionedConcurrentExecutions`.
    pub requested: u32,
    /// When it was last asked for.
    pub last_modified: Timestamp,
}

impl Function {
    /// What is provisioned for a qualifier, by published version: an alias with a weight has a share for each.
    pub fn shares(&self, qualifier: &Qualifier, requested: u32) -> Vec<(u64, u32)> {
        let alias = match qualifier {
            Qualifier::Version(number) if self.published.contains_key(number) => {
                return vec![(*number, requested)];
            }
            Qualifier::Alias(name) => self.aliases.get(name),
            _ => None,
        };
        let Some((Qualifier::Version(first), alias)) = alias.map(|alias| (&alias.version, alias)) else {
            return Vec::new();
        };
        let Some(additional) = &alias.additional else { return vec![(*first, requested)] };
        let second = (f64::from(requested) * additional.weight.clamp(0.0, 1.0)).round();
        // Rounded, and not more than was requested: it fits.
        let second = (second as u32).min(requested);
        let shares = [(*first, requested - second), (additional.version, second)];
        shares.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// What the function may use, and claims of its account.
    pub fn allowance(&self) -> Allowance {
        let mut provisioned: BTreeMap<u64, u32> = BTreeMap::new();
        for (qualifier, provision) in &self.capacity.provisioned {
            for (version, count) in self.shares(qualifier, provision.requested) {
                *provisioned.entry(version).or_default() += count;
            }
        }
        let provisioned =
            provisioned.into_iter().map(|(version, count)| (version.to_string(), count)).collect();
        Allowance { reserved: self.capacity.reserved, provisioned }
    }
}
