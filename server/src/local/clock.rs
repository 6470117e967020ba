//! `/_hearth/clock`: the time that the services go by, and putting it forward (`hearth serve --clock virtual`).
//!
//! Time does not jump over what is to happen in it: it goes from one moment that somebody waits for to the next, and waits
//! at each until the events that are due have run. So a test of three tries that takes three minutes on AWS takes a second.

use super::{answer, method_not_allowed};
use crate::serve::Running;
use hearth_base::{AdvancingClock, BoxFuture, Clock as _, Timestamp};
use hearth_gateway::{LocalRequest, LocalRoutes};
use hearth_wire::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The most that one request puts the clock forward.
const ADVANCE_MAX: Duration = Duration::from_secs(400 * 24 * 3_600);
/// How long, in real time, one moment may take before time goes on without what runs in it.
const MOMENT_MAX: Duration = Duration::from_secs(30);
/// Who was woken has this long, in real time, to begin what it waited for: nobody tells when it has.
const WAKING: Duration = Duration::from_millis(3);

/// Shows and moves the clock.
pub struct Clock(pub Arc<Running>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: String,
}

impl LocalRoutes for Clock {
    fn handle<'a>(&'a self, local: &'a LocalRequest) -> Option<BoxFuture<'a, Response>> {
        Some(Box::pin(async move {
            match (&local.request.method, self.0.advancing_clock()) {
                (&Method::GET, Some(clock)) => shown("virtual", clock.now()),
                (&Method::GET, None) => shown("system", hearth_base::SystemClock.now()),
                (&Method::POST, None) => answer(
                    StatusCode::CONFLICT,
                    &json!({"error": "this server goes by the machine's clock: start it with --clock virtual to move it"}),
                ),
                (&Method::POST, Some(clock)) => self.advance(clock, &local.request.body).await,
                _ => method_not_allowed("GET or POST"),
            }
        }))
    }
}

impl Clock {
    async fn advance(&self, clock: &AdvancingClock, body: &[u8]) -> Response {
        let asked = serde_json::from_slice::<Advance>(body).map_err(|error| error.to_string());
        let by = asked.and_then(|asked| {
            let wrong = || format!("{:?} is no duration: write one like PT3M or P1DT12H30M", asked.advance);
            duration(&asked.advance).ok_or_else(wrong)
        });
        match by {
            Ok(by) if by <= ADVANCE_MAX => {
                self.go_to(clock, clock.now().after(by)).await;
                shown("virtual", clock.now())
            }
            Ok(_) => answer(StatusCode::BAD_REQUEST, &json!({"error": "400 days at once are the most"})),
            Err(error) => answer(
                StatusCode::BAD_REQUEST,
                &json!({"error": format!("send {{\"advance\": \"PT3M\"}}: {error}")}),
            ),
        }
    }

    async fn go_to(&self, clock: &AdvancingClock, goal: Timestamp) {
        // What was asked for just now is on its way to be waited for.
        self.quiet().await;
        loop {
            let next = clock.next_deadline().filter(|next| *next <= goal);
            let until = next.unwrap_or(goal);
            clock.advance(until.since(clock.now()));
            tokio::time::sleep(WAKING).await;
            self.quiet().await;
            if next.is_none() {
                return;
            }
        }
    }

    async fn quiet(&self) {
        if tokio::time::timeout(MOMENT_MAX, self.0.quiet()).await.is_err() {
            tracing::warn!("an invocation takes long; the clock goes on without it");
        }
    }
}

fn shown(kind: &str, now: Timestamp) -> Response {
    answer(StatusCode::OK, &json!({"clock": kind, "now": now.date_time_millis()}))
}

/// Reads a duration of ISO 8601 in days, hours, minutes and seconds.
fn duration(text: &str) -> Option<Duration> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let seconds =
        amounts(days, &[('D', 86_400)])?.checked_add(amounts(time, &[('H', 3_600), ('M', 60), ('S', 1)])?)?;
    Some(Duration::from_secs(seconds))
}

/// Adds up whole amounts, each before the letter of its unit, in the order of the units.
fn amounts(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    for (unit, seconds) in units {
        if let Some((number, after)) = rest.split_once(*unit) {
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*seconds)?)?;
            rest = after;
        }
    }
    rest.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_read_as_iso_writes_them() {
        for (text, seconds) in [
            ("PT3M", 180),
            ("PT1S", 1),
            ("P1D", 86_400),
            ("P1DT1H1M1S", 90_061),
            ("PT0S", 0),
            ("PT90M", 5_400),
        ] {
            assert_eq!(duration(text).map(|it| it.as_secs()), Some(seconds), "{text}");
        }
        for wrong in
            ["", "P", "PT", "3M", "PT3", "PTM", "PT1S1M", "PT-1S", "P1M", "PT99999999999999999999S", "PT1.5S"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
