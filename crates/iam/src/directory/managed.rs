//! The managed policies that AWS owns: the ones that Lambda's users attach, as data.
//!
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>. `ReadOnlyAccess` names the services
//! that functions use and not all of AWS's, and its version and date are stand-ins. The statements of Lambda's own policies,
//! of `AWSXRayDaemonWriteAccess` and `AmazonSQSFullAccess` were compared with AWS's; the ids, the exact times and the statements of
//! `PowerUserAccess`, `CloudWatchLogsFullAccess` and `AmazonSNSFullAccess` were not.

use super::identities::parsed_or_nothing;
use super::model::PolicyRef;
use crate::policy::Attached;
use hearth_base::Timestamp;
use std::sync::LazyLock;

/// A managed policy of AWS's.
#[derive(Debug, serde::Deserialize)]
pub struct Managed {
    /// Its name.
    pub name: String,
    /// `/`, or `/service-role/`.
    pub path: String,
    /// `ANPA…`.
    pub id: String,
    /// The number of the version in force, the only one kept here.
    pub version: u32,
    #[serde(rename = "created")]
    created_text: String,
    #[serde(rename = "updated")]
    updated_text: String,
    document: serde_json::Value,
    /// The document in force.
    #[serde(skip)]
    pub text: String,
    /// The same, to be evaluated.
    #[serde(skip)]
    pub attached: Option<Attached>,
    /// When AWS made it.
    #[serde(skip)]
    pub created: Timestamp,
    /// When AWS last changed it.
    #[serde(skip)]
    pub updated: Timestamp,
}

static ALL: LazyLock<Vec<Managed>> = LazyLock::new(|| {
    let mut all: Vec<Managed> = serde_json::from_str(include_str!("../../data/managed-policies.json"))
        .expect("the data file is checked by a test");
    for policy in &mut all {
        policy.text = policy.document.to_string();
        policy.attached = Some(parsed_or_nothing(&policy.name, &policy.text));
        policy.created = Timestamp::parse_date_time(&policy.created_text).unwrap_or_default();
        policy.updated = Timestamp::parse_date_time(&policy.updated_text).unwrap_or_default();
    }
    all
});

/// All of them, in the order of their names.
pub fn all() -> &'static [Managed] {
    &ALL
}

/// The one of this name, in exactly these letters.
pub fn find(name: &str) -> Option<&'static Managed> {
    ALL.iter().find(|policy| policy.name == name)
}

impl Managed {
    /// How those refer to it that have it.
    pub fn reference(&self) -> PolicyRef {
        PolicyRef::Aws(self.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_are_well_formed_and_those_that_functions_need_are_there() {
        for policy in all() {
            assert!(
                policy.created > Timestamp::default() && policy.updated >= policy.created,
                "{}",
                policy.name
            );
            assert!(policy.id.starts_with("ANPA") && policy.id.len() == 21, "{}", policy.name);
        }
        let basic = find("AWSLambdaBasicExecutionRole").unwrap();
        assert_eq!((basic.path.as_str(), basic.version), ("/service-role/", 1));
        assert!(basic.text.contains("logs:PutLogEvents"));
        assert!(find("awslambdabasicexecutionrole").is_none());
    }
}
