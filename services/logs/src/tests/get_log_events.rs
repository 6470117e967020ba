//! GetLogEvents: order, windows and tokens.

use super::*;

#[tokio::test]
async fn pages_go_forward_to_the_end_and_backward_to_the_beginning() {
    let world = World::with_streams(&["s"]).await;
    let texts: Vec<String> = (0..7).map(|number| number.to_string()).collect();
    let events: Vec<(i64, &str)> = (0..).zip(&texts).map(|(n, text)| (NOW + n, text.as_str())).collect();
    world.put("s", &events).await.unwrap();

    let first =
        world.get(|input| (input.start_from_head, input.limit) = (Some(true), Some(3))).await.unwrap();
    assert_eq!(messages(&first), ["0", "1", "2"]);
    let follow = |token: Option<String>| {
        world.get(move |input| {
            (input.next_token, input.limit, input.start_from_head) = (token, Some(3), Some(true))
        })
    };
    let second = follow(first.next_forward_token.clone()).await.unwrap();
    assert_eq!(messages(&second), ["3", "4", "5"]);
    let third = follow(second.next_forward_token.clone()).await.unwrap();
    assert_eq!(messages(&third), ["6"]);
    let end = follow(third.next_forward_token.clone()).await.unwrap();
    assert_eq!(messages(&end), [""; 0]);
    assert_eq!(end.next_forward_token, third.next_forward_token);
    // From the end back: nothing is left out.
    assert_eq!(messages(&follow(end.next_backward_token.clone()).await.unwrap()), ["4", "5", "6"]);
    assert_eq!(messages(&follow(second.next_backward_token.clone()).await.unwrap()), ["0", "1", "2"]);
    let start = follow(first.next_backward_token.clone()).await.unwrap();
    assert_eq!(messages(&start), [""; 0]);
    assert_eq!(start.next_backward_token, first.next_backward_token);

    let last = world.get(|input| input.limit = Some(3)).await.unwrap();
    assert_eq!(messages(&last), ["4", "5", "6"]);
    assert_eq!(messages(&follow(last.next_backward_token).await.unwrap()), ["1", "2", "3"]);
    // What comes later is behind the forward token.
    world.put("s", &[(NOW + 100, "later")]).await.unwrap();
    assert_eq!(messages(&follow(end.next_forward_token).await.unwrap()), ["later"]);
    for token in [third.next_forward_token.unwrap(), third.next_backward_token.unwrap()] {
        assert!(matches!(&token[..2], "f/" | "b/") && token.ends_with("/s") && token.len() == 60, "{token}");
    }
}

#[tokio::test]
async fn an_empty_stream_gives_tokens_that_follow_it() {
    let world = World::with_streams(&["s"]).await;
    let empty = world.get(|_| {}).await.unwrap();
    assert_eq!(messages(&empty), [""; 0]);
    world.put("s", &[(NOW, "a")]).await.unwrap();
    let token = empty.next_forward_token;
    assert_eq!(messages(&world.get(|input| input.next_token = token).await.unwrap()), ["a"]);
    // However far the window lies, its tokens are good.
    let far = world.get(|input| input.start_time = Some(i64::MAX)).await.unwrap();
    for token in [far.next_forward_token, far.next_backward_token] {
        world.get(|input| input.next_token = token).await.unwrap();
    }
}

#[tokio::test]
async fn events_of_one_moment_read_in_the_order_they_were_written() {
    let world = World::with_streams(&["s"]).await;
    for number in 0..20 {
        let texts = [format!("{number}a"), format!("{number}b")];
        world.put("s", &[(NOW, &texts[0]), (NOW, &texts[1])]).await.unwrap();
    }
    let expected: Vec<String> = (0..20).flat_map(|n| [format!("{n}a"), format!("{n}b")]).collect();
    let page = world.get(|_| {}).await.unwrap();
    assert_eq!(messages(&page), expected);
    let event = &page.events.unwrap()[0];
    assert_eq!((event.timestamp, event.ingestion_time), (Some(NOW), Some(NOW)));
}

#[tokio::test]
async fn the_window_takes_its_start_and_leaves_its_end() {
    let world = World::with_streams(&["s"]).await;
    world.put("s", &[(NOW, "a"), (NOW + 1, "b"), (NOW + 2, "c"), (NOW + 3, "d")]).await.unwrap();
    let cases = [
        (Some(NOW + 1), Some(NOW + 3), vec!["b", "c"]),
        (Some(NOW + 1), None, vec!["b", "c", "d"]),
        (None, Some(NOW + 1), vec!["a"]),
        (Some(NOW + 3), Some(NOW + 3), vec![]),
        (Some(NOW + 9), Some(NOW), vec![]),
        (Some(0), Some(i64::MAX), vec!["a", "b", "c", "d"]),
        (Some(i64::MIN), Some(NOW + 1), vec!["a"]),
    ];
    for (start, end, expected) in cases {
        for head in [true, false] {
            let page = world
                .get(|input| {
                    (input.start_time, input.end_time, input.start_from_head) = (start, end, Some(head));
                })
                .await
                .unwrap();
            assert_eq!(messages(&page), expected, "{start:?} {end:?}");
        }
    }
}

#[tokio::test]
async fn a_page_holds_a_megabyte() {
    let world = World::with_streams(&["s"]).await;
    let text = "x".repeat(400_000);
    for _ in 0..3 {
        world.put("s", &[(NOW, &text), (NOW, &text)]).await.unwrap();
    }
    let mut token = None;
    let mut sizes = Vec::new();
    loop {
        let page = world.get(|input| (input.start_from_head, input.next_token) = (Some(true), token.clone()));
        let page = page.await.unwrap();
        sizes.push(messages(&page).len());
        if page.next_forward_token == token {
            break;
        }
        token = page.next_forward_token;
    }
    assert_eq!(sizes, [2, 2, 2, 0]);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let world = World::with_streams(&["s"]).await;
    for token in ["", "nonsense", "f/12", "x/00000000000000000000000000000000000000000000000000000000/s"] {
        assert_fails(
            world.get(|input| input.next_token = text(token)).await,
            "InvalidParameterException",
            "The specified nextToken is invalid.",
        );
    }
    assert_fails(world.get(|input| input.log_stream_name = text("missing")).await, NO_STREAM.0, NO_STREAM.1);
    assert_fails(world.get(|input| input.log_group_name = text("missing")).await, NO_GROUP.0, NO_GROUP.1);
    assert_fails(
        world.get(|input| input.log_group_name = None).await,
        "InvalidParameterException",
        "Exactly one of logGroupName and logGroupIdentifier must be specified.",
    );
}
