//! The log of an environment: what it prints becomes log events, a line each, on their way to the log sink.
//!
//! One task writes for all environments. Nothing here waits for it: an environment whose lines are not taken fast
//! enough is not read any further (its own writes then block), and what must not wait is dropped and counted beyond
//! [`PENDING_BYTES_MAX`]. It refuses to know log groups and retention.

mod frame;
#[cfg(test)]
mod tests;

use crate::platform::{self, Event};
use crate::telemetry::{Origin, Telemetry};
use crate::{Definition, LogEvent, LogSink};
use bytes::Bytes;
use frame::{Frames, Part};
use hearth_base::{Clock, limits};
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

/// Bytes of one event; CloudWatch Logs takes no more. A longer line becomes several events.
const EVENT_BYTES_MAX: usize = 256 * 1024;
/// How long the writer waits for more. Each write is a transaction of the store: the lines of an invocation, and those of the
/// next ones, share it, and it is not made while the first of them runs. Real time, whatever the clock of timestamps.
const GATHERING: Duration = Duration::from_millis(50);
/// Bytes of waiting events above which the writer does not wait for more.
const PENDING_BYTES_MUCH: usize = 256 * 1024;
/// Bytes of waiting events above which output is left in the pipe.
const PENDING_BYTES_HIGH: usize = 1024 * 1024;
/// Bytes of waiting events above which events are dropped.
const PENDING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes that one drain reads at most: as large as a pipe can be made without privileges.
const DRAIN_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that one read takes.
const READ_BYTES: usize = 8 * 1024;
/// What an event costs beside its text.
const EVENT_OVERHEAD_BYTES: usize = 64;

/// The task that hands events to the sink. A cheap handle.
#[derive(Clone)]
pub(crate) struct LogWriter {
    // Unbounded in form only: a stream is in it at most twice, so it holds no more than there are environments.
    queue: mpsc::UnboundedSender<Message>,
}

enum Message {
    Stream(Arc<LogStream>),
    /// Much has come together: do not wait any longer.
    Much,
    Flush(oneshot::Sender<()>),
}

impl LogWriter {
    /// Starts the task. It ends when the last handle is dropped and all is written.
    pub(crate) fn start(sink: Arc<dyn LogSink>) -> Self {
        let (queue, messages) = mpsc::unbounded_channel();
        tokio::spawn(write(sink, messages));
        Self { queue }
    }

    /// Returns when all that was queued before is written.
    pub(crate) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).is_ok() {
            let _ = flushed.await;
        }
    }
}

async fn write(sink: Arc<dyn LogSink>, mut messages: mpsc::UnboundedReceiver<Message>) {
    let mut waiting: Vec<Arc<LogStream>> = Vec::new();
    let mut deadline = Instant::now();
    loop {
        let message = if waiting.is_empty() {
            messages.recv().await
        } else {
            tokio::time::timeout_at(deadline, messages.recv()).await.unwrap_or(Some(Message::Much))
        };
        if let Some(Message::Stream(stream)) = message {
            if waiting.is_empty() {
                deadline = Instant::now() + GATHERING;
            }
            waiting.push(stream);
            continue;
        }
        for stream in waiting.drain(..) {
            let events = stream.take();
            sink.write(Arc::clone(&stream.definition), Arc::clone(&stream.name), events).await;
        }
        match message {
            // Whoever asked may have gone.
            Some(Message::Flush(done)) => drop(done.send(())),
            Some(_) => {}
            None => return,
        }
    }
}

/// One log stream: that of one environment.
pub(crate) struct LogStream {
    definition: Arc<Definition>,
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    writer: LogWriter,
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    /// Lines without an end yet, by [`Source::index`].
    partial: Vec<Vec<u8>>,
    frames: Frames,
    /// Where the lines go beside the log, while anybody may want them.
    telemetry: Option<Arc<Telemetry>>,
    pending: Vec<LogEvent>,
    pending_bytes: usize,
    queued: bool,
    dropped_records: u64,
    dropped_bytes: u64,
    tail: Option<Vec<u8>>,
}

/// Which pipe it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard output of the runtime.
    Output,
    /// Standard error of the runtime.
    Error,
    /// Framed messages of the runtime.
    Messages,
    /// Standard output and error of the external extension of this number.
    Extension(usize),
}

impl Source {
    fn index(self) -> usize {
        match self {
            Self::Output => 0,
            Self::Error => 1,
            Self::Messages => 2,
            Self::Extension(number) => 3 + number,
        }
    }

    fn origin(index: usize) -> Origin {
        if index < 3 { Origin::Function } else { Origin::Extension }
    }
}

impl LogStream {
    pub(crate) fn new(
        definition: Arc<Definition>,
        name: Arc<str>,
        clock: Arc<dyn Clock>,
        writer: LogWriter,
    ) -> Arc<Self> {
        Arc::new(Self {
            definition,
            name,
            clock,
            writer,
            state: Mutex::new(State::default()),
            room: Notify::new(),
        })
    }

