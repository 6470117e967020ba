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

#[tokio::test]
async fn a_group_deleted_before_its_bytes_were_counted_leaves_no_count() {
    let world = World::with_streams(&["s"]).await;
    world.put("s", &[(NOW, "a")]).await.unwrap();
    let counted = crate::stored_bytes::Counted {
        id: world.service.inner.tables.groups.list(all_groups()).await.unwrap().records[0].1.value.id,
        key: world.service.inner.tables.groups.key(&["000000000000", "us-east-1", GROUP]),
    };
    world.delete_group().await.unwrap();
    world.turn().await;
    // A write that was on its way when the group was removed is counted behind it.
    world.service.inner.stored_bytes.add(&counted, 26);
    world.turn().await;
    assert_eq!(world.rows("stored-bytes").await, 0);
}

fn all_groups() -> hearth_store::records::Listing<'static> {
    hearth_store::records::Listing { within: &[], beginning: "", limit: 10, token: None, reverse: false }
}

/// On the embedded engine: what was acknowledged is there when the server starts again.
#[tokio::test]
async fn events_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::new();
    let open = |world: &World, seed| {
        let data = hearth_store::DataDirectory::open(&directory.path().join("data")).unwrap();
        let store = data.store(world.clock.clone()).unwrap();
        Service::open(Options { store, clock: world.clock.clone(), rng: Arc::new(SeededRng::new(seed)) })
    };
    world.service = open(&world, 1);
    world.create_group(GROUP).await.unwrap();
    world.create_stream("s").await.unwrap();
    world.put("s", &[(NOW, "before"), (NOW, "the end")]).await.unwrap();
    let token = world.get(|_| {}).await.unwrap().next_forward_token;
    world.service = World::new().service;
    world.advance(1);
    world.service = open(&world, 2);
    world.put("s", &[(NOW, "after")]).await.unwrap();
    assert_eq!(world.filter_all(|_| {}).await, ["before", "the end", "after"]);
    assert_eq!(messages(&world.get(|input| input.next_token = token).await.unwrap()), ["after"]);
    world.delete_group().await.unwrap();
    world.turn().await;
    assert_eq!(world.filter(|_| {}).await.unwrap_err().code, "ResourceNotFoundException");
}
