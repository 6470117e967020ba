//! Provisioned environments: made ahead, kept, replaced, and not made in a storm; and permits, held to the end.

use crate::fixture::{Server, Settings, invocation, returned};
use crate::pool::until;
use hearth_base::{Clock as _, SystemClock, VirtualClock};
use hearth_environment::{Account, Counts, Invocation, Meter, Provisioned, Refusal, Throttle};
use std::sync::Arc;
use std::time::Duration;

const KIND: &str = "
import os, time
kind, made = os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], time.time_ns()
def handler(event, context):
    if event == 'exit': os._exit(1)
    if event == 'sleep': time.sleep(2)
    return f'{kind} {made}'
";

fn there(count: usize) -> Provisioned {
    Provisioned { allocated: count, available: count, failure: None }
}

#[tokio::test]
async fn they_are_made_ahead_used_first_and_ended_when_nobody_wants_them() {
    let server = Server::start();
    let function = Arc::new(server.python(KIND));
    server.environments.provision(&function, 2);
    until("two of them", || server.environments.provisioned(&function.key) == there(2)).await;
    assert_eq!(server.environments.counts(), Counts { busy: 0, idle: 2 });
    let first = server.invoke(&function, "0").await;
    assert!(returned(&first).contains("provisioned-concurrency"));
    assert_eq!(first.report.init, None, "the initialisation was nobody's");
    server.environments.provision(&function, 1);
    assert_eq!(server.environments.provisioned(&function.key), there(1));
    assert_eq!(server.environments.counts().idle, 1);
    server.environments.provision(&function, 0);
    assert_eq!(server.environments.counts(), Counts::default());
    assert!(returned(&server.invoke(&function, "0").await).contains("on-demand"));
    server.stop().await;
}

