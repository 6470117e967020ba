//! Bursts: many first invocations of one function at once, and the memory of the environments that served them.
//!
//! The floor is as many plain interpreters, started at once, each of which hands back one event.

use super::warm::{EVENT, create};
use super::{Bench, HEARTH};
use crate::failure::Failure;
use crate::lambda::{Lambda, invocation_path};
use crate::language::Language;
use crate::program::{self, Program};
use crate::role;
use crate::sample::{Figure, Sample};
use crate::table::{Row, Unit};
use bytes::Bytes;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Bursts of each language: they are large, so a few say enough.
const BURSTS_MAX: usize = 3;

/// Two rows for each language. Each burst meets a server that has just started, so that its memory is its own.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for language in &bench.languages {
        rows.extend(one(bench, language, bench.amount.burst).await?);
        if language.is_small {
            rows.extend(one(bench, language, bench.amount.large_burst).await?);
        }
    }
    Ok(rows)
}

/// A burst: until the last answer, and the memory that each one took.
pub(super) struct Burst {
    pub(super) time: Duration,
    mebibytes_each: f64,
}

async fn one(bench: &Bench, language: &Language, size: usize) -> Result<[Row; 2], Failure> {
    let (mut ours, mut floors) = (Sample::default(), Sample::default());
    let (mut our_memory, mut floor_memory) = (0.0f64, 0.0f64);
    for number in 0..bench.amount.rounds.min(BURSTS_MAX) {
        let hearth = bench.start_hearth(&format!("burst-{}-{size}-{number}", language.name))?;
        let burst = invoked(&hearth, language, size).await?;
        hearth.stop()?;
        ours.add(burst.time);
        our_memory = our_memory.max(burst.mebibytes_each);
        let burst = started(language, size)?;
        floors.add(burst.time);
        floor_memory = floor_memory.max(burst.mebibytes_each);
    }
    let floor = |figure| (format!("{size} plain processes at once"), figure);
    let row = |what: String, unit, figure, floor| Row { what, subject: HEARTH, unit, figure, floor };
    Ok([
        row(
            format!("burst of {size}, {}, to the last answer", language.name),
            Unit::Milliseconds,
            ours.figure(),
            floor(floors.figure()),
        ),
        row(
            format!("memory of an environment of {size}, {}", language.name),
            Unit::Mebibytes,
            Figure::single(our_memory),
            floor(Figure::single(floor_memory)),
        ),
    ])
}

async fn invoked(hearth: &Program, language: &Language, size: usize) -> Result<Burst, Failure> {
    role::make(HEARTH, hearth.address).await?;
    let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
    create(&mut lambda, "burst", language).await?;
    hearth.settle();
    let before = hearth.memory_bytes()?;
    let time = all_at_once(hearth, "burst", size).await?;
    let bytes = hearth.memory_bytes()?.saturating_sub(before);
    Ok(Burst { time, mebibytes_each: mebibytes(bytes) / size as f64 })
}

/// Invokes a function as often at once: the time to the last answer.
pub(super) async fn all_at_once(hearth: &Program, name: &str, size: usize) -> Result<Duration, Failure> {
    let mut clients = Vec::new();
    for _ in 0..size {
        clients.push(Lambda::connect(HEARTH, hearth.address).await?);
    }
    let began = Instant::now();
    let mut running = JoinSet::new();
    for mut client in clients {
        let path = invocation_path(name);
        running.spawn(async move { client.invoke(&path, &Bytes::from_static(EVENT)).await });
    }
    running.join_all().await.into_iter().collect::<Result<(), Failure>>()?;
    Ok(began.elapsed())
}

/// Plain processes, ended when this is dropped.
struct Plain(Vec<(Child, UnixStream)>);

/// As many plain processes at once.
pub(super) fn started(language: &Language, size: usize) -> Result<Burst, Failure> {
    let failed = || Failure::machine(format!("start {size} times {}", language.program.display()));
    let mut plain = Plain(Vec::with_capacity(size));
    let began = Instant::now();
    for _ in 0..size {
        let (mut ours, theirs) = UnixStream::pair().map_err(failed())?;
        ours.write_all(&[&(EVENT.len() as u32).to_be_bytes(), EVENT].concat()).map_err(failed())?;
        let output: OwnedFd = theirs.try_clone().map_err(failed())?.into();
        let mut command = Command::new(&language.program);
        command.args(&language.echo).stdin(OwnedFd::from(theirs)).stdout(Stdio::from(output));
        plain.0.push((command.spawn().map_err(failed())?, ours));
    }
    for (_, socket) in &mut plain.0 {
        let mut answer = [0; 4 + EVENT.len()];
        socket.read_exact(&mut answer).map_err(failed())?;
    }
    let time = began.elapsed();
    let bytes: u64 = plain.0.iter().filter_map(|(child, _)| program::proportional_bytes(child.id())).sum();
    Ok(Burst { time, mebibytes_each: mebibytes(bytes) / size as f64 })
}

impl Drop for Plain {
    fn drop(&mut self) {
        for (child, _) in &mut self.0 {
            // Whether it had ended already does not matter.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
