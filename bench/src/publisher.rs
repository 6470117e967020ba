//! SNS's and EventBridge's APIs as the measurements use them: something is published, and reaches a queue.
//!
//! It refuses requests of which a part has failed: everything that was published is to arrive.

use crate::failure::Failure;
use crate::service::Service;
use http::StatusCode;
use serde_json::{Value, json};
use std::net::SocketAddr;

const SNS_VERSION: &str = "2010-03-31";
/// What the rule looks for, and what events say where they come from.
const SOURCE: &str = "bench";

/// A service that takes things in and passes them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SNS, which signs what it delivers.
    Topic,
    /// SNS with raw delivery, which is not signed.
    RawTopic,
    /// EventBridge.
    Bus,
}

/// A client with one connection, for a topic or for the default bus.
pub struct Publisher {
    service: Service,
    /// The topic's ARN; none means the bus.
    topic: Option<String>,
}

impl Kind {
    /// Its name as a principal in policies.
    pub fn principal(self) -> &'static str {
        match self {
            Self::Topic | Self::RawTopic => "sns.amazonaws.com",
            Self::Bus => "events.amazonaws.com",
        }
    }

    /// Has everything that is published under a name sent to a queue. It can be done again, and changes nothing then.
    pub async fn connect(
        self,
        server: &'static str,
        address: SocketAddr,
        (name, queue): (&str, &str),
    ) -> Result<Publisher, Failure> {
        match self {
            Self::Topic | Self::RawTopic => {
                let sns = Service::connect(server, address, "sns").await?;
                topic(sns, (name, queue), self == Self::RawTopic).await
            }
            Self::Bus => bus(Service::connect(server, address, "events").await?, name, queue).await,
        }
    }
}

async fn topic(mut sns: Service, (name, queue): (&str, &str), is_raw: bool) -> Result<Publisher, Failure> {
    let made = sns.form("CreateTopic", SNS_VERSION, &[("Name".to_owned(), name)]).await?;
    let arn = made.split_once("<TopicArn>").and_then(|(_, rest)| rest.split_once("</TopicArn>"));
    let topic = arn.map(|(arn, _)| arn.to_owned());
    let topic = topic.ok_or_else(|| Failure::Answer("CreateTopic".to_owned(), StatusCode::OK, made))?;
    let parameters = [
        ("TopicArn", topic.as_str()),
        ("Protocol", "sqs"),
        ("Endpoint", queue),
        ("Attributes.entry.1.key", "RawMessageDelivery"),
        ("Attributes.entry.1.value", if is_raw { "true" } else { "false" }),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    sns.form("Subscribe", SNS_VERSION, &parameters).await?;
    Ok(Publisher { service: sns, topic: Some(topic) })
}

async fn bus(mut events: Service, name: &str, queue: &str) -> Result<Publisher, Failure> {
    let pattern = json!({"source": [SOURCE], "detail-type": [name]}).to_string();
    events.json("AWSEvents.PutRule", &json!({"Name": name, "EventPattern": pattern})).await?;
    let targets = json!({"Rule": name, "Targets": [{"Id": "queue", "Arn": queue}]});
    whole("PutTargets", events.json("AWSEvents.PutTargets", &targets).await?)?;
    Ok(Publisher { service: events, topic: None })
}

impl Publisher {
    /// Publishes these bodies, which are JSON objects, under a name: one, or several in a request.
    pub async fn publish(&mut self, name: &str, bodies: &[String]) -> Result<(), Failure> {
        match &self.topic {
            None => {
                let entry = |body| json!({"Source": SOURCE, "DetailType": name, "Detail": body});
                let entries: Vec<Value> = bodies.iter().map(entry).collect();
                let put = self.service.json("AWSEvents.PutEvents", &json!({"Entries": entries})).await?;
                whole("PutEvents", put)
            }
            Some(topic) => {
                let mut parameters = vec![("TopicArn".to_owned(), topic.as_str())];
                if let [body] = bodies {
                    parameters.push(("Message".to_owned(), body));
                    return self.service.form("Publish", SNS_VERSION, &parameters).await.map(drop);
                }
                let ids: Vec<String> = (1..=bodies.len()).map(|number| number.to_string()).collect();
                for (id, body) in ids.iter().zip(bodies) {
                    let entry = format!("PublishBatchRequestEntries.member.{id}");
                    parameters.push((format!("{entry}.Id"), id));
                    parameters.push((format!("{entry}.Message"), body));
                }
                let put = self.service.form("PublishBatch", SNS_VERSION, &parameters).await?;
                if put.matches("<MessageId>").count() == bodies.len() {
                    return Ok(());
                }
                Err(Failure::Answer("PublishBatch".to_owned(), StatusCode::OK, put))
            }
        }
    }

    /// Takes away what was made for a name.
    pub async fn remove(mut self, name: &str) -> Result<(), Failure> {
        if let Some(topic) = &self.topic {
            let parameters = [("TopicArn".to_owned(), topic.as_str())];
            return self.service.form("DeleteTopic", SNS_VERSION, &parameters).await.map(drop);
        }
        let targets = json!({"Rule": name, "Ids": ["queue"]});
        whole("RemoveTargets", self.service.json("AWSEvents.RemoveTargets", &targets).await?)?;
        self.service.json("AWSEvents.DeleteRule", &json!({"Name": name})).await.map(drop)
    }
}

/// Whether all of a request's entries were taken.
fn whole(action: &str, output: Value) -> Result<(), Failure> {
    if output["FailedEntryCount"] == 0 {
        return Ok(());
    }
    Err(Failure::Answer(action.to_owned(), StatusCode::OK, output.to_string()))
}
