//! The turn of one event: it is run, and then it is over, tried again later, or given up and told of.

use super::Inner;
use super::event::Event;
use super::lanes::Turn;
use super::record::{Concluded, Condition};
use crate::lineage;
use crate::runner::{Admission, Prepared};
use bytes::Bytes;
use hearth_api::delivery::{self, Delivery, Extras, Sender, is_worth_another_try};
use hearth_base::{RequestId, Timestamp};
use hearth_environment::{Completion, Invocation, Outcome, new_trace};
use hearth_lambda::{EventInvoke, FunctionKey, Invocable, RecursiveLoop, Target};
use hearth_store::{Key, Keyspace};
use hearth_wire::Failure;
use std::time::Duration;

/// How long after the first and the second failure a function is tried again.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// How long after a failed delivery it is tried again, as long as that may help.
const DELIVER_AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// All that a turn is about.
struct Taken<'a> {
    inner: &'a Inner,
    function: &'a FunctionKey,
    key: &'a Key,
    event: Event,
}

/// How an event ended, when it did.
struct End {
    condition: Condition,
    invoke_count: u32,
    last: Option<(Outcome, String)>,
}

/// Takes the event under a key through its turn.
pub async fn take(inner: &Inner, function: &FunctionKey, key: &Key) -> Turn {
    let event = match inner.store.get(Keyspace::Queues, key).await {
        Ok(Some(entry)) => Event::read(&entry.value),
        // It ran before its lane read its key once more.
        Ok(None) => return Turn::Over,
        Err(error) => {
            tracing::error!(%key, %error, "an event that waits cannot be read");
            return Turn::Deferred { latest: NEVER };
        }
    };
    match event {
        Ok(event) => Taken { inner, function, key, event }.run().await,
        Err(error) => {
            // It stays where it is: a later version may know it. Nothing else waits for it.
            tracing::error!(%key, %error, "an event cannot be run");
            Turn::Over
        }
    }
}

/// Later than any clock will show.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX / 2);

