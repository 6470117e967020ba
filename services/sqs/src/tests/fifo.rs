//! FIFO queues: order within groups, deduplication, attempts.

use super::*;

const FIFO: (&str, &str) = ("FifoQueue", "true");

#[tokio::test]
async fn groups_are_in_order_and_one_batch_at_a_time() {
    let world = World::new().await;
    world.create("f.fifo", &[FIFO]).await.unwrap();
    let mut numbers = Vec::new();
    for sent in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")] {
        numbers.push(world.send_to_group("f.fifo", sent).await.sequence_number.unwrap());
    }
    assert!(numbers.is_sorted() && numbers.iter().all(|number| number.len() == 20), "{numbers:?}");
    let first = world.receive("f.fifo", 2).await;
    assert_eq!(bodies(&first), ["a1", "a2"]);
    assert_eq!(attribute(&first[0], "SequenceNumber"), numbers[0]);
    assert_eq!(attribute(&first[0], "MessageGroupId"), "a");
    assert_eq!(attribute(&first[0], "MessageDeduplicationId"), "a1");
    // The group is taken until nothing of it is in flight.
    assert_eq!(bodies(&world.receive("f.fifo", 10).await), ["b1", "b2"]);
    assert_eq!(world.receive("f.fifo", 10).await, []);
    world.delete("f.fifo", &first[0]).await.unwrap();
    assert_eq!(world.receive("f.fifo", 10).await, []);
    world.delete("f.fifo", &first[1]).await.unwrap();
    assert_eq!(bodies(&world.receive("f.fifo", 10).await), ["a3"]);
    world.advance(30);
    // What comes back comes back in order.
    let all = world.receive("f.fifo", 10).await;
    assert_eq!(bodies(&all), ["b1", "b2", "a3"]);
    world.change_visibility("f.fifo", &all[1], 0).await.unwrap();
    assert_eq!(world.receive("f.fifo", 10).await, []);
    world.change_visibility("f.fifo", &all[0], 0).await.unwrap();
    assert_eq!(bodies(&world.receive("f.fifo", 1).await), ["b1"]);
    world.advance(30);
    let expired = world.delete("f.fifo", &all[2]).await.unwrap_err();
    assert_eq!(expired.code, "InvalidParameterValue");
    assert!(expired.message.ends_with("Reason: The receipt handle has expired."), "{expired}");
    let world = world.restarted().await;
    assert_eq!(bodies(&world.receive("f.fifo", 10).await), ["b1", "b2", "a3"]);
}

#[tokio::test]
async fn a_waiting_receiver_learns_that_a_group_is_free() {
    let world = Arc::new(World::new().await);
    world.create("f.fifo", &[FIFO]).await.unwrap();
    world.send_to_group("f.fifo", ("a", "1")).await;
    world.send_to_group("f.fifo", ("a", "2")).await;
    let first = world.receive("f.fifo", 1).await;
    let waiting = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.receive_with("f.fifo", |input| input.wait_time_seconds = Some(20)).await.unwrap() }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    world.delete("f.fifo", &first[0]).await.unwrap();
    assert_eq!(bodies(&waiting.await.unwrap()), ["2"]);
}

#[tokio::test]
async fn duplicates_within_five_minutes_are_answered_with_the_first() {
    let world = World::new().await;
    world.create("f.fifo", &[FIFO, ("ContentBasedDeduplication", "true")]).await.unwrap();
    let send = |body: &'static str, group: &'static str, id: Option<&'static str>| {
        let (group, id) = (text(group), id.map(str::to_owned));
        world.send_with("f.fifo", body, |input| {
            input.message_group_id = group;
            input.message_deduplication_id = id;
        })
    };
    let first = send("x", "a", None).await.unwrap();
    assert_eq!(send("x", "b", None).await.unwrap(), first);
    let named = send("x", "a", Some("id")).await.unwrap();
    assert_ne!(named.message_id, first.message_id);
    assert_eq!(send("y", "a", Some("id")).await.unwrap().message_id, named.message_id);
    let received = world.receive("f.fifo", 10).await;
    assert_eq!(received.len(), 2);
    for message in &received {
        world.delete("f.fifo", message).await.unwrap();
    }
    // A message that is gone is still remembered, also after a restart.
    world.advance(299);
    assert_eq!(send("x", "a", None).await.unwrap().message_id, first.message_id);
    let world = world.restarted().await;
    let sent = world.send_with("f.fifo", "x", |input| input.message_group_id = text("a")).await.unwrap();
    assert_eq!(sent.message_id, first.message_id);
    world.advance(1);
    let sent = world.send_with("f.fifo", "x", |input| input.message_group_id = text("a")).await.unwrap();
    assert_ne!(sent.message_id, first.message_id);
    world.advance(1_000);
    crate::task::sweep(&world.service.inner).await.unwrap();
    assert_eq!(world.rows("once").await, 0);
}

