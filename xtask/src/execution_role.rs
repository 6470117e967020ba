//! The execution role of functions, made with the AWS CLI on a server that has none yet: for the demo, and for tests whose
//! own client knows only Lambda.
//!
//! It refuses to give the role more than every function needs: leave to write its log.

/// Lets Lambda assume the role.
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;
const WRITES_LOGS: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

/// What the AWS CLI is to be told for a role of this name.
pub fn commands(name: &str) -> [Vec<&str>; 2] {
    [
        vec!["iam", "create-role", "--role-name", name, "--assume-role-policy-document", TRUST],
        vec!["iam", "attach-role-policy", "--role-name", name, "--policy-arn", WRITES_LOGS],
    ]
}
