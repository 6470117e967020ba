//! Reading from the output of test runners how many tests passed, failed and were not run, and why not.

/// What one part of the tests came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were not run.
    pub skipped: u64,
    /// Why they were not, one line for each reason.
    pub reasons: Vec<String>,
}

/// Whose output it is.
#[derive(Debug, Clone, Copy)]
pub enum Runner {
    /// `cargo test`.
    Cargo,
    /// `pytest -ra`.
    Pytest,
    /// `node --test --test-reporter=spec`.
    Node,
}

impl Tally {
    /// Takes in one line of a runner's output.
    pub fn read(&mut self, runner: Runner, line: &str) {
        let line = plain(line);
        match runner {
            Runner::Cargo => self.read_cargo(&line),
            Runner::Pytest => self.read_pytest(&line),
            Runner::Node => self.read_node(&line),
        }
    }

    /// Adds another part's numbers to these.
    pub fn add(&mut self, other: &Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
    fn read_cargo(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ignored")) {
            self.reasons.push(format!("{}: {}", name.0, name.1.trim_start_matches([',', ' '])));
        }
        let Some(counts) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        counts.1.split(';').for_each(|count| self.count(count));
    }

    /// `==== 1 failed, 2 passed, 1 skipped, 1 error in 0.12s ====` and `SKIPPED [1] file.py:3: reason`.
    fn read_pytest(&mut self, line: &str) {
        if let Some(skipped) = line.strip_prefix("SKIPPED [") {
            self.reasons.extend(skipped.split_once("] ").map(|(_, reason)| reason.to_owned()));
            return;
        }
        let Some((counts, _)) = line.trim_matches(['=', ' ']).rsplit_once(" in ") else { return };
        if line.starts_with("==") {
            counts.split(',').for_each(|count| self.count(count));
        }
    }

    /// `ℹ pass 3` and `﹣ name (0.1ms) # reason`.
    fn read_node(&mut self, line: &str) {
        if let Some(skipped) = line.trim_start().strip_prefix("﹣ ") {
            self.reasons.push(skipped.to_owned());
        }
        let Some((word, number)) = line.strip_prefix("ℹ ").and_then(|rest| rest.rsplit_once(' ')) else {
            return;
        };
        self.count(&format!("{number} {word}"));
    }

    /// `3 passed`, in any runner's words.
    fn count(&mut self, text: &str) {
        let Some((number, word)) = text.trim().split_once(' ') else { return };
        let Ok(number) = number.parse::<u64>() else { return };
        match word {
            "passed" | "pass" | "subtests passed" => self.passed += number,
            "failed" | "fail" | "subtests failed" | "error" | "errors" | "cancelled" => self.failed += number,
            "skipped" | "ignored" => self.skipped += number,
            _ => {}
        }
    }
}

/// The line without the colours of terminals.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        text.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_each_runner_are_counted() {
        let cases = [
            (
                Runner::Cargo,
                "test a::b ... ok\n\
                 test c ... ignored, needs root\n\
                 test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                 test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.00s",
                (5, 4, 1, 1),
            ),
            (
                Runner::Pytest,
                "test_a.py::test_b PASSED [ 10%]\n\
                 SKIPPED [2] test_a.py:3: no curl in here\n\
                 ============ 1 failed, 5 passed, 2 skipped, 1 error, 9 subtests passed in 61.00s (0:01:01) ============",
                (14, 2, 2, 1),
            ),
            (Runner::Pytest, "\u{1b}[32m=== \u{1b}[1m7 passed\u{1b}[0m in 0.1s ===\u{1b}[0m", (7, 0, 0, 0)),
            (Runner::Pytest, "what 3 failed in 1 s is no closing line", (0, 0, 0, 0)),
            (
                Runner::Node,
                "✔ adds (1ms)\n﹣ waits (0.1ms) # no network\nℹ tests 4\nℹ pass 2\nℹ fail 1\nℹ cancelled 0\nℹ skipped 1\nℹ duration_ms 1.5",
                (2, 1, 1, 1),
            ),
        ];
        for (runner, output, (passed, failed, skipped, reasons)) in cases {
            let mut tally = Tally::default();
            output.lines().for_each(|line| tally.read(runner, line));
            let found = (tally.passed, tally.failed, tally.skipped, tally.reasons.len());
            assert_eq!(found, (passed, failed, skipped, reasons), "{runner:?} {output}");
        }
    }
}
