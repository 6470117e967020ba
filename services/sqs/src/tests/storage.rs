//! What is kept through restarts and failures, and what large queues cost.

use super::*;
use hearth_store::memory::Fault;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_restart_keeps_messages_receives_and_handles() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    for body in ["1", "2", "3"] {
        world.send("q", body).await.unwrap();
    }
    let received = world.receive("q", 2).await;
    let world = world.restarted().await;
    assert_eq!(world.counts("q").await, ["1", "2", "0"]);
    assert_eq!(bodies(&world.receive("q", 10).await), ["3"]);
    world.delete("q", &received[0]).await.unwrap();
    let world = world.restarted().await;
    world.advance(30);
    let mut left = world.receive("q", 10).await;
    left.sort_by_key(|message| message.body.clone());
    assert_eq!(bodies(&left), ["2", "3"]);
    assert_eq!(attribute(&left[0], "ApproximateReceiveCount"), "2");
}

#[tokio::test]
async fn a_failed_commit_is_told_and_leaves_nothing_wrong() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    world.send("q", "1").await.unwrap();
    for fault in [Fault::Failed, Fault::Full] {
        world.store.faults().fail(1, fault);
        assert_eq!(world.send("q", "lost").await.unwrap_err().status, 503);
        world.store.faults().fail(1, fault);
        assert!(world.receive_with("q", |_| {}).await.is_err());
        assert_eq!(world.counts("q").await, ["1", "0", "0"]);
    }
    // What was applied all the same is there, though nobody was promised it.
    world.store.faults().fail(1, Fault::FailedButApplied);
    assert!(world.send("q", "2").await.is_err());
    assert_eq!(bodies(&world.receive("q", 10).await), ["1", "2"]);
}

#[tokio::test]
async fn a_large_queue_is_received_whole_from_disk() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    for batch in 0..300 {
        let entries = (0..10).map(|n| SendMessageBatchRequestEntry {
            id: Some(n.to_string()),
            message_body: Some(format!("{:05}", batch * 10 + n)),
            ..Default::default()
        });
        let input = SendMessageBatchRequest { queue_url: url("q"), entries: Some(entries.collect()) };
        assert_eq!(world.service.send_message_batch(world.grant(), input).await.unwrap().failed, None);
    }
    let mut seen = BTreeSet::new();
    for round in 0..300 {
        let received = world.receive("q", 10).await;
        assert_eq!(received.len(), 10, "{round}");
        seen.extend(received.iter().map(|message| message.body.clone().unwrap()));
        // Half of them are deleted, the others come back later.
        for message in &received[..5] {
            world.delete("q", message).await.unwrap();
        }
    }
    assert_eq!(seen.len(), 3_000);
    assert_eq!(world.counts("q").await, ["0", "1500", "0"]);
    let world = world.restarted().await;
    assert_eq!(world.counts("q").await, ["0", "1500", "0"]);
    world.advance(30);
    let mut back = 0;
    loop {
        let received = world.receive("q", 10).await;
        if received.is_empty() {
            break;
        }
        back += received.len();
    }
    assert_eq!(back, 1_500);
}

#[tokio::test]
async fn messages_that_always_come_back_do_not_keep_others_from_being_received() {
    let world = World::new().await;
    world.create("q", &[("VisibilityTimeout", "0")]).await.unwrap();
    for number in 0..2_500 {
        world.send("q", &number.to_string()).await.unwrap();
        world.clock.advance(Duration::from_millis(1));
    }
    let mut seen = BTreeSet::new();
    for _ in 0..400 {
        seen.extend(world.receive("q", 10).await.into_iter().map(|message| message.body.unwrap()));
        world.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(seen.len(), 2_500);
}

#[tokio::test]
async fn in_flight_messages_are_bounded() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    let found = world.service.inner.registry.resolve(&world.grant(), url("q")).unwrap();
    for body in ["1", "2", "3"] {
        world.send("q", body).await.unwrap();
    }
    let receiving = crate::claim::Receiving { max: 10, visibility: Duration::from_secs(30) };
    let mut claim = crate::claim::claim(&world.service.inner.registry, &found, receiving, world.clock.now());
    claim.claimed_max = 2;
    assert_eq!(found.queue.claim(claim.clone()).await.unwrap().len(), 2);
    let over = found.queue.claim(claim).await.map_err(crate::failures::of_queue);
    assert_fails(over, "OverLimit", "The maximum number of in flight messages is reached.");
}
