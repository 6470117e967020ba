//! Resource policies: who else may write to the log groups of an account in a region, EventBridge for one.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html>
//!
//! They are decided by without reading the store, so all of them are in memory as well. It refuses to judge who asks.

use crate::model::ResourcePolicyRecord;
use crate::scope::Scope;
use hearth_base::Arn;
use hearth_iam::policy::Document;
use hearth_store::records::RecordError;
use hearth_store::{Listing, Table};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

type Place = (String, String);

/// The policies of every account and region, each read as one.
#[derive(Default)]
pub struct Policies {
    read: RwLock<HashMap<Place, Arc<Document>>>,
    /// Held while policies are changed.
    pub changing: tokio::sync::Mutex<()>,
}

/// The policies of one account and region, by name.
pub async fn of_scope(
    table: &Table<ResourcePolicyRecord>,
    scope: &Scope,
) -> Result<Vec<(String, ResourcePolicyRecord)>, RecordError> {
    let found = all(table, &scope.groups()).await?;
    Ok(found.into_iter().map(|(mut parts, record)| (parts.pop().unwrap_or_default(), record)).collect())
}

async fn all(
    table: &Table<ResourcePolicyRecord>,
    within: &[&str],
) -> Result<Vec<(Vec<String>, ResourcePolicyRecord)>, RecordError> {
    let (mut found, mut token) = (Vec::new(), None::<String>);
    loop {
        let listing =
            Listing { within, beginning: "", limit: 1_000, token: token.as_deref(), reverse: false };
        let page = table.list(listing).await?;
        found.extend(page.records.into_iter().map(|(parts, record)| (parts, record.value)));
        token = page.next;
        if token.is_none() {
            return Ok(found);
        }
    }
}

impl Policies {
    /// Reads the policies of every account and region.
    pub async fn read(&self, table: &Table<ResourcePolicyRecord>) -> Result<(), RecordError> {
        let mut places: HashMap<Place, Vec<String>> = HashMap::new();
        for (parts, record) in all(table, &[]).await? {
            let [account, region, _] = <[String; 3]>::try_from(parts).unwrap_or_default();
            places.entry((account, region)).or_default().push(record.document);
        }
        let read = places.into_iter().filter_map(|(place, texts)| Some((place, joined(&texts)?)));
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = read.collect();
        Ok(())
    }

    /// Reads those of one account and region again.
    pub async fn reread(
        &self,
        table: &Table<ResourcePolicyRecord>,
        scope: &Scope,
    ) -> Result<(), RecordError> {
        let texts: Vec<String> =
            of_scope(table, scope).await?.into_iter().map(|(_, record)| record.document).collect();
        let [account, region] = scope.groups().map(str::to_owned);
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        match joined(&texts) {
            Some(document) => read.insert((account, region), document),
            None => read.remove(&(account, region)),
        };
        Ok(())
    }

    /// The policies for the log group or stream of an ARN, as one.
    pub fn of_arn(&self, arn: &str) -> Option<Arc<Document>> {
        let arn: Arn = arn.parse().ok()?;
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        read.get(&(arn.account, arn.region)).cloned()
    }
}

/// One policy with the statements of all.
fn joined(texts: &[String]) -> Option<Arc<Document>> {
    let mut statements = Vec::new();
    for text in texts {
        let Ok(mut policy) = serde_json::from_str::<Value>(text) else { continue };
        match policy["Statement"].take() {
            Value::Array(several) => statements.extend(several),
            Value::Null => {}
            one => statements.push(one),
        }
    }
    // Ids are unique within a policy only.
    for statement in &mut statements {
        statement.as_object_mut().map(|members| members.remove("Sid"));
    }
    if statements.is_empty() {
        return None;
    }
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    match Document::resource(&text) {
        Ok(document) => Some(Arc::new(document)),
        Err(error) => {
            tracing::error!(%error, "the resource policies of CloudWatch Logs cannot be read and allow nothing");
            None
        }
    }
}
