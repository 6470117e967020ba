//! FilterLogEvents: many streams, patterns, windows, paging, and what `aws logs tail --follow` relies on.

use super::*;
use std::collections::HashSet;

async fn three_streams() -> World {
    let world = World::with_streams(&["app/1", "app/2", "web/1"]).await;
    world.put("app/1", &[(NOW, "start"), (NOW + 20, "ERROR one")]).await.unwrap();
    world.put("app/2", &[(NOW + 10, "start"), (NOW + 700_000, "ERROR {\"code\": 7}")]).await.unwrap();
    world.put("web/1", &[(NOW + 5, "{\"code\": 7}"), (NOW + 15, "{\"code\": 8}")]).await.unwrap();
    world
}

#[tokio::test]
async fn streams_are_interleaved_by_time() {
    let world = three_streams().await;
    let all = ["start", "{\"code\": 7}", "start", "{\"code\": 8}", "ERROR one", "ERROR {\"code\": 7}"];
    for limit in 1..=7 {
        assert_eq!(world.filter_all(|input| input.limit = Some(limit)).await, all, "limit {limit}");
        let mut reversed = all;
        reversed.reverse();
        let newest_first = |input: &mut FilterLogEventsRequest| {
            (input.limit, input.start_from_head, input.start_time) =
                (Some(limit), Some(false), Some(NOW - DAY));
        };
        assert_eq!(world.filter_all(newest_first).await, reversed, "limit {limit}");
    }
    let whole = world.filter(|_| {}).await.unwrap();
    assert_eq!(whole.next_token, None);
    assert_eq!(whole.searched_log_streams, Some(Vec::new()));
    let events = whole.events.unwrap();
    let first = &events[0];
    assert_eq!(first.log_stream_name.as_deref(), Some("app/1"));
    assert_eq!((first.timestamp, first.ingestion_time), (Some(NOW), Some(NOW)));
    let ids: HashSet<&str> = events.iter().map(|event| event.event_id.as_deref().unwrap()).collect();
    assert!(ids.len() == events.len() && ids.iter().all(|id| id.len() == 56));
}

#[tokio::test]
async fn patterns_streams_and_windows_narrow_the_search() {
    let world = three_streams().await;
    type Change = fn(&mut FilterLogEventsRequest);
    let cases: [(Change, &[&str]); 10] = [
        (|input| input.filter_pattern = text("ERROR"), &["ERROR one", "ERROR {\"code\": 7}"]),
        (|input| input.filter_pattern = text("{ $.code = 7 }"), &["{\"code\": 7}"]),
        (|input| input.filter_pattern = text("nothing"), &[]),
        (
            |input| input.log_stream_name_prefix = text("app/"),
            &["start", "start", "ERROR one", "ERROR {\"code\": 7}"],
        ),
        (
            |input| input.log_stream_names = Some(vec!["app/2".into(), "web/1".into(), "app/2".into()]),
            &["{\"code\": 7}", "start", "{\"code\": 8}", "ERROR {\"code\": 7}"],
        ),
        (|input| input.start_time = Some(NOW + 20), &["ERROR one", "ERROR {\"code\": 7}"]),
        (|input| input.end_time = Some(NOW + 5), &["start", "{\"code\": 7}"]),
        (
            |input| (input.start_time, input.end_time) = (Some(NOW + 10), Some(NOW + 15)),
            &["start", "{\"code\": 8}"],
        ),
        (|input| (input.start_time, input.end_time) = (Some(NOW + 99), Some(NOW)), &[]),
        (
            |input| {
                input.log_group_name = None;
                input.log_group_identifier =
                    text("arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*");
                (input.filter_pattern, input.interleaved) = (text("one"), Some(true));
            },
            &["ERROR one"],
        ),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        assert_eq!(world.filter_all(change).await, expected, "case {number}");
        let pages = |input: &mut FilterLogEventsRequest| {
            change(input);
            input.limit = Some(1);
        };
        assert_eq!(world.filter_all(pages).await, expected, "case {number} in pages");
    }
}

