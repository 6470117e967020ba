//! Warm invocations, one after the other over one connection: the least an invocation takes.

use super::{BARE, Bench, HEARTH};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::lambda::{Lambda, NewFunction, invocation_path};
use crate::language::Language;
use crate::program::Program;
use crate::sample::Sample;
use crate::table::{Row, Unit};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use std::time::Instant;

/// The event of all measurements: every language writes it as it reads it.
pub const EVENT: &[u8] = br#""Sixty-four bytes, much as a small event of an application has them""#;
/// One whole processor and a little more, so that the share of the processors is not what is measured.
pub const MEMORY_MB: u32 = 2048;
/// Invocations before anything is measured.
const WARMING: usize = 50;

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
    let name = format!("warm-{}", language.name);
    let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
    create(&mut lambda, &name, language).await?;
    let mut floor = Connection::open(BARE, bare.address).await?;
    let (path, event) = (invocation_path(&name), Bytes::from_static(EVENT));
    for _ in 0..WARMING {
        lambda.invoke(&path, &event).await?;
        echo(&mut floor, &event).await?;
    }
    let (mut ours, mut floors) = (Sample::default(), Sample::default());
    for _ in 0..bench.amount.rounds {
        for _ in 0..bench.amount.warm {
            let began = Instant::now();
            lambda.invoke(&path, &event).await?;
            ours.add(began.elapsed());
        }
        for _ in 0..bench.amount.warm {
            let began = Instant::now();
            echo(&mut floor, &event).await?;
            floors.add(began.elapsed());
        }
    }
    lambda.delete(&name).await?;
    Ok(Row {
        what: format!("warm invocation, {}", language.name),
        subject: HEARTH,
        unit: Unit::Milliseconds,
        figure: ours.figure(),
        floor: (format!("{BARE}, {}", language.name), floors.figure()),
    })
}

/// Creates the trivial function of a language.
pub async fn create(lambda: &mut Lambda, name: &str, language: &Language) -> Result<(), Failure> {
    let function = NewFunction {
        name,
        runtime: &language.runtime,
        handler: language.handler,
        zip: &language.trivial,
        memory_mb: MEMORY_MB,
    };
    lambda.create(name, function.body()).await
}

/// One request to the bare server.
pub async fn echo(floor: &mut Connection, event: &Bytes) -> Result<(), Failure> {
    let request = Request::post("/echo").header("host", "bare").body(Full::new(event.clone()));
    let answer = floor.send(request.expect("the request is valid")).await?;
    if answer.status == StatusCode::OK && answer.body == *event {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(Failure::Answer(format!("POST /echo to the {BARE}"), answer.status, body))
}
