//! Warm invocations a second, with more and more connections at once: the best that is reached.

use super::warm::{EVENT, create, echo};
use super::{BARE, Bench, HEARTH};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::lambda::{Lambda, invocation_path};
use crate::language::Language;
use crate::program::Program;
use crate::sample::Figure;
use crate::table::{Row, Unit};
use bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Connections at once.
const CONCURRENCIES: [usize; 5] = [1, 2, 4, 8, 16];
/// A round of the throughput is long: so many are enough.
const ROUNDS_MAX: usize = 5;

/// The best of all concurrencies.
#[derive(Clone, Copy)]
struct Best {
    per_second: f64,
    concurrency: usize,
    count: usize,
}

/// One row for each language.
pub async fn measure(bench: &Bench, hearth: &Program) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for language in &bench.languages {
        rows.push(one(bench, hearth, language).await?);
    }
    Ok(rows)
}

async fn one(bench: &Bench, hearth: &Program, language: &Language) -> Result<Row, Failure> {
    let bare = bench.start_bare(language)?;
    let name = format!("throughput-{}", language.name);
    let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
    create(&mut lambda, &name, language).await?;
    let path = invocation_path(&name);
    let (mut ours, mut floors) = (None, None);
    for concurrency in CONCURRENCIES {
        let (mut clients, mut connections) = (Vec::new(), Vec::new());
        for _ in 0..concurrency {
            clients.push(Lambda::connect(HEARTH, hearth.address).await?);
            connections.push(Connection::open(BARE, bare.address).await?);
        }
        // The environments of this concurrency are made before anything is measured.
        clients = invoked(clients, &path, bench.amount.throughput / 4).await?.0;
        connections = echoed(connections, bench.amount.throughput / 4).await?.0;
        let (mut our_time, mut floor_time, mut count) = (Duration::ZERO, Duration::ZERO, 0);
        for _ in 0..bench.amount.rounds.min(ROUNDS_MAX) {
            let took;
            (clients, took) = invoked(clients, &path, bench.amount.throughput).await?;
            our_time += took;
            let took;
            (connections, took) = echoed(connections, bench.amount.throughput).await?;
            floor_time += took;
            count += bench.amount.throughput / concurrency * concurrency;
        }
        ours = better(ours, Best { per_second: rate(count, our_time), concurrency, count });
        floors = better(floors, Best { per_second: rate(count, floor_time), concurrency, count });
    }
    lambda.delete(&name).await?;
    let (Some(ours), Some(floors)) = (ours, floors) else {
        unreachable!("there are concurrencies");
    };
    Ok(Row {
        what: format!("throughput, {}, best at {} connections", language.name, ours.concurrency),
        subject: HEARTH,
        unit: Unit::PerSecond,
        figure: Figure { median: ours.per_second, p99: None, count: ours.count },
        floor: (
            format!("{BARE}, {}, at {}", language.name, floors.concurrency),
            Figure { median: floors.per_second, p99: None, count: floors.count },
        ),
    })
}

/// Divides the invocations among the clients and waits for all.
async fn invoked(clients: Vec<Lambda>, path: &str, count: usize) -> Result<(Vec<Lambda>, Duration), Failure> {
    let share = count / clients.len();
    let began = Instant::now();
    let mut running = JoinSet::new();
    for mut client in clients {
        let path = path.to_owned();
        running.spawn(async move {
            for _ in 0..share {
                client.invoke(&path, &Bytes::from_static(EVENT)).await?;
            }
            Ok(client)
        });
    }
    let clients = running.join_all().await.into_iter().collect::<Result<_, Failure>>()?;
    Ok((clients, began.elapsed()))
}

async fn echoed(connections: Vec<Connection>, count: usize) -> Result<(Vec<Connection>, Duration), Failure> {
    let share = count / connections.len();
    let began = Instant::now();
    let mut running = JoinSet::new();
    for mut connection in connections {
        running.spawn(async move {
            for _ in 0..share {
                echo(&mut connection, &Bytes::from_static(EVENT)).await?;
            }
            Ok(connection)
        });
    }
    let connections = running.join_all().await.into_iter().collect::<Result<_, Failure>>()?;
    Ok((connections, began.elapsed()))
}

fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn better(held: Option<Best>, next: Best) -> Option<Best> {
    held.filter(|held| held.per_second >= next.per_second).or(Some(next))
}
