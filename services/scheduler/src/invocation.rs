//! What becomes of an invocation: delivered, tried again, or told to the queue of dead letters.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html>
//!
//! It decides and delivers. It refuses to know the queue in which invocations wait.

use crate::Inner;
use crate::model::{Death, Invocation, Target};
use crate::settings::may_assume;
use crate::target::{self, of_role};
use hearth_api::delivery::{Attribute, Delivery, Extras, is_worth_another_try};
use hearth_base::{RequestId, Timestamp};
use hearth_wire::Failure;
use std::time::Duration;

/// For how long a target may take what is delivered. Targets take things in and work on them later.
const DELIVERY: Duration = Duration::from_secs(30);
/// The first wait before another try, and the longest: with it the tries that AWS makes by default take a day.
const BACK_OFF_FIRST_S: f64 = 1.0;
const BACK_OFF_MAX_S: f64 = 480.0;
/// How often it is tried to bring a dead letter to its queue.
const DEAD_TRIES_MAX: u32 = 185;
/// Bytes of a message with its attributes, as queues take them.
const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Bytes of an error's message as an attribute.
const ERROR_BYTES_MAX: usize = 1_024;

/// What is to be done with an invocation.
pub enum Outcome {
    /// It is over.
    Over,
    /// It is to be taken up again.
    Again(Box<Invocation>, Timestamp),
}

/// Delivers an invocation once, to its target or as a dead letter.
pub async fn run(inner: &Inner, mut invocation: Invocation) -> Outcome {
    let mut death = match invocation.dead.take() {
        Some(death) => death,
        None => {
            let Err(failure) = invoke(inner, &invocation).await else { return Outcome::Over };
            invocation.tries += 1;
            match verdict(inner, &invocation, failure) {
                Verdict::Again(due) => return Outcome::Again(Box::new(invocation), due),
                Verdict::Dead(death) => death,
            }
        }
    };
    let Some(queue) = invocation.target.dead_letters.clone() else {
        tracing::warn!(schedule = invocation.schedule.arn(), error = %death.message, "an invocation failed and is dropped");
        return Outcome::Over;
    };
    let Err(failure) = bury(inner, &invocation, (queue, &death)).await else { return Outcome::Over };
    death.tries += 1;
    if !is_worth_another_try(&failure) || death.tries > DEAD_TRIES_MAX {
        tracing::warn!(schedule = invocation.schedule.arn(), error = %failure.message, "an invocation failed, cannot be sent to the dead-letter queue and is dropped");
        return Outcome::Over;
    }
    let due = inner.clock.now().after(back_off(death.tries, inner.rng.next_fraction()));
    invocation.dead = Some(death);
    Outcome::Again(Box::new(invocation), due)
}

async fn invoke(inner: &Inner, invocation: &Invocation) -> Result<(), Failure> {
    let role = &invocation.target.role;
    if !may_assume(inner, &invocation.schedule, role) {
        let message = format!("The role {role} cannot be assumed by AWS EventBridge Scheduler.");
        return Err(Failure::sender("AccessDeniedException", 403, message));
    }
    deliver(inner, target::delivery(invocation, RequestId::new(&*inner.rng))?).await
}

async fn deliver(inner: &Inner, delivery: Delivery) -> Result<(), Failure> {
    match tokio::time::timeout(DELIVERY, inner.deliver.deliver(delivery)).await {
        Ok(delivered) => delivered,
        Err(_) => {
            let mut failure = Failure::internal("The target did not answer in time.");
            failure.code = "AWS.Scheduler.InternalServerError".into();
            Err(failure)
        }
    }
}

enum Verdict {
    Again(Timestamp),
    Dead(Death),
}

/// What a failure means to an invocation that has been tried so often.
fn verdict(inner: &Inner, invocation: &Invocation, failure: Failure) -> Verdict {
    let Target { max_age_s, max_retries, .. } = invocation.target;
    let now = inner.clock.now();
    let due = now.after(back_off(invocation.tries, inner.rng.next_fraction()));
    let worth = is_worth_another_try(&failure);
    let condition = if invocation.tries > max_retries {
        Some("MaximumRetryAttempts")
    } else if worth && due > invocation.begun.after(Duration::from_secs(max_age_s.into())) {
        Some("MaximumEventAgeInSeconds")
    } else if worth {
        return Verdict::Again(due);
    } else {
        None
    };
    Verdict::Dead(Death {
        code: failure.code.into_owned(),
        message: failure.message,
        condition: condition.map(str::to_owned),
        tries: 0,
    })
}

/// How long to wait after this many tries, a quarter more or less.
pub fn back_off(tries: u32, fraction: f64) -> Duration {
    let doubled = BACK_OFF_FIRST_S * f64::from(1_u32 << tries.saturating_sub(1).min(16));
    Duration::from_secs_f64(doubled.min(BACK_OFF_MAX_S) * (0.75 + fraction / 2.0))
}

/// Sends an invocation to the queue of dead letters.
async fn bury(
    inner: &Inner,
    invocation: &Invocation,
    (queue, death): (String, &Death),
) -> Result<(), Failure> {
    let last = Invocation { tries: invocation.tries.saturating_sub(1), ..invocation.clone() };
    let mut body = target::input(&last);
    let mut attributes = attributes(invocation, death);
    let taken: usize = attributes.iter().map(|it| it.name.len() + it.data_type.len() + it.value.len()).sum();
    let room = MESSAGE_BYTES_MAX - taken - "IS_PAYLOAD_TRUNCATEDStringfalse".len();
    let truncated = body.len() > room;
    cut(&mut body, room);
    attributes.push(attribute("IS_PAYLOAD_TRUNCATED", if truncated { "true" } else { "false" }));
    let extras = Extras { attributes, ..Extras::default() };
    deliver(inner, of_role(invocation, (queue, body, extras), RequestId::new(&*inner.rng))).await
}

fn attributes(invocation: &Invocation, death: &Death) -> Vec<Attribute> {
    let mut message = death.message.clone();
    cut(&mut message, ERROR_BYTES_MAX);
    let scheduled = Timestamp::from_seconds(invocation.scheduled.seconds()).date_time();
    let given = [
        ("ERROR_CODE", death.code.as_str()),
        ("ERROR_MESSAGE", &message),
        ("EXECUTION_ID", &invocation.execution),
        ("EXHAUSTED_RETRY_CONDITION", death.condition.as_deref().unwrap_or_default()),
        ("RETRY_ATTEMPTS", &invocation.tries.saturating_sub(1).to_string()),
        ("SCHEDULED_TIME", &scheduled),
        ("SCHEDULE_ARN", &invocation.schedule.arn()),
        ("TARGET_ARN", &invocation.target.arn),
    ]
    .map(|(name, value)| (!value.is_empty()).then(|| attribute(name, value)));
    given.into_iter().flatten().collect()
}

fn attribute(name: &str, value: &str) -> Attribute {
    let (name, data_type) = (name.to_owned(), "String".to_owned());
    Attribute { name, data_type, value: value.to_owned().into() }
}

/// Cuts a text to so many bytes at most, between two characters.
fn cut(text: &mut String, bytes: usize) {
    text.truncate(text.floor_char_boundary(bytes));
}
