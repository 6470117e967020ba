//! Names and ARNs of groups and schedules.
//!
//! It refuses to look anything up.

use hearth_api::Grant;
use hearth_base::{Arn, Region};

/// The group of schedules that name none. Every account has it.
pub const DEFAULT_GROUP: &str = "default";

/// A group's full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName {
    pub account: String,
    pub region: String,
    pub name: String,
}

/// A schedule's full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ScheduleName {
    pub account: String,
    pub region: String,
    pub group: String,
    pub name: String,
}

impl GroupName {
    /// The name in the account and region of a request.
    pub fn of(grant: &Grant, name: Option<&str>) -> Self {
        Self {
            account: grant.account().as_str().to_owned(),
            region: grant.region().as_str().to_owned(),
            name: name.unwrap_or(DEFAULT_GROUP).to_owned(),
        }
    }

    /// The parts of the record's key.
    pub fn parts(&self) -> [&str; 3] {
        [&self.account, &self.region, &self.name]
    }

    /// The ARN.
    pub fn arn(&self) -> String {
        let Self { account, region, name } = self;
        format!("arn:{}:scheduler:{region}:{account}:schedule-group/{name}", partition(region))
    }

    /// The group of an ARN.
    pub fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "scheduler")?;
        let name = arn.resource.strip_prefix("schedule-group/")?.to_owned();
        Some(Self { account: arn.account, region: arn.region, name })
    }

    /// A schedule of the group.
    pub fn schedule(&self, name: &str) -> ScheduleName {
        let Self { account, region, name: group } = self.clone();
        ScheduleName { account, region, group, name: name.to_owned() }
    }
}

impl ScheduleName {
    /// The name that a request gives.
    pub fn of(grant: &Grant, group: Option<&str>, name: Option<&str>) -> Self {
        GroupName::of(grant, group).schedule(name.unwrap_or_default())
    }

    /// The parts of the record's key.
    pub fn parts(&self) -> [&str; 4] {
        [&self.account, &self.region, &self.group, &self.name]
    }

    /// The schedule of a record's key.
    pub fn of_parts(parts: Vec<String>) -> Option<Self> {
        let [account, region, group, name] = <[String; 4]>::try_from(parts).ok()?;
        Some(Self { account, region, group, name })
    }

    /// Its group.
    pub fn group(&self) -> GroupName {
        let Self { account, region, group, .. } = self.clone();
        GroupName { account, region, name: group }
    }

    /// The ARN.
    pub fn arn(&self) -> String {
        let Self { account, region, group, name } = self;
        format!("arn:{}:scheduler:{region}:{account}:schedule/{group}/{name}", partition(region))
    }
}

fn partition(region: &str) -> &'static str {
    region.parse::<Region>().map_or("aws", |region| region.partition())
}
