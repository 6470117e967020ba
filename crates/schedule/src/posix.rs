//! The rule at the end of a time zone's file: `EST5EDT,M3.2.0,M11.1.0`, as POSIX writes the variable TZ, with the hours that
//! RFC 9636 adds.

use crate::{DAY_S, civil, days_from_civil, days_in_month, weekday};

/// Hours of a change, in either direction.
const HOURS_MAX: i64 = 167;

/// Standard time, and when another one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Seconds that standard time is ahead of universal time.
    standard: i64,
    saving: Option<Saving>,
}

/// Daylight saving time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Saving {
    offset: i64,
    begins: Change,
    ends: Change,
}

/// A day of every year, and how many seconds after its midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    day: Day,
    seconds: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Day {
    /// `J60`: the day of a year in which 29 February is not counted, from 1.
    Julian(i64),
    /// `59`: the day of the year, from 0.
    Ordinal(i64),
    /// `M3.2.0`: the second Sunday of March; the fifth is the last.
    OfWeek { month: u32, week: u32, weekday: u32 },
}

impl Rule {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut text = Text(text);
        text.name()?;
        let standard = -text.time()?;
        if text.0.is_empty() {
            return Some(Self { standard, saving: None });
        }
        text.name()?;
        let offset = if text.0.starts_with(',') { standard + 3_600 } else { -text.time()? };
        let (begins, ends) = (text.change()?, text.change()?);
        text.0.is_empty().then_some(Self { standard, saving: Some(Saving { offset, begins, ends }) })
    }

    pub(crate) fn offset_at(&self, seconds: i64) -> i64 {
        let Some(Saving { offset, begins, ends }) = &self.saving else { return self.standard };
        let (year, ..) = civil((seconds.saturating_add(self.standard)).div_euclid(DAY_S));
        let (begins, ends) = (begins.in_year(year) - self.standard, ends.in_year(year) - offset);
        // In the south it begins late in one year and ends early in the next.
        let saving = if begins < ends {
            (begins..ends).contains(&seconds)
        } else {
            !(ends..begins).contains(&seconds)
        };
        if saving { *offset } else { self.standard }
    }
}

impl Change {
    /// The local time of it.
    fn in_year(&self, year: u32) -> i64 {
        let first = days_from_civil(year, 1, 1);
        let leap = days_in_month(year, 2) == 29;
        let day = match self.day {
            Day::Julian(day) => first + day - 1 + i64::from(leap && day > 59),
            Day::Ordinal(day) => first + day,
            Day::OfWeek { month, week, weekday: wanted } => {
                let first = days_from_civil(year, month, 1);
                let ahead = i64::from((wanted + 8 - weekday(first)) % 7 + (week - 1) * 7);
                first + if ahead < i64::from(days_in_month(year, month)) { ahead } else { ahead - 7 }
            }
        };
        day * DAY_S + self.seconds
    }
}

/// What is left to read.
struct Text<'a>(&'a str);

impl Text<'_> {
    /// Whether the next character is this one, which is then read.
    fn skip(&mut self, character: char) -> bool {
        match self.0.strip_prefix(character) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// `EST` or `<-03>`: what it is called does not matter.
    fn name(&mut self) -> Option<()> {
        let quoted = self.skip('<');
        let ends = |it: char| if quoted { it == '>' } else { !it.is_ascii_alphabetic() };
        let end = self.0.find(ends).unwrap_or(self.0.len());
        self.0 = self.0.get(end..)?;
        ((!quoted || self.skip('>')) && end >= 3).then_some(())
    }

    fn number(&mut self) -> Option<i64> {
        let end = self.0.find(|it: char| !it.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(end.min(4))?;
        self.0 = rest;
        digits.parse().ok()
    }

    /// `-5:30`, in seconds.
    fn time(&mut self) -> Option<i64> {
        let sign = if self.skip('-') { -1 } else { 1 };
        self.skip('+');
        let mut seconds = self.number().filter(|hours| *hours <= HOURS_MAX)? * 3_600;
        for unit in [60, 1] {
            if self.skip(':') {
                seconds += self.number().filter(|number| *number < 60)? * unit;
            }
        }
        Some(sign * seconds)
    }

    /// `,M3.2.0/2`
    fn change(&mut self) -> Option<Change> {
        if !self.skip(',') {
            return None;
        }
        let day = if self.skip('M') {
            let month = self.number().filter(|month| (1..=12).contains(month))?;
            let week = self.skip('.').then(|| self.number())?.filter(|week| (1..=5).contains(week))?;
            let weekday = self.skip('.').then(|| self.number())?.filter(|weekday| *weekday <= 6)?;
            let small = |number| u32::try_from(number).ok();
            Day::OfWeek { month: small(month)?, week: small(week)?, weekday: small(weekday)? }
        } else if self.skip('J') {
            Day::Julian(self.number().filter(|day| (1..=365).contains(day))?)
        } else {
            Day::Ordinal(self.number().filter(|day| *day <= 365)?)
        };
        let seconds = if self.skip('/') { self.time()? } else { 2 * 3_600 };
        Some(Change { day, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::Timestamp;

    #[test]
    fn offsets_follow_the_rule() {
        for (rule, time, offset) in [
            ("UTC0", "2025-07-01T00:00:00", 0),
            ("JST-9", "2025-07-01T00:00:00", 32_400),
            ("<-03>3", "2025-07-01T00:00:00", -10_800),
            ("EST5EDT,M3.2.0,M11.1.0", "2025-03-09T06:59:59", -18_000),
            ("EST5EDT,M3.2.0,M11.1.0", "2025-03-09T07:00:00", -14_400),
            ("EST5EDT,M3.2.0,M11.1.0", "2025-11-02T05:59:59", -14_400),
            ("EST5EDT,M3.2.0,M11.1.0", "2025-11-02T06:00:00", -18_000),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2025-03-30T00:59:59", 3_600),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2025-03-30T01:00:00", 7_200),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2025-10-26T01:00:00", 3_600),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2025-01-01T00:00:00", 39_600),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2025-07-01T00:00:00", 36_000),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2025-12-31T20:00:00", 39_600),
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2025-01-01T00:00:00", 39_600),
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2025-03-30T00:59:59", -7_200),
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2025-03-30T01:00:00", -3_600),
            ("XXX0YYY,J60/0,J61/0", "2024-03-01T12:00:00", 3_600),
            ("XXX0YYY,59/0,60/0", "2024-02-29T12:00:00", 3_600),
        ] {
            let seconds = Timestamp::parse_date_time(&format!("{time}Z")).unwrap().seconds();
            assert_eq!(Rule::parse(rule).expect(rule).offset_at(seconds), offset, "{rule} {time}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for wrong in [
            "",
            "E5",
            "EST",
            "EST5EDT",
            "EST5EDT,M3.2.0",
            "EST5EDT,M13.2.0,M11.1.0",
            "EST5EDT,M3.6.0,M11.1.0",
            "EST5EDT,M3.2.7,M11.1.0",
            "EST5EDT,J0,J5",
            "EST5EDT,366,5",
            "EST999",
            "<EST5",
            "EST5 ",
            "EST5:60",
        ] {
            assert_eq!(Rule::parse(wrong), None, "{wrong}");
        }
    }
}
