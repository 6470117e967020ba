//! The statements that AddPermission writes into a queue's policy and RemovePermission takes out of it.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html>

use crate::failures::{invalid_attribute, invalid_value, missing};
use crate::naming::QueueName;
use hearth_api::sqs::errors;
use hearth_iam::policy::permission::{statement, statements};
use hearth_wire::Failure;
use serde_json::{Value, json};

/// Actions of one statement.
const ACTIONS_MAX: usize = 7;
/// The actions that can be permitted.
const ACTIONS: [&str; 9] = [
    "*",
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
];

/// A statement to add.
pub struct Permission {
    pub label: String,
    pub accounts: Vec<String>,
    pub actions: Vec<String>,
}

impl Permission {
    /// The policy with the statement in it.
    pub fn add_to(self, policy: Option<&str>, name: &QueueName) -> Result<String, Failure> {
        let Self { label, accounts, actions } = self;
        if accounts.is_empty() {
            return Err(missing("AWSAccountIds"));
        }
        if actions.is_empty() {
            return Err(missing("Actions"));
        }
        if actions.len() > ACTIONS_MAX {
            let count = actions.len();
            return Err(errors::over_limit(format!(
                "{count} Actions were found, maximum allowed is {ACTIONS_MAX}."
            )));
        }
        if let Some(other) = actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
            let reason = "Please refer to the appropriate WSDL for a list of valid actions. ";
            return Err(invalid_value(format!("SQS:{other}"), "ActionName", reason));
        }
        for account in &accounts {
            if account.parse::<hearth_base::AccountId>().is_err() {
                return Err(invalid_value(account, "PrincipalId", "Unable to verify."));
            }
        }
        let arn = name.arn();
        let mut policy = match policy {
            Some(policy) => read(policy)?,
            None => {
                json!({"Version": "2012-10-17", "Id": format!("{arn}/SQSDefaultPolicy"), "Statement": []})
            }
        };
        let statements = statements(&mut policy);
        if statements.iter().any(|it| it["Sid"] == label.as_str()) {
            return Err(invalid_value(&label, "Label", "Already exists."));
        }
        statements.push(statement(&label, &accounts, ("SQS", &actions), &arn));
        Ok(policy.to_string())
    }
}

/// The policy without the statement; none when nothing is left in it.
pub fn remove_from(policy: Option<&str>, label: &str) -> Result<Option<String>, Failure> {
    let unknown = || invalid_value(label, "Label", "can't find label on existing policy.");
    let mut policy = read(policy.ok_or_else(unknown)?)?;
    let statements = statements(&mut policy);
    let before = statements.len();
    statements.retain(|statement| statement["Sid"] != label);
    if statements.len() == before {
        return Err(unknown());
    }
    Ok((!statements.is_empty()).then(|| policy.to_string()))
}

fn read(policy: &str) -> Result<Value, Failure> {
    serde_json::from_str(policy).ok().filter(Value::is_object).ok_or_else(|| invalid_attribute("Policy"))
}
