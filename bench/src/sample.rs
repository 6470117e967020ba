//! Samples of durations and what is told of them.

use std::time::Duration;

/// Durations of one kind of act.
#[derive(Default)]
pub struct Sample(Vec<Duration>);

impl Sample {
    /// Adds one.
    pub fn add(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// The figure of this sample in milliseconds.
    pub fn figure(mut self) -> Figure {
        self.0.sort_unstable();
        Figure {
            median: milliseconds(percentile(&self.0, 50)),
            p99: Some(milliseconds(percentile(&self.0, 99))),
            count: self.0.len(),
        }
    }
}

/// What is told of a sample, in the unit of its row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The value in the middle; of a single value, that.
    pub median: f64,
    /// What 99 of 100 stay below.
    pub p99: Option<f64>,
    /// How many were measured.
    pub count: usize,
}

impl Figure {
    /// One value without a spread.
    pub fn single(value: f64) -> Self {
        Self { median: value, p99: None, count: 1 }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The nearest rank: a value that was measured, never one between two.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let cases: [(&[u64], f64, f64); 4] = [
            (&[7], 7.0, 7.0),
            (&[3, 1, 2], 2.0, 3.0),
            (&[4, 3, 2, 1], 2.0, 4.0),
            (&(1..=200).collect::<Vec<_>>(), 100.0, 198.0),
        ];
        for (values, median, p99) in cases {
            let mut sample = Sample::default();
            values.iter().for_each(|&value| sample.add(Duration::from_millis(value)));
            let figure = sample.figure();
            assert_eq!((figure.median, figure.p99), (median, Some(p99)), "{values:?}");
        }
    }
}
