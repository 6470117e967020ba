//! When schedules are due: their expressions in their time zones, between their dates.
//!
//! Of the times that passed while nobody looked (the server was down, or its clock was put forward) a recurring schedule is
//! due for the latest only, and a one-time schedule is due as soon as somebody looks. AWS says of an outage no more than
//! that invocations come late; hundreds of the same at once would serve nobody.

use crate::failures::invalid;
use crate::model::{ScheduleRecord, Timing};
use hearth_base::Timestamp;
use hearth_schedule::{Zone, ZoneError, ZonedSchedule};
use hearth_wire::Failure;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Time zones kept in memory. There are fewer of them.
const ZONES_MAX: usize = 1_000;

/// The time zones that were asked for.
#[derive(Default)]
pub struct Zones {
    known: Mutex<HashMap<String, Arc<Zone>>>,
}

/// Where a schedule stands once it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The time for which it is due now.
    pub scheduled: Timestamp,
    /// When it is due next.
    pub next: Option<Timestamp>,
}

impl Zones {
    fn find(&self, name: &str) -> Result<Arc<Zone>, ZoneError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = known.get(name) {
            return Ok(Arc::clone(zone));
        }
        let zone = Arc::new(Zone::find(name)?);
        if known.len() < ZONES_MAX {
            known.insert(name.to_owned(), Arc::clone(&zone));
        }
        Ok(zone)
    }

    /// Reads the expression of a schedule.
    pub fn read(&self, timing: &Timing) -> Result<ZonedSchedule, Failure> {
        let Timing { expression, zone, .. } = timing;
        let zone = self.find(zone).map_err(|error| match error {
            ZoneError::Unknown => invalid(format!("Invalid Schedule Expression Timezone {zone}.")),
            error => invalid(format!("Hearth cannot use the ScheduleExpressionTimezone {zone}: {error}.")),
        })?;
        ZonedSchedule::parse(expression, zone)
            .ok_or_else(|| invalid(format!("Invalid Schedule Expression {expression}.")))
    }
}

/// Where a rate counts from when its timing is given now: its start, or this second.
pub fn anchor(timing: &Timing, now: Timestamp) -> Timestamp {
    Timestamp::from_seconds(timing.start.unwrap_or(now).seconds())
}

/// When a schedule is due first, after its timing was given. What has passed already of a one-time schedule is due at once.
pub fn first(schedule: &ZonedSchedule, timing: &Timing, now: Timestamp) -> Option<Timestamp> {
    let anchor = anchor(timing, now);
    if schedule.is_once() {
        // Times are kept from 1970 on.
        let at = schedule.next(Timestamp::from_millis(i64::MIN), anchor);
        return at.map(|at| at.max(Timestamp::from_millis(0)));
    }
    let from = anchor.max(Timestamp::from_seconds(now.seconds()));
    let first = schedule.next(Timestamp::from_millis(from.millis() - 1), anchor);
    within(timing, first)
}

/// When a schedule that was disabled is due next: what it missed is over.
pub fn resumed(schedule: &ZonedSchedule, record: &ScheduleRecord, now: Timestamp) -> Option<Timestamp> {
    let timing = &record.settings.timing;
    let next = schedule.next(now.max(before(timing)), record.anchor);
    if schedule.is_once() { next } else { within(timing, next) }
}

/// What a schedule is due for whose time has come, and when it is due next.
pub fn due(schedule: &ZonedSchedule, record: &ScheduleRecord, now: Timestamp) -> Option<Due> {
    let first = record.next?;
    if schedule.is_once() {
        return Some(Due { scheduled: first, next: None });
    }
    let timing = &record.settings.timing;
    let until = timing.end.map_or(now, |end| end.min(now)).max(first);
    let scheduled = schedule.last_until((first, until), record.anchor);
    Some(Due { scheduled, next: within(timing, schedule.next(scheduled, record.anchor)) })
}

/// Just before the start.
fn before(timing: &Timing) -> Timestamp {
    timing.start.map_or(Timestamp::from_millis(i64::MIN), |start| Timestamp::from_millis(start.millis() - 1))
}

fn within(timing: &Timing, due: Option<Timestamp>) -> Option<Timestamp> {
    due.filter(|due| timing.end.is_none_or(|end| *due <= end))
}
