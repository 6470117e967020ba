//! Retention, deletion and the count of bytes: what vanishes at once and what the background work removes.

use super::*;

#[tokio::test]
async fn expired_events_vanish_from_answers_at_once_and_then_from_the_store() {
    let world = World::with_streams(&["s", "t"]).await;
    world.put("s", &[(NOW - 3 * DAY, "old"), (NOW - 3 * DAY + 1, "old")]).await.unwrap();
    world.put("s", &[(NOW - HOUR, "new")]).await.unwrap();
    world.put("t", &[(NOW - 2 * DAY, "old")]).await.unwrap();
    assert_eq!(world.describe_group().await.unwrap().stored_bytes, Some(4 * 29));
    world.retain(1).await.unwrap();
    assert_eq!(messages(&world.get(|_| {}).await.unwrap()), ["new"]);
    assert_eq!(world.filter_all(|_| {}).await, ["new"]);
    let input = DescribeLogStreamsRequest { log_group_name: text(GROUP), ..Default::default() };
    let streams =
        world.service.describe_log_streams(world.grant(), input).await.unwrap().log_streams.unwrap();
    assert_eq!(streams[0].first_event_timestamp, Some(NOW - HOUR));
    assert_eq!(streams[1].last_event_timestamp, None);
    assert_eq!((world.rows("event").await, world.rows("activity").await), (3, 3));

    world.turn().await;
    assert_eq!((world.rows("event").await, world.rows("activity").await), (1, 1));
    assert_eq!(world.describe_group().await.unwrap().stored_bytes, Some(29));
    // With the policy taken away, what was removed stays removed.
    let input = DeleteRetentionPolicyRequest { log_group_name: text(GROUP) };
    world.service.delete_retention_policy(world.grant(), input).await.unwrap();
    assert_eq!(world.filter_all(|_| {}).await, ["new"]);
    world.advance(400 * DAY);
    world.turn().await;
    assert_eq!(world.filter_all(|_| {}).await, ["new"]);
}

#[tokio::test]
async fn a_deleted_group_leaves_nothing_and_its_name_starts_anew() {
    let world = World::with_streams(&["s"]).await;
    for number in 0..1_200 {
        world.put("s", &[(NOW - number * 700, "old")]).await.unwrap();
    }
    world.delete_group().await.unwrap();
    assert_eq!(world.describe_group().await, None);
    assert_fails(world.get(|_| {}).await, NO_GROUP.0, NO_GROUP.1);
    world.create_group(GROUP).await.unwrap();
    world.create_stream("s").await.unwrap();
    assert_eq!(world.filter_all(|_| {}).await, [""; 0]);
    world.put("s", &[(NOW, "new")]).await.unwrap();
    assert_eq!(world.describe_group().await.unwrap().stored_bytes, Some(29));

    // A crash in the middle: the store stops for the second batch, and a later turn finishes.
    world.store.faults().fail(2, memory::Fault::Failed);
    assert!(crate::task::turn(&world.service.inner).await.is_err());
    assert!(world.rows("event").await > 1 && world.rows("deleted").await == 1);
    assert_eq!(world.filter_all(|_| {}).await, ["new"]);
    world.turn().await;
    assert_eq!(world.filter_all(|_| {}).await, ["new"]);
    for (table, rows) in [("event", 1), ("activity", 1), ("log-stream", 1), ("log-group", 1), ("deleted", 0)]
    {
        assert_eq!(world.rows(table).await, rows, "{table}");
    }
}

#[tokio::test]
async fn the_count_of_bytes_survives_a_restart() {
    let world = World::with_streams(&["s"]).await;
    world.put("s", &[(NOW, "abcd")]).await.unwrap();
    world.turn().await;
    world.put("s", &[(NOW, "abcd")]).await.unwrap();
    world.service.start().stop().await;
    let options =
        Options { store: world.store.clone(), clock: world.clock.clone(), rng: Arc::new(SeededRng::new(9)) };
    let world = World { service: Service::open(options), ..world };
    assert_eq!(world.describe_group().await.unwrap().stored_bytes, Some(60));
    assert_eq!(world.filter_all(|_| {}).await, ["abcd", "abcd"]);
}

#[tokio::test]
async fn the_background_work_runs_by_the_clock_and_when_something_is_deleted() {
    let world = World::with_streams(&["s"]).await;
    let handle = world.service.start();
    world.put("s", &[(NOW, "a")]).await.unwrap();
    world.delete_group().await.unwrap();
    while world.rows("event").await + world.rows("deleted").await > 0 {
        tokio::task::yield_now().await;
    }
    world.create_group(GROUP).await.unwrap();
    world.create_stream("s").await.unwrap();
    world.put("s", &[(NOW, "a")]).await.unwrap();
    world.retain(1).await.unwrap();
    world.advance(3 * DAY);
    while world.rows("event").await > 0 {
        tokio::task::yield_now().await;
        world.advance(60_000);
    }
    handle.stop().await;
}
