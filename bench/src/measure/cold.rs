//! Cold starts: the first invocation of a function that was never invoked before, from the request to the whole answer.
//!
//! Every one is of a function of its own, so that nothing of an earlier one is left to help or to hinder. Before each the
//! server is calm: where the language has stem cells, one is at hand. What it takes without any is measured on a server that
//! makes none.

use super::warm::{EVENT, MEMORY_MB};
use super::{Bench, HEARTH};
use crate::failure::Failure;
use crate::lambda::{Lambda, NewFunction, invocation_path};
use crate::language::{Language, Plain};
use crate::program::Program;
use crate::sample::Sample;
use crate::table::{Row, Unit};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// One row for each function and each floor under it.
pub async fn measure(bench: &Bench, hearth: &Program) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let without = bench.start_hearth_with("without-cells", &["--stem-cell-memory", "0"])?;
    for language in &bench.languages {
        let trivial = |kind| Case { language, kind, zip: &language.trivial, floors: &language.starts };
        rows.extend(trivial("trivial").measure(bench, hearth).await?);
        if language.has_cells {
            rows.extend(trivial("trivial, no cell at hand").measure(bench, &without).await?);
        }
        if let Some((zip, plain)) = &language.typical {
            let floors = std::slice::from_ref(plain);
            rows.extend(
                Case { language, kind: "imports the SDK", zip, floors }.measure(bench, hearth).await?,
            );
        }
    }
    without.stop()?;
    Ok(rows)
}

/// One function of one language.
struct Case<'a> {
    language: &'a Language,
    kind: &'static str,
    zip: &'a [u8],
    floors: &'a [Plain],
}

impl Case<'_> {
    async fn measure(&self, bench: &Bench, hearth: &Program) -> Result<Vec<Row>, Failure> {
        let mut lambda = Lambda::connect(HEARTH, hearth.address).await?;
        // The first of all fills the caches of the machine and of the server, for both.
        self.start(&mut lambda, hearth, usize::MAX).await?;
        for plain in self.floors {
            self.language.run(plain)?;
        }
        let mut ours = Sample::default();
        let mut floors: Vec<Sample> = self.floors.iter().map(|_| Sample::default()).collect();
        for number in 0..bench.amount.cold {
            ours.add(self.start(&mut lambda, hearth, number).await?);
            for (plain, sample) in self.floors.iter().zip(&mut floors) {
                sample.add(self.language.run(plain)?);
            }
        }
        let figure = ours.figure();
        let row = |(plain, sample): (&Plain, Sample)| Row {
            what: format!("cold start, {}, {}", self.language.name, self.kind),
            subject: HEARTH,
            unit: Unit::Milliseconds,
            figure,
            floor: (plain.name.to_owned(), sample.figure()),
        };
        Ok(self.floors.iter().zip(floors).map(row).collect())
    }

    /// A function from its creation to its end; the time of its first invocation.
    async fn start(&self, lambda: &mut Lambda, hearth: &Program, number: usize) -> Result<Duration, Failure> {
        let name = format!("cold-{}-{}", self.language.name, number % 100_000);
        let function = NewFunction {
            name: &name,
            runtime: &self.language.runtime,
            handler: self.language.handler,
            zip: self.zip,
            memory_mb: MEMORY_MB,
        };
        lambda.create(&name, function.body()).await?;
        hearth.settle();
        let began = Instant::now();
        lambda.invoke(&invocation_path(&name), &Bytes::from_static(EVENT)).await?;
        let took = began.elapsed();
        lambda.delete(&name).await?;
        Ok(took)
    }
}