    /// One whose lines nobody keeps.
    #[cfg(test)]
    pub(crate) fn sample(definition: Definition) -> Arc<Self> {
        struct Nowhere;
        impl LogSink for Nowhere {
            fn write(
                &self,
                _: Arc<Definition>,
                _: Arc<str>,
                _: Vec<LogEvent>,
            ) -> hearth_base::BoxFuture<'_, ()> {
                Box::pin(std::future::ready(()))
            }
        }
        let writer = LogWriter::start(Arc::new(Nowhere));
        Self::new(Arc::new(definition), "stream".into(), Arc::new(hearth_base::SystemClock), writer)
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// From here on everything is told to subscribers too, of which there are none yet.
    pub(crate) fn begin_telemetry(&self) -> Arc<Telemetry> {
        let telemetry = Telemetry::new(Arc::clone(&self.definition), Arc::clone(&self.clock));
        self.lock().telemetry = Some(Arc::clone(&telemetry));
        telemetry
    }

    /// What [`Self::begin_telemetry`] gave.
    pub(crate) fn telemetry(&self) -> Option<Arc<Telemetry>> {
        self.lock().telemetry.clone()
    }

    /// Nobody subscribes any more: without a subscriber nothing more is told.
    pub(crate) fn close_telemetry(&self) {
        let mut state = self.lock();
        if state.telemetry.as_ref().is_some_and(|telemetry| !telemetry.close()) {
            state.telemetry = None;
        }
    }

    /// Collects the tail from here on.
    pub(crate) fn begin_tail(&self) {
        self.lock().tail = Some(Vec::new());
    }

    /// The last 4 KB since [`Self::begin_tail`].
    pub(crate) fn end_tail(&self) -> Option<Bytes> {
        let mut tail = self.lock().tail.take()?;
        let excess = tail.len().saturating_sub(limits::LOG_TAIL_BYTES_MAX);
        tail.drain(..excess);
        Some(Bytes::from(tail))
    }

    /// Writes what the platform has to say.
    pub(crate) fn platform(self: &Arc<Self>, event: &Event<'_>) {
        let now = self.clock.now();
        let lines = platform::lines(&self.definition, now, event);
        let mut state = self.lock();
        for line in lines {
            self.push(&mut state, line);
        }
        if let Some(telemetry) = &state.telemetry {
            telemetry.platform(now, event);
        }
    }

    /// Writes a line of the platform that is the same in both formats.
    pub(crate) fn line(self: &Arc<Self>, line: String) {
        self.push(&mut self.lock(), line);
    }

    /// Cuts output into lines, or into the messages that it says it has.
    pub(crate) fn output(self: &Arc<Self>, source: Source, bytes: &[u8]) {
        let mut state = self.lock();
        match source {
            Source::Messages => self.messages(&mut state, bytes),
            _ => self.lines(&mut state, source, bytes),
        }
    }

    fn messages(self: &Arc<Self>, state: &mut State, bytes: &[u8]) {
        let mut frames = std::mem::take(&mut state.frames);
        frames.read(bytes, |part| match part {
            Part::Message(message) => self.extend(state, Source::Messages, message),
            Part::Stray(byte) => self.lines(state, Source::Messages, &[byte]),
            Part::Begin => self.cut(state, Source::Messages.index()),
            Part::End => {
                // In the tail one event follows another: each ends with a line end there, as a printed one does.
                let partial = state.partial(Source::Messages);
                if partial.last().is_some_and(|last| *last != b'\n') {
                    partial.push(b'\n');
                }
                self.cut(state, Source::Messages.index());
            }
        });
        state.frames = frames;
    }

