//! Statements that an `AddPermission` writes into the policy of a queue or a topic: the same for both services.
//!
//! It refuses to judge labels, accounts and actions: each service has its own words for what is wrong with them.

use serde_json::{Value, json};

/// The statement that lets accounts do actions of a service (`SQS`, `SNS`) to the resource of an ARN.
pub fn statement(
    label: &str,
    accounts: &[String],
    (service, actions): (&str, &[String]),
    arn: &str,
) -> Value {
    let partition = arn.split(':').nth(1).unwrap_or("aws");
    let principals = accounts.iter().map(|account| format!("arn:{partition}:iam::{account}:root")).collect();
    let actions = actions.iter().map(|action| format!("{service}:{action}")).collect();
    json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_all(principals)},
        "Action": one_or_all(actions),
        "Resource": arn,
    })
}

/// The statements of a policy, which is an object, as a list, which a policy of one need not have.
pub fn statements(policy: &mut Value) -> &mut Vec<Value> {
    if !policy["Statement"].is_array() {
        let one = policy["Statement"].take();
        policy["Statement"] = Value::Array(if one.is_null() { Vec::new() } else { vec![one] });
    }
    policy["Statement"].as_array_mut().expect("it was made a list just now")
}

fn one_or_all(mut texts: Vec<String>) -> Value {
    if texts.len() == 1 { json!(texts.remove(0)) } else { json!(texts) }
}
