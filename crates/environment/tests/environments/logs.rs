//! What becomes of output.

use crate::fixture::{Server, returned, tail};
use hearth_environment::{LogFormat, LogLevel};
use serde_json::Value;
use std::sync::Arc;

#[tokio::test]
async fn output_becomes_lines() {
    let server = Server::start();
    let function = Arc::new(server.python(
        "
import sys, os
def handler(event, context):
    print('one\\ntwo')
    print('three', end='')
    sys.stdout.flush()
    os.write(1, b'\\nnot utf-8: \\xff\\n')
    os.write(1, 'ä'.encode()[:1]); os.write(1, 'ä'.encode()[1:])
    os.write(2, b'carriage\\rreturns\\r\\n')
    os.write(1, b' and no end')
",
    ));
    let completion = server.invoke(&function, "{}").await;
    let messages = server.messages().await;
    let start = messages.iter().position(|line| line.starts_with("START")).unwrap();
    let end = messages.iter().position(|line| line.starts_with("END")).unwrap();
    let mut lines = messages[start + 1..end].to_vec();
    lines.sort();
    let mut expected =
        ["one\n", "two\n", "three\n", "not utf-8: \u{fffd}\n", "carriage\rreturns\r\n", "ä and no end"];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert!(tail(&completion).contains("ä and no end"), "what was printed before the answer is in the tail");
    server.stop().await;
}

#[tokio::test]
async fn all_that_was_printed_before_the_answer_is_in_the_tail() {
    let server = Server::start();
    let function =
        Arc::new(server.python("def handler(event, context):\n    print('turn', event)\n    return event\n"));
    for turn in 0..200 {
        let completion = server.invoke(&function, &turn.to_string()).await;
        let log = tail(&completion);
        assert!(log.contains(&format!("\nturn {turn}\nEND ")), "{log}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_flood_is_bounded_and_nothing_of_it_lost() {
    let server = Server::start();
    let function = Arc::new(server.python(
        "
import os
def handler(event, context):
    line = b'x' * 99 + b'\\n'
    for _ in range(2000): os.write(1, line * 50)
    os.write(1, b'y' * 600_000 + b'\\n')
    return 'done'
",
    ));
    let completion = server.invoke(&function, "{}").await;
    assert_eq!(returned(&completion), r#""done""#);
    assert_eq!(completion.log_tail.as_ref().unwrap().len(), 4096);
    assert!(tail(&completion).contains("REPORT RequestId: "));
    let messages = server.messages().await;
    assert_eq!(messages.iter().filter(|line| line.len() == 100 && line.starts_with("xxx")).count(), 100_000);
    let long: Vec<usize> = messages.iter().filter(|m| m.starts_with('y')).map(String::len).collect();
    assert_eq!(long.iter().sum::<usize>(), 600_001);
    assert!(long.iter().all(|length| *length <= 256 * 1024), "{long:?}");
    server.stop().await;
}

#[tokio::test]
async fn the_platform_speaks_json_when_asked() {
    let server = Server::start();
    for (level, expected) in [
        (
            LogLevel::Debug,
            &["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"][..],
        ),
        (LogLevel::Info, &["initStart", "start", "report"]),
        (LogLevel::Warn, &[]),
    ] {
        let mut function = server.python("def handler(event, context):\n    return 1\n");
        function.logging.format = LogFormat::Json;
        function.logging.system_level = level;
        let completion = server.invoke(&Arc::new(function), "{}").await;
        let stream = completion.report.log_stream.to_string();
        let lines: Vec<Value> = server
            .messages_of(&stream)
            .await
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?} is not JSON")))
            .collect();
        let kinds: Vec<&str> = lines
            .iter()
            .map(|line| line["type"].as_str().unwrap().strip_prefix("platform.").unwrap())
            .collect();
        assert_eq!(kinds, expected, "{level:?}");
        if let Some(report) = lines.last() {
            let metrics = &report["record"]["metrics"];
            assert_eq!(report["record"]["status"], "success");
            assert_eq!(metrics["memorySizeMB"], 1769);
            assert!(metrics["durationMs"].as_f64().unwrap() > 0.0);
            assert!(
                metrics["billedDurationMs"].as_u64().unwrap()
                    > metrics["initDurationMs"].as_f64().unwrap() as u64
            );
        }
    }
    server.stop().await;
}
