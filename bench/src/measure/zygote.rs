//! Cold starts that find no stem cell, but a zygote of their function's: what most of a burst meets.
//!
//! A single one is made by taking the cells away: as many first invocations of other functions as there are cells, and when these
//! are answered, that of the function in question. No new cell can be ready by then. It refuses to believe that: a start counts
//! only when a copy of a zygote is there after it that was not there before.

use super::burst::{all_at_once, started};
use super::warm::{EVENT, create};
use super::{Bench, HEARTH};
use crate::failure::Failure;
use crate::lambda::{Lambda, invocation_path};
use crate::language::Language;
use crate::program::{Program, Waiting};
use crate::role;
use crate::sample::{Figure, Sample};
use crate::table::{Row, Unit};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Stem cells that are kept of a runtime, and functions that take them.
const CELLS: usize = 2;
/// Bursts of each kind.
const BURSTS_MAX: usize = 6;
/// How long cells and zygotes may take to be there.
const STOCKED_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks whether they are.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How many looks in a row have to say so.
const CALM_LOOKS: u32 = 5;

/// Rows of the languages that have zygotes; none where this machine makes none.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for language in bench.languages.iter().filter(|language| language.has_zygotes) {
        let single = single(bench, language).await?;
        if single.is_empty() {
            // Without them, or on a machine that is too busy, there is nothing to measure, which is no fault.
            println!("{}: no copies of zygotes, which take root and an x86-64: no rows", language.name);
            continue;
        }
        rows.extend(single);
        rows.extend(bursts(bench, language).await?);
    }
    Ok(rows)
}

/// One cold start at a time: a row for each floor.
async fn single(bench: &Bench, language: &Language) -> Result<Vec<Row>, Failure> {
    let hearth = bench.start_hearth(&format!("zygote-{}", language.name))?;
    role::make(HEARTH, hearth.address).await?;
    let mut ours = Sample::default();
    let mut floors: Vec<Sample> = language.starts.iter().map(|_| Sample::default()).collect();
    let mut others = 0;
    // The first fills the caches of the machine and of the server, for both.
    for number in 0..=bench.amount.cold {
        let Some(start) = start(&hearth, language, number).await? else { return Ok(Vec::new()) };
        match start {
            Start { time, is_copy: true } if number > 0 => ours.add(time),
            Start { is_copy: false, .. } if number > 0 => others += 1,
            Start { .. } => {}
        }
        for (plain, sample) in language.starts.iter().zip(&mut floors) {
            let took = language.run(plain)?;
            if number > 0 {
                sample.add(took);
            }
        }
    }
    hearth.stop()?;
    if others > 0 {
        println!("{}: {others} of {} were no copies, and do not count", language.name, bench.amount.cold);
    }
    if others == bench.amount.cold {
        return Ok(Vec::new());
    }
    let figure = ours.figure();
    let rows = language.starts.iter().zip(floors).map(|(plain, sample)| Row {
        what: format!("cold start, {}, trivial, a zygote and no cell at hand", language.name),
        subject: HEARTH,
        unit: Unit::Milliseconds,
        figure,
        floor: (plain.name.to_owned(), sample.figure()),
    });
    Ok(rows.collect())
}

/// A first invocation.
struct Start {
    time: Duration,
    is_copy: bool,
}

