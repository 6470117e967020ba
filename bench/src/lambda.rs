//! Lambda's API as the measurements use it: signed requests over one connection.
//!
//! It refuses to keep anything from the server: an unexpected answer is a failure with the answer in it.

use crate::connection::{Answer, Connection};
use crate::failure::Failure;
use crate::signature::{Signer, Unsigned};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_base::{Clock, SystemClock};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const FUNCTIONS: &str = "/2015-03-31/functions";
/// How long a function may take to become active.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at a function that is not active yet.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// A client with one connection.
pub struct Lambda {
    connection: Connection,
    signer: Signer,
    host: String,
}

/// A function to create.
#[derive(Clone, Copy)]
pub struct NewFunction<'a> {
    /// Letters, digits and hyphens.
    pub name: &'a str,
    /// `python3.12` and its like.
    pub runtime: &'a str,
    /// As AWS has it.
    pub handler: &'a str,
    /// The package.
    pub zip: &'a [u8],
    /// Its memory, which decides its share of the processors.
    pub memory_mb: u32,
}

impl NewFunction<'_> {
    /// The body of CreateFunction.
    pub fn body(&self) -> Bytes {
        let body = json!({
            "FunctionName": self.name,
            "Runtime": self.runtime,
            "Handler": self.handler,
            "Role": "arn:aws:iam::000000000000:role/bench",
            "Code": { "ZipFile": STANDARD.encode(self.zip) },
            "MemorySize": self.memory_mb,
            "Timeout": 60,
        });
        Bytes::from(body.to_string())
    }
}

impl Lambda {
    /// Connects to a server.
    pub async fn connect(server: &'static str, address: SocketAddr) -> Result<Self, Failure> {
        let connection = Connection::open(server, address).await?;
        Ok(Self { connection, signer: Signer::new("lambda"), host: address.to_string() })
    }

    /// Sends the body of [`NewFunction::body`], and waits until the function can be invoked.
    pub async fn create(&mut self, name: &str, body: Bytes) -> Result<(), Failure> {
        let answer = self.send(Method::POST, FUNCTIONS, body).await?;
        expect(StatusCode::CREATED, format!("creating {name}"), answer)?;
        let began = Instant::now();
        let path = format!("{FUNCTIONS}/{name}");
        loop {
            let answer = self.send(Method::GET, &path, Bytes::new()).await?;
            let answer = expect(StatusCode::OK, format!("looking at {name}"), answer)?;
            let found: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            match found["Configuration"]["State"].as_str() {
                Some("Active") => return Ok(()),
                Some("Pending") if began.elapsed() < ACTIVE_WITHIN => tokio::time::sleep(LOOK_AGAIN).await,
                _ => return Err(refusal(format!("waiting for {name}"), &answer)),
            }
        }
    }

    /// Deletes a function.
    pub async fn delete(&mut self, name: &str) -> Result<(), Failure> {
        let answer = self.send(Method::DELETE, &format!("{FUNCTIONS}/{name}"), Bytes::new()).await?;
        expect(StatusCode::NO_CONTENT, format!("deleting {name}"), answer).map(drop)
    }

    /// Invokes a function that returns its event, and checks that it did. `path` is that of [`invocation_path`].
    pub async fn invoke(&mut self, path: &str, event: &Bytes) -> Result<(), Failure> {
        let answer = self.send(Method::POST, path, event.clone()).await?;
        let failed = answer.headers.contains_key("x-amz-function-error");
        if answer.status != StatusCode::OK || failed || answer.body != *event {
            return Err(refusal(format!("POST {path}"), &answer));
        }
        Ok(())
    }

    /// Sends an event to a function, which is answered when it is durable. `path` is that of [`invocation_path`].
    pub async fn send_event(&mut self, path: &str, event: &Bytes) -> Result<(), Failure> {
        let (kind, event) = (("x-amz-invocation-type", "Event"), event.clone());
        let answer = self.send_with(Method::POST, path, (event, Some(kind))).await?;
        expect(StatusCode::ACCEPTED, format!("POST {path}"), answer).map(drop)
    }

    async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer, Failure> {
        self.send_with(method, path, (body, None)).await
    }

    async fn send_with(
        &mut self,
        method: Method,
        path: &str,
        (body, header): (Bytes, Option<(&str, &str)>),
    ) -> Result<Answer, Failure> {
        let signed = self.signer.sign(
            SystemClock.now(),
            &Unsigned { method: method.as_str(), path, query: "", host: &self.host, target: "", body: &body },
        );
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("x-amz-date", signed.date)
            .header("authorization", signed.authorization);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body));
        self.connection.send(request.expect("paths, dates and signatures are valid in requests")).await
    }
}

/// The path of Invoke.
pub fn invocation_path(name: &str) -> String {
    format!("{FUNCTIONS}/{name}/invocations")
}

fn expect(status: StatusCode, asked: String, answer: Answer) -> Result<Answer, Failure> {
    if answer.status == status { Ok(answer) } else { Err(refusal(asked, &answer)) }
}

fn refusal(asked: String, answer: &Answer) -> Failure {
    Failure::Answer(asked, answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}
