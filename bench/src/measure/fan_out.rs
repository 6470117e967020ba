//! Messages a second through a topic and events a second through a bus, singly and in tens, each with one queue behind it:
//! acknowledged, and arrived in the queue.

use super::progress::Progress;
use super::queue::{BATCH, CLIENTS, row, stored};
use super::{Bench, HEARTH};
use crate::failure::Failure;
use crate::program::Program;
use crate::publisher::{Kind, Publisher};
use crate::sqs::Sqs;
use crate::table::Row;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// As long as the messages that are sent to a queue by themselves. A bus takes JSON objects only.
const BODY_BYTES: usize = 256;

/// Two rows for each size of batch and each kind.
pub async fn measure(bench: &Bench, hearth: &Program, kinds: &[Kind]) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for kind in kinds {
        rows.extend(one(bench, hearth, *kind).await?);
    }
    Ok(rows)
}

async fn one(bench: &Bench, hearth: &Program, kind: Kind) -> Result<Vec<Row>, Failure> {
    let Some(language) = bench.languages.first() else { return Ok(Vec::new()) };
    let bare = bench.start_bare(language)?;
    let count = bench.amount.published / CLIENTS * CLIENTS;
    let floor = stored(&bare, count.min(CLIENTS * 100)).await?;
    let mut rows = Vec::new();
    for size in [1, BATCH] {
        let took = passed(hearth, kind, (count, size)).await?;
        let (what, [taken, arrived]) = match kind {
            Kind::Topic => ("messages to a topic with a queue", ["published", "published and delivered"]),
            Kind::RawTopic => {
                ("raw messages to a topic with a queue", ["published", "published and delivered"])
            }
            Kind::Bus => ("events to a bus with a rule and a queue", ["put", "put and delivered"]),
        };
        for (done, took) in [(taken, took.taken), (arrived, took.arrived)] {
            rows.push(row(format!("{what}, {done}, {size} a request"), (count, took), floor));
        }
    }
    Ok(rows)
}

/// From the first request.
struct Took {
    /// To the last acknowledgement.
    taken: Duration,
    /// Until the last message waits in the queue.
    arrived: Duration,
}

/// Passes messages through a topic or a rule of their own into a queue of their own.
async fn passed(hearth: &Program, kind: Kind, (count, size): (usize, usize)) -> Result<Took, Failure> {
    let kind_name = match kind {
        Kind::Topic => "topic",
        Kind::RawTopic => "raw",
        Kind::Bus => "bus",
    };
    let name = format!("bench-{kind_name}-{size}");
    let mut queue = Sqs::connect(HEARTH, hearth.address, &name).await?;
    let arn = queue.admit(kind.principal()).await?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(kind.connect(HEARTH, hearth.address, (&name, &arn)).await?);
    }
    let began = Instant::now();
    clients = published(clients, &name, (count, size)).await?;
    let taken = began.elapsed();
    all_arrived(&mut queue, count).await?;
    let arrived = began.elapsed();
    if let Some(client) = clients.pop() {
        client.remove(&name).await?;
    }
    queue.delete().await?;
    Ok(Took { taken, arrived })
}

/// Has every client publish its share.
async fn published(
    clients: Vec<Publisher>,
    name: &str,
    (count, size): (usize, usize),
) -> Result<Vec<Publisher>, Failure> {
    let share = count / clients.len();
    let mut running = JoinSet::new();
    for mut client in clients {
        let (name, body) = (name.to_owned(), body());
        running.spawn(async move {
            let mut left = share;
            while left > 0 {
                let now = left.min(size);
                client.publish(&name, &vec![body.clone(); now]).await?;
                left -= now;
            }
            Ok(client)
        });
    }
    running.join_all().await.into_iter().collect()
}

fn body() -> String {
    let around = r#"{"text":""}"#.len();
    format!(r#"{{"text":"{}"}}"#, "x".repeat(BODY_BYTES - around))
}

/// Waits until so many messages wait in the queue.
async fn all_arrived(queue: &mut Sqs, count: usize) -> Result<(), Failure> {
    let mut progress = Progress::towards(count, "messages arrived");
    while !progress.is_done(queue.waiting().await?).await? {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_objects_of_the_length_of_other_messages() {
        assert_eq!(body().len(), BODY_BYTES);
        assert!(serde_json::from_str::<serde_json::Value>(&body()).unwrap().is_object());
    }
}
