//! The execution role of the measured functions, made through IAM's API as a user makes it.
//!
//! It refuses to be measured: it is made before anything is.

use crate::failure::Failure;
use crate::service::Service;
use std::net::SocketAddr;

/// Its ARN.
pub const ROLE: &str = "arn:aws:iam::000000000000:role/bench";
const NAME: (&str, &str) = ("RoleName", "bench");
/// Lets Lambda assume it.
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
/// Lets it write logs: functions are measured with them.
const LOGS: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

/// Makes the role on a server that has just been started.
pub async fn make(server: &'static str, address: SocketAddr) -> Result<(), Failure> {
    let mut iam = Service::connect(server, address, "iam").await?;
    let steps =
        [("CreateRole", ("AssumeRolePolicyDocument", TRUST)), ("AttachRolePolicy", ("PolicyArn", LOGS))];
    for (action, parameter) in steps {
        let parameters = [NAME, parameter].map(|(name, value)| (name.to_owned(), value));
        iam.form(action, "2010-05-08", &parameters).await?;
    }
    Ok(())
}
