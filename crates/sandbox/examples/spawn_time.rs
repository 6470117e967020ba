//! Measures how long a cage takes from the request to the program's `execve`, and from there until all of it is gone.
//! `cargo run --release -p hearth-sandbox --example spawn_time [ROUNDS] [AT ONCE] [sandbox|process]`

use hearth_sandbox::{Isolation, Limits, Listener, Mount, Spawner, SpawnerOptions, Spec, Temporary};
use std::time::{Duration, Instant};

fn main() {
    let argument = |index: usize, default: usize| {
        std::env::args().nth(index).map_or(default, |text| text.parse().expect("a number"))
    };
    let (rounds, at_once) = (argument(1, 200), argument(2, 1));
    let isolation = match std::env::args().nth(3).as_deref() {
        Some("process") => Isolation::Process,
        _ => Isolation::Sandbox,
    };
    let state = tempfile::tempdir().expect("a temporary directory");
    let spawner = Spawner::start(SpawnerOptions {
        state_dir: state.path().to_owned(),
        isolation,
        cgroup_name: "hearth-bench".into(),
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        measure(&spawner, 3, 1).await;
        let begin = Instant::now();
        let (mut starts, mut ends) = measure(&spawner, rounds, at_once).await;
        println!("{rounds} cages, {at_once} at once: {:?} in all", begin.elapsed());
        print("request to execve", &mut starts);
        print("destroy to gone  ", &mut ends);
        print("freeze and thaw  ", &mut pauses(&spawner, rounds).await);
        spawner.shutdown().await;
    });
}

async fn measure(spawner: &Spawner, rounds: usize, at_once: usize) -> (Vec<Duration>, Vec<Duration>) {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..rounds.div_ceil(at_once) {
        let tasks: Vec<_> = (0..at_once)
            .map(|_| {
                let spawner = spawner.clone();
                tokio::spawn(async move {
                    let begin = Instant::now();
                    let sandbox = spawner
                        .spawn(sleeper(spawner.isolation()))
                        .await
                        .unwrap_or_else(|error| panic!("{error}"));
                    (begin.elapsed(), sandbox)
                })
            })
            .collect();
        let mut sandboxes = Vec::new();
        for task in tasks {
            let (start, sandbox) = task.await.expect("the task ends well");
            starts.push(start);
            sandboxes.push(sandbox);
        }
        let tasks: Vec<_> = sandboxes
            .into_iter()
            .map(|sandbox| {
                tokio::spawn(async move {
                    let begin = Instant::now();
                    sandbox.destroy().await;
                    begin.elapsed()
                })
            })
            .collect();
        for task in tasks {
            ends.push(task.await.expect("the task ends well"));
        }
    }
    (starts, ends)
}

/// How long the two calls take; the processes stand still a moment later.
async fn pauses(spawner: &Spawner, rounds: usize) -> Vec<Duration> {
    let sandbox = spawner.spawn(sleeper(spawner.isolation())).await.unwrap_or_else(|error| panic!("{error}"));
    let pause = |_| {
        let begin = Instant::now();
        sandbox.freeze().and_then(|()| sandbox.thaw()).unwrap_or_else(|error| panic!("{error}"));
        begin.elapsed()
    };
    (0..rounds).map(pause).collect()
}

fn sleeper(isolation: Isolation) -> Spec {
    let mount = Mount { source: "/usr/lib".into(), target: "/var/task".into() };
    Spec {
        program: "/bin/sleep".into(),
        arguments: vec!["1000".into()],
        environment: Vec::new(),
        directory: "/".into(),
        companions: Vec::new(),
        mounts: if isolation == Isolation::Sandbox { vec![mount] } else { Vec::new() },
        links: Vec::new(),
        files: Vec::new(),
        temporary: Temporary::Fresh { bytes: 512 << 20 },
        limits: Limits {
            memory_bytes: 128 << 20,
            cpu_millis_per_second: 1000,
            cpu_weight: 100,
            processes_max: 1024,
            file_descriptors_max: 1024,
        },
        hostname: "cage".into(),
        stem: None,
        listeners: vec![Listener { address: ([127, 0, 0, 1], 9001).into(), announcements: Vec::new() }],
        messages: None,
    }
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what}: p50 {:?}, p90 {:?}, p99 {:?}, worst {:?}", at(50), at(90), at(99), at(100));
}
