//! Messages a second through a queue, singly and in tens, with nothing waiting in it and with very many.

use super::{BARE, Bench, HEARTH};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::program::Program;
use crate::sample::Figure;
use crate::sqs::Sqs;
use crate::table::{Row, Unit};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Clients at once.
pub const CLIENTS: usize = 64;
/// Messages of a batch.
pub const BATCH: usize = 10;
const QUEUE: &str = "bench";

/// Two rows for each size of batch, without and with messages waiting.
pub async fn measure(bench: &Bench, hearth: &Program) -> Result<Vec<Row>, Failure> {
    let Some(language) = bench.languages.first() else { return Ok(Vec::new()) };
    let bare = bench.start_bare(language)?;
    let count = bench.amount.messages;
    let floor = stored(&bare, count.min(CLIENTS * 100)).await?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Sqs::connect(HEARTH, hearth.address, QUEUE).await?);
    }
    let mut rows = Vec::new();
    for waiting in [0, bench.amount.waiting] {
        clients = sent(clients, (waiting, BATCH)).await?.0;
        for size in [1, BATCH] {
            let (sending, receiving);
            (clients, sending) = sent(clients, (count, size)).await?;
            (clients, receiving) = consumed(clients, (count, size)).await?;
            for (what, took) in [("sent", sending), ("received and deleted", receiving)] {
                let what = format!("messages {what}, {size} a request, {waiting} waiting");
                rows.push(row(what, (count, took), floor));
            }
        }
    }
    Ok(rows)
}

/// So many in this time, beside bodies that are only stored.
pub fn row(what: String, (count, took): (usize, Duration), floor: Figure) -> Row {
    Row {
        what,
        subject: HEARTH,
        unit: Unit::PerSecond,
        figure: Figure { median: rate(count, took), p99: None, count },
        floor: (format!("{BARE}, to disk"), floor),
    }
}

/// A server that speaks SQS's JSON protocol, whichever it is.
#[derive(clap::Args)]
pub struct Options {
    /// Where it listens
    #[arg(long)]
    address: SocketAddr,
    /// Messages of one measurement
    #[arg(long)]
    messages: usize,
    /// Whether the same is done once before, unmeasured: for what becomes faster by being used
    #[arg(long)]
    warming: bool,
}

/// What it is called in failures.
const PEER: &str = "the peer";

/// Messages a second through a queue of that server, printed as JSON.
pub async fn of(options: Options) -> Result<(), Failure> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Sqs::connect(PEER, options.address, QUEUE).await?);
    }
    let count = options.messages / CLIENTS * CLIENTS;
    let mut rates = serde_json::Map::new();
    for is_measured in [false, true].into_iter().skip(usize::from(!options.warming)) {
        for size in [1, BATCH] {
            let (sending, receiving);
            (clients, sending) = sent(clients, (count, size)).await?;
            (clients, receiving) = consumed(clients, (count, size)).await?;
            if is_measured {
                rates.insert(format!("sent by {size}"), rate(count, sending).into());
                rates.insert(format!("received by {size}"), rate(count, receiving).into());
            }
        }
    }
    println!("{}", serde_json::Value::Object(rates));
    Ok(())
}

pub fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Has every client send its share.
async fn sent(clients: Vec<Sqs>, (count, size): (usize, usize)) -> Result<(Vec<Sqs>, Duration), Failure> {
    let share = count / clients.len();
    let began = Instant::now();
    let mut running = JoinSet::new();
    for mut client in clients {
        running.spawn(async move {
            let mut left = share;
            while left > 0 {
                let now = left.min(size);
                client.send(&vec!["x".repeat(256); now]).await?;
                left -= now;
            }
            Ok(client)
        });
    }
    let clients = running.join_all().await.into_iter().collect::<Result<_, Failure>>()?;
    Ok((clients, began.elapsed()))
}

/// Has every client receive and delete its share.
async fn consumed(clients: Vec<Sqs>, (count, size): (usize, usize)) -> Result<(Vec<Sqs>, Duration), Failure> {
    let share = count / clients.len();
    let began = Instant::now();
    let mut running = JoinSet::new();
    for mut client in clients {
        running.spawn(async move {
            let mut left = share;
            while left > 0 {
                let found = client.consume(size.min(left)).await?;
                if found == 0 {
                    let trouble = "the queue is empty before all were received".to_owned();
                    return Err(Failure::Program("SQS".to_owned(), trouble));
                }
                left -= found;
            }
            Ok(client)
        });
    }
    let clients = running.join_all().await.into_iter().collect::<Result<_, Failure>>()?;
    Ok((clients, began.elapsed()))
}

/// Bodies a second that the bare server writes to disk.
pub async fn stored(bare: &Program, count: usize) -> Result<Figure, Failure> {
    let mut connections = Vec::new();
    for _ in 0..CLIENTS {
        connections.push(Connection::open(BARE, bare.address).await?);
    }
    let share = count / connections.len();
    let began = Instant::now();
    let mut running = JoinSet::new();
    for mut connection in connections {
        running.spawn(async move {
            for _ in 0..share {
                let body = Full::new(Bytes::from("x".repeat(256)));
                let request = Request::post("/store").header("host", "bare").body(body);
                let answer = connection.send(request.expect("the request is valid")).await?;
                if answer.status != StatusCode::OK {
                    let body = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(Failure::Answer("POST /store".to_owned(), answer.status, body));
                }
            }
            Ok(())
        });
    }
    running.join_all().await.into_iter().collect::<Result<(), Failure>>()?;
    Ok(Figure { median: rate(share * CLIENTS, began.elapsed()), p99: None, count: share * CLIENTS })
}
