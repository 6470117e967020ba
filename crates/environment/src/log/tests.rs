//! Lines, bounds and what happens to them when the sink is slow.

use super::*;
use hearth_base::{BoxFuture, Timestamp, VirtualClock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Takes a batch for each permit.
struct Gate {
    permits: Semaphore,
    taken: Mutex<Vec<String>>,
}

impl LogSink for Gate {
    fn write(&self, _: Arc<Definition>, _: Arc<str>, events: Vec<LogEvent>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.permits.acquire().await.unwrap().forget();
            self.taken.lock().unwrap().extend(events.into_iter().map(|event| event.message));
        })
    }
}

fn stream(permits: usize) -> (Arc<LogStream>, Arc<Gate>) {
    let gate = Arc::new(Gate { permits: Semaphore::new(permits), taken: Mutex::default() });
    let writer = LogWriter::start(Arc::clone(&gate) as Arc<dyn LogSink>);
    let definition = Arc::new(Definition::sample());
    let clock = Arc::new(VirtualClock::new(Timestamp::from_seconds(1)));
    (LogStream::new(definition, "stream".into(), clock, writer), gate)
}

async fn messages(stream: &LogStream, gate: &Gate) -> Vec<String> {
    stream.writer.flush().await;
    std::mem::take(&mut *gate.taken.lock().unwrap())
}

#[tokio::test]
async fn lines_are_cut_where_they_end() {
    let (stream, gate) = stream(usize::MAX >> 4);
    for chunk in ["a\nb", "c\n\n", "d"] {
        stream.output(Source::Output, chunk.as_bytes());
    }
    stream.output(Source::Error, b"e\nf");
    stream.end_lines();
    assert_eq!(messages(&stream, &gate).await, ["a\n", "bc\n", "\n", "e\n", "d", "f"]);
}

#[tokio::test]
async fn long_lines_are_cut_between_characters() {
    let (stream, gate) = stream(usize::MAX >> 4);
    let text = "€".repeat(EVENT_BYTES_MAX);
    for chunk in text.as_bytes().chunks(5000) {
        stream.output(Source::Output, chunk);
    }
    stream.end_lines();
    let messages = messages(&stream, &gate).await;
    assert!(messages.iter().all(|message| message.len() <= EVENT_BYTES_MAX && !message.contains('\u{fffd}')));
    assert_eq!(messages.concat(), text);
    assert_eq!(messages.len(), 4);
}

#[tokio::test]
async fn lines_are_written_together_but_much_is_written_at_once() {
    let (stream, gate) = stream(1000);
    let writes = || 1000 - gate.permits.available_permits();
    let began = Instant::now();
    stream.output(Source::Output, b"a\n");
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    stream.output(Source::Output, b"b\n");
    // On a machine that stood still in between, the first may have gone alone.
    let together = began.elapsed() < GATHERING;
    while gate.taken.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(writes() == 1 || !together, "{} writes", writes());
    let (written, began) = (writes(), Instant::now());
    stream.output(Source::Output, &[b'\n'; 1 + PENDING_BYTES_MUCH / EVENT_OVERHEAD_BYTES]);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(writes() == written + 1 || began.elapsed() >= GATHERING, "not written at once");
}

#[tokio::test]
async fn the_tail_is_the_last_4_kilobytes() {
    let (stream, _gate) = stream(usize::MAX >> 4);
    assert_eq!(stream.end_tail(), None);
    stream.output(Source::Output, b"before\n");
    stream.begin_tail();
    stream.output(Source::Output, b"short\n");
    assert_eq!(stream.end_tail().unwrap(), "short\n");
    stream.begin_tail();
    let line = format!("{}\n", "x".repeat(999));
    for _ in 0..1000 {
        stream.output(Source::Output, line.as_bytes());
    }
    assert_eq!(stream.end_tail().unwrap(), line.repeat(5)[1000 * 5 - 4096..]);
}

#[tokio::test]
async fn a_stuck_sink_stops_the_reader_and_then_drops_and_tells() {
    let (stream, gate) = stream(0);
    stream.output(Source::Output, b"first\n");
    // The writer holds the first batch; everything from here on waits for it.
    while stream.lock().queued {
        tokio::task::yield_now().await;
    }
    let line = vec![b'x'; 1023].into_iter().chain([b'\n']).collect::<Vec<u8>>();
    stream.room().await;
    for _ in 0..PENDING_BYTES_HIGH / 1024 + 1 {
        stream.output(Source::Output, &line);
    }
    assert!(tokio::time::timeout(Duration::from_millis(20), stream.room()).await.is_err());
    for _ in 0..PENDING_BYTES_MAX / 1024 {
        stream.output(Source::Output, &line);
    }
    assert!(stream.lock().pending_bytes <= PENDING_BYTES_MAX);
    let dropped = stream.lock().dropped_records;
    assert!(dropped > 0);
    gate.permits.add_permits(1000);
    stream.room().await;
    let messages = messages(&stream, &gate).await;
    let told = format!("{dropped} log lines ({} bytes) were dropped", dropped * 1024);
    assert!(messages.last().unwrap().contains(&told), "{}", messages.last().unwrap());
    assert_eq!(
        messages.len() as u64 - 2 + dropped,
        ((PENDING_BYTES_HIGH + PENDING_BYTES_MAX) / 1024 + 1) as u64
    );
}
