//! Points in time and how AWS writes them.

use std::time::Duration;

/// Milliseconds since the Unix epoch, UTC. Years 0001 to 9999 are written correctly.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A point in time as calendar fields, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// The year, 1970 and its like.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 to 999.
    pub millisecond: u32,
    /// 0 is Sunday.
    pub weekday: u32,
}

const DAY_MS: i64 = 86_400_000;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds since the epoch with milliseconds as the fraction: how awsJson writes times.
    pub fn fractional_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The time between `earlier` and this, or zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// This plus a duration, at most the end of time.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The calendar fields, UTC.
    pub fn calendar(self) -> Calendar {
        let days = self.0.div_euclid(DAY_MS);
        let rest = self.0.rem_euclid(DAY_MS);
        let (year, month, day) = civil_from_days(days);
        let field = |value: i64| u32::try_from(value).expect("a remainder within a day fits u32");
        Calendar {
            year,
            month,
            day,
            hour: field(rest / 3_600_000),
            minute: field(rest / 60_000 % 60),
            second: field(rest / 1000 % 60),
            millisecond: field(rest % 1000),
            weekday: field((days + 4).rem_euclid(7)),
        }
    }

    /// `2015-03-31T12:00:00.000Z`, the fraction left out when it is zero: Smithy's `date-time`.
    pub fn date_time(self) -> String {
        let c = self.calendar();
        let base = self.seconds_text(&c);
        if c.millisecond == 0 { format!("{base}Z") } else { format!("{base}.{:03}Z", c.millisecond) }
    }

    /// `2015-03-31T12:00:00.000+0000`: how Lambda writes `LastModified`.
    pub fn lambda_last_modified(self) -> String {
        let c = self.calendar();
        format!("{}.{:03}+0000", self.seconds_text(&c), c.millisecond)
    }

    /// `2015-03-31T12:00:00.000Z`: the fraction always there.
    pub fn date_time_millis(self) -> String {
        let c = self.calendar();
        format!("{}.{:03}Z", self.seconds_text(&c), c.millisecond)
    }

    /// `Tue, 31 Mar 2015 12:00:00 GMT`: Smithy's `http-date`.
    pub fn http_date(self) -> String {
        let c = self.calendar();
        let (weekday, month) = (WEEKDAYS[c.weekday as usize], MONTHS[c.month as usize - 1]);
        format!(
            "{weekday}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT",
            c.day, c.year, c.hour, c.minute, c.second
        )
    }

    /// `31/Mar/2015:12:00:00 +0000`: how web servers log, and HTTP events of Lambda tell, the time.
    pub fn common_log(self) -> String {
        let c = self.calendar();
        let month = MONTHS[c.month as usize - 1];
        format!("{:02}/{month}/{:04}:{:02}:{:02}:{:02} +0000", c.day, c.year, c.hour, c.minute, c.second)
    }

    /// `20150331T120000Z`: how SigV4 writes times.
    pub fn sigv4(self) -> String {
        let c = self.calendar();
        format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }

    /// Reads `20150331T120000Z`.
    pub fn parse_sigv4(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
            return None;
        }
        let number = |range: std::ops::Range<usize>| digits(text.get(range)?);
        let days = checked_days(number(0..4)?, number(4..6)?, number(6..8)?)?;
        clock_time(days, [number(9..11)?, number(11..13)?, number(13..15)?], 0)
    }

    /// Reads RFC 3339 with any fraction and any offset, to the millisecond.
    pub fn parse_date_time(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 20 || bytes[4] != b'-' || bytes[7] != b'-' || bytes[13] != b':' || bytes[16] != b':'
        {
            return None;
        }
        if !matches!(bytes[10], b'T' | b't' | b' ') {
            return None;
        }
        let number = |range: std::ops::Range<usize>| digits(text.get(range)?);
        let days = checked_days(number(0..4)?, number(5..7)?, number(8..10)?)?;
        let mut rest = text.get(19..)?;
        let mut millis = 0;
        if let Some(fraction) = rest.strip_prefix('.') {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            let padded: String = fraction[..end].chars().chain("000".chars()).take(3).collect();
            (millis, rest) = (digits(&padded)?, &fraction[end..]);
        }
        let base = clock_time(days, [number(11..13)?, number(14..16)?, number(17..19)?], millis)?;
        Some(Self(base.0 - offset_minutes(rest)? * 60_000))
    }

    /// Reads `Tue, 31 Mar 2015 12:00:00 GMT`, with an optional fraction of a second.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(", ")?;
        let mut fields = rest.split(' ');
        let day = digits(fields.next()?)?;
        let name = fields.next()?;
        let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
        let year = digits(fields.next()?)?;
        let (time, zone) = (fields.next()?, fields.next()?);
        if zone != "GMT" || fields.next().is_some() {
            return None;
        }
        let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
        let padded: String = fraction.chars().chain("000".chars()).take(3).collect();
        let mut clock = time.split(':').map(digits);
        let fields = [clock.next()??, clock.next()??, clock.next()??];
        clock_time(checked_days(year, month, day)?, fields, digits(&padded)?)
    }

    fn seconds_text(self, c: &Calendar) -> String {
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn offset_minutes(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    Some(sign * (digits(hours)? * 60 + digits(minutes)?))
}

fn clock_time(days: i64, [hour, minute, second]: [i64; 3], millis: i64) -> Option<Timestamp> {
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(Timestamp(days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1000 + millis))
}

fn checked_days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // The 31st of February comes back as another day.
    let (y, m, d) = civil_from_days(days);
    (y == year && i64::from(m) == month && i64::from(d) == day).then_some(days)
}

