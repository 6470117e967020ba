//! What starts and invocations cost here. It asserts nothing: run it by name, with `--ignored --nocapture`.

use crate::fixture::{Server, Settings, invocation, newest, returned};
use hearth_environment::{Definition, Language};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    eprintln!("{what:40} p50 {:8.3} ms   p90 {:8.3} ms   p99 {:8.3} ms", at(0.5), at(0.9), at(0.99));
}

async fn cold(server: &Server, what: &str, definition: Definition, turns: u32) {
    let (mut whole, mut init) = (Vec::new(), Vec::new());
    for turn in 0..turns {
        let mut definition = definition.clone();
        definition.key.revision = turn.to_string();
        let definition = Arc::new(definition);
        let begin = Instant::now();
        let completion = server.invoke(&definition, "{}").await;
        whole.push(begin.elapsed());
        returned(&completion);
        init.push(completion.report.init.unwrap());
        server.environments.retire(&definition.key);
    }
    show(&format!("{what}, cold"), whole);
    show(&format!("{what}, cold, of it init"), init);
}

async fn warm(server: &Server, what: &str, definition: Definition, turns: u32) {
    let definition = Arc::new(definition);
    let mut times = Vec::new();
    for turn in 0..turns + 20 {
        let mut request = invocation(&definition, "{}");
        request.tail = false;
        let begin = Instant::now();
        let completion = server.environments.invoke(&definition, request).await.unwrap();
        if turn >= 20 {
            times.push(begin.elapsed());
        }
        returned(&completion);
    }
    show(&format!("{what}, warm"), times);
}

/// Invocations that each thaw a frozen environment.
async fn rested(server: &Server, what: &str, definition: Definition, turns: u32) {
    let definition = Arc::new(definition);
    let mut times = Vec::new();
    for turn in 0..turns + 1 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let begin = Instant::now();
        returned(&server.invoke(&definition, "{}").await);
        if turn > 0 {
            times.push(begin.elapsed());
        }
    }
    show(&format!("{what}, thawed"), times);
}

/// So many at once, all cold, each for a second.
async fn crowd(server: &Server, count: u32) {
    let source =
        "import time\ndef handler(event, context):\n    time.sleep(1)\n    return context.log_stream_name\n";
    let function = Arc::new(server.python(source));
    let begin = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (environments, function) = (server.environments.clone(), Arc::clone(&function));
        calls.spawn(async move {
            let begin = Instant::now();
            let request = invocation(&function, "{}");
            let completion = environments.invoke(&function, request).await.unwrap();
            (begin.elapsed(), returned(&completion).to_owned())
        });
    }
    let (times, streams): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().unzip();
    let environments = streams.into_iter().collect::<std::collections::HashSet<_>>().len();
    show(&format!("{count} at once, in {environments} environments"), times);
    eprintln!("{:40} {:?}", "all of them", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn latency() {
    let server = Server::with(Settings { environments_max: 1000, ..Settings::default() });
    let python = server.python("def handler(event, context):\n    return event\n");
    cold(&server, "python, 1769 MB", python.clone(), 30).await;
    warm(&server, "python, 1769 MB", python.clone(), 2000).await;
    rested(&server, "python, 1769 MB", python.clone(), 100).await;
    let mut small = python;
    small.memory_mb = 128;
    small.key.name = "small".to_owned();
    cold(&server, "python, 128 MB", small.clone(), 10).await;
    warm(&server, "python, 128 MB", small, 200).await;
    if let Some(node) = newest(Language::Node) {
        let runtime = format!("nodejs{}.x", node.version.0);
        let source = [("index.mjs", "export const handler = async (event) => event;")];
        let node = server.function(&runtime, "index.handler", &source);
        cold(&server, "node, 1769 MB", node.clone(), 20).await;
        warm(&server, "node, 1769 MB", node, 2000).await;
    }
    crowd(&server, 200).await;
    let shell = server.shell("#!/bin/true\n");
    let begin = Instant::now();
    let _ = server.invoke(&Arc::new(shell), "{}").await;
    eprintln!("{:40} {:?}", "two cages that end at once", begin.elapsed());
    server.stop().await;
}
