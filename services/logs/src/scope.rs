//! Whose resources are meant: names, ARNs and identifiers within one account and region.
//!
//! It refuses to look anything up.

use crate::table::no_such_group;
use hearth_api::Grant;
use hearth_api::logs::errors;
use hearth_base::{AccountId, Arn, Region};
use hearth_wire::Failure;

/// An account and a region.
#[derive(Debug, Clone)]
pub struct Scope {
    account: AccountId,
    region: Region,
}

impl Scope {
    /// The account and region that a request was granted for.
    pub fn of(grant: &Grant) -> Self {
        Self { account: grant.account(), region: grant.region().clone() }
    }

    /// The parts of a group's key.
    pub fn group_name<'a>(&'a self, name: &'a str) -> [&'a str; 3] {
        [self.account.as_str(), self.region.as_str(), name]
    }

    /// The parts that all groups' keys begin with.
    pub fn groups(&self) -> [&str; 2] {
        [self.account.as_str(), self.region.as_str()]
    }

    /// A group's ARN without the `:*` behind it.
    pub fn group_arn(&self, name: &str) -> String {
        let Self { account, region } = self;
        format!("arn:{}:logs:{region}:{account}:log-group:{name}", region.partition())
    }

    /// A stream's ARN.
    pub fn stream_arn(&self, group: &str, stream: &str) -> String {
        format!("{}:log-stream:{stream}", self.group_arn(group))
    }

    /// The group that a request names, either by name or by identifier.
    pub fn group_of<'a>(
        &self,
        name: Option<&'a str>,
        identifier: Option<&'a str>,
    ) -> Result<&'a str, Failure> {
        match (name, identifier) {
            (Some(name), None) => Ok(name),
            (None, Some(identifier)) => self.group_of_identifier(identifier),
            _ => Err(errors::invalid_parameter(
                "Exactly one of logGroupName and logGroupIdentifier must be specified.",
            )),
        }
    }

    /// The group of a name or ARN.
    pub fn group_of_identifier<'a>(&self, identifier: &'a str) -> Result<&'a str, Failure> {
        if identifier.starts_with("arn:") { self.group_of_arn(identifier) } else { Ok(identifier) }
    }

    /// The group of an ARN, with or without the `:*` that AWS writes behind some.
    pub fn group_of_arn<'a>(&self, text: &'a str) -> Result<&'a str, Failure> {
        let arn: Option<Arn> = text.parse().ok().filter(|arn: &Arn| arn.service == "logs");
        let Some(arn) = arn else {
            return Err(errors::invalid_parameter(format!(
                "{text} is not the ARN of a CloudWatch Logs resource"
            )));
        };
        if arn.account != self.account.as_str() || arn.region != self.region.as_str() {
            return Err(no_such_group());
        }
        let resource = &text[text.len() - arn.resource.len()..];
        let Some(name) = resource.strip_prefix("log-group:") else {
            return Err(errors::resource_not_found("The specified resource does not exist."));
        };
        Ok(name.strip_suffix(":*").unwrap_or(name))
    }
}

/// A member that the model requires. The wire has refused requests without it; a call from within the server has not passed there.
pub fn required<T>(member: Option<T>, name: &'static str) -> Result<T, Failure> {
    member.ok_or_else(|| {
        errors::invalid_parameter(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    })
}
