//! Schedules of EventBridge Scheduler: rules' expressions and `at(…)`, in a time zone.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>
//!
//! A time of `cron(…)` that clocks skip is skipped, one that they repeat is due once; a rate is of the same length on every
//! day. For `at(…)` AWS does not say: what clocks skip is due as much later.

use crate::zone::Zone;
use crate::{Cron, parse_rate};
use hearth_base::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// When a schedule is due.
#[derive(Debug, Clone)]
pub struct ZonedSchedule {
    kind: Kind,
    zone: Arc<Zone>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Once(Timestamp),
    /// After every so many milliseconds.
    Rate(i64),
    Cron(Box<Cron>),
}

impl ZonedSchedule {
    /// The schedule of an expression, if it is one.
    pub fn parse(text: &str, zone: Arc<Zone>) -> Option<Self> {
        let inner = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        let kind = match (inner("rate"), inner("cron"), inner("at")) {
            (Some(rate), _, _) => Kind::Rate(i64::try_from(parse_rate(rate)?).ok()?.checked_mul(1_000)?),
            (_, Some(cron), _) => Kind::Cron(Box::new(Cron::parse(cron)?)),
            (_, _, Some(at)) => {
                let local = parse_local(at)?;
                Kind::Once(Timestamp::from_seconds(zone.moment_or_later(local)))
            }
            _ => return None,
        };
        Some(Self { kind, zone })
    }

    /// Whether it is due once only.
    pub fn is_once(&self) -> bool {
        matches!(self.kind, Kind::Once(_))
    }

    /// When it is due for the first time after `after`. A rate counts from its `anchor`, at which it is due, too. None
    /// when that is never.
    pub fn next(&self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Once(at) => (*at > after).then_some(*at),
            Kind::Rate(_) if after < anchor => Some(anchor),
            Kind::Rate(millis) => {
                let passed = (after.millis() - anchor.millis()) / millis;
                let ahead = (passed + 1).checked_mul(*millis)?;
                Some(Timestamp::from_millis(anchor.millis().checked_add(ahead)?))
            }
            Kind::Cron(cron) => self.next_of(cron, after),
        }
    }

    /// When it is due for the last time until `until`, of which `first` is one time.
    pub fn last_until(&self, (first, until): (Timestamp, Timestamp), anchor: Timestamp) -> Timestamp {
        let follows = |after: Timestamp| self.next(after, anchor).filter(|next| *next <= until);
        let (mut last, mut over) = (first, until.after(Duration::from_millis(1)));
        // What follows `last` is in time, what follows `over` is not: the gap between them is halved, however many there
        // are.
        while let Some(next) = follows(last) {
            last = next;
            let middle = Timestamp::from_millis(last.millis() + (over.millis() - last.millis()) / 2);
            match follows(middle) {
                Some(next) => last = next,
                None => over = middle,
            }
        }
        last
    }

    fn next_of(&self, cron: &Cron, after: Timestamp) -> Option<Timestamp> {
        let offset = self.zone.offset_at(after.seconds());
        let mut local = Timestamp::from_seconds(after.seconds() + offset);
        loop {
            local = cron.next(local)?;
            let moment = self.zone.moment(local.seconds()).map(Timestamp::from_seconds);
            // What clocks repeat is over after the first time.
            if let Some(moment) = moment.filter(|moment| *moment > after) {
                return Some(moment);
            }
        }
    }
}

