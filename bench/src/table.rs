//! Rows of results, printed for people and written as JSON for comparison.
//!
//! It refuses to pass judgement: a row says what was measured, beside its floor of the same run.

use crate::machine::Machine;
use crate::sample::Figure;
use serde_json::{Value, json};
use std::fmt::Write;

/// The unit of a row's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds: less is better.
    Milliseconds,
    /// Requests a second: more is better.
    PerSecond,
    /// Mebibytes: less is better.
    Mebibytes,
}

/// One thing measured, and what stands under it.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured, with its conditions.
    pub what: String,
    /// Which program was measured.
    pub subject: &'static str,
    /// The unit of all its figures.
    pub unit: Unit,
    /// The subject's figure.
    pub figure: Figure,
    /// What the floor is, and its figure of the same run.
    pub floor: (String, Figure),
}

const HEADS: [&str; 9] = ["what", "unit", "median", "p99", "floor", "median", "p99", "ratio", "ratio p99"];

impl Unit {
    fn text(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::PerSecond => "1/s",
            Self::Mebibytes => "MiB",
        }
    }
}

impl Row {
    /// The subject's median as a multiple of the floor's.
    pub fn ratio(&self) -> f64 {
        self.figure.median / self.floor.1.median
    }

    fn ratio_p99(&self) -> Option<f64> {
        Some(self.figure.p99? / self.floor.1.p99?)
    }

    fn cells(&self) -> [String; 9] {
        let (name, floor) = &self.floor;
        [
            self.what.clone(),
            self.unit.text().to_owned(),
            number(self.figure.median),
            self.figure.p99.map_or_else(String::new, number),
            name.clone(),
            number(floor.median),
            floor.p99.map_or_else(String::new, number),
            format!("{:.2}x", self.ratio()),
            self.ratio_p99().map_or_else(String::new, |ratio| format!("{ratio:.2}x")),
        ]
    }

    fn json(&self) -> Value {
        let (name, floor) = &self.floor;
        json!({
            "what": self.what,
            "subject": self.subject,
            "unit": self.unit.text(),
            "median": self.figure.median,
            "p99": self.figure.p99,
            "count": self.figure.count,
            "floor": name,
            "floorMedian": floor.median,
            "floorP99": floor.p99,
            "floorCount": floor.count,
            "ratio": self.ratio(),
            "ratioP99": self.ratio_p99(),
        })
    }
}

/// The table for people: text to the left, numbers to the right.
pub fn text(rows: &[Row]) -> String {
    let cells: Vec<[String; 9]> =
        std::iter::once(HEADS.map(str::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 9] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, row) in cells.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = match column {
                0 | 1 | 4 => write!(line, "{cell:<width$}  "),
                _ => write!(line, "{cell:>width$}  "),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
        if number == 0 {
            text.push_str(&"─".repeat(widths.iter().sum::<usize>() + 2 * (HEADS.len() - 1)));
            text.push('\n');
        }
    }
    text
}

/// The same for programs, with the machine.
pub fn json(machine: &Machine, quick: bool, rows: &[Row]) -> Value {
    json!({
        "date": machine.date,
        "machine": machine.json(),
        "quick": quick,
        "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
    })
}

/// Three significant places, whatever the size.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_row_s_own_floor() {
        let figure = |median, p99| Figure { median, p99, count: 3 };
        let row = |unit, ours, floor| Row {
            what: "warm".to_owned(),
            subject: "hearth",
            unit,
            figure: ours,
            floor: ("bare".to_owned(), floor),
        };
        let rows = [
            row(Unit::Milliseconds, figure(0.3, Some(9.0)), figure(0.1, Some(3.0))),
            row(Unit::PerSecond, figure(500.0, None), figure(1000.0, None)),
        ];
        let text = text(&rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[2].ends_with("3.00x      3.00x"), "{text}");
        assert!(lines[3].ends_with("0.50x"), "{text}");
        assert_eq!(rows[1].json()["ratio"], 0.5);
        assert_eq!(rows[1].json()["ratioP99"], Value::Null);
    }

    #[test]
    fn numbers_have_three_places() {
        for (value, text) in [(1234.5, "1234"), (12.345, "12.3"), (1.2345, "1.23"), (0.12345, "0.123")] {
            assert_eq!(number(value), text);
        }
    }
}