#[tokio::test]
async fn deduplication_may_be_within_each_group() {
    let world = World::new().await;
    world.create("f.fifo", &[FIFO, ("DeduplicationScope", "messageGroup")]).await.unwrap();
    for (group, body) in [("a", "same"), ("b", "same"), ("a", "same")] {
        world.send_to_group("f.fifo", (group, body)).await;
    }
    assert_eq!(world.counts("f.fifo").await, ["2", "0", "0"]);
}

#[tokio::test]
async fn what_a_fifo_queue_needs_and_does_not_take() {
    let world = World::new().await;
    world.create("f.fifo", &[FIFO]).await.unwrap();
    let send = |group: Option<&str>, id: Option<&str>, delay: Option<i64>| {
        let (group, id) = (group.map(str::to_owned), id.map(str::to_owned));
        world.send_with("f.fifo", "x", move |input| {
            input.message_group_id = group;
            input.message_deduplication_id = id;
            input.delay_seconds = delay;
        })
    };
    let missing = "The request must contain the parameter MessageGroupId.";
    assert_fails(send(None, Some("d"), None).await, "MissingParameter", missing);
    assert_fails(
        send(Some("g"), None, None).await,
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    );
    assert_fails(
        send(Some("g"), Some("d"), Some(5)).await,
        "InvalidParameterValue",
        "Value 5 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.",
    );
    assert_fails(
        send(Some("g g"), Some("d"), None).await,
        "InvalidParameterValue",
        "Value g g for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and \
         punctuation characters. 1 to 128 in length.",
    );
    send(Some("g"), Some("d"), Some(0)).await.unwrap();
}

#[tokio::test]
async fn the_delay_of_a_fifo_queue_is_of_all_its_messages() {
    let world = World::new().await;
    world.create("f.fifo", &[FIFO, ("DelaySeconds", "10")]).await.unwrap();
    world.send_to_group("f.fifo", ("a", "1")).await;
    assert_eq!(world.receive("f.fifo", 1).await, []);
    assert_eq!(world.counts("f.fifo").await, ["0", "0", "1"]);
    world.set("f.fifo", &[("DelaySeconds", "3")]).await.unwrap();
    world.advance(3);
    assert_eq!(world.counts("f.fifo").await, ["1", "0", "0"]);
    assert_eq!(bodies(&world.receive("f.fifo", 1).await), ["1"]);
}

#[tokio::test]
async fn an_attempt_made_again_gets_the_same_messages() {
    let world = World::new().await;
    world.create("f.fifo", &[FIFO]).await.unwrap();
    for body in ["1", "2", "3"] {
        world.send_to_group("f.fifo", ("a", body)).await;
    }
    let attempt = |max: i64| {
        world.receive_with("f.fifo", move |input| {
            input.receive_request_attempt_id = text("attempt");
            input.max_number_of_messages = Some(max);
        })
    };
    let first = attempt(2).await.unwrap();
    world.advance(20);
    let again = attempt(2).await.unwrap();
    assert_eq!(first, again);
    // It has made them invisible anew.
    world.advance(20);
    assert_eq!(world.receive("f.fifo", 1).await, []);
    world.delete("f.fifo", &first[0]).await.unwrap();
    assert_eq!(attempt(2).await.unwrap(), []);
    world.delete("f.fifo", &first[1]).await.unwrap();
    assert_eq!(bodies(&attempt(2).await.unwrap()), ["3"]);
}
