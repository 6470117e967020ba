//! Streams: creating, describing in both orders, deleting.

use super::*;

async fn describe(
    world: &World,
    change: impl Fn(&mut DescribeLogStreamsRequest),
) -> Result<Vec<LogStream>, Failure> {
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let mut input = DescribeLogStreamsRequest { log_group_name: text(GROUP), ..Default::default() };
        input.next_token = token;
        change(&mut input);
        let limit = usize::try_from(input.limit.unwrap_or(50)).unwrap();
        let answer = world.service.describe_log_streams(world.grant(), input).await?;
        let page = answer.log_streams.unwrap();
        assert!(page.len() <= limit);
        all.extend(page);
        token = answer.next_token;
        if token.is_none() {
            return Ok(all);
        }
    }
}

async fn names(world: &World, change: impl Fn(&mut DescribeLogStreamsRequest)) -> Vec<String> {
    describe(world, change).await.unwrap().into_iter().map(|stream| stream.log_stream_name.unwrap()).collect()
}

#[tokio::test]
async fn a_stream_tells_its_first_and_last_event() {
    let world = World::with_streams(&["2025/06/15/[$LATEST]ab"]).await;
    let empty = describe(&world, |_| {}).await.unwrap().pop().unwrap();
    assert_eq!(
        empty,
        LogStream {
            log_stream_name: text("2025/06/15/[$LATEST]ab"),
            creation_time: Some(NOW),
            arn: text(
                "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:log-stream:2025/06/15/[$LATEST]ab"
            ),
            stored_bytes: Some(0),
            ..LogStream::default()
        }
    );
    world.advance(5_000);
    let put = |events: &'static [(i64, &'static str)]| world.put("2025/06/15/[$LATEST]ab", events);
    put(&[(NOW + 100, "a"), (NOW + 900, "b")]).await.unwrap();
    world.advance(1_000);
    put(&[(NOW + 500, "late"), (NOW + 600, "late")]).await.unwrap();
    let stream = describe(&world, |_| {}).await.unwrap().pop().unwrap();
    assert_eq!(stream.first_event_timestamp, Some(NOW + 100));
    assert_eq!(stream.last_event_timestamp, Some(NOW + 900));
    assert_eq!(stream.last_ingestion_time, Some(NOW + 5_000));
    assert_eq!(stream.upload_sequence_token.map(|token| token.len()), Some(56));
}

#[tokio::test]
async fn streams_are_listed_by_name() {
    let world = World::with_streams(&["b1", "a", "b3", "b2", "c"]).await;
    for limit in [1, 2, 50] {
        let page = |input: &mut DescribeLogStreamsRequest| input.limit = Some(limit);
        assert_eq!(names(&world, page).await, ["a", "b1", "b2", "b3", "c"]);
        let page = |input: &mut DescribeLogStreamsRequest| {
            input.limit = Some(limit);
            input.descending = Some(true);
            input.order_by = Some(OrderBy::LogStreamName);
        };
        assert_eq!(names(&world, page).await, ["c", "b3", "b2", "b1", "a"]);
        let page = |input: &mut DescribeLogStreamsRequest| {
            input.limit = Some(limit);
            input.log_stream_name_prefix = text("b");
        };
        assert_eq!(names(&world, page).await, ["b1", "b2", "b3"]);
    }
    let by_arn = |input: &mut DescribeLogStreamsRequest| {
        input.log_group_name = None;
        input.log_group_identifier = text("arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f");
    };
    assert_eq!(names(&world, by_arn).await.len(), 5);
}