/// The first invocation of a function with a zygote, when others have just had all cells; None when there is no zygote.
async fn start(hearth: &Program, language: &Language, number: usize) -> Result<Option<Start>, Failure> {
    let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
    let takers: Vec<String> = (0..CELLS).map(|taker| format!("taker-{number}-{taker}")).collect();
    let name = format!("copied-{number}");
    let before = hearth.waiting().zygotes;
    // That of the function which was made last is made first.
    for name in takers.iter().chain([&name]) {
        create(&mut lambda, name, language).await?;
    }
    if !is_stocked(hearth, &before).await {
        return Ok(None);
    }
    let zygotes = hearth.waiting().zygotes;
    let earlier = hearth.copies(&zygotes);
    let mut clients = Vec::new();
    for taker in &takers {
        clients.push((Lambda::connect(HEARTH, hearth.address).await?, invocation_path(taker)));
    }
    let mut running = tokio::task::JoinSet::new();
    for (mut client, path) in clients {
        running.spawn(async move { client.invoke(&path, &Bytes::from_static(EVENT)).await });
    }
    running.join_all().await.into_iter().collect::<Result<(), Failure>>()?;
    let began = Instant::now();
    lambda.invoke(&invocation_path(&name), &Bytes::from_static(EVENT)).await?;
    let time = began.elapsed();
    let is_copy = hearth.copies(&zygotes).iter().any(|copy| !earlier.contains(copy));
    for name in takers.iter().chain([&name]) {
        lambda.delete(name).await?;
    }
    Ok(Some(Start { time, is_copy }))
}

/// Waits until there are cells and a zygote that was not there before, and all of them wait. Says whether they do.
async fn is_stocked(hearth: &Program, before: &[u32]) -> bool {
    let (began, mut calm) = (Instant::now(), 0);
    while began.elapsed() < STOCKED_WITHIN {
        let Waiting { cells, zygotes } = hearth.waiting();
        let is_whole = cells.len() >= CELLS && zygotes.iter().any(|zygote| !before.contains(zygote));
        let is_calm = is_whole && Program::is_asleep(&[cells, zygotes].concat());
        calm = if is_calm { calm + 1 } else { 0 };
        if calm == CALM_LOOKS {
            hearth.settle();
            return true;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    false
}

/// Many at once, with cells and a zygote at hand and with neither. Each meets a server that has just started.
async fn bursts(bench: &Bench, language: &Language) -> Result<[Row; 2], Failure> {
    let size = bench.amount.small_burst;
    let (mut with, mut without, mut floors) = (Sample::default(), Sample::default(), Sample::default());
    let mut copies = Vec::new();
    for number in 0..bench.amount.rounds.min(BURSTS_MAX) {
        let name = |kind| format!("{kind}-{}-{number}", language.name);
        let hearth = deployed(bench, language, (&name("copying"), &[])).await?;
        if !is_stocked(&hearth, &[]).await {
            println!("{}: a burst met no zygote within {STOCKED_WITHIN:?}", language.name);
        }
        let zygotes = hearth.waiting().zygotes;
        with.add(all_at_once(&hearth, BURST, size).await?);
        copies.push(hearth.copies(&zygotes).len());
        hearth.stop()?;
        let none = ["--stem-cell-memory", "0"];
        let hearth = deployed(bench, language, (&name("starting"), &none)).await?;
        hearth.settle();
        without.add(all_at_once(&hearth, BURST, size).await?);
        hearth.stop()?;
        floors.add(started(language, size)?.time);
    }
    println!("{}: copies in bursts of {size}: {copies:?}", language.name);
    let floor = floors.figure();
    let row = |what: &str, figure: Figure| Row {
        what: format!("burst of {size}, {}, to the last answer, {what}", language.name),
        subject: HEARTH,
        unit: Unit::Milliseconds,
        figure,
        floor: (format!("{size} plain processes at once"), floor),
    };
    Ok([
        row("cells and a zygote at hand", with.figure()),
        row("neither cells nor a zygote", without.figure()),
    ])
}

/// The function of all bursts.
const BURST: &str = "burst";

/// A server that has just started, with that function, which was never invoked.
async fn deployed(
    bench: &Bench,
    language: &Language,
    (data, arguments): (&str, &[&str]),
) -> Result<Program, Failure> {
    let hearth = bench.start_hearth_with(data, arguments)?;
    role::make(HEARTH, hearth.address).await?;
    let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
    create(&mut lambda, BURST, language).await?;
    Ok(hearth)
}
