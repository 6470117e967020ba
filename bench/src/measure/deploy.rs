//! Deployments of a large package, from the request until the function can be invoked.

use super::warm::MEMORY_MB;
use super::{BARE, Bench, HEARTH};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::lambda::{Lambda, NewFunction};
use crate::language::package_of;
use crate::program::Program;
use crate::sample::Sample;
use crate::table::{Row, Unit};
use bytes::Bytes;
use hearth_base::{Rng, SeededRng};
use http::{Request, StatusCode};
use http_body_util::Full;
use std::time::Instant;

/// One row, for the first language: a package is unpacked alike in all.
pub async fn measure(bench: &Bench, hearth: &Program) -> Result<Vec<Row>, Failure> {
    let Some(language) = bench.languages.first() else { return Ok(Vec::new()) };
    let bare = bench.start_bare(language)?;
    let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
    let mut floor = Connection::open(BARE, bare.address).await?;
    let (mut ours, mut floors) = (Sample::default(), Sample::default());
    for number in 0..bench.amount.deployments {
        // Each has its own content, or the server would have it already; none that compresses, as in a package of libraries.
        let mut content = vec![0; bench.amount.package_bytes];
        SeededRng::new(number as u64).fill(&mut content);
        let zip = package_of(&[("data.bin", &content), ("app.py", b"")])?;
        let name = format!("deploy-{number}");
        let function = NewFunction {
            name: &name,
            runtime: &language.runtime,
            handler: language.handler,
            zip: &zip,
            memory_mb: MEMORY_MB,
        };
        let body = function.body();
        let began = Instant::now();
        lambda.create(&name, body.clone()).await?;
        ours.add(began.elapsed());
        lambda.delete(&name).await?;
        let began = Instant::now();
        store(&mut floor, body).await?;
        floors.add(began.elapsed());
    }
    Ok(vec![Row {
        what: format!("deployment of {} MiB", bench.amount.package_bytes >> 20),
        subject: HEARTH,
        unit: Unit::Milliseconds,
        figure: ours.figure(),
        floor: (format!("{BARE}, to disk"), floors.figure()),
    }])
}

async fn store(floor: &mut Connection, body: Bytes) -> Result<(), Failure> {
    let request = Request::post("/store").header("host", "bare").body(Full::new(body));
    let answer = floor.send(request.expect("the request is valid")).await?;
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(Failure::Answer(format!("POST /store to the {BARE}"), answer.status, body))
}
