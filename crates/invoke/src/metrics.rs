//! What is counted of invocations, for each function: the metrics that Lambda sends to CloudWatch, from the first
//! invocation on.
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>
//!
//! It refuses to keep a history: these are totals since the server started. [`Metrics::prometheus`] shows them.

use hearth_lambda::FunctionKey;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Functions that are counted apart. What others do beyond these is counted under an empty name.
const FUNCTIONS_MAX: usize = 20_000;

/// The counters of all functions. Clones are the same counters.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    functions: Arc<RwLock<HashMap<FunctionKey, Arc<Counters>>>>,
}

/// The counters of one function.
#[derive(Debug, Default)]
pub struct Counters {
    invocations: AtomicU64,
    errors: AtomicU64,
    throttles: AtomicU64,
    duration_us: AtomicU64,
    concurrent: AtomicU64,
    events_received: AtomicU64,
    events_taken: AtomicU64,
    event_age_ms: AtomicU64,
    events_dropped: AtomicU64,
    dead_letter_errors: AtomicU64,
    destination_failures: AtomicU64,
    recursions_dropped: AtomicU64,
}

/// An invocation that is under way. However it ends, it is no longer counted as concurrent.
#[derive(Debug)]
pub struct Running {
    counters: Arc<Counters>,
}

/// A row of what is shown: the name, what it means, how it is counted, and its value.
type Row = (&'static str, &'static str, &'static str, fn(&Counters) -> String);

const ROWS: &[Row] = &[
    ("lambda_invocations_total", "Invocations, also those that failed", "counter", |it| {
        it.invocations.load(Relaxed).to_string()
    }),
    ("lambda_errors_total", "Invocations that ended in an error of the function", "counter", |it| {
        it.errors.load(Relaxed).to_string()
    }),
    ("lambda_throttles_total", "Invocations that were turned away", "counter", |it| {
        it.throttles.load(Relaxed).to_string()
    }),
    ("lambda_duration_seconds_total", "Time that functions ran", "counter", |it| {
        format!("{:.6}", it.duration_us.load(Relaxed) as f64 / 1e6)
    }),
    ("lambda_concurrent_executions", "Invocations under way", "gauge", |it| {
        it.concurrent.load(Relaxed).to_string()
    }),
    ("lambda_async_events_received_total", "Events that were accepted", "counter", |it| {
        it.events_received.load(Relaxed).to_string()
    }),
    ("lambda_async_event_age_seconds_sum", "Age of events when they were run", "counter", |it| {
        format!("{:.3}", it.event_age_ms.load(Relaxed) as f64 / 1e3)
    }),
    ("lambda_async_event_age_seconds_count", "Events that were run", "counter", |it| {
        it.events_taken.load(Relaxed).to_string()
    }),
    ("lambda_async_events_dropped_total", "Events that were given up", "counter", |it| {
        it.events_dropped.load(Relaxed).to_string()
    }),
    ("lambda_dead_letter_errors_total", "Events that the dead-letter queue did not take", "counter", |it| {
        it.dead_letter_errors.load(Relaxed).to_string()
    }),
    (
        "lambda_destination_delivery_failures_total",
        "Records that a destination did not take",
        "counter",
        |it| it.destination_failures.load(Relaxed).to_string(),
    ),
    (
        "lambda_recursive_invocations_dropped_total",
        "Invocations of loops that were broken off",
        "counter",
        |it| it.recursions_dropped.load(Relaxed).to_string(),
    ),
];

impl Metrics {
    /// The counters of a function.
    pub fn of(&self, function: &FunctionKey) -> Arc<Counters> {
        if let Some(counters) = self.functions.read().unwrap_or_else(PoisonError::into_inner).get(function) {
            return Arc::clone(counters);
        }
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        let key = if functions.len() < FUNCTIONS_MAX {
            function.clone()
        } else {
            FunctionKey { name: String::new(), ..function.clone() }
        };
        Arc::clone(functions.entry(key).or_default())
    }

    /// All of it in the text format of Prometheus.
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
    pub fn prometheus(&self) -> String {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<(&FunctionKey, &Arc<Counters>)> = functions.iter().collect();
        sorted.sort_by_key(|(function, _)| *function);
        let mut text = String::new();
        for (name, help, kind, value) in ROWS {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
            for (FunctionKey { account, region, name: function }, counters) in &sorted {
                let labels =
                    format!("account_id=\"{account}\",region=\"{region}\",function_name=\"{function}\"");
                let _ = writeln!(text, "{name}{{{labels}}} {}", value(counters));
            }
        }
        text
    }
}

impl Counters {
    /// An invocation begins.
    pub fn begin(self: &Arc<Self>) -> Running {
        self.concurrent.fetch_add(1, Relaxed);
        Running { counters: Arc::clone(self) }
    }

    /// An invocation was turned away: neither an invocation nor an error.
    pub fn throttled(&self) {
        self.throttles.fetch_add(1, Relaxed);
    }

    /// An event was accepted.
    pub fn event_received(&self) {
        self.events_received.fetch_add(1, Relaxed);
    }

    /// An event of this age is run.
    pub fn event_taken(&self, age: Duration) {
        self.events_taken.fetch_add(1, Relaxed);
        self.event_age_ms.fetch_add(u64::try_from(age.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// An event was given up.
    pub fn event_dropped(&self) {
        self.events_dropped.fetch_add(1, Relaxed);
    }

    /// The dead-letter queue did not take an event.
    pub fn dead_letter_failed(&self) {
        self.dead_letter_errors.fetch_add(1, Relaxed);
    }

    /// A destination did not take a record.
    pub fn destination_failed(&self) {
        self.destination_failures.fetch_add(1, Relaxed);
    }

    /// A loop was broken off.
    pub fn recursion_dropped(&self) {
        self.recursions_dropped.fetch_add(1, Relaxed);
    }
}

impl Running {
    /// It has ended.
    pub fn end(self, duration: Duration, failed: bool) {
        self.counters.invocations.fetch_add(1, Relaxed);
        self.counters.errors.fetch_add(failed.into(), Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counters.duration_us.fetch_add(micros, Relaxed);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.counters.concurrent.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::AccountId;

    #[test]
    fn what_happened_is_shown() {
        let metrics = Metrics::default();
        let name = "f".to_owned();
        let function =
            FunctionKey { account: AccountId::DEVELOPMENT, region: "eu-west-1".parse().unwrap(), name };
        let counters = metrics.of(&function);
        counters.begin().end(Duration::from_millis(1_500), true);
        counters.begin().end(Duration::from_millis(500), false);
        drop(counters.begin());
        let _under_way = counters.begin();
        counters.throttled();
        counters.event_taken(Duration::from_millis(250));
        let text = metrics.prometheus();
        let labels = "account_id=\"000000000000\",region=\"eu-west-1\",function_name=\"f\"";
        for line in [
            format!("lambda_invocations_total{{{labels}}} 2"),
            format!("lambda_errors_total{{{labels}}} 1"),
            format!("lambda_throttles_total{{{labels}}} 1"),
            format!("lambda_duration_seconds_total{{{labels}}} 2.000000"),
            format!("lambda_concurrent_executions{{{labels}}} 1"),
            format!("lambda_async_event_age_seconds_sum{{{labels}}} 0.250"),
            "# TYPE lambda_concurrent_executions gauge".to_owned(),
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn there_is_an_end_to_what_is_counted_apart() {
        let metrics = Metrics::default();
        let function = |number: usize| FunctionKey {
            account: AccountId::DEVELOPMENT,
            region: "us-east-1".parse().unwrap(),
            name: format!("f{number}"),
        };
        for number in 0..FUNCTIONS_MAX + 10 {
            metrics.of(&function(number)).throttled();
        }
        assert_eq!(metrics.functions.read().unwrap().len(), FUNCTIONS_MAX + 1);
    }
}
