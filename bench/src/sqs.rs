//! SQS's API as the measurements use it.
//!
//! It refuses queues with anything but their defaults, except for who may send to them.

use crate::failure::Failure;
use crate::service::Service;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A client with one connection, for one queue.
pub struct Sqs {
    service: Service,
    queue_url: String,
}

impl Sqs {
    /// Connects to a server and makes the queue if it is not there.
    pub async fn connect(server: &'static str, address: SocketAddr, queue: &str) -> Result<Self, Failure> {
        let service = Service::connect(server, address, "sqs").await?;
        let mut client = Self { service, queue_url: String::new() };
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

    /// Lets a service of AWS's send messages to the queue: the queue's ARN.
    pub async fn admit(&mut self, principal: &str) -> Result<String, Failure> {
        let names = json!({"QueueUrl": self.queue_url, "AttributeNames": ["QueueArn"]});
        let found = self.call("GetQueueAttributes", &names).await?;
        let arn = found["Attributes"]["QueueArn"].as_str().unwrap_or_default().to_owned();
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": principal},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            },
        });
        let attributes = json!({"QueueUrl": self.queue_url, "Attributes": {"Policy": policy.to_string()}});
        self.call("SetQueueAttributes", &attributes).await?;
        Ok(arn)
    }

    /// How many messages wait in the queue.
    pub async fn waiting(&mut self) -> Result<usize, Failure> {
        let name = "ApproximateNumberOfMessages";
        let names = json!({"QueueUrl": self.queue_url, "AttributeNames": [name]});
        let found = self.call("GetQueueAttributes", &names).await?;
        Ok(found["Attributes"][name].as_str().and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Deletes the queue, with what waits in it.
    pub async fn delete(mut self) -> Result<(), Failure> {
        let input = json!({"QueueUrl": self.queue_url});
        self.call("DeleteQueue", &input).await.map(drop)
    }

    async fn call(&mut self, action: &str, input: &Value) -> Result<Value, Failure> {
        self.service.json(&format!("AmazonSQS.{action}"), input).await
    }
}
