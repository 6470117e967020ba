//! Schedule expressions of rules: `rate(…)` and the six fields of `cron(…)`, in UTC; and those of EventBridge Scheduler
//! ([`ZonedSchedule`]), which knows `at(…)` and time zones besides.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>
//!
//! It says when a rule or a schedule is due next. It refuses to know what time it is.

mod posix;
mod zone;
mod zoned;

pub use zone::{Zone, ZoneError};
pub use zoned::ZonedSchedule;

use hearth_base::Timestamp;
use std::time::Duration;

const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;
/// The years that an expression can name.
const YEARS: (u32, u32) = (1970, 2199);
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// When a rule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// After every so many seconds.
    Rate(u64),
    Cron(Box<Cron>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cron {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    years: Set,
}

/// Which numbers of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set(Vec<bool>, u32);

/// Which days: one of the two fields for it has a question mark.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<OfMonth>),
    OfWeek(Vec<OfWeek>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OfMonth {
    In(Set),
    /// `L`.
    Last,
    /// `LW`.
    LastWeekday,
    /// `3W`: the weekday that is nearest, within the month.
    NearestWeekday(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OfWeek {
    In(Set),
    /// `3L`: the last Tuesday.
    Last(u32),
    /// `3#2`: the second Tuesday.
    Nth(u32, u32),
}

impl Schedule {
    /// The schedule of an expression, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let inner = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        match (inner("rate"), inner("cron")) {
            (Some(rate), _) => parse_rate(rate).map(|seconds| Self(Kind::Rate(seconds))),
            (_, Some(cron)) => Cron::parse(cron).map(|cron| Self(Kind::Cron(Box::new(cron)))),
            _ => None,
        }
    }

    /// When it is due for the first time after `after`. A rate counts from when its rule was `made`. None when that is never.
    pub fn next(&self, after: Timestamp, made: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Kind::Rate(seconds) => {
                let passed = after.since(made).as_secs() / seconds;
                Some(made.after(Duration::from_secs((passed + 1).checked_mul(*seconds)?)))
            }
            Kind::Cron(cron) => cron.next(after),
        }
    }
}

/// `5 minutes`: the unit is in the singular after one, and only then.
fn parse_rate(text: &str) -> Option<u64> {
    let mut words = text.split_ascii_whitespace();
    let (value, unit) = (words.next()?, words.next()?);
    if words.next().is_some() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = value.parse().ok().filter(|value| (1..=1_000_000_000).contains(value))?;
    let seconds = match (value, unit) {
        (1, "minute") => 60,
        (1, "hour") => 3_600,
        (1, "day") => 86_400,
        (1, _) => return None,
        (_, "minutes") => 60,
        (_, "hours") => 3_600,
        (_, "days") => 86_400,
        _ => return None,
    };
    Some(value * seconds)
}

impl Cron {
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, of_month, months, of_week, years] = <[&str; 6]>::try_from(fields).ok()?;
        let days = match (of_month, of_week) {
            ("?", "?") => return None,
            ("?", of_week) => Days::OfWeek(list(of_week, day_of_week)?),
            (of_month, "?") => Days::OfMonth(list(of_month, day_of_month)?),
            _ => return None,
        };
        Some(Self {
            minutes: Set::parse(minutes, (0, 59), &[])?,
            hours: Set::parse(hours, (0, 23), &[])?,
            days,
            months: Set::parse(months, (1, 12), &MONTHS)?,
            years: Set::parse(years, YEARS, &[])?,
        })
    }

    /// The first minute after this time.
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let first = after.seconds().div_euclid(MINUTE_S) + 1;
        let (mut day, mut from) =
            ((first * MINUTE_S).div_euclid(DAY_S), (first * MINUTE_S).rem_euclid(DAY_S) / MINUTE_S);
        loop {
            let (year, month, of_month) = civil(day);
            if year > YEARS.1 {
                return None;
            }
            if !self.years.has(year) {
                (day, from) = (days_from_civil(year + 1, 1, 1), 0);
                continue;
            }
            if !self.months.has(month) {
                let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (day, from) = (days_from_civil(year, month, 1), 0);
                continue;
            }
            if self.days.have(day, (year, month, of_month))
                && let Some(minute) = self.minute_from(from)
            {
                return Some(Timestamp::from_seconds(day * DAY_S + minute * MINUTE_S));
            }
            (day, from) = (day + 1, 0);
        }
    }

    /// The first minute of a day from this one on.
    fn minute_from(&self, from: i64) -> Option<i64> {
        let (hour, minute) = (u32::try_from(from / 60).ok()?, u32::try_from(from % 60).ok()?);
        let within = |hour, from| (from..60).find(|minute| self.minutes.has(*minute)).map(|it| (hour, it));
        let same = if self.hours.has(hour) { within(hour, minute) } else { None };
        let (hour, minute) = same.or_else(|| {
            let hour = (hour + 1..24).find(|hour| self.hours.has(*hour))?;
            within(hour, 0)
        })?;
        Some(i64::from(hour * 60 + minute))
    }
}

