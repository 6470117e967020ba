//! The statements that AddPermission writes into a topic's policy and RemovePermission takes out of it.
//! <https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html>

use crate::failures::invalid;
use hearth_iam::policy::permission::{statement, statements};
use hearth_wire::Failure;
use serde_json::Value;

/// The actions that can be permitted.
const ACTIONS: [&str; 8] = [
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
];

/// A statement to add.
pub struct Permission {
    pub label: String,
    pub accounts: Vec<String>,
    pub actions: Vec<String>,
}

impl Permission {
    /// The policy with the statement in it.
    pub fn add_to(self, policy: &str, arn: &str) -> Result<String, Failure> {
        let Self { label, accounts, actions } = self;
        if label.is_empty() {
            return Err(invalid("Label Reason: no value for required parameter"));
        }
        if actions.is_empty() || actions.iter().any(|action| !ACTIONS.contains(&action.as_str())) {
            return Err(invalid("Policy statement action out of service scope!"));
        }
        if accounts.is_empty() || accounts.iter().any(|it| it.parse::<hearth_base::AccountId>().is_err()) {
            return Err(invalid("AWSAccountId"));
        }
        let mut policy = read(policy)?;
        let statements = statements(&mut policy);
        if statements.iter().any(|it| it["Sid"] == label.as_str()) {
            return Err(invalid("Statement already exists"));
        }
        statements.push(statement(&label, &accounts, ("SNS", &actions), arn));
        Ok(policy.to_string())
    }
}

/// The policy without the statement; a label that is not there is no error.
pub fn remove_from(policy: &str, label: &str) -> Result<String, Failure> {
    let mut policy = read(policy)?;
    statements(&mut policy).retain(|statement| statement["Sid"] != label);
    // A policy of no statement says no more than none, which would mean the default one.
    Ok(policy.to_string())
}

fn read(policy: &str) -> Result<Value, Failure> {
    serde_json::from_str(policy).ok().filter(Value::is_object).ok_or_else(|| invalid("Policy"))
}
