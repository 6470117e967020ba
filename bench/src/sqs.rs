//! SQS's API as the measurements use it: signed JSON requests over one connection.
//!
//! It refuses to keep anything from the server: an unexpected answer is a failure with the answer in it.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::signature::{Signer, Unsigned};
use bytes::Bytes;
use hearth_base::{Clock, SystemClock};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A client with one connection, for one queue.
pub struct Sqs {
    connection: Connection,
    signer: Signer,
    host: String,
    queue_url: String,
}

impl Sqs {
    /// Connects to a server and makes the queue if it is not there.
    pub async fn connect(server: &'static str, address: SocketAddr, queue: &str) -> Result<Self, Failure> {
        let connection = Connection::open(server, address).await?;
        let (signer, host) = (Signer::new("sqs"), address.to_string());
        let mut client = Self { connection, signer, host, queue_url: String::new() };
        let made = client.call("CreateQueue", &json!({"QueueName": queue})).await?;
        client.queue_url = made["QueueUrl"].as_str().unwrap_or_default().to_owned();
        Ok(client)
    }

    /// Sends messages: one, or several in a batch.
    pub async fn send(&mut self, bodies: &[String]) -> Result<(), Failure> {
        let url = &self.queue_url;
        if let [body] = bodies {
            let input = json!({"QueueUrl": url, "MessageBody": body});
            return self.call("SendMessage", &input).await.map(drop);
        }
        let entries: Vec<Value> = bodies
            .iter()
            .enumerate()
            .map(|(number, body)| json!({"Id": number.to_string(), "MessageBody": body}))
            .collect();
        self.call("SendMessageBatch", &json!({"QueueUrl": url, "Entries": entries})).await.map(drop)
    }

    /// Receives messages and deletes them. Says how many.
    pub async fn consume(&mut self, max: usize) -> Result<usize, Failure> {
        let url = self.queue_url.clone();
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": max, "VisibilityTimeout": 600});
        let received = self.call("ReceiveMessage", &input).await?;
        let handles: Vec<&Value> = received["Messages"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|message| &message["ReceiptHandle"])
            .collect();
        match handles[..] {
            [] => {}
            [handle] => {
                self.call("DeleteMessage", &json!({"QueueUrl": url, "ReceiptHandle": handle})).await?;
            }
            _ => {
                let entries: Vec<Value> = handles
                    .iter()
                    .enumerate()
                    .map(|(number, handle)| json!({"Id": number.to_string(), "ReceiptHandle": handle}))
                    .collect();
                self.call("DeleteMessageBatch", &json!({"QueueUrl": url, "Entries": entries})).await?;
            }
        }
        Ok(handles.len())
    }

    async fn call(&mut self, action: &str, input: &Value) -> Result<Value, Failure> {
        let body = Bytes::from(input.to_string());
        let target = format!("AmazonSQS.{action}");
        let signed = self.signer.sign(
            SystemClock.now(),
            &Unsigned {
                method: "POST",
                path: "/",
                query: "",
                host: &self.host,
                target: &target,
                body: &body,
            },
        );
        let request = Request::post("/")
            .header("host", &self.host)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", &target)
            .header("x-amz-date", signed.date)
            .header("authorization", signed.authorization)
            .body(Full::new(body))
            .expect("actions, dates and signatures are valid in requests");
        let answer = self.connection.send(request).await?;
        match serde_json::from_slice(&answer.body) {
            Ok(output) if answer.status == StatusCode::OK => Ok(output),
            _ if answer.status == StatusCode::OK && answer.body.is_empty() => Ok(Value::Null),
            _ => {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                Err(Failure::Answer(action.to_owned(), answer.status, body))
            }
        }
    }
}
