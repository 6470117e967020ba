//! The APIs of services whose requests are all posts to `/`, JSON or forms: signed, over one connection.
//!
//! It refuses to keep anything from the server: an unexpected answer is a failure with the answer in it.

use crate::connection::{Answer, Connection};
use crate::failure::Failure;
use crate::signature::{Signer, Unsigned};
use bytes::Bytes;
use hearth_base::{Clock, SystemClock};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;

/// A client with one connection, for one service.
pub struct Service {
    connection: Connection,
    signer: Signer,
    host: String,
}

impl Service {
    /// Connects to a server; `service` is its name in signatures.
    pub async fn connect(
        server: &'static str,
        address: SocketAddr,
        service: &'static str,
    ) -> Result<Self, Failure> {
        let connection = Connection::open(server, address).await?;
        Ok(Self { connection, signer: Signer::new(service), host: address.to_string() })
    }

    /// A request of the JSON protocol: `target` is `AmazonSQS.SendMessage` and its like.
    pub async fn json(&mut self, target: &str, input: &Value) -> Result<Value, Failure> {
        let body = Bytes::from(input.to_string());
        let answer = self.post("application/x-amz-json-1.0", target, body).await?;
        match serde_json::from_slice(&answer.body) {
            Ok(output) if answer.status == StatusCode::OK => Ok(output),
            _ if answer.status == StatusCode::OK && answer.body.is_empty() => Ok(Value::Null),
            _ => Err(refusal(target, &answer)),
        }
    }

    /// A request of the Query protocol; the answer is XML.
    pub async fn form(
        &mut self,
        action: &str,
        version: &str,
        parameters: &[(String, &str)],
    ) -> Result<String, Failure> {
        let mut form = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            form.push('&');
            form.push_str(name);
            form.push('=');
            escape(value, &mut form);
        }
        let answer = self.post("application/x-www-form-urlencoded", "", Bytes::from(form)).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(action, &answer));
        }
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    async fn post(&mut self, kind: &str, target: &str, body: Bytes) -> Result<Answer, Failure> {
        let unsigned =
            Unsigned { method: "POST", path: "/", query: "", host: &self.host, target, body: &body };
        let signed = self.signer.sign(SystemClock.now(), &unsigned);
        let mut request = Request::post("/")
            .header("host", &self.host)
            .header("content-type", kind)
            .header("x-amz-date", signed.date)
            .header("authorization", signed.authorization);
        if !target.is_empty() {
            request = request.header("x-amz-target", target);
        }
        let request = request.body(Full::new(body));
        self.connection.send(request.expect("targets, dates and signatures are valid in requests")).await
    }
}

fn refusal(asked: &str, answer: &Answer) -> Failure {
    Failure::Answer(asked.to_owned(), answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

/// Appends a value as forms have it.
fn escape(value: &str, form: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            form.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(form, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_of_forms_are_escaped() {
        for (value, escaped) in
            [("a-Z0._~", "a-Z0._~"), ("a:b/c", "a%3Ab%2Fc"), ("{\"é\"}", "%7B%22%C3%A9%22%7D")]
        {
            let mut form = String::new();
            super::escape(value, &mut form);
            assert_eq!(form, escaped);
        }
    }
}
