//! What PutLogEvents takes and what it refuses.

use super::*;

/// The ends of what is too old and expired, and the start of what is too new.
type Rejected = Option<[Option<i64>; 3]>;

fn rejected(answer: PutLogEventsResponse) -> Rejected {
    answer.rejected_log_events_info.map(|info| {
        [
            info.too_old_log_event_end_index,
            info.expired_log_event_end_index,
            info.too_new_log_event_start_index,
        ]
    })
}

#[tokio::test]
async fn events_too_old_expired_or_too_new_are_rejected_and_the_others_kept() {
    let world = World::with_streams(&["s"]).await;
    let (old, recent, ahead) = (NOW - 14 * DAY, NOW - 2 * DAY, NOW + 2 * HOUR);
    type Case<'a> = (i64, &'a [(i64, &'a str)], Rejected, &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        (30, &[(NOW, "a"), (NOW, "b")], None, &["a", "b"]),
        (30, &[(old - 1, "a"), (old, "b")], Some([Some(1), None, None]), &["b"]),
        (30, &[(ahead, "a"), (ahead + 1, "b")], Some([None, None, Some(1)]), &["a"]),
        (1, &[(old - 1, "a"), (recent, "b"), (NOW, "c")], Some([Some(1), Some(2), None]), &["c"]),
        (1, &[(recent, "b"), (NOW, "c"), (ahead + 1, "d")], Some([None, Some(1), Some(2)]), &["c"]),
        (1, &[(recent, "b"), (ahead + 1, "d")], Some([None, Some(1), Some(1)]), &[]),
    ];
    for (number, (days, events, expected, kept)) in cases.into_iter().enumerate() {
        world.retain(days).await.unwrap();
        let stream = format!("s{number}");
        world.create_stream(&stream).await.unwrap();
        let answer = world.put(&stream, events).await.unwrap();
        assert_eq!(answer.next_sequence_token.as_ref().map(String::len), Some(56));
        assert_eq!(rejected(answer), expected, "case {number}");
        let read = world.get(|input| input.log_stream_name = text(&stream)).await.unwrap();
        assert_eq!(messages(&read), kept, "case {number}");
    }
}

#[tokio::test]
async fn requests_that_break_a_rule_write_nothing() {
    let world = World::with_streams(&["s"]).await;
    let large = "x".repeat(1_048_576 - 26);
    let half = "x".repeat(524_288 - 26);
    world.put("s", &[(NOW, &large)]).await.unwrap();
    world.put("s", &[(NOW, &half), (NOW, &half)]).await.unwrap();
    let before = world.rows("event").await;
    let larger = format!("{large}x");
    let cases: [(&[(i64, &str)], &str); 5] = [
        (
            &[(NOW, "a"), (NOW - 1, "b")],
            "Log events in a single PutLogEvents request must be in chronological order.",
        ),
        (&[(NOW, &larger)], "Log event too large: 1048577 bytes exceeds limit of 1048576"),
        (
            &[(NOW, &half), (NOW, &half), (NOW, "")],
            "Upload too large: 1048602 bytes exceeds limit of 1048576",
        ),
        (
            &[(NOW - DAY - 1, "a"), (NOW, "b")],
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ),
        (
            &[],
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length \
             greater than or equal to 1",
        ),
    ];
    for (events, message) in cases {
        assert_fails(world.put("s", events).await, "InvalidParameterException", message);
    }
    let many = vec![(NOW, "x"); 10_001];
    assert_eq!(world.put("s", &many).await.unwrap_err().code, "InvalidParameterException");
    assert_eq!(world.rows("event").await, before);
    // The span counts only what is taken.
    world.put("s", &[(NOW - 15 * DAY, "a"), (NOW - DAY, "b"), (NOW, "c")]).await.unwrap();

    assert_fails(world.put("missing", &[(NOW, "a")]).await, NO_STREAM.0, NO_STREAM.1);
    world.delete_group().await.unwrap();
    assert_fails(world.put("s", &[(NOW, "a")]).await, NO_GROUP.0, NO_GROUP.1);
    assert_fails(world.put("s", &[(NOW - 30 * DAY, "too old")]).await, NO_GROUP.0, NO_GROUP.1);
}

#[tokio::test]
async fn a_group_that_changes_under_a_writer_is_looked_up_again() {
    let world = World::with_streams(&["s"]).await;
    world.put("s", &[(NOW, "a")]).await.unwrap();
    world.retain(1).await.unwrap();
    let answer = world.put("s", &[(NOW - 2 * DAY, "expired"), (NOW, "b")]).await.unwrap();
    assert_eq!(rejected(answer), Some([None, Some(1), None]));
    world.delete_group().await.unwrap();
    world.create_group(GROUP).await.unwrap();
    assert_fails(world.put("s", &[(NOW, "c")]).await, NO_STREAM.0, NO_STREAM.1);
    world.create_stream("s").await.unwrap();
    world.put("s", &[(NOW, "d")]).await.unwrap();
    assert_eq!(messages(&world.get(|_| {}).await.unwrap()), ["d"]);
}

#[tokio::test]
async fn sequence_tokens_are_taken_and_entities_told_to_be_unsupported() {
    let world = World::with_streams(&["s"]).await;
    let input = PutLogEventsRequest {
        log_group_name: text(GROUP),
        log_stream_name: text("s"),
        log_events: Some(vec![InputLogEvent { timestamp: Some(NOW), message: text("a") }]),
        sequence_token: text("anything"),
        entity: Some(Entity::default()),
    };
    let answer = world.service.put_log_events(world.grant(), input).await.unwrap();
    let error = answer.rejected_entity_info.and_then(|info| info.error_type);
    assert_eq!(error, Some(EntityRejectionErrorType::UnsupportedLogGroupType));
    assert_eq!(messages(&world.get(|_| {}).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn a_store_that_fails_is_answered_as_unavailable() {
    let world = World::with_streams(&["s"]).await;
    for fault in [memory::Fault::Full, memory::Fault::Failed] {
        world.store.faults().fail(1, fault);
        let failure = world.put("s", &[(NOW, "a")]).await.unwrap_err();
        assert_eq!((failure.code.as_ref(), failure.status), ("ServiceUnavailableException", 500));
    }
    world.put("s", &[(NOW, "b")]).await.unwrap();
    assert_eq!(messages(&world.get(|_| {}).await.unwrap()), ["b"]);
}

#[tokio::test]
async fn ten_thousand_events_a_day_long_are_all_there() {
    let world = World::with_streams(&["s"]).await;
    let texts: Vec<String> = (0..10_000).map(|number| format!("event {number}")).collect();
    let events: Vec<(i64, &str)> =
        (0..).zip(&texts).map(|(number, text)| (NOW - DAY + number * 8_640, text.as_str())).collect();
    world.put("s", &events).await.unwrap();
    assert_eq!(world.filter_all(|_| {}).await, texts);
    let page = world.get(|input| input.start_from_head = Some(true)).await.unwrap();
    assert_eq!(messages(&page), texts.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn requests_at_the_same_time_lose_nothing() {
    let world = Arc::new(World::with_streams(&["s"]).await);
    let writers = (0..32).map(|writer| {
        let world = world.clone();
        tokio::spawn(async move {
            for number in 0..10 {
                let text = format!("{writer}.{number}");
                world.put("s", &[(NOW + number, &text)]).await.unwrap();
                if writer % 8 == 0 {
                    world.retain(if number % 2 == 0 { 7 } else { 14 }).await.unwrap();
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut read = world.filter_all(|_| {}).await;
    read.sort();
    read.dedup();
    assert_eq!(read.len(), 320);
    assert_eq!(world.rows("activity").await, 1);
}