impl Days {
    fn have(&self, day: i64, (year, month, of_month): (u32, u32, u32)) -> bool {
        let last = days_in_month(year, month);
        match self {
            Self::OfMonth(entries) => entries.iter().any(|entry| match entry {
                OfMonth::In(set) => set.has(of_month),
                OfMonth::Last => of_month == last,
                OfMonth::LastWeekday => of_month == nearest_weekday((year, month), last),
                OfMonth::NearestWeekday(wanted) => {
                    *wanted <= last && of_month == nearest_weekday((year, month), *wanted)
                }
            }),
            Self::OfWeek(entries) => {
                let weekday = weekday(day);
                entries.iter().any(|entry| match entry {
                    OfWeek::In(set) => set.has(weekday),
                    OfWeek::Last(wanted) => weekday == *wanted && of_month + 7 > last,
                    OfWeek::Nth(wanted, nth) => weekday == *wanted && of_month.div_ceil(7) == *nth,
                })
            }
        }
    }
}

impl Set {
    /// A field of numbers, or of their names: lists of values, ranges and steps.
    fn parse(text: &str, (low, high): (u32, u32), names: &[&str]) -> Option<Self> {
        let mut set = Self(vec![false; (high - low + 1) as usize], low);
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0)?)),
                None => (item, None),
            };
            let value = |text: &str| {
                let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
                let value = match named {
                    Some(place) => low + u32::try_from(place).ok()?,
                    None => number(text)?,
                };
                (low..=high).contains(&value).then_some(value)
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (low, high),
                Some((first, last)) => (value(first)?, value(last)?),
                // A step goes on to the end.
                None => (value(range)?, if step.is_some() { high } else { value(range)? }),
            };
            if first > last {
                return None;
            }
            for number in (first..=last).step_by(step.unwrap_or(1) as usize) {
                set.0[(number - low) as usize] = true;
            }
        }
        Some(set)
    }

    fn has(&self, number: u32) -> bool {
        number.checked_sub(self.1).and_then(|place| self.0.get(place as usize)).is_some_and(|has| *has)
    }
}

/// The items of a field for days, each by itself: they may be of different kinds.
fn list<T>(text: &str, item: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(item).collect()
}

fn day_of_month(text: &str) -> Option<OfMonth> {
    match text {
        "L" => Some(OfMonth::Last),
        "LW" => Some(OfMonth::LastWeekday),
        _ => match text.strip_suffix('W') {
            Some(day) => number(day).filter(|day| (1..=31).contains(day)).map(OfMonth::NearestWeekday),
            None => Set::parse(text, (1, 31), &[]).map(OfMonth::In),
        },
    }
}