#[tokio::test]
async fn what_is_beyond_them_is_on_demand_and_retiring_ends_all() {
    let server = Arc::new(Server::start());
    let function = Arc::new(server.python(KIND));
    server.environments.provision(&function, 1);
    until("one of them", || server.environments.provisioned(&function.key) == there(1)).await;
    let busy = {
        let (server, function) = (Arc::clone(&server), Arc::clone(&function));
        tokio::spawn(async move { returned(&server.invoke(&function, "\"sleep\"").await).to_owned() })
    };
    until("a busy one", || server.environments.provisioned(&function.key).available == 0).await;
    assert!(returned(&server.invoke(&function, "0").await).contains("on-demand"));
    assert_eq!(server.environments.provisioned(&function.key).allocated, 1);
    server.environments.retire(&function.key);
    assert!(busy.await.unwrap().contains("provisioned-concurrency"), "what runs runs to its end");
    assert_eq!(server.environments.counts(), Counts::default());
    assert_eq!(server.environments.provisioned(&function.key), Provisioned::default());
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn one_that_crashed_is_replaced() {
    let server = Server::start();
    let function = Arc::new(server.python(KIND));
    server.environments.provision(&function, 1);
    until("one of them", || server.environments.provisioned(&function.key) == there(1)).await;
    let before = returned(&server.invoke(&function, "0").await).to_owned();
    server.invoke(&function, "\"exit\"").await;
    until("another one", || server.environments.provisioned(&function.key) == there(1)).await;
    let after = returned(&server.invoke(&function, "0").await).to_owned();
    assert!(after.contains("provisioned-concurrency") && after != before);
    server.stop().await;
}

#[tokio::test]
async fn they_neither_grow_old_nor_make_room() {
    let clock = Arc::new(VirtualClock::new(SystemClock.now()));
    let settings = Settings {
        clock: clock.clone(),
        environments_max: 2,
        idle_timeout: Duration::from_secs(600),
        ..Settings::default()
    };
    let server = Server::with(settings);
    let (kept, other) = (Arc::new(server.python(KIND)), Arc::new(server.python(KIND)));
    server.environments.provision(&kept, 1);
    until("one of them", || server.environments.provisioned(&kept.key) == there(1)).await;
    server.invoke(&other, "0").await;
    assert_eq!(server.environments.counts().idle, 2);
    clock.advance(Duration::from_secs(6_000));
    until("the end of the other", || {
        clock.advance(Duration::from_secs(600));
        server.environments.counts().idle == 1
    })
    .await;
    assert_eq!(server.environments.provisioned(&kept.key), there(1));
    // The other one's next goes before the one that is kept.
    let third = Arc::new(server.python(KIND));
    server.invoke(&other, "0").await;
    server.invoke(&third, "0").await;
    assert_eq!(server.environments.provisioned(&kept.key), there(1));
    // There is no room for a third that is kept: that is told.
    server.environments.provision(&kept, 3);
    until("a failure", || server.environments.provisioned(&kept.key).failure.is_some()).await;
    let failure = server.environments.provisioned(&kept.key).failure.unwrap();
    assert!(failure.contains("2 execution environments"), "{failure}");
    server.stop().await;
}

#[tokio::test]
async fn a_broken_function_is_tried_once_for_each_until_it_is_asked_for_again() {
    let server = Server::start();
    let function = Arc::new(server.python("raise ValueError('broken')"));
    let attempts = || async {
        let messages = server.messages().await;
        messages.iter().filter(|message| message.starts_with("INIT_START")).count()
    };
    server.environments.provision(&function, 3);
    until("a failure", || server.environments.provisioned(&function.key).failure.is_some()).await;
    until("the others' end", || server.environments.counts() == Counts::default()).await;
    let expected =
        Provisioned { failure: Some("FUNCTION_ERROR_INIT_FAILURE".to_owned()), ..Provisioned::default() };
    assert_eq!(server.environments.provisioned(&function.key), expected);
    assert_eq!(attempts().await, 3);
    // What happens elsewhere in the pool does not make it try again.
    server.environments.provision(&Arc::new(server.python(KIND)), 1);
    until("the other", || server.environments.counts() == Counts { busy: 0, idle: 1 }).await;
    assert_eq!(attempts().await, 4);
    server.environments.provision_again(&function.key);
    until("the next failures", || server.environments.provisioned(&function.key) == expected).await;
    server.stop().await;
}

#[tokio::test]
async fn a_permit_is_held_to_the_end_of_what_nobody_waits_for() {
    let server = Server::start();
    let function = Arc::new(server.python(KIND));
    let meter = Meter::new(Account::new(1, Arc::new(SystemClock)));
    let permitted = |payload: &str| {
        let permit = meter.admit("$LATEST").map(Arc::new).ok();
        assert!(permit.is_some());
        Invocation { permit, ..invocation(&function, payload) }
    };
    server.environments.invoke(&function, permitted("0")).await.unwrap();
    assert_eq!(meter.running(), 0, "it is given back before the answer");
    let dropped = server.environments.invoke(&function, permitted("\"sleep\""));
    assert!(tokio::time::timeout(Duration::from_millis(300), dropped).await.is_err());
    assert_eq!(meter.admit("$LATEST").unwrap_err(), Throttle::Concurrent, "its function still runs");
    until("its end", || meter.running() == 0).await;
    server.environments.invoke(&function, permitted("\"exit\"")).await.unwrap();
    assert_eq!(meter.running(), 0);
    let full = Server::with(Settings { environments_max: 1, ..Settings::default() });
    let other = Arc::new(full.python(KIND));
    full.environments.provision(&other, 1);
    until("a full pool", || full.environments.provisioned(&other.key) == there(1)).await;
    let homeless = Arc::new(full.python(KIND));
    let refusal = full.environments.invoke(&homeless, permitted("0")).await.map(drop);
    assert_eq!(refusal, Err(Refusal::TooManyEnvironments));
    assert_eq!(meter.running(), 0, "what was refused runs nothing");
    full.stop().await;
    server.stop().await;
}
