//! The server itself: from its start until it is ready, and its memory while nothing happens.
//!
//! The first start on a data directory also finds out what interpreters the machine has; later ones remember.

use super::{BARE, Bench, HEARTH};
use crate::failure::Failure;
use crate::program::Program;
use crate::sample::{Figure, Sample};
use crate::table::{Row, Unit};

/// Starts on a data directory that is new, and again on the same, against the bare server's.
pub fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
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

fn mebibytes(program: &Program) -> Result<f64, Failure> {
    Ok(program.memory_bytes()? as f64 / f64::from(1 << 20))
}
