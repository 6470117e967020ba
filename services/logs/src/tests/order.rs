//! Whatever requests bring and however they overlap in time: every event is read, once, in order, both ways, in any pages.

use super::*;
use proptest::prelude::*;

/// A request: which stream, how late, and its events' times after that.
type Request = (usize, i64, Vec<i64>);

const STREAMS: [&str; 3] = ["a", "b", "c"];

/// Writes the requests one after the other and gives the events in order: of each the stream and the message.
async fn write(world: &World, requests: &[Request]) -> Vec<(usize, String)> {
    let mut written = Vec::new();
    for (number, (stream, late, times)) in requests.iter().enumerate() {
        let mut times: Vec<i64> = times.iter().map(|time| NOW - late + time).collect();
        times.sort_unstable();
        let texts: Vec<String> = (0..times.len()).map(|index| format!("{number}.{index}")).collect();
        let events: Vec<(i64, &str)> =
            times.iter().zip(&texts).map(|(time, text)| (*time, text.as_str())).collect();
        world.put(STREAMS[*stream], &events).await.unwrap();
        written.extend(times.into_iter().zip(texts).map(|(time, text)| (time, *stream, text)));
    }
    // A stable sort leaves events of one moment in the order of their requests.
    written.sort_by_key(|(time, ..)| *time);
    written.into_iter().map(|(_, stream, text)| (stream, text)).collect()
}

/// All pages of a stream from one end.
async fn read(world: &World, stream: &str, (head, limit): (bool, i64)) -> Vec<String> {
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let page = world.get(|input| {
            input.log_stream_name = text(stream);
            (input.start_from_head, input.limit, input.next_token) = (Some(head), Some(limit), token.clone());
        });
        let page = page.await.unwrap();
        let texts: Vec<String> = messages(&page).into_iter().map(str::to_owned).collect();
        let next = if head { page.next_forward_token } else { page.next_backward_token };
        let at = if head { all.len() } else { 0 };
        all.splice(at..at, texts);
        if next == token {
            return all;
        }
        token = next;
    }
}

async fn check(requests: &[Request], limit: i64) {
    let world = World::with_streams(&STREAMS).await;
    let written = write(&world, requests).await;
    for (number, name) in STREAMS.iter().enumerate() {
        let expected: Vec<&String> =
            written.iter().filter(|(stream, _)| *stream == number).map(|(_, text)| text).collect();
        for head in [true, false] {
            assert_eq!(read(&world, name, (head, limit)).await.iter().collect::<Vec<_>>(), expected);
        }
    }
    let mut all: Vec<&String> = written.iter().map(|(_, text)| text).collect();
    assert_eq!(world.filter_all(|input| input.limit = Some(limit)).await.iter().collect::<Vec<_>>(), all);
    all.reverse();
    let newest_first = world.filter_all(|input| {
        (input.limit, input.start_from_head) = (Some(limit), Some(false));
        input.start_time = Some(NOW - 30 * DAY);
    });
    assert_eq!(newest_first.await.iter().collect::<Vec<_>>(), all);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn every_event_is_read_once_and_in_order(
        requests in prop::collection::vec(
            (0usize..3, prop_oneof![0i64..3_000, 0i64..1_500_000], prop::collection::vec(0i64..4_000, 1..12)),
            1..16,
        ),
        limit in 1i64..9,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(&requests, limit));
    }
}
