//! The server itself: from its start until it is ready, and its memory while nothing happens.
//!
//! The first start on a data directory also finds out what interpreters the machine has; later ones remember. Then the same with
//! many functions deployed, and what these cost a warm invocation and an idle server.

use super::warm::{EVENT, MEMORY_MB};
use super::{BARE, Bench, HEARTH};
use crate::failure::Failure;
use crate::lambda::{Lambda, NewFunction, invocation_path};
use crate::language::Language;
use crate::program::Program;
use crate::role;
use crate::sample::{Figure, Sample};
use crate::table::{Row, Unit};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How many create functions at once.
const CLIENTS: usize = 16;
/// For how long an idle server is watched.
const IDLE: Duration = Duration::from_secs(5);

/// Starts on a data directory that is new, and again on the same, against the bare server's.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let mut rows = empty(bench)?;
    rows.extend(full(bench).await?);
    Ok(rows)
}

fn empty(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let Some(language) = bench.languages.last() else { return Ok(Vec::new()) };
    let (mut first, mut later, mut floors) = (Sample::default(), Sample::default(), Sample::default());
    let mut memory = None;
    for number in 0..bench.amount.starts {
        let data = format!("start-{number}");
        let hearth = bench.start_hearth(&data)?;
        first.add(hearth.ready_after);
        hearth.settle();
        hearth.stop()?;
        let hearth = bench.start_hearth(&data)?;
        let bare = bench.start_bare(language)?;
        later.add(hearth.ready_after);
        floors.add(bare.ready_after);
        hearth.settle();
        memory = Some((mebibytes(&hearth)?, mebibytes(&bare)?));
        hearth.stop()?;
    }
    let floor = floors.figure();
    let row = |what: &str, unit, figure, floor| Row {
        what: what.to_owned(),
        subject: HEARTH,
        unit,
        figure,
        floor: (BARE.to_owned(), floor),
    };
    let mut rows = vec![
        row("server, first start to ready", Unit::Milliseconds, first.figure(), floor),
        row("server, start to ready, empty", Unit::Milliseconds, later.figure(), floor),
    ];
    if let Some((ours, floor)) = memory {
        let (ours, floor) = (Figure::single(ours), Figure::single(floor));
        rows.push(row("server, memory when idle", Unit::Mebibytes, ours, floor));
    }
    Ok(rows)
}

/// A server on which many functions are deployed, held against one with a single one.
async fn full(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let (Some(language), functions) = (bench.languages.first(), bench.amount.functions) else {
        return Ok(Vec::new());
    };
    for (data, count) in [("full", functions), ("sparse", 1)] {
        let hearth = bench.start_hearth(data)?;
        role::make(HEARTH, hearth.address).await?;
        deploy(&hearth, language, count).await?;
        hearth.stop()?;
    }
    let (mut starts, mut floor_starts) = (Sample::default(), Sample::default());
    let (mut warm, mut floor_warm) = (Sample::default(), Sample::default());
    let mut last: Option<(Program, Program)> = None;
    for _ in 0..bench.amount.starts.div_ceil(4) {
        // A data directory takes one server.
        if let Some((full, sparse)) = last.take() {
            full.stop()?;
            sparse.stop()?;
        }
        let (full, sparse) = (bench.start_hearth("full")?, bench.start_hearth("sparse")?);
        starts.add(full.ready_after);
        floor_starts.add(sparse.ready_after);
        for (hearth, sample) in [(&full, &mut warm), (&sparse, &mut floor_warm)] {
            hearth.settle();
            let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
            let (path, event) = (invocation_path(&name(0)), Bytes::from_static(EVENT));
            for number in 0..=bench.amount.warm {
                let began = Instant::now();
                lambda.invoke(&path, &event).await?;
                if number > 0 {
                    sample.add(began.elapsed());
                }
            }
        }
        last = Some((full, sparse));
    }
    let Some((full, sparse)) = last else { return Ok(Vec::new()) };
    let row = |what: String, unit, figure, floor| Row {
        what: format!("{what}, {functions} functions"),
        subject: HEARTH,
        unit,
        figure,
        floor: ("the same with one function".to_owned(), floor),
    };
    let single = |value| Figure::single(value);
    let memory = (single(mebibytes(&full)?), single(mebibytes(&sparse)?));
    let idle = (single(full.idle_processor_time(IDLE)?), single(sparse.idle_processor_time(IDLE)?));
    full.stop()?;
    sparse.stop()?;
    Ok(vec![
        row("server, start to ready".to_owned(), Unit::Milliseconds, starts.figure(), floor_starts.figure()),
        row(
            "warm invocation, python".replace("python", language.name),
            Unit::Milliseconds,
            warm.figure(),
            floor_warm.figure(),
        ),
        row("server, memory when idle".to_owned(), Unit::Mebibytes, memory.0, memory.1),
        row("server, processor time in an idle second".to_owned(), Unit::Milliseconds, idle.0, idle.1),
    ])
}

fn name(number: usize) -> String {
    format!("many-{number}")
}

async fn deploy(hearth: &Program, language: &Language, count: usize) -> Result<(), Failure> {
    let numbers = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
        let (numbers, runtime, zip) =
            (Arc::clone(&numbers), language.runtime.clone(), language.trivial.clone());
        let handler = language.handler;
        running.spawn(async move {
            loop {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let (name, zip) = (name(number), zip.as_slice());
                let function =
                    NewFunction { name: &name, runtime: &runtime, handler, zip, memory_mb: MEMORY_MB };
                lambda.create(&name, function.body()).await?;
            }
        });
    }
    running.join_all().await.into_iter().collect()
}

fn mebibytes(program: &Program) -> Result<f64, Failure> {
    Ok(program.memory_bytes()? as f64 / f64::from(1 << 20))
}