/// The client asks again from the time of the newest event it has, and passes over ids that it knows.
#[tokio::test]
async fn following_sees_every_event_once() {
    let world = World::with_streams(&["a", "b"]).await;
    let (mut seen, mut shown) = (HashSet::new(), Vec::new());
    let mut start = NOW - HOUR;
    for round in 0..5i64 {
        let texts = [format!("a{round}"), format!("b{round}")];
        world.put("a", &[(world.now(), &texts[0])]).await.unwrap();
        world.put("b", &[(world.now(), &texts[1])]).await.unwrap();
        let page = world.filter(|input| input.start_time = Some(start)).await.unwrap();
        for event in page.events.unwrap() {
            start = start.max(event.timestamp.unwrap());
            if seen.insert(event.event_id.unwrap()) {
                shown.push(event.message.unwrap());
            }
        }
        world.advance(5_000);
    }
    assert_eq!(shown, (0..5).flat_map(|n| [format!("a{n}"), format!("b{n}")]).collect::<Vec<_>>());
}

#[tokio::test]
async fn silent_streams_are_not_read() {
    let world = World::with_streams(&[]).await;
    for number in 0..300 {
        let stream = format!("s{number:03}");
        world.create_stream(&stream).await.unwrap();
        world.put(&stream, &[(NOW - DAY + number, &stream)]).await.unwrap();
    }
    world.put("s007", &[(NOW, "recent")]).await.unwrap();
    let before = world.store.scans();
    assert_eq!(world.filter_all(|input| input.start_time = Some(NOW - HOUR)).await, ["recent"]);
    // The tombstones, the index, the one stream.
    assert_eq!(world.store.scans() - before, 3);
    assert_eq!(world.filter_all(|_| {}).await.len(), 301);
}

#[tokio::test]
async fn a_search_that_finds_nothing_in_much_goes_on_in_pages() {
    let world = World::with_streams(&["s"]).await;
    let text = "x".repeat(500_000);
    for _ in 0..40 {
        world.put("s", &[(NOW, &text), (NOW, &text)]).await.unwrap();
    }
    world.put("s", &[(NOW, "found")]).await.unwrap();
    let first = world.filter(|input| input.filter_pattern = super::text("found")).await.unwrap();
    assert_eq!(first.events, Some(Vec::new()));
    assert!(first.next_token.is_some());
    assert_eq!(world.filter_all(|input| input.filter_pattern = super::text("found")).await, ["found"]);
    let page = world.filter(|_| {}).await.unwrap();
    assert_eq!(page.events.unwrap().len(), 2);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let world = three_streams().await;
    type Change = fn(&mut FilterLogEventsRequest);
    let invalid = "InvalidParameterException";
    let cases: [(Change, &str, &str); 9] = [
        (|input| input.next_token = text("x"), invalid, "The specified nextToken is invalid."),
        (|input| input.next_token = text("f123"), invalid, "The specified nextToken is invalid."),
        (|input| input.filter_pattern = text("a@b"), invalid, "Invalid character(s) in term 'a@b'"),
        (
            |input| input.filter_pattern = text("{ $.a = 1"),
            invalid,
            "If a filter pattern starts with '{' it must end with '}'",
        ),
        (
            |input| {
                (input.log_stream_names, input.log_stream_name_prefix) = (Some(vec!["a".into()]), text("a"))
            },
            invalid,
            "logStreamNames and logStreamNamePrefix cannot both be specified.",
        ),
        (
            |input| input.start_from_head = Some(false),
            invalid,
            "startFromHead can be false only when startTime is on or after Jan 1, 2024 00:00:00 UTC.",
        ),
        (|input| input.log_stream_names = Some(vec!["missing".into()]), NO_STREAM.0, NO_STREAM.1),
        (|input| input.log_group_name = text("missing"), NO_GROUP.0, NO_GROUP.1),
        (
            |input| input.log_group_name = None,
            invalid,
            "Exactly one of logGroupName and logGroupIdentifier must be specified.",
        ),
    ];
    for (change, code, message) in cases {
        assert_fails(world.filter(change).await, code, message);
    }
}