    fn lines(self: &Arc<Self>, state: &mut State, source: Source, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end + 1);
            self.extend(state, source, line);
            self.cut(state, source.index());
            bytes = rest;
        }
        self.extend(state, source, bytes);
    }

    /// Makes events of lines that have no end yet: an invocation is over.
    pub(crate) fn end_lines(self: &Arc<Self>) {
        let mut state = self.lock();
        for index in 0..state.partial.len() {
            self.cut(&mut state, index);
        }
    }

    /// Waits until the writer has taken enough for more output to be read.
    pub(crate) async fn room(&self) {
        loop {
            let made = self.room.notified();
            if self.lock().pending_bytes <= PENDING_BYTES_HIGH {
                return;
            }
            made.await;
        }
    }

    fn extend(self: &Arc<Self>, state: &mut State, source: Source, mut bytes: &[u8]) {
        loop {
            let partial = state.partial(source);
            let space = EVENT_BYTES_MAX - partial.len();
            if bytes.len() < space {
                partial.extend_from_slice(bytes);
                return;
            }
            let (now, rest) = bytes.split_at(space);
            partial.extend_from_slice(now);
            // A character that does not fit whole begins the next event.
            let whole = whole_characters(partial);
            let carried = partial.split_off(whole);
            self.cut(state, source.index());
            *state.partial(source) = carried;
            bytes = rest;
        }
    }

    fn cut(self: &Arc<Self>, state: &mut State, index: usize) {
        let partial = state.partial.get_mut(index).map(std::mem::take).unwrap_or_default();
        if !partial.is_empty() {
            let text = String::from_utf8(partial)
                .unwrap_or_else(|invalid| String::from_utf8_lossy(invalid.as_bytes()).into_owned());
            if let Some(telemetry) = &state.telemetry {
                telemetry.line(self.clock.now(), Source::origin(index), &text);
            }
            self.push(state, text);
        }
    }

    fn push(self: &Arc<Self>, state: &mut State, message: String) {
        if let Some(tail) = &mut state.tail {
            tail.extend_from_slice(message.as_bytes());
            if tail.len() > 16 * limits::LOG_TAIL_BYTES_MAX {
                tail.drain(..tail.len() - limits::LOG_TAIL_BYTES_MAX);
            }
        }
        let cost = message.len() + EVENT_OVERHEAD_BYTES;
        if state.pending_bytes + cost > PENDING_BYTES_MAX {
            state.dropped_records += 1;
            state.dropped_bytes += message.len() as u64;
            return;
        }
        let much = |bytes| bytes > PENDING_BYTES_MUCH;
        let now_much = !much(state.pending_bytes) && much(state.pending_bytes + cost);
        state.pending_bytes += cost;
        state.pending.push(LogEvent { timestamp: self.clock.now(), message });
        if !std::mem::replace(&mut state.queued, true) {
            // The writer lives as long as there is a handle, and this is one.
            let _ = self.writer.queue.send(Message::Stream(Arc::clone(self)));
        }
        if now_much {
            let _ = self.writer.queue.send(Message::Much);
        }
    }

    fn take(&self) -> Vec<LogEvent> {
        let mut state = self.lock();
        let mut events = std::mem::take(&mut state.pending);
        let (records, bytes) = (state.dropped_records, state.dropped_bytes);
        (state.pending_bytes, state.queued) = (0, false);
        (state.dropped_records, state.dropped_bytes) = (0, 0);
        drop(state);
        self.room.notify_waiters();
        if records > 0 {
            let timestamp = self.clock.now();
            let lines = platform::lines(&self.definition, timestamp, &Event::LogsDropped { records, bytes });
            events.extend(lines.into_iter().map(|message| LogEvent { timestamp, message }));
        }
        events
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn partial(&mut self, source: Source) -> &mut Vec<u8> {
        let index = source.index();
        if self.partial.len() <= index {
            self.partial.resize_with(index + 1, Vec::new);
        }
        &mut self.partial[index]
    }
}

/// How many bytes of `bytes` are whole UTF-8 characters, when only the last may be cut.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=3.min(bytes.len()) {
        let at = bytes.len() - back;
        let length = match bytes[at] {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => 1,
        };
        return if length > back { at } else { bytes.len() };
    }
    bytes.len()
}

/// The read ends of a cage's pipes.
pub(crate) struct Output {
    stream: Arc<LogStream>,
    pipes: Vec<(Source, pipe::Receiver)>,
}

impl Output {
    pub(crate) fn new(
        stream: Arc<LogStream>,
        pipes: impl IntoIterator<Item = (Source, OwnedFd)>,
    ) -> std::io::Result<Self> {
        let pipes = pipes
            .into_iter()
            .map(|(source, pipe)| Ok((source, pipe::Receiver::from_owned_fd(pipe)?)))
            .collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self { stream, pipes })
    }

    /// Reads all that stands in the pipes now, up to a bound: what a process printed before it posted its response is in
    /// the log when this returns. It asks the kernel, not tokio's idea of readiness, which may lag behind.
    pub(crate) fn drain(&self) {
        let mut buffer = [0; READ_BYTES];
        for (source, pipe) in &self.pipes {
            let mut total = 0;
            while total < DRAIN_BYTES_MAX {
                match rustix::io::read(pipe.as_fd(), &mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        total += count;
                        self.stream.output(*source, &buffer[..count]);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    // Empty for now, or broken, which is the follower's business.
                    Err(_) => break,
                }
            }
        }
    }

    /// Reads all pipes until their ends.
    pub(crate) async fn follow(&self) {
        let follow = |(source, pipe)| Box::pin(self.follow_pipe(source, pipe));
        let mut follows: Vec<Pin<Box<_>>> =
            self.pipes.iter().map(|(source, pipe)| follow((*source, pipe))).collect();
        std::future::poll_fn(|context| {
            follows.retain_mut(|follow| follow.as_mut().poll(context).is_pending());
            if follows.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn follow_pipe(&self, source: Source, pipe: &pipe::Receiver) {
        loop {
            self.stream.room().await;
            if pipe.readable().await.is_err() {
                return;
            }
            // In a scope of its own, for the buffer must not become part of the task.
            let read = {
                let mut buffer = [0; READ_BYTES];
                pipe.try_read(&mut buffer).inspect(|count| self.stream.output(source, &buffer[..*count]))
            };
            match read {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}