fn day_of_week(text: &str) -> Option<OfWeek> {
    let day = |text: &str| {
        let named = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(text));
        let day = named.and_then(|place| u32::try_from(place + 1).ok()).or_else(|| number(text))?;
        (1..=7).contains(&day).then_some(day)
    };
    if let Some((weekday, nth)) = text.split_once('#') {
        return Some(OfWeek::Nth(day(weekday)?, number(nth).filter(|nth| (1..=5).contains(nth))?));
    }
    match text.strip_suffix('L') {
        // By itself it is the last day of a week.
        Some("") => Set::parse("7", (1, 7), &[]).map(OfWeek::In),
        Some(weekday) => day(weekday).map(OfWeek::Last),
        None => Set::parse(text, (1, 7), &WEEKDAYS).map(OfWeek::In),
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The weekday that is nearest to a day, without leaving the month.
fn nearest_weekday((year, month): (u32, u32), day: u32) -> u32 {
    match weekday(days_from_civil(year, month, day)) {
        // Saturday.
        7 if day == 1 => 3,
        7 => day - 1,
        // Sunday.
        1 if day == days_in_month(year, month) => day - 2,
        1 => day + 1,
        _ => day,
    }
}

/// 1 is Sunday. The first of January 1970 was a Thursday.
fn weekday(day: i64) -> u32 {
    u32::try_from((day + 4).rem_euclid(7)).map_or(1, |weekday| weekday + 1)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1 January 1970. Years are counted from March, so that the leap day is the last of them.
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    let shifted = i64::from(year) - i64::from(month <= 2);
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(day: i64) -> (u32, u32, u32) {
    let calendar = Timestamp::from_seconds(day * DAY_S).calendar();
    (u32::try_from(calendar.year).unwrap_or(YEARS.1 + 1), calendar.month, calendar.day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_date_time(&format!("{text}Z")).expect("the test writes times well")
    }

    /// The next times after one, as text.
    fn times(expression: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression).expect(expression);
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
    fn the_days_of_the_calendar_are_counted_both_ways() {
        for day in (-800..90_000).step_by(13) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days_from_civil(year, month, of_month), day);
        }
    }

    #[test]
    fn rates_count_from_when_the_rule_was_made() {
        assert_eq!(
            times("rate(5 minutes)", "2025-06-15T12:01:30", 2),
            ["2025-06-15T12:06", "2025-06-15T12:11"]
        );
        assert_eq!(times("rate(1 day)", "2025-06-15T12:01:30", 1), ["2025-06-16T12:01"]);
        let schedule = Schedule::parse("rate(1 hour)").unwrap();
        let next = schedule.next(at("2025-06-15T15:30:00"), at("2025-06-15T12:10:00")).unwrap();
        assert_eq!(next, at("2025-06-15T16:10:00"));
    }

    #[test]
    fn cron_is_due_as_aws_says() {
        // After the table of AWS's user guide.
        for (expression, from, expected) in [
            ("cron(0 10 * * ? *)", "2025-06-15T10:00:00", &["2025-06-16T10:00", "2025-06-17T10:00"][..]),
            ("cron(15 12 * * ? *)", "2025-06-15T10:00:00", &["2025-06-15T12:15", "2025-06-16T12:15"]),
            ("cron(0 18 ? * MON-FRI *)", "2025-06-13T18:00:00", &["2025-06-16T18:00", "2025-06-17T18:00"]),
            ("cron(0 8 1 * ? *)", "2025-06-15T10:00:00", &["2025-07-01T08:00", "2025-08-01T08:00"]),
            ("cron(0/15 * * * ? *)", "2025-06-15T10:40:59", &["2025-06-15T10:45", "2025-06-15T11:00"]),
            ("cron(0/10 * ? * MON-FRI *)", "2025-06-13T23:50:00", &["2025-06-16T00:00", "2025-06-16T00:10"]),
            (
                "cron(0/5 8-17 ? * MON-FRI *)",
                "2025-06-13T17:54:00",
                &["2025-06-13T17:55", "2025-06-16T08:00"],
            ),
            ("cron(0/30 20-2 * * ? *)", "2025-06-13T17:54:00", &[]),
            ("cron(0 9 ? * 2#1 *)", "2025-06-15T10:00:00", &["2025-07-07T09:00", "2025-08-04T09:00"]),
            ("cron(0 9 ? * FRI#5 *)", "2025-06-15T10:00:00", &["2025-08-29T09:00", "2025-10-31T09:00"]),
            (
                "cron(15 10 ? * 6L 2022-2023)",
                "2022-12-01T00:00:00",
                &["2022-12-30T10:15", "2023-01-27T10:15"],
            ),
            ("cron(0 0 L * ? *)", "2024-02-10T00:00:00", &["2024-02-29T00:00", "2024-03-31T00:00"]),
            ("cron(0 0 LW * ? *)", "2025-05-10T00:00:00", &["2025-05-30T00:00", "2025-06-30T00:00"]),
            ("cron(0 12 3W * ? *)", "2025-04-30T00:00:00", &["2025-05-02T12:00", "2025-06-03T12:00"]),
            ("cron(0 12 1W * ? *)", "2025-02-03T13:00:00", &["2025-03-03T12:00", "2025-04-01T12:00"]),
            ("cron(0 12 29 FEB ? *)", "2025-01-01T00:00:00", &["2028-02-29T12:00", "2032-02-29T12:00"]),
            ("cron(30 4 1,15 * ? 2025)", "2025-11-20T00:00:00", &["2025-12-01T04:30", "2025-12-15T04:30"]),
            ("cron(0 0 ? * SAT,SUN *)", "2025-06-13T00:00:00", &["2025-06-14T00:00", "2025-06-15T00:00"]),
        ] {
            if expected.is_empty() {
                assert_eq!(Schedule::parse(expression), None, "{expression}");
                continue;
            }
            assert_eq!(times(expression, from, 2), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_over_is_never_due() {
        assert_eq!(times("cron(0 0 1 1 ? 2024)", "2025-01-01T00:00:00", 1), [] as [&str; 0]);
        assert_eq!(times("cron(0 0 31 FEB ? *)", "2025-01-01T00:00:00", 1), [] as [&str; 0]);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for wrong in [
            "",
            "rate()",
            "rate(0 minutes)",
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(-1 minutes)",
            "rate(1.5 hours)",
            "rate(5 weeks)",
            "rate(5 minutes) ",
            "Rate(5 minutes)",
            "cron()",
            "cron(* * * * *)",
            "cron(* * * * * *)",
            "cron(* * ? * ? *)",
            "cron(60 * * * ? *)",
            "cron(* 24 * * ? *)",
            "cron(* * 32 * ? *)",
            "cron(* * 0 * ? *)",
            "cron(* * * 13 ? *)",
            "cron(* * ? * 8 *)",
            "cron(* * ? * 0 *)",
            "cron(* * ? * MON#6 *)",
            "cron(* * * * ? 1969)",
            "cron(* * * * ? 2200)",
            "cron(0/0 * * * ? *)",
            "cron(5-1 * * * ? *)",
            "cron(a * * * ? *)",
            "cron(* * 32W * ? *)",
            "at(2025-01-01T00:00:00)",
        ] {
            assert_eq!(Schedule::parse(wrong), None, "{wrong}");
        }
    }
}