/// `2022-11-20T13:00:00`
fn parse_local(text: &str) -> Option<i64> {
    let plain = text.len() == 19 && text.as_bytes()[10] == b'T';
    plain.then(|| Timestamp::parse_date_time(&format!("{text}Z")))?.map(Timestamp::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::tests::new_york;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_date_time(&format!("{text}Z")).expect("the test writes times well")
    }

    fn schedule(text: &str) -> ZonedSchedule {
        ZonedSchedule::parse(text, Arc::new(new_york())).expect(text)
    }

    /// The next times after one, as text.
    fn times(expression: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = schedule(expression);
        let mut now = at(from);
        let mut found = Vec::new();
        while found.len() < count {
            let Some(next) = schedule.next(now, at(from)) else { break };
            assert!(next > now, "{expression}");
            found.push(next.date_time_millis()[..16].to_owned());
            now = next;
        }
        found
    }

    #[test]
    fn local_times_are_due_as_aws_says() {
        for (expression, from, expected) in [
            ("cron(0 9 * * ? *)", "2025-01-15T00:00:00", &["2025-01-15T14:00", "2025-01-16T14:00"][..]),
            ("cron(0 9 * * ? *)", "2025-07-15T00:00:00", &["2025-07-15T13:00", "2025-07-16T13:00"]),
            // The second of March has no half past two, and the second of November two half past ones.
            ("cron(30 2 * * ? *)", "2025-03-08T12:00:00", &["2025-03-10T06:30", "2025-03-11T06:30"]),
            ("cron(30 1 * * ? *)", "2025-11-01T12:00:00", &["2025-11-02T05:30", "2025-11-03T06:30"]),
            ("cron(0/30 * * * ? *)", "2025-03-09T06:00:00", &["2025-03-09T06:30", "2025-03-09T07:00"]),
            ("cron(0/30 * * * ? *)", "2025-11-02T05:00:00", &["2025-11-02T05:30", "2025-11-02T07:00"]),
            // From within the repeated hour on.
            ("cron(0/30 * * * ? *)", "2025-11-02T06:10:00", &["2025-11-02T07:00", "2025-11-02T07:30"]),
            ("cron(0 23 31 12 ? *)", "2025-06-01T00:00:00", &["2026-01-01T04:00", "2027-01-01T04:00"]),
            ("at(2025-07-01T12:00:00)", "2025-06-01T00:00:00", &["2025-07-01T16:00"]),
            ("at(2025-03-09T02:30:00)", "2025-01-01T00:00:00", &["2025-03-09T07:30"]),
            ("at(2025-11-02T01:30:00)", "2025-01-01T00:00:00", &["2025-11-02T05:30"]),
            ("at(2025-07-01T12:00:00)", "2025-08-01T00:00:00", &[]),
        ] {
            assert_eq!(times(expression, from, 2), expected, "{expression}");
        }
    }

    #[test]
    fn rates_begin_at_their_anchor_and_know_no_daylight_saving() {
        let schedule = schedule("rate(1 day)");
        let anchor = at("2025-03-08T12:00:00");
        assert_eq!(schedule.next(at("2025-03-01T00:00:00"), anchor), Some(anchor));
        assert_eq!(schedule.next(anchor, anchor), Some(at("2025-03-09T12:00:00")));
        assert_eq!(schedule.next(at("2025-03-09T11:59:59"), anchor), Some(at("2025-03-09T12:00:00")));
        assert_eq!(schedule.next(at("2025-03-10T12:00:00"), anchor), Some(at("2025-03-11T12:00:00")));
    }

    #[test]
    fn the_last_of_many_is_found() {
        let anchor = at("2025-01-01T00:00:00");
        for (expression, first, until, last) in [
            ("rate(5 minutes)", "2025-01-01T00:00:00", "2026-01-01T00:04:59", "2026-01-01T00:00:00"),
            ("rate(5 minutes)", "2025-01-01T00:00:00", "2025-01-01T00:00:00", "2025-01-01T00:00:00"),
            ("cron(* * * * ? 2025)", "2025-01-01T05:00:00", "2029-01-01T00:00:00", "2026-01-01T04:59:00"),
            ("cron(0 0 1 1 ? *)", "2025-01-01T05:00:00", "2150-06-01T00:00:00", "2150-01-01T05:00:00"),
            ("cron(0 9 * * ? *)", "2025-07-01T13:00:00", "2025-07-02T12:59:59", "2025-07-01T13:00:00"),
            ("at(2025-07-01T12:00:00)", "2025-07-01T16:00:00", "2029-01-01T00:00:00", "2025-07-01T16:00:00"),
        ] {
            assert_eq!(
                schedule(expression).last_until((at(first), at(until)), anchor),
                at(last),
                "{expression}"
            );
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for wrong in [
            "",
            "at()",
            "at(2025-07-01)",
            "at(2025-07-01T12:00:00Z)",
            "at(2025-02-30T12:00:00)",
            "at(2025-07-01 12:00:00)",
            "at(2025-07-01T25:00:00)",
            "at(2025-07-01T12:00)",
            "rate(5 seconds)",
            "rate(1 hours)",
            "cron(0 9 * * *)",
            "every(5 minutes)",
        ] {
            assert!(ZonedSchedule::parse(wrong, Arc::new(Zone::utc())).is_none(), "{wrong}");
        }
    }
}