impl Taken<'_> {
    async fn run(&self) -> Turn {
        let Self { inner, function, event, .. } = self;
        let now = inner.clock.now();
        let target = self.target();
        let settings = match inner.runner.functions().event_invoke(&target) {
            Ok(settings) => settings,
            Err(failure) => return self.drop_event(&failure).await,
        };
        let age_max = Duration::from_secs(settings.event_age_s.into());
        let age = now.since(event.header.accepted);
        if age >= age_max {
            return self.conclude(&settings, self.end(Condition::EventAgeExceeded, None)).await;
        }
        let latest = event.header.accepted.after(age_max);
        let invocable = match inner.runner.functions().invocable(&target) {
            Ok(invocable) => invocable,
            Err(failure) => return self.defer(&failure, latest),
        };
        let trace = event.header.trace_header.clone();
        let trace = trace.unwrap_or_else(|| new_trace(now, &*inner.rng));
        let (trace, turns) = lineage::count(&trace, &function.arn());
        if turns > lineage::TURNS_MAX && settings.recursive_loop == RecursiveLoop::Terminate {
            inner.runner.metrics().of(function).recursion_dropped();
            return self.conclude(&settings, self.end(Condition::RecursiveInvocation, None)).await;
        }
        let version = invocable.executed_version.clone();
        let prepared = self.prepared(invocable, trace);
        match inner.runner.run(prepared).await {
            Ok(completion) => {
                inner.runner.metrics().of(function).event_taken(age);
                self.ran(&settings, completion, version).await
            }
            Err(Admission::NeverAdmitted) => {
                self.conclude(&settings, self.end(Condition::ZeroReservedConcurrency, None)).await
            }
            Err(not_now) => self.defer(&not_now.into(), latest),
        }
    }

    fn target(&self) -> Target {
        let qualifier = self.event.header.qualifier.as_deref();
        Target { key: self.function.clone(), qualifier: qualifier.and_then(hearth_base::Qualifier::parse) }
    }

    fn prepared(&self, invocable: Invocable, trace_header: String) -> Prepared {
        let header = &self.event.header;
        let invocation = Invocation {
            request_id: self.request_id(),
            payload: self.event.payload.clone(),
            client_context: header.client_context.clone(),
            cognito_identity: None,
            invoked_function_arn: invocable.invoked_arn.clone(),
            trace_header: Some(trace_header),
            tail: false,
            permit: None,
        };
        Prepared::new(self.function.clone(), invocable, invocation)
    }

    fn request_id(&self) -> RequestId {
        RequestId::parse(&self.event.header.request_id).unwrap_or_else(|| RequestId::new(&*self.inner.rng))
    }

    fn end(&self, condition: Condition, last: Option<(Outcome, String)>) -> End {
        let ran = u32::from(last.is_some());
        End { condition, invoke_count: self.event.header.failures + ran, last }
    }

    /// The function ran, well or not.
    async fn ran(&self, settings: &EventInvoke, completion: Completion, version: String) -> Turn {
        let outcome = completion.outcome;
        let failed = matches!(outcome, Outcome::Failed { .. });
        if !failed {
            let end = self.end(Condition::Success, Some((outcome, version)));
            return self.conclude(settings, end).await;
        }
        let failures = self.event.header.failures;
        let again = usize::try_from(failures).ok().and_then(|failures| RETRY_AFTER.get(failures));
        match again.filter(|_| failures < settings.retries) {
            Some(wait) => self.try_again(*wait).await,
            None => {
                let end = self.end(Condition::RetriesExhausted, Some((outcome, version)));
                self.conclude(settings, end).await
            }
        }
    }

    /// Puts the event back under the time of its next attempt.
    async fn try_again(&self, wait: Duration) -> Turn {
        let due = self.inner.clock.now().after(wait);
        let mut event = self.event.clone();
        event.header.failures += 1;
        let next = self.inner.key(self.function, due);
        let batch = self.inner.batch().delete(self.key.clone()).put(next.clone(), event.write());
        match self.inner.store.commit(batch).await {
            Ok(_) => {
                self.inner.lanes().arrive(self.function, next, self.inner.clock.now());
                Turn::Over
            }
            Err(error) => {
                tracing::error!(key = %self.key, %error, "an event cannot be put back; it will be run again");
                Turn::Deferred { latest: NEVER }
            }
        }
    }

    fn defer(&self, failure: &Failure, latest: Timestamp) -> Turn {
        tracing::debug!(function = %self.function.arn(), %failure, "an event waits for a place");
        Turn::Deferred { latest }
    }

    /// The function is gone: there is nobody to tell.
    async fn drop_event(&self, failure: &Failure) -> Turn {
        tracing::info!(function = %self.function.arn(), %failure, "an event of a function that is gone is dropped");
        self.inner.runner.metrics().of(self.function).event_dropped();
        self.remove().await
    }

    /// Tells of the end of an event, and only then removes it.
    async fn conclude(&self, settings: &EventInvoke, end: End) -> Turn {
        let counters = self.inner.runner.metrics().of(self.function);
        let function_arn = self.qualified_arn(&end);
        let concluded = Concluded {
            event: &self.event,
            function_arn: &function_arn,
            condition: end.condition,
            invoke_count: end.invoke_count,
            last: end.last.as_ref().map(|(outcome, version)| (outcome, version.as_str())),
        };
        let succeeded = end.condition == Condition::Success;
        let destination = if succeeded { &settings.on_success } else { &settings.on_failure };
        if let Some(target) = destination {
            let told = self.tell((target, settings), &concluded).await;
            if let Err(failure) = told {
                tracing::warn!(%target, %failure, "a record was not delivered to the destination");
                counters.destination_failed();
            }
        }
        if !succeeded {
            counters.event_dropped();
            if let Some(target) = &settings.dead_letter {
                let body = self.event.payload.clone();
                let extras = Extras { attributes: concluded.dead_letter_attributes(), ..Extras::default() };
                if let Err(failure) = self.deliver((target, settings), body, extras).await {
                    tracing::warn!(%target, %failure, "an event was not delivered to the dead-letter queue");
                    counters.dead_letter_failed();
                }
            }
        }
        self.remove().await
    }

    async fn tell(
        &self,
        (target, settings): (&str, &EventInvoke),
        concluded: &Concluded<'_>,
    ) -> Result<(), Failure> {
        let outcome = if concluded.condition == Condition::Success { "Success" } else { "Failure" };
        let event = delivery::Event {
            source: "lambda".to_owned(),
            detail_type: format!("Lambda Function Invocation Result - {outcome}"),
            resources: vec![target.to_owned(), concluded.function_arn.to_owned()],
            before: None,
        };
        let extras = Extras { event: Some(event), ..Extras::default() };
        self.deliver((target, settings), concluded.record(self.inner.clock.now()), extras).await
    }

    /// Delivers in the name of the function's role, again when that may help.
    async fn deliver(
        &self,
        (target, settings): (&str, &EventInvoke),
        body: Bytes,
        extras: Extras,
    ) -> Result<(), Failure> {
        let sender = Sender::Role { arn: settings.role.clone(), session: self.function.name.as_str().into() };
        let delivery = Delivery {
            target: target.to_owned(),
            sender,
            body,
            extras,
            region: self.function.region.clone(),
            request_id: self.request_id(),
            trace_header: self.event.header.trace_header.clone(),
        };
        let mut waits = DELIVER_AGAIN_AFTER.iter();
        loop {
            match self.inner.deliver.deliver(delivery.clone()).await {
                Err(failure) if is_worth_another_try(&failure) => match waits.next() {
                    Some(wait) => self.inner.clock.sleep_until(self.inner.clock.now().after(*wait)).await,
                    None => return Err(failure),
                },
                other => return other,
            }
        }
    }

    /// AWS: the ARN in a record has a qualifier, `$LATEST` when none was asked for.
    fn qualified_arn(&self, end: &End) -> String {
        let asked = self.event.header.qualifier.as_deref();
        let version = end.last.as_ref().map(|(_, version)| version.as_str());
        format!("{}:{}", self.function.arn(), asked.or(version).unwrap_or("$LATEST"))
    }

    async fn remove(&self) -> Turn {
        let batch = self.inner.batch().delete(self.key.clone());
        match self.inner.store.commit(batch).await {
            Ok(_) => Turn::Over,
            Err(error) => {
                tracing::error!(key = %self.key, %error, "an event cannot be removed; it will be run again");
                Turn::Deferred { latest: NEVER }
            }
        }
    }
}
