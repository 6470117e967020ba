//! Makes of rules the program that the kernel runs before each system call.
//! <https://docs.kernel.org/userspace-api/seccomp_filter.html>
//!
//! Calls that are answered alike and whose numbers follow each other are one range, and the range of a call is found by halving: the
//! kernel runs the program for each call that there is when it is installed, and an environment that starts waits for that. It
//! refuses to know what is allowed.

use super::Condition;
use libc::sock_filter;
use std::collections::BTreeMap;

/// `struct seccomp_data`: where the number of the call, the architecture and the first argument are.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
const ARGUMENT_BYTES: u32 = 8;
/// Of an argument's two halves the lower.
const LOWER: u32 = if cfg!(target_endian = "big") { 4 } else { 0 };

// <linux/audit.h>
#[cfg(target_arch = "x86_64")]
const OURS: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OURS: u32 = 0xc000_00b7;

// <linux/bpf_common.h>
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// What the kernel does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Allow,
    Error(i32),
    /// The process made a call of another architecture.
    Kill,
}

/// The answers to one call: the first one all of whose conditions hold.
pub(super) type Answers = Vec<(Vec<Condition>, Answer)>;

/// A program that gives each call its answers, and `otherwise` where it has none or none holds.
pub(super) fn compile(calls: &BTreeMap<u32, Answers>, otherwise: Answer) -> Vec<sock_filter> {
    let mut program = vec![
        instruction(LOAD, ARCHITECTURE),
        jump(JUMP_IF_EQUAL, OURS, 1, 0),
        instruction(RETURN, Answer::Kill.value()),
        instruction(LOAD, NUMBER),
    ];
    program.extend(search(&ranges(calls, otherwise)));
    program
}

/// From which number on there are which answers: all numbers in ascending order, neighbours never alike.
fn ranges(calls: &BTreeMap<u32, Answers>, otherwise: Answer) -> Vec<(u32, Answers)> {
    let none = || vec![(Vec::new(), otherwise)];
    let mut ranges = vec![(0, none())];
    let mut begin = |number: u32, answers: Answers| {
        if ranges.last().is_some_and(|(first, _)| *first == number) {
            ranges.pop();
        }
        if ranges.last().is_none_or(|(_, before)| *before != answers) {
            ranges.push((number, answers));
        }
    };
    for (number, answers) in calls {
        // What stands behind an answer without conditions is never reached.
        let reached = answers.iter().position(|(conditions, _)| conditions.is_empty());
        let mut answers = answers[..reached.map_or(answers.len(), |last| last + 1)].to_vec();
        if reached.is_none() {
            answers.extend(none());
        }
        begin(*number, answers);
        begin(number + 1, none());
    }
    ranges
}

/// Finds the range of the number that is loaded.
fn search(ranges: &[(u32, Answers)]) -> Vec<sock_filter> {
    let (left, right) = ranges.split_at(ranges.len() / 2);
    let Some((first, answers)) = right.first() else { return Vec::new() };
    if left.is_empty() {
        return leaf(answers);
    }
    let (left, right) = (search(left), search(right));
    let mut program = match u8::try_from(left.len()) {
        Ok(over) => vec![jump(JUMP_IF_AT_LEAST, *first, over, 0)],
        // Only a jump without a condition goes that far.
        Err(_) => vec![jump(JUMP_IF_AT_LEAST, *first, 0, 1), instruction(JUMP, left.len() as u32)],
    };
    program.extend(left);
    program.extend(right);
    program
}

fn leaf(answers: &Answers) -> Vec<sock_filter> {
    let mut program = Vec::new();
    for (conditions, answer) in answers {
        // From the last condition to the first: where one does not hold, the rest of this answer is jumped over.
        let mut of_answer = vec![instruction(RETURN, answer.value())];
        for condition in conditions.iter().rev() {
            // A call has six arguments, so the conditions on them are few.
            let over = of_answer.len() as u8;
            let mut test =
                vec![instruction(LOAD, ARGUMENTS + ARGUMENT_BYTES * u32::from(condition.argument) + LOWER)];
            if condition.mask != u32::MAX {
                test.push(instruction(AND, condition.mask));
            }
            test.push(jump(JUMP_IF_EQUAL, condition.value, 0, over));
            test.append(&mut of_answer);
            of_answer = test;
        }
        program.append(&mut of_answer);
    }
    program
}

