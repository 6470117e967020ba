//! Which function a request means: names, partial ARNs and ARNs, with the qualifier in the name or beside it.

use crate::failures::{function_not_found, invalid_parameter, validation};
use hearth_api::Grant;
use hearth_base::function::function_arn;
use hearth_base::{AccountId, FunctionReference, Qualifier, Region};
use hearth_wire::Failure;

/// The key of a function: an account, a region and a bare name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionKey {
    /// The owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// The bare name.
    pub name: String,
}

/// A function and what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which function.
    pub key: FunctionKey,
    /// Which version or alias; none when the request names none.
    pub qualifier: Option<Qualifier>,
}

impl FunctionKey {
    /// The caller's own function of this name.
    pub(crate) fn of(grant: &Grant, name: &str) -> Self {
        Self { account: grant.account(), region: grant.region().clone(), name: name.to_owned() }
    }

    /// The unqualified ARN.
    pub fn arn(&self) -> String {
        function_arn(&self.region, self.account, &self.name)
    }
}

impl Target {
    /// Reads `FunctionName` and `Qualifier` of a request.
    ///
    /// # Errors
    /// AWS's validation error for names of no form, and for two qualifiers that differ; not found for other regions.
    pub fn read(grant: &Grant, name: Option<&str>, qualifier: Option<&str>) -> Result<Self, Failure> {
        let name = name.unwrap_or_default();
        let reference = FunctionReference::parse(name).map_err(|_| malformed("functionName", name))?;
        let beside = qualifier
            .map(|text| Qualifier::parse(text).ok_or_else(|| malformed("qualifier", text)))
            .transpose()?;
        let qualifier = match (reference.qualifier, beside) {
            (Some(inside), Some(beside)) if inside != beside => {
                return Err(invalid_parameter(
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ));
            }
            (inside, beside) => beside.or(inside),
        };
        let key = FunctionKey {
            account: reference.account.unwrap_or(grant.account()),
            region: reference.region.unwrap_or_else(|| grant.region().clone()),
            name: reference.name,
        };
        // AWS: an ARN of another region names nothing here. Whether the caller may use another account's function has
        // been decided by the function's policy before there was a grant.
        if key.region != *grant.region() {
            return Err(function_not_found(&key.arn(), qualifier.as_ref()));
        }
        Ok(Self { key, qualifier })
    }

    /// The same for operations on the function as a whole, which take no version.
    pub fn read_unqualified(grant: &Grant, name: Option<&str>) -> Result<FunctionKey, Failure> {
        let target = Self::read(grant, name, None)?;
        match target.qualifier {
            None | Some(Qualifier::Latest) => Ok(target.key),
            Some(qualifier) => Err(invalid_parameter(&format!(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. \
                 Please specify either a function name or an unqualified function ARN, not {qualifier}."
            ))),
        }
    }

    /// The ARN as it was asked for, with the qualifier if there was one.
    pub fn arn(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.key.arn()),
            None => self.key.arn(),
        }
    }

    /// The version meant when none is named.
    pub fn qualifier_or_latest(&self) -> Qualifier {
        self.qualifier.clone().unwrap_or(Qualifier::Latest)
    }
}

fn malformed(member: &str, value: &str) -> Failure {
    validation(&format!(
        "Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy regular expression pattern: \
         (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{{2}}(-gov)?-[a-z]+-\\d{{1}}:)?(\\d{{12}}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"
    ))
}