#[tokio::test]
async fn streams_are_listed_by_their_last_event() {
    let world = World::with_streams(&["silent2", "silent1", "old", "long", "recent", "same"]).await;
    world.put("old", &[(NOW - 3 * DAY, "x")]).await.unwrap();
    world.put("long", &[(NOW - 5 * DAY, "x")]).await.unwrap();
    world.put("long", &[(NOW - 2 * HOUR, "x")]).await.unwrap();
    world.put("recent", &[(NOW - 1, "x")]).await.unwrap();
    world.put("same", &[(NOW - 4 * DAY, "x")]).await.unwrap();
    world.put("same", &[(NOW - 2 * HOUR, "x")]).await.unwrap();
    let ascending = ["silent1", "silent2", "old", "long", "same", "recent"];
    let mut descending = ascending;
    descending.reverse();
    for limit in 1..=7 {
        for (reverse, expected) in [(false, ascending), (true, descending)] {
            let page = |input: &mut DescribeLogStreamsRequest| {
                input.limit = Some(limit);
                input.descending = Some(reverse);
                input.order_by = Some(OrderBy::LastEventTime);
            };
            assert_eq!(names(&world, page).await, expected, "limit {limit} reverse {reverse}");
        }
    }
    let prefixed = |input: &mut DescribeLogStreamsRequest| {
        input.order_by = Some(OrderBy::LastEventTime);
        input.log_stream_name_prefix = text("s");
    };
    assert_fails(
        describe(&world, prefixed).await,
        "InvalidParameterException",
        "Cannot order by LastEventTime with a logStreamNamePrefix.",
    );
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let world = World::with_streams(&["s"]).await;
    assert_fails(
        world.create_stream("s").await,
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    );
    let failure = world.create_stream(&"é".repeat(1_000)).await.unwrap_err();
    assert_eq!(failure.code, "InvalidParameterException");
    for order in [OrderBy::LogStreamName, OrderBy::LastEventTime] {
        let token = |input: &mut DescribeLogStreamsRequest| {
            input.next_token = text("nonsense");
            input.order_by = Some(order);
        };
        assert_fails(
            describe(&world, token).await,
            "InvalidParameterException",
            "The specified nextToken is invalid.",
        );
    }
    let both = |input: &mut DescribeLogStreamsRequest| input.log_group_identifier = text(GROUP);
    assert_fails(
        describe(&world, both).await,
        "InvalidParameterException",
        "Exactly one of logGroupName and logGroupIdentifier must be specified.",
    );
    let missing = |input: &mut DescribeLogStreamsRequest| input.log_group_name = text("x");
    assert_fails(describe(&world, missing).await, NO_GROUP.0, NO_GROUP.1);
    world.delete_group().await.unwrap();
    assert_fails(world.create_stream("s").await, NO_GROUP.0, NO_GROUP.1);
}

#[tokio::test]
async fn a_deleted_stream_is_gone_at_once_and_does_not_come_back() {
    let world = World::with_streams(&["s", "t"]).await;
    world.put("s", &[(NOW, "secret")]).await.unwrap();
    world.put("t", &[(NOW, "stays")]).await.unwrap();
    let input = || DeleteLogStreamRequest { log_group_name: text(GROUP), log_stream_name: text("s") };
    world.service.delete_log_stream(world.grant(), input()).await.unwrap();
    assert_fails(world.put("s", &[(NOW, "x")]).await, NO_STREAM.0, NO_STREAM.1);
    assert_fails(world.get(|_| {}).await, NO_STREAM.0, NO_STREAM.1);
    assert_fails(world.service.delete_log_stream(world.grant(), input()).await, NO_STREAM.0, NO_STREAM.1);
    assert_eq!(names(&world, |_| {}).await, ["t"]);
    let by_time = |input: &mut DescribeLogStreamsRequest| input.order_by = Some(OrderBy::LastEventTime);
    assert_eq!(names(&world, by_time).await, ["t"]);
    assert_eq!(world.filter_all(|_| {}).await, ["stays"]);

    world.create_stream("s").await.unwrap();
    assert!(messages(&world.get(|_| {}).await.unwrap()).is_empty());
    world.put("s", &[(NOW, "new")]).await.unwrap();
    world.turn().await;
    assert_eq!(messages(&world.get(|_| {}).await.unwrap()), ["new"]);
    assert_eq!(world.rows("event").await, 2);
    assert_eq!(world.rows("activity").await, 2);
    assert_eq!(world.rows("deleted").await, 0);
    assert_eq!(world.describe_group().await.unwrap().stored_bytes, Some(2 * 26 + 8));
}
