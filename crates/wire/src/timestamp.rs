//! How points in time stand on the wire, in each of the three formats, and which of them a member uses.

use crate::schema::{Kind, Member, TimestampFormat};
use hearth_base::Timestamp;

/// The format of a member: its own, its shape's, or the one of the place where it stands.
pub(crate) fn format_of(member: &Member, place: TimestampFormat) -> TimestampFormat {
    let of_shape = match member.shape.kind {
        Kind::Timestamp(format) => format,
        _ => None,
    };
    member.timestamp_format.or(of_shape).unwrap_or(place)
}

/// A point in time as text.
pub(crate) fn write(moment: Timestamp, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::UnixTimestamp => unix(moment),
        TimestampFormat::Iso8601 => moment.date_time(),
        TimestampFormat::Rfc822 => moment.http_date(),
    }
}

/// Reads a text in `format`; none when it is not in it.
pub(crate) fn read(text: &str, format: TimestampFormat) -> Option<Timestamp> {
    match format {
        TimestampFormat::UnixTimestamp => from_seconds(text.parse().ok()?),
        TimestampFormat::Iso8601 => Timestamp::parse_date_time(text),
        TimestampFormat::Rfc822 => Timestamp::parse_http_date(text),
    }
}

/// Seconds since the epoch, rounded to the millisecond; none for what no calendar has.
pub(crate) fn from_seconds(seconds: f64) -> Option<Timestamp> {
    // The end of the year 9999, the last that AWS's formats can write.
    const SECONDS_MAX: f64 = 253_402_300_800.0;
    (seconds.abs() < SECONDS_MAX).then(|| Timestamp::from_millis((seconds * 1000.0).round() as i64))
}

fn unix(moment: Timestamp) -> String {
    let millis = moment.millis();
    let (seconds, fraction) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
    let sign = if millis < 0 { "-" } else { "" };
    if fraction == 0 {
        return format!("{sign}{seconds}");
    }
    let text = format!("{sign}{seconds}.{fraction:03}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_reads_back_what_it_wrote() {
        let cases = [
            (1_515_531_081_123, TimestampFormat::UnixTimestamp, "1515531081.123"),
            (1_515_531_081_100, TimestampFormat::UnixTimestamp, "1515531081.1"),
            (-500, TimestampFormat::UnixTimestamp, "-0.5"),
            (1_515_531_081_000, TimestampFormat::UnixTimestamp, "1515531081"),
            (1_515_531_081_123, TimestampFormat::Iso8601, "2018-01-09T20:51:21.123Z"),
            (1_515_531_081_000, TimestampFormat::Rfc822, "Tue, 09 Jan 2018 20:51:21 GMT"),
        ];
        for (millis, format, text) in cases {
            assert_eq!(write(Timestamp::from_millis(millis), format), text);
            assert_eq!(read(text, format), Some(Timestamp::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (text, format) in [
            ("NaN", TimestampFormat::UnixTimestamp),
            ("Infinity", TimestampFormat::UnixTimestamp),
            ("1e30", TimestampFormat::UnixTimestamp),
            ("1515531081", TimestampFormat::Iso8601),
            ("2018-01-09T20:51:21Z", TimestampFormat::Rfc822),
        ] {
            assert_eq!(read(text, format), None, "{text}");
        }
    }
}
