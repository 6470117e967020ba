//! The course of one invocation: when what of it was over, and what telemetry says of that.
//! It refuses to decide when it ends.

use super::{Ending, Environment};
use crate::platform::{Done, Event, Span, Status};
use crate::runtime_api::Times;
use hearth_base::{Clock, RequestId, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

/// What came before the first invocation of an environment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Starts {
    /// What its initialisation took.
    pub(super) init: Option<Duration>,
    /// What its restore took, before which the initialisation was nobody's.
    pub(super) restore: Option<Duration>,
}

pub(super) struct Course {
    pub(super) id: RequestId,
    /// `X-Amzn-Trace-Id`.
    pub(super) trace: String,
    pub(super) starts: Starts,
    pub(super) began: Instant,
    began_at: Timestamp,
    /// When the runtime had done its part, once that was told.
    runtime_done: Option<Instant>,
}

impl Course {
    pub(super) fn begin(
        id: RequestId,
        trace: String,
        (starts, began): (Starts, Instant),
        clock: &dyn Clock,
    ) -> Self {
        let began_at = clock.now();
        Self { id, trace, starts, began, began_at, runtime_done: None }
    }

    pub(super) fn done<'a>(&'a self, status: &'a Status, spans: &'a [Span]) -> Done<'a> {
        Done { request_id: self.id, status, trace: &self.trace, spans }
    }

    /// How long extensions were at work after the runtime.
    pub(super) fn overhead(&self) -> [Span; 1] {
        let begin = self.runtime_done.unwrap_or_else(Instant::now);
        [self.span("extensionOverhead", begin, Instant::now())]
    }

    /// <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#Span>
    fn spans(&self, times: &Times) -> Vec<Span> {
        let mut spans = Vec::new();
        let Some(responding) = times.responding else { return spans };
        spans.push(self.span("responseLatency", self.began, responding));
        if let Some(responded) = times.responded {
            spans.push(self.span("responseDuration", responding, responded));
            spans.extend(times.ready.map(|ready| self.span("runtimeOverhead", responded, ready)));
        }
        spans
    }

    fn span(&self, name: &'static str, begin: Instant, end: Instant) -> Span {
        let start = self.began_at.after(begin.saturating_duration_since(self.began));
        Span { name, start, duration: end.saturating_duration_since(begin) }
    }
}

impl Environment {
    /// Tells once that the runtime has done its part.
    pub(super) fn runtime_done(&self, course: &mut Course, ending: &Ending) {
        if course.runtime_done.is_some() {
            return;
        }
        course.runtime_done = Some(Instant::now());
        // What the function has printed comes before.
        self.collect_output();
        let times = self.cage.as_ref().map(|cage| cage.api.times()).unwrap_or_default();
        let spans = course.spans(&times);
        let timed_out = ending.status == Status::Timeout;
        let duration = if timed_out { self.definition.timeout } else { course.began.elapsed() };
        let streamed_bytes = usize::try_from(ending.streamed_bytes).unwrap_or(usize::MAX);
        let produced_bytes = ending.outcome.payload().len().saturating_add(streamed_bytes);
        let done = course.done(&ending.status, &spans);
        self.log.platform(&Event::RuntimeDone { done, duration, produced_bytes });
    }
}
