//! The server itself: from its start until it is ready, and its memory while nothing happens.

use super::{BARE, Bench, HEARTH};
use crate::failure::Failure;
use crate::program::Program;
use crate::sample::{Figure, Sample};
use crate::table::{Row, Unit};

/// Starts on an empty data directory, against the bare server's.
pub fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let Some(language) = bench.languages.last() else { return Ok(Vec::new()) };
    let (mut ours, mut floors) = (Sample::default(), Sample::default());
    let mut memory = None;
    for number in 0..bench.amount.starts {
        let hearth = bench.start_hearth(&format!("start-{number}"))?;
        let bare = bench.start_bare(language)?;
        ours.add(hearth.ready_after);
        floors.add(bare.ready_after);
        memory = Some((mebibytes(&hearth)?, mebibytes(&bare)?));
        hearth.stop()?;
    }
    let row = |what: &str, unit, figure, floor| Row {
        what: what.to_owned(),
        subject: HEARTH,
        unit,
        figure,
        floor: (BARE.to_owned(), floor),
    };
    let mut rows =
        vec![row("server, start to ready, empty", Unit::Milliseconds, ours.figure(), floors.figure())];
    if let Some((ours, floor)) = memory {
        let (ours, floor) = (Figure::single(ours), Figure::single(floor));
        rows.push(row("server, memory when idle", Unit::Mebibytes, ours, floor));
    }
    Ok(rows)
}

fn mebibytes(program: &Program) -> Result<f64, Failure> {
    Ok(program.memory_bytes()? as f64 / f64::from(1 << 20))
}
