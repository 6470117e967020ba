//! Bounds, retirement, eviction, idling, draining; and that nothing is left.

use crate::fixture::{Server, Settings, returned};
use hearth_base::{Clock as _, SystemClock, VirtualClock};
use hearth_environment::{Counts, Refusal};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SLEEP: &str = "
import time
def handler(event, context):
    time.sleep(event)
    return context.log_stream_name
";

/// Waits for what other tasks bring about.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_retired_environment_serves_no_more() {
    let server = Arc::new(Server::start());
    let function = Arc::new(server.python(SLEEP));
    let first = returned(&server.invoke(&function, "0").await).to_owned();
    server.environments.retire(&function.key);
    assert_eq!(server.environments.counts(), Counts::default());
    let busy = {
        let (server, function) = (Arc::clone(&server), Arc::clone(&function));
        tokio::spawn(async move { returned(&server.invoke(&function, "0.5").await).to_owned() })
    };
    until("a busy environment", || server.environments.counts().busy == 1).await;
    server.environments.retire(&function.key);
    let second = busy.await.unwrap();
    assert_ne!(first, second, "the retired one served again");
    assert_eq!(server.environments.counts(), Counts::default(), "the busy one ends after its invocation");
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn a_full_pool_evicts_the_idle_and_then_refuses() {
    let server = Arc::new(Server::with(Settings { environments_max: 2, ..Settings::default() }));
    let functions: Vec<_> = (0..3).map(|_| Arc::new(server.python(SLEEP))).collect();
    for function in &functions {
        server.invoke(function, "0").await;
    }
    assert_eq!(server.environments.counts(), Counts { busy: 0, idle: 2 }, "the oldest made room");
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let (server, function) = (Arc::clone(&server), Arc::clone(&functions[0]));
            tokio::spawn(async move { server.try_invoke(&function, "2").await.map(drop) })
        })
        .collect();
    until("two busy environments", || server.environments.counts() == Counts { busy: 2, idle: 0 }).await;
    let refusal = server.try_invoke(&functions[1], "0").await.map(drop);
    assert_eq!(refusal, Err(Refusal::TooManyEnvironments));
    for busy in busy {
        assert_eq!(busy.await.unwrap(), Ok(()));
    }
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn idle_environments_end_in_time() {
    let clock = Arc::new(VirtualClock::new(SystemClock.now()));
    let server = Server::with(Settings {
        clock: Arc::clone(&clock) as _,
        idle_timeout: Duration::from_secs(600),
        ..Settings::default()
    });
    let function = Arc::new(server.python(SLEEP));
    let stream = returned(&server.invoke(&function, "0").await).to_owned();
    clock.advance(Duration::from_secs(400));
    assert_eq!(returned(&server.invoke(&function, "0").await), stream, "it has not idled long enough");
    // The reaper may be between two looks; each advance makes it look again.
    until("its end", || {
        clock.advance(Duration::from_secs(200));
        server.environments.counts() == Counts::default()
    })
    .await;
    until("the end of its processes", || processes(&stream) == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_dead_environment_is_replaced() {
    let server = Server::start();
    let function = Arc::new(server.python(SLEEP));
    let stream = server.invoke(&function, "0").await.report.log_stream;
    // From outside: frozen, it does nothing by itself.
    for id in process_ids(&stream) {
        std::process::Command::new("kill").args(["-9", &id]).status().unwrap();
    }
    until("its death", || server.environments.counts() == Counts::default()).await;
    assert_eq!(processes(&stream), 0);
    returned(&server.invoke(&function, "0").await);
    server.stop().await;
}

#[tokio::test]
async fn a_drain_waits_for_what_runs_and_leaves_nothing() {
    let server = Arc::new(Server::start());
    let function = Arc::new(server.python(SLEEP));
    let idle = returned(&server.invoke(&function, "0").await).to_owned();
    let running = {
        let (server, function) = (Arc::clone(&server), Arc::clone(&function));
        tokio::spawn(async move { server.try_invoke(&function, "1").await })
    };
    until("a busy environment", || server.environments.counts().busy == 1).await;
    let drained = server.environments.drain(Duration::from_secs(10));
    let late = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.try_invoke(&function, "0").await.map(drop)
    };
    let ((), late) = tokio::join!(drained, late);
    assert_eq!(late, Err(Refusal::ShuttingDown));
    let completion = running.await.unwrap().unwrap();
    for stream in [idle.as_str(), returned(&completion)] {
        assert_eq!(processes(stream), 0, "{stream}");
    }
    assert_eq!(server.environments.counts(), Counts::default());
    assert!(server.log.messages().iter().any(|line| line.starts_with("REPORT ")));
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let server = Arc::new(Server::start());
    let function = Arc::new(server.python(SLEEP));
    let running = {
        let (server, function) = (Arc::clone(&server), Arc::clone(&function));
        tokio::spawn(async move { server.try_invoke(&function, "9").await.map(drop) })
    };
    until("a busy environment", || server.environments.counts().busy == 1).await;
    let begin = Instant::now();
    server.environments.drain(Duration::from_millis(300)).await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(running.await.unwrap(), Err(Refusal::ShuttingDown));
    Arc::into_inner(server).unwrap().stop().await;
}

/// Processes on this machine that were started for a log stream.
fn processes(stream: &str) -> usize {
    process_ids(stream).len()
}

fn process_ids(stream: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let of_stream = |path: std::path::PathBuf| {
        std::fs::read(path.join("environ"))
            .is_ok_and(|environ| String::from_utf8_lossy(&environ).contains(stream))
    };
    let entries = entries.filter(|entry| of_stream(entry.path()));
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
