//! The execution role of the measured functions, made through IAM's API as a user makes it.
//!
//! It refuses to be measured: it is made before anything is.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::signature::{Signer, Unsigned};
use bytes::Bytes;
use hearth_base::{Clock, SystemClock};
use http::{Request, StatusCode};
use http_body_util::Full;
use std::net::SocketAddr;

/// Its ARN.
pub const ROLE: &str = "arn:aws:iam::000000000000:role/bench";
/// Makes it; the trust policy lets Lambda assume it, in the escapes of a form.
const CREATE: &str = "Action=CreateRole&Version=2010-05-08&RoleName=bench&AssumeRolePolicyDocument=\
    %7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C\
    %22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%7D";
/// Lets it write logs: functions are measured with them.
const ATTACH: &str = "Action=AttachRolePolicy&Version=2010-05-08&RoleName=bench&PolicyArn=\
    arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2Fservice-role%2FAWSLambdaBasicExecutionRole";

/// Makes the role on a server that has just been started.
pub async fn make(server: &'static str, address: SocketAddr) -> Result<(), Failure> {
    let mut connection = Connection::open(server, address).await?;
    let (mut signer, host) = (Signer::new("iam"), address.to_string());
    for form in [CREATE, ATTACH] {
        let body = form.as_bytes();
        let unsigned = Unsigned { method: "POST", path: "/", query: "", host: &host, target: "", body };
        let signed = signer.sign(SystemClock.now(), &unsigned);
        let request = Request::post("/")
            .header("host", &host)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-amz-date", signed.date)
            .header("authorization", signed.authorization)
            .body(Full::new(Bytes::from_static(body)))
            .expect("dates and signatures are valid in requests");
        let answer = connection.send(request).await?;
        if answer.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(Failure::Answer("making the execution role".to_owned(), answer.status, body));
        }
    }
    Ok(())
}