/// Days since the epoch of a date in the proleptic Gregorian calendar, counted in eras of 400 years from 1 March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |value: i64| u32::try_from(value).expect("months and days are small");
    (year, small(month), small(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formats_of_one_moment() {
        let moment = Timestamp::from_millis(1_427_803_200_123);
        assert_eq!(moment.date_time(), "2015-03-31T12:00:00.123Z");
        assert_eq!(Timestamp::from_seconds(1_427_803_200).date_time(), "2015-03-31T12:00:00Z");
        assert_eq!(moment.lambda_last_modified(), "2015-03-31T12:00:00.123+0000");
        assert_eq!(moment.http_date(), "Tue, 31 Mar 2015 12:00:00 GMT");
        assert_eq!(moment.sigv4(), "20150331T120000Z");
    }

    #[test]
    fn every_day_of_four_centuries_reads_back() {
        for day in (-150_000..150_000).step_by(37) {
            let (y, m, d) = civil_from_days(day);
            assert_eq!(checked_days(y, m.into(), d.into()), Some(day));
        }
    }

    #[test]
    fn reading_is_exact_and_refuses_nonsense() {
        let expected = Some(Timestamp::from_millis(1_427_803_200_120));
        assert_eq!(Timestamp::parse_date_time("2015-03-31T12:00:00.12Z"), expected);
        assert_eq!(Timestamp::parse_date_time("2015-03-31T14:00:00.120+02:00"), expected);
        let whole = Some(Timestamp::from_seconds(1_427_803_200));
        assert_eq!(Timestamp::parse_http_date("Tue, 31 Mar 2015 12:00:00 GMT"), whole);
        assert_eq!(Timestamp::parse_sigv4("20150331T120000Z"), whole);
        for wrong in ["", "2015-02-30T00:00:00Z", "2015-03-31", "2015-03-31T25:00:00Z", "2015-03-31T12:00:00"]
        {
            assert_eq!(Timestamp::parse_date_time(wrong), None, "{wrong}");
        }
        assert_eq!(Timestamp::parse_sigv4("20150231T120000Z"), None);
    }
}