impl Answer {
    fn value(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Error(number) => libc::SECCOMP_RET_ERRNO | number.cast_unsigned(),
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
        }
    }
}

fn instruction(code: u16, value: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k: value }
}

/// Over how many instructions to go when it holds, and when it does not.
fn jump(code: u16, value: u32, holds: u8, fails: u8) -> sock_filter {
    sock_filter { code, jt: holds, jf: fails, k: value }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Runs a program as the kernel does: what it answers, and after how many instructions.
    pub(in crate::filter) fn run(
        program: &[sock_filter],
        architecture: u32,
        number: u32,
        arguments: [u64; 6],
    ) -> (u32, usize) {
        let mut data = [number.to_ne_bytes(), architecture.to_ne_bytes(), [0; 4], [0; 4]].concat();
        data.extend(arguments.iter().flat_map(|argument| argument.to_ne_bytes()));
        let (mut at, mut loaded) = (0, 0u32);
        for steps in 1.. {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            match code {
                LOAD => loaded = u32::from_ne_bytes(data[k as usize..][..4].try_into().unwrap()),
                AND => loaded &= k,
                JUMP => at += k as usize,
                JUMP_IF_EQUAL => at += usize::from(if loaded == k { jt } else { jf }),
                JUMP_IF_AT_LEAST => at += usize::from(if loaded >= k { jt } else { jf }),
                RETURN => return (k, steps),
                other => panic!("{other:#x} is not made"),
            }
        }
        unreachable!()
    }

    pub(in crate::filter) fn value(answer: Answer) -> u32 {
        answer.value()
    }

    pub(in crate::filter) const ARCHITECTURE: u32 = OURS;

    #[test]
    fn a_call_gets_the_first_answer_that_holds() {
        let condition = |argument, mask, value| Condition { argument, mask, value };
        let calls = BTreeMap::from([
            (0, vec![(vec![], Answer::Allow)]),
            (1, vec![(vec![], Answer::Allow)]),
            (
                5,
                vec![
                    (vec![condition(0, u32::MAX, 2), condition(1, 0xf, 3)], Answer::Error(1)),
                    (vec![condition(0, u32::MAX, 2)], Answer::Allow),
                ],
            ),
        ]);
        let program = compile(&calls, Answer::Error(38));
        let answer = |number, arguments: [u64; 2]| {
            run(&program, OURS, number, [arguments[0], arguments[1], 0, 0, 0, 0]).0
        };
        for (number, arguments, expected) in [
            (0, [0, 0], Answer::Allow),
            (1, [7, 7], Answer::Allow),
            (2, [0, 0], Answer::Error(38)),
            (4, [2, 3], Answer::Error(38)),
            (5, [2, 0x13], Answer::Error(1)),
            (5, [2, 4], Answer::Allow),
            (5, [1 << 32 | 2, 4], Answer::Allow),
            (5, [1, 3], Answer::Error(38)),
            (6, [2, 4], Answer::Error(38)),
            (u32::MAX, [2, 4], Answer::Error(38)),
        ] {
            assert_eq!(answer(number, arguments), expected.value(), "{number} {arguments:?}");
        }
        assert_eq!(run(&program, OURS ^ 1, 0, [0; 6]).0, Answer::Kill.value());
    }

    #[test]
    fn jumps_reach_over_any_length() {
        let calls = (0..2000).map(|number| (number, vec![(vec![], Answer::Error(number as i32))])).collect();
        let program = compile(&calls, Answer::Allow);
        for number in 0..2000 {
            let (answer, steps) = run(&program, OURS, number, [0; 6]);
            assert_eq!(answer, Answer::Error(number as i32).value());
            assert!(steps < 32, "{steps}");
        }
        assert_eq!(run(&program, OURS, 2000, [0; 6]).0, Answer::Allow.value());
    }
}
