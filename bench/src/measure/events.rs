//! Events a second: accepted durably, and accepted and run.

use super::progress::Progress;
use super::queue::{CLIENTS, row, stored};
use super::warm::{EVENT, create};
use super::{Bench, HEARTH};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::lambda::{Lambda, invocation_path};
use crate::language::Language;
use crate::program::Program;
use crate::table::Row;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use std::time::Instant;
use tokio::task::JoinSet;

/// What the server counts of functions that ran.
const RAN: &str = "lambda_invocations_total{";

/// Two rows for each language.
pub async fn measure(bench: &Bench, hearth: &Program) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for language in &bench.languages {
        rows.extend(one(bench, hearth, language).await?);
    }
    Ok(rows)
}

async fn one(bench: &Bench, hearth: &Program, language: &Language) -> Result<[Row; 2], Failure> {
    let bare = bench.start_bare(language)?;
    let count = bench.amount.events / CLIENTS * CLIENTS;
    let floor = stored(&bare, count.min(CLIENTS * 100)).await?;
    let name = format!("events-{}", language.name);
    let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
    create(&mut lambda, &name, language).await?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Lambda::connect(HEARTH, hearth.address).await?);
    }
    let began = Instant::now();
    sent(clients, &invocation_path(&name), count).await?;
    let accepted = began.elapsed();
    all_ran(hearth, &name, count).await?;
    let ran = began.elapsed();
    lambda.delete(&name).await?;
    let row = |what: &str, took| {
        row(format!("events {what}, {}, {CLIENTS} connections", language.name), (count, took), floor)
    };
    Ok([row("accepted while others run", accepted), row("accepted and run", ran)])
}

/// Has every client send its share.
async fn sent(clients: Vec<Lambda>, path: &str, count: usize) -> Result<(), Failure> {
    let share = count / clients.len();
    let mut running = JoinSet::new();
    for mut client in clients {
        let path = path.to_owned();
        running.spawn(async move {
            for _ in 0..share {
                client.send_event(&path, &Bytes::from_static(EVENT)).await?;
            }
            Ok(())
        });
    }
    running.join_all().await.into_iter().collect()
}

/// Waits until the function has run so often.
async fn all_ran(hearth: &Program, name: &str, count: usize) -> Result<(), Failure> {
    let mut connection = Connection::open(HEARTH, hearth.address).await?;
    let mut progress = Progress::towards(count, "events ran");
    loop {
        let request = Request::get("/_hearth/metrics").header("host", "bench").body(Full::new(Bytes::new()));
        let answer = connection.send(request.expect("the request is valid")).await?;
        if progress.is_done(invocations(&String::from_utf8_lossy(&answer.body), name)).await? {
            return Ok(());
        }
    }
}

fn invocations(metrics: &str, name: &str) -> usize {
    let function = format!("function_name=\"{name}\"");
    let line = metrics.lines().find(|line| line.starts_with(RAN) && line.contains(&function));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}
